//! What a rollout waits for, and until when: no wait is without an end, a deadline or an
//! operator who has asked for it.

use std::time::Duration;

use super::turn::Turn;
use crate::event::EventKind;
use crate::reason::{Reason, Waiting};
use crate::state::{AbortCause, Course, Progress, WaitKind};
use crate::time::Timestamp;

/// What a rollout waits for.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    pub(super) reason: Reason,
    ends: Ends,
}

/// What ends a wait, at the latest.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// This instant.
    At(Timestamp),
    /// Its condition; overdue when nothing has moved for the plan's deadline.
    InTime,
    /// Its condition; overdue at this instant.
    By(Timestamp),
    /// An order, a new version or nothing at all.
    Never,
}

impl Wait {
    /// A wait that becomes Degraded when nothing moves for the plan's deadline.
    pub(super) fn new(reason: Reason) -> Self {
        let ends = Ends::InTime;
        Self { reason, ends }
    }

    /// A wait that ends by itself.
    pub(super) fn until(reason: Reason, end: Timestamp) -> Self {
        let ends = Ends::At(end);
        Self { reason, ends }
    }

    /// A wait with a deadline of its own.
    pub(super) fn by(reason: Reason, deadline: Timestamp) -> Self {
        let ends = Ends::By(deadline);
        Self { reason, ends }
    }

    /// A wait that may last for ever: a user wrote it, or there is nothing to wait for.
    pub(super) fn for_ever(reason: Reason) -> Self {
        let ends = Ends::Never;
        Self { reason, ends }
    }

    fn kind(&self) -> WaitKind {
        if matches!(self.ends, Ends::At(_) | Ends::Never) {
            return WaitKind::Untimed;
        }
        match self.reason {
            Reason::Gate { .. } => WaitKind::Gate,
            Reason::Analysis { .. } | Reason::NotEnoughData { .. } => WaitKind::Analysis,
            Reason::Inconclusive { .. } => WaitKind::Verdict,
            Reason::RouteDrift => WaitKind::Drift,
            Reason::ScaledToZero => WaitKind::Zero,
            _ => WaitKind::World,
        }
    }
}

impl Turn<'_> {
    /// Says what it waits for, unless that is known already.
    pub(super) fn wait(&mut self, wait: Wait) {
        self.wait.get_or_insert(wait);
    }

    /// Marks what has moved, and what has not moved for too long.
    pub(super) fn watch_deadline(&mut self) {
        let Some(wait) = self.wait.clone() else {
            return;
        };
        self.mark_progress(wait.kind());
        let deadline = self.deadline(&wait);
        if let Ends::At(end) = wait.ends {
            self.wake_at(end);
        }
        let Some(deadline) = deadline else {
            return;
        };
        self.wake_at(deadline);
        if deadline <= self.now && !self.state.progress.overdue {
            self.state.progress.overdue = true;
            let text = format!("{} Waiting for: {}", self.timed_out(), wait.reason);
            self.tell(EventKind::ProgressDeadlineExceeded, text);
            if self.plan.deadline_aborts && self.state.stable.is_some() {
                self.abort(AbortCause::Deadline);
            }
        }
    }

    fn deadline(&self, wait: &Wait) -> Option<Timestamp> {
        match wait.ends {
            Ends::At(_) | Ends::Never => None,
            Ends::By(deadline) => Some(deadline),
            Ends::InTime => Some(self.state.progress.since + self.progress_deadline(&wait.reason)),
        }
    }

    /// How long a wait may last: as its gate says, as its step says, or as the plan says.
    pub(super) fn progress_deadline(&self, reason: &Reason) -> Duration {
        match (reason, &self.state.course) {
            (Reason::Gate { point, .. }, _) => self.gate_deadline(*point),
            (_, Course::Forward { step, .. }) => self.plan.deadline_at(*step as usize),
            (_, Course::Back { .. } | Course::Settled) => self.plan.progress_deadline,
        }
    }

    /// What comes now has all the time that the plan gives.
    pub(super) fn restart_deadline(&mut self) {
        let progress = &mut self.state.progress;
        (progress.since, progress.available) = (self.now, 0);
        progress.overdue = false;
    }

    /// Another step, another kind of wait or one more available pod is progress.
    fn mark_progress(&mut self, wait: WaitKind) {
        let step = match self.state.course {
            Course::Forward { step, started, .. } => {
                step.saturating_mul(2).saturating_add(u32::from(started))
            }
            Course::Settled => u32::MAX,
            Course::Back { .. } => u32::MAX - 1,
        };
        let (known, available) = (self.state.progress, self.latest_available());
        let elsewhere = (known.wait, known.step) != (wait, step);
        let grew = wait == WaitKind::World && available > known.available;
        if elsewhere || grew {
            self.state.progress = Progress {
                wait,
                step,
                available,
                since: self.now,
                overdue: false,
            };
        }
    }

    /// The wait as it is told.
    pub(super) fn told_wait(&mut self) -> Waiting {
        let wait = self.wait.take();
        let wait = wait.unwrap_or_else(|| Wait::for_ever(Reason::Resting));
        let until = match wait.ends {
            Ends::At(end) => Some(end),
            _ => self.deadline(&wait),
        };
        let reason = wait.reason;
        Waiting { reason, until }
    }

    /// In Argo's words; the name of the ReplicaSet is the one that Argo would give it.
    pub(super) fn timed_out(&self) -> String {
        let name = self.plan.name.as_str();
        let name = name.rsplit('/').next().unwrap_or(name);
        let latest = &self.state.latest;
        format!("ReplicaSet \"{name}-{latest}\" has timed out progressing.")
    }
}
