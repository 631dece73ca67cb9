//! A revision and its pods.

use std::time::Duration;

use gradatim_core::id::RevisionId;
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::{RevisionSeen, Trouble, TroubleKind};

use super::ledger::Ledger;
use crate::version::{Fate, Version};

/// A revision of the workload, with its pods.
#[derive(Clone, Debug)]
pub struct Revision {
    pub(crate) id: RevisionId,
    pub(crate) number: u64,
    pub(crate) created: Timestamp,
    pub(crate) version: Version,
    pub(crate) desired: u32,
    pub(crate) stamp: Option<Stamp>,
    /// When each of its pods started, oldest first.
    pub(crate) pods: Vec<Timestamp>,
    pub(crate) ready: u32,
    pub(crate) available: u32,
    pub(crate) trouble: Option<Trouble>,
    /// The room that all pods share, where there is too little for this revision's.
    pub(crate) crowded: Option<u32>,
    pub(crate) first_available: Option<Timestamp>,
    /// The next instant at which any of this changes by itself.
    pub(crate) next: Option<Timestamp>,
    pub(crate) ledger: Ledger,
}

impl Revision {
    pub(crate) fn new(id: RevisionId, number: u64, created: Timestamp, version: Version) -> Self {
        Self {
            id,
            number,
            created,
            version,
            desired: 0,
            stamp: None,
            pods: Vec::new(),
            ready: 0,
            available: 0,
            trouble: None,
            crowded: None,
            first_available: None,
            next: None,
            ledger: Ledger::default(),
        }
    }

    /// Its name.
    pub fn id(&self) -> &RevisionId {
        &self.id
    }

    /// How many pods are asked for.
    pub fn desired(&self) -> u32 {
        self.desired
    }

    /// How many pods exist.
    pub fn pods(&self) -> u32 {
        u32::try_from(self.pods.len()).unwrap_or(u32::MAX)
    }

    /// How many pods can answer.
    pub fn available(&self) -> u32 {
        self.available
    }

    pub(crate) fn seen(&self) -> RevisionSeen {
        RevisionSeen {
            id: self.id.clone(),
            number: self.number,
            created: self.created,
            desired: self.desired,
            stamp: self.stamp,
            pods: self.pods(),
            ready: self.ready,
            available: self.available,
            oldest_pod: self.pods.first().copied(),
            trouble: self.trouble.iter().cloned().collect(),
        }
    }

    /// Makes and removes pods until there are as many as asked for, or as may be made.
    pub(crate) fn fill(&mut self, now: Timestamp, elapsed: Duration, room: u32) {
        let refused = matches!(self.version.at(elapsed).fate, Fate::Refused(_));
        let have = self.pods();
        if have > self.desired {
            let doomed = have - self.desired;
            self.remove(doomed, now, elapsed);
        } else if !refused {
            let missing = (self.desired - have).min(room);
            self.pods.extend((0..missing).map(|_| now));
        }
    }

    /// Takes pods away: those that do not serve first, then the youngest.
    fn remove(&mut self, count: u32, now: Timestamp, elapsed: Duration) {
        let version = self.version.at(elapsed);
        let idle: Vec<bool> = (0..self.pods.len())
            .map(|place| !self.is_ready(version, place, now))
            .collect();
        let mut order: Vec<usize> = (0..self.pods.len()).collect();
        order.sort_by_key(|place| {
            (
                !idle.get(*place).copied().unwrap_or(false),
                usize::MAX - place,
            )
        });
        let mut doomed: Vec<usize> = order.into_iter().take(count as usize).collect();
        doomed.sort_unstable();
        for place in doomed.into_iter().rev() {
            self.pods.remove(place);
        }
    }

    /// When a pod becomes ready, if its version lets it.
    fn ready_at(&self, version: &Version, place: usize) -> Option<Timestamp> {
        let started = *self.pods.get(place)?;
        let ever = match &version.fate {
            Fate::Serve | Fate::Refused(_) => true,
            Fate::Crash(span) => !span.is_zero(),
            Fate::Limited(most) => place < *most as usize,
            Fate::NoImage(_) => false,
        };
        ever.then(|| started + version.start)
    }

    /// When a pod that became ready crashes.
    fn crash_at(version: &Version, ready_at: Timestamp) -> Option<Timestamp> {
        match &version.fate {
            Fate::Crash(span) => Some(ready_at + *span),
            _ => None,
        }
    }

    fn is_ready(&self, version: &Version, place: usize, now: Timestamp) -> bool {
        self.ready_at(version, place).is_some_and(|at| {
            at <= now && Self::crash_at(version, at).is_none_or(|crash| now < crash)
        })
    }

