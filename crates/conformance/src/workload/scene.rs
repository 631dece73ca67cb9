//! One world with two workloads on it.

use std::sync::Arc;

use futures::future::join;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::Workload;
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::RevisionSeen;

use super::Bench;
use crate::report::{Check, Unkept, broken, done, ensure, same, skipped};

/// How often a restart is called again at most.
const RESTARTS: u32 = 20;

pub(super) struct Scene<'a, B: Bench> {
    bench: &'a B,
    pub(super) world: B::World,
    pub(super) workload: Arc<dyn Workload>,
    /// As another process has it.
    pub(super) other: Arc<dyn Workload>,
    sequence: u64,
}

impl<'a, B: Bench> Scene<'a, B> {
    pub(super) async fn set(bench: &'a B) -> Self {
        let world = bench.world().await;
        let (workload, other) = (bench.workload(&world).await, bench.workload(&world).await);
        Self {
            bench,
            world,
            workload,
            other,
            sequence: 0,
        }
    }

    /// Skips the rule where pods cannot be scaled.
    pub(super) async fn scales(&self) -> Check {
        let seen = done(self.workload.observe().await, "`observe`")?;
        if seen.scales {
            return Ok(());
        }
        skipped("the workload says that it does not scale")
    }

    /// The stamp of the last write.
    pub(super) fn last(&self) -> Stamp {
        Stamp {
            // Far above whatever the world has seen.
            epoch: 1_000_000,
            sequence: self.sequence,
            generation: 3,
            attempt: 2,
        }
    }

    /// A stamp that is newer than all before.
    pub(super) fn stamp(&mut self) -> Stamp {
        self.sequence += 1;
        self.last()
    }

    pub(super) async fn scale(&mut self, id: &RevisionId, count: u32) -> Check {
        let stamp = self.stamp();
        let what = format!("`scale` of {id} to {count}");
        done(self.workload.scale(id, count, stamp).await, &what)?;
        self.bench.settle(&self.world).await;
        Ok(())
    }

    pub(super) async fn revision(&self, id: &RevisionId) -> Result<RevisionSeen, Unkept> {
        let seen = done(self.other.observe().await, "`observe`")?;
        match seen.revision(id) {
            Some(revision) => Ok(revision.clone()),
            None => broken(format!("{id} exists, but `observe` does not list it")),
        }
    }

    /// Both processes read that so many pods are asked for.
    pub(super) async fn desires(&self, id: &RevisionId, count: u32, when: &str) -> Check {
        for workload in [&self.workload, &self.other] {
            let seen = done(workload.observe().await, "`observe`")?;
            let desired = seen.revision(id).map(|revision| revision.desired);
            same(
                desired,
                Some(count),
                &format!("{when} the pods that are asked for"),
            )?;
        }
        Ok(())
    }

    /// Once all is settled, every pod that was asked for is there and serves.
    pub(super) async fn settles_at(&self, id: &RevisionId, count: u32) -> Check {
        for _ in 0..10 {
            let seen = self.revision(id).await?;
            let counts = (seen.available, seen.ready, seen.pods);
            ensure(counts.0 <= counts.1 && counts.1 <= counts.2, || {
                format!(
                    "of {} pods {} are ready and {} available",
                    counts.2, counts.1, counts.0
                )
            })?;
            if counts == (count, count, count) {
                return Ok(());
            }
            self.bench.settle(&self.world).await;
        }
        let seen = self.revision(id).await?;
        let counts = (seen.pods, seen.ready, seen.available);
        same(
            counts,
            (count, count, count),
            "existing, ready and available pods after `scale`",
        )
    }

    pub(super) async fn names(&self) -> Result<Vec<(RevisionId, u64, Timestamp)>, Unkept> {
        let seen = done(self.other.observe().await, "`observe`")?;
        let names = seen.revisions.into_iter();
        let mut names: Vec<_> = names.map(|r| (r.id, r.number, r.created)).collect();
        names.sort();
        Ok(names)
    }

    pub(super) async fn restart(&mut self, before: Timestamp, what: &str) -> Check {
        let stamp = self.stamp();
        done(self.workload.restart(before, 1, stamp).await, what)?;
        self.bench.settle(&self.world).await;
        Ok(())
    }

    /// One restart after the other, until no pod is as old as it is now; each puts down one.
    pub(super) async fn restarts_all(&mut self, id: &RevisionId, now: Timestamp) -> Check {
        let before = now + std::time::Duration::from_millis(1);
        let stamp = self.stamp();
        for _ in 0..RESTARTS {
            let available = self.revision(id).await?.available;
            done(self.workload.restart(before, 1, stamp).await, "`restart`")?;
            let seen = self.revision(id).await?;
            ensure(seen.available + 1 >= available, || {
                let now = seen.available;
                format!(
                    "one pod may be down for a restart; of {available} available {now} are left"
                )
            })?;
            self.bench.settle(&self.world).await;
            let seen = self.revision(id).await?;
            let fresh = seen.oldest_pod.is_some_and(|at| at >= before);
            if fresh && seen.available == seen.desired {
                return Ok(());
            }
        }
        let oldest = self.revision(id).await?.oldest_pod;
        broken(format!(
            "after {RESTARTS} restarts of what is older than {before} a pod is of {oldest:?}"
        ))
    }

    /// Two processes write at once, in either order: the older one never has the last word.
    pub(super) async fn the_newest_wins_every_race(&mut self, id: &RevisionId) -> Check {
        for newer_first in [false, true, false, true] {
            let (older, newer) = (self.stamp(), self.stamp());
            let (by_old, by_new) = (
                self.workload.scale(id, 1, older),
                self.other.scale(id, 2, newer),
            );
            let written = if newer_first {
                join(by_new, by_old).await.0
            } else {
                join(by_old, by_new).await.1
            };
            let lost = matches!(&written, Err(error) if error.kind == FaultKind::Conflict);
            let written = if lost {
                self.other.scale(id, 2, newer).await
            } else {
                written
            };
            done(written, "the newer of two `scale` at once")?;
            self.bench.settle(&self.world).await;
            self.desires(id, 2, "after two `scale` at once").await?;
        }
        Ok(())
    }
}
