//! What changes the course from outside: an owner, a plan, a version.

use super::turn::Turn;
use crate::event::EventKind;
use crate::id::RevisionId;
use crate::stamp::Stamp;
use crate::state::{Course, Height};

impl Turn<'_> {
    /// Says so when a rollout in flight is taken on without a state of ours.
    pub(super) fn greet(&mut self) {
        let adopted = self.before.is_none() && self.unreadable.is_none() && self.is_started();
        if adopted {
            let text = format!(
                "found in flight at weight {}; gates and analyses run anew",
                self.state.height.weight
            );
            self.tell(EventKind::Adopted, text);
        }
    }

    /// Tells a backend's failure once, not in every round that it lasts.
    pub(super) fn notice_faults(&mut self) {
        let acting = self.seen.faults.first().map(|failed| &failed.fault);
        let reading = self.seen.routes.iter().find_map(|read| read.fault());
        let fault = acting.or(self.seen.workload.fault()).or(reading).cloned();
        if let Some(fault) = fault
            .as_ref()
            .filter(|fault| self.state.told.as_ref() != Some(*fault))
        {
            self.tell(EventKind::BackendFault, &fault.text);
        }
        self.state.told = fault;
    }

    /// A driver that takes over a rollout in flight writes everything once under its own epoch,
    /// so that one woken from a long sleep is refused.
    pub(super) fn follow_owner(&mut self) {
        let epoch = self.seen.epoch.max(if self.unreadable.is_some() {
            self.state.epoch
        } else {
            0
        });
        if epoch <= self.state.epoch {
            return;
        }
        self.state.epoch = epoch;
        if self.state.course == Course::Settled && !self.state.unfinished {
            return;
        }
        let stamp = self.next_stamp();
        let restamp = |old: &mut Stamp| *old = stamp;
        if let Some(route) = &mut self.state.route {
            [
                &mut route.bind.stamp,
                &mut route.split.stamp,
                &mut route.headers.stamp,
                &mut route.mirrors.stamp,
            ]
            .into_iter()
            .for_each(restamp);
        }
        self.state
            .scales
            .values_mut()
            .for_each(|scale| scale.stamp = stamp);
    }

    /// Other steps reset progress; any other edit swaps the plan and keeps the state.
    pub(super) fn follow_plan(&mut self) {
        if self.state.plan != self.plan.digest {
            self.state.plan = self.plan.digest;
            self.state.generation = self.state.generation.saturating_add(1);
        }
        if self.state.steps != self.plan.steps_digest {
            self.state.steps = self.plan.steps_digest;
            if !matches!(self.state.course, Course::Settled) {
                self.begin();
            }
        }
    }

    pub(super) fn follow_version(&mut self) {
        let Some(workload) = self.workload else {
            return;
        };
        if workload.wanted == self.state.latest {
            return;
        }
        self.state.latest = workload.wanted.clone();
        let number = workload
            .revision(&workload.wanted)
            .map_or(0, |revision| revision.number);
        self.tell(
            EventKind::RolloutUpdated,
            format!("Rollout updated to revision {number}"),
        );
        if self.is_stable(&workload.wanted) {
            self.state.attempt = self.state.attempt.saturating_add(1);
            self.state.runs.clear();
            self.state.height = Height::default();
            self.state.course = Course::Settled;
            self.tell(EventKind::SkipSteps, "Rollback to stable");
        } else {
            self.begin();
        }
    }

    /// Starts an attempt at the latest version, from the first step or past the last one.
    pub(super) fn begin(&mut self) {
        let first = self.state.stable.is_none();
        let window = self.is_within_rollback_window();
        if window {
            self.tell(EventKind::SkipSteps, "Rollback within the window");
        }
        self.forward_from(
            if first || window {
                self.plan.steps.len()
            } else {
                0
            },
            first || window,
        );
    }

    pub(super) fn forward_from(&mut self, step: usize, waived: bool) {
        self.state.attempt = self.state.attempt.saturating_add(1);
        self.state.runs.clear();
        self.state.height = Height::default();
        self.state.drifted = false;
        self.state.unfinished = true;
        self.state.overdue = false;
        self.state.progress_at = self.now;
        self.state.course = Course::Forward {
            step: u32::try_from(step).unwrap_or(u32::MAX),
            entered_at: self.now,
            started: false,
            waived,
            released: false,
        };
    }

    /// Whether the latest version is older than stable, with fewer revisions between them than
    /// the plan's window.
    fn is_within_rollback_window(&self) -> bool {
        let (Some(window), Some(workload)) = (self.plan.rollback_window, self.workload) else {
            return false;
        };
        let created = |id: &RevisionId| workload.revision(id).map(|revision| revision.created);
        let stable = self.state.stable.as_ref().and_then(created);
        let (Some(stable), Some(latest)) = (stable, created(&self.state.latest)) else {
            return false;
        };
        let between = workload
            .revisions
            .iter()
            .filter(|r| r.created > latest && r.created < stable);
        latest < stable && between.count() < usize::try_from(window).unwrap_or(usize::MAX)
    }
}