    /// Counts its pods anew; whether anything that can be seen is another.
    pub(crate) fn refresh(
        &mut self,
        now: Timestamp,
        elapsed: Duration,
        min_ready: Duration,
    ) -> bool {
        let version = self.version.at(elapsed);
        let (mut ready, mut available) = (0, 0);
        let mut next: Option<Timestamp> = None;
        let mut later = |at: Timestamp| {
            if at > now {
                next = Some(next.map_or(at, |first| first.min(at)));
            }
        };
        for place in 0..self.pods.len() {
            let Some(at) = self.ready_at(version, place) else {
                continue;
            };
            let crash = Self::crash_at(version, at);
            later(at);
            later(at + min_ready);
            crash.into_iter().for_each(&mut later);
            let serves = at <= now && crash.is_none_or(|crash| now < crash);
            ready += u32::from(serves);
            available += u32::from(serves && at + min_ready <= now);
        }
        let trouble = self.trouble_at(version, now, ready);
        let changed = (ready, available) != (self.ready, self.available) || trouble != self.trouble;
        if available > 0 {
            self.first_available.get_or_insert(now);
        }
        (self.ready, self.available, self.trouble) = (ready, available, trouble);
        self.next = next;
        changed
    }

    /// What keeps its pods from serving, once they had their time to start.
    fn trouble_at(&self, version: &Version, now: Timestamp, ready: u32) -> Option<Trouble> {
        let late = self
            .pods
            .iter()
            .filter(|pod| **pod + version.start <= now)
            .count();
        let lacking = match &version.fate {
            Fate::Refused(_) => self.desired.saturating_sub(self.pods()),
            _ if self.crowded.is_some() => self.desired.saturating_sub(self.pods()),
            Fate::Serve => 0,
            Fate::NoImage(_) => self.pods(),
            Fate::Limited(_) | Fate::Crash(_) => u32::try_from(late)
                .unwrap_or(u32::MAX)
                .saturating_sub(ready),
        };
        if lacking == 0 {
            return None;
        }
        let (kind, text) = match self.crowded {
            Some(room) => (
                TroubleKind::PodRefused,
                format!("pods is forbidden: exceeded quota: pods, limited: pods={room}"),
            ),
            None => version.words(self.id.as_str()),
        };
        let known = self.trouble.as_ref().filter(|known| known.kind == kind);
        Some(Trouble {
            kind,
            pods: lacking,
            text,
            since: known.map_or(now, |known| known.since),
        })
    }
}

#[cfg(test)]
mod tests {
    use gradatim_core::workload::TroubleKind;

    use super::*;

    fn revision(version: Version, desired: u32) -> Revision {
        let mut revision = Revision::new("v2".into(), 2, Timestamp::ZERO, version);
        revision.desired = desired;
        revision.fill(Timestamp::ZERO, Duration::ZERO, u32::MAX);
        revision
    }

    fn at(revision: &mut Revision, secs: u64) -> (u32, u32, Option<TroubleKind>) {
        let elapsed = Duration::from_secs(secs);
        revision.refresh(Timestamp::ZERO + elapsed, elapsed, Duration::from_secs(5));
        let trouble = revision.trouble.as_ref().map(|trouble| trouble.kind);
        (revision.ready, revision.available, trouble)
    }

    #[test]
    fn pods_are_ready_after_their_start_and_available_after_that() {
        let mut revision = revision(Version::healthy(), 3);
        assert_eq!(at(&mut revision, 9), (0, 0, None));
        assert_eq!(revision.next, Some(Timestamp::from_secs(10)));
        assert_eq!(at(&mut revision, 10), (3, 0, None));
        assert_eq!(at(&mut revision, 15), (3, 3, None));
        assert_eq!(revision.next, None);
    }

    #[test]
    fn pods_that_do_not_serve_say_why() {
        let crash = Version::healthy().crashing_after(Duration::from_secs(20));
        let mut crashing = revision(crash, 2);
        assert_eq!(at(&mut crashing, 15), (2, 2, None));
        assert_eq!(at(&mut crashing, 30), (0, 0, Some(TroubleKind::CrashLoop)));
        let mut limited = revision(Version::healthy().with_ready_pods(1), 3);
        assert_eq!(
            at(&mut limited, 20),
            (1, 1, Some(TroubleKind::ProbeFailure))
        );
        let mut refused = revision(Version::refused("quota"), 3);
        assert_eq!(refused.pods(), 0);
        assert_eq!(at(&mut refused, 1), (0, 0, Some(TroubleKind::PodRefused)));
        let mut image = revision(Version::image_not_pulled("no such image"), 3);
        assert_eq!(at(&mut image, 60), (0, 0, Some(TroubleKind::ImagePull)));
    }

    #[test]
    fn pods_that_do_not_serve_go_first() {
        let mut revision = revision(Version::healthy(), 2);
        let ten = Duration::from_secs(10);
        revision.desired = 4;
        revision.fill(Timestamp::ZERO + ten, ten, u32::MAX);
        revision.desired = 3;
        revision.fill(Timestamp::ZERO + ten, ten, u32::MAX);
        assert_eq!(
            revision.pods,
            [Timestamp::ZERO, Timestamp::ZERO, Timestamp::ZERO + ten]
        );
    }
}
