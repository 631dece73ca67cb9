//! Phase, message and reason, in the words that every client of Argo's status reads.

use super::turn::Turn;
use crate::decision::{Phase, Summary};
use crate::event::EventKind;
use crate::measurement::{GatePoint, RunKey};
use crate::plan::{StepKind, StrategyKind};
use crate::reason::{Reason, Waiting};
use crate::route::Slot;
use crate::state::{AbortCause, Course};

impl Turn<'_> {
    pub(super) fn abort_message(&self) -> String {
        let number = self
            .revision(&self.state.latest)
            .map_or(0, |revision| revision.number);
        let head = format!("Rollout aborted update to revision {number}");
        let Course::Back { cause, .. } = &self.state.course else {
            return head;
        };
        match cause {
            AbortCause::Ordered => head,
            AbortCause::Gate => format!("{head}: the rollback gate is open"),
            AbortCause::Deadline => format!("{head}: {}", self.timed_out()),
            AbortCause::Trouble(text) => format!("{head}: {text}"),
            // Argo's own words: it does not tell the two apart here.
            AbortCause::Analysis { run, message, .. } => {
                format!(
                    "{head}: {} phase error/failed: {message}",
                    self.analysis_name(*run)
                )
            }
        }
    }

    fn analysis_name(&self, run: RunKey) -> &'static str {
        match (run, self.plan.strategy) {
            (RunKey::Step(index), StrategyKind::BlueGreen) => {
                let before = |step: &crate::plan::Step| matches!(step.kind, StepKind::Switch);
                let count = usize::try_from(index).unwrap_or(usize::MAX);
                if self.plan.steps.iter().take(count).any(before) {
                    "Blue/green post-promotion analysis"
                } else {
                    "Blue/green pre-promotion analysis"
                }
            }
            (RunKey::Step(_), _) => "Step-based analysis",
            (RunKey::Background | RunKey::Gate { .. }, _) => "Background analysis",
        }
    }

    pub(super) fn phase(&self) -> (Phase, String) {
        let text = |phase, message: &str| (phase, message.to_owned());
        if let Some(message) = self.unreadable {
            return (Phase::Degraded, format!("StateUnreadable: {message}"));
        }
        if self.is_back() {
            return (
                Phase::Degraded,
                format!("RolloutAborted: {}", self.abort_message()),
            );
        }
        if self.state.overdue {
            return (
                Phase::Degraded,
                format!("ProgressDeadlineExceeded: {}", self.timed_out()),
            );
        }
        if self.is_held() && (self.is_forward() || self.state.held) {
            return text(Phase::Paused, "manually paused");
        }
        match self.waiting.as_ref().map(|waiting| &waiting.reason) {
            Some(Reason::Inconclusive { .. }) => text(Phase::Paused, "InconclusiveAnalysisRun"),
            Some(Reason::RouteDrift) => text(Phase::Paused, "RouteDrift"),
            Some(Reason::Pause) if self.plan.strategy == StrategyKind::BlueGreen => {
                text(Phase::Paused, "BlueGreenPause")
            }
            Some(Reason::Pause) => text(Phase::Paused, "CanaryPauseStep"),
            _ if self.rests() => text(Phase::Healthy, ""),
            _ => text(Phase::Progressing, self.progress_message()),
        }
    }

    /// Whether there is nothing left to do but to take old pods away.
    fn rests(&self) -> bool {
        matches!(self.state.course, Course::Settled)
            && self.is_complete()
            && self.promoted_gate_is_open()
    }

    fn promoted_gate_is_open(&self) -> bool {
        let gated = self
            .plan
            .gates
            .iter()
            .any(|gate| gate.point == GatePoint::AfterPromotion);
        !gated || !self.state.unfinished
    }

    /// What every client of Argo's status reads while it moves: the first of these that is so.
    fn progress_message(&self) -> &'static str {
        let revisions = self.workload.map_or(&[][..], |seen| &seen.revisions);
        let (pods, available) = revisions.iter().fold((0_u32, 0_u32), |(pods, up), seen| {
            (
                pods.saturating_add(seen.pods),
                up.saturating_add(seen.available),
            )
        });
        let updated = self.revision(&self.state.latest).map_or(0, |it| it.pods);
        let blue_green = self.plan.strategy == StrategyKind::BlueGreen;
        let active = self
            .state
            .route
            .as_ref()
            .and_then(|route| route.bind.value.get(&Slot::Active));
        if updated < self.replicas() {
            "more replicas need to be updated"
        } else if available < updated {
            "updated replicas are still becoming available"
        } else if blue_green && active != Some(&self.state.latest) {
            "active service cutover pending"
        } else if blue_green {
            "waiting for analysis to complete"
        } else if !self.plan.splits() && pods > updated {
            "old replicas are pending termination"
        } else {
            "waiting for all steps to complete"
        }
    }

    /// Tells the end of a release once it is seen.
    pub(super) fn announce_end(&mut self) {
        let settled = matches!(self.state.course, Course::Settled) && self.state.unfinished;
        if !settled || !self.is_complete() {
            return;
        }
        if self.gate_is_open(GatePoint::AfterPromotion, 0) {
            self.state.unfinished = false;
            let text = format!("Rollout completed: {} serves everyone", self.state.latest);
            self.tell(EventKind::RolloutCompleted, text);
        }
    }

    pub(super) fn summary(&self) -> Summary {
        let latest = &self.state.latest;
        let promoted = self.is_stable(latest);
        let share = self
            .state
            .route
            .as_ref()
            .map_or(0, |route| route.share(latest));
        let (weight, seen) = match (&self.state.course, self.plan.routers.is_empty()) {
            (Course::Settled, _) if promoted => (0, self.part_seen(Slot::Canary)),
            (_, true) => (self.step_weight(), None),
            _ => (share, self.share_seen(latest)),
        };
        Summary {
            stable: self.state.stable.clone(),
            latest: Some(latest.clone()),
            step: self.user_step(),
            steps: self.user_steps(),
            weight,
            weight_seen: seen,
            total: self.plan.total,
            attempt: self.state.attempt,
        }
    }

    /// Why; what stands in the way comes before where it is going.
    pub(super) fn reason(&mut self) -> Waiting {
        if let Some(message) = self.unreadable {
            let reason = Reason::StateUnreadable {
                message: message.to_owned(),
            };
            return Waiting {
                reason,
                until: None,
            };
        }
        if let Some(fault) = self.seen.workload.fault() {
            let reason = Reason::Unobserved {
                message: fault.text.clone(),
            };
            return Waiting {
                reason,
                until: Some(self.deadline()),
            };
        }
        if let Some(waiting) = self.waiting.take() {
            return waiting;
        }
        let deadline = Some(self.deadline());
        match &self.state.course {
            Course::Back { .. } => Waiting {
                reason: Reason::Aborted {
                    message: self.abort_message(),
                },
                until: None,
            },
            Course::Settled if self.rests() => Waiting {
                reason: Reason::Resting,
                until: None,
            },
            Course::Settled if self.latest_available() < self.replicas() => {
                let (available, wanted) = (self.latest_available(), self.replicas());
                Waiting {
                    reason: Reason::StablePods { available, wanted },
                    until: deadline,
                }
            }
            Course::Settled => Waiting {
                reason: Reason::Promoting,
                until: deadline,
            },
            Course::Forward { .. } => Waiting {
                reason: Reason::Clearing,
                until: deadline,
            },
        }
    }
}
