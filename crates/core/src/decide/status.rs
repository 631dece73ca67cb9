//! Phase, message and reason, in the words that every client of Argo's status reads.

use super::turn::Turn;
use crate::decision::{Phase, Summary};
use crate::measurement::RunKey;
use crate::plan::{StepKind, StrategyKind};
use crate::reason::Reason;
use crate::route::Slot;
use crate::state::{AbortCause, Course};
use crate::workload::RevisionSeen;

impl Turn<'_> {
    pub(super) fn abort_message(&self) -> String {
        let head = format!("Rollout aborted update to revision {}", self.state.number);
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
                let name = self.analysis_name(*run);
                format!("{head}: {name} phase error/failed: {message}")
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
            let message = format!("RolloutAborted: {}", self.abort_message());
            return (Phase::Degraded, message);
        }
        if self.state.progress.overdue {
            let message = format!("ProgressDeadlineExceeded: {}", self.timed_out());
            return (Phase::Degraded, message);
        }
        if self.is_held() && (self.is_forward() || self.state.held) {
            return text(Phase::Paused, "manually paused");
        }
        match self.wait.as_ref().map(|wait| &wait.reason) {
            Some(Reason::Inconclusive { .. }) => text(Phase::Paused, "InconclusiveAnalysisRun"),
            Some(Reason::RouteDrift) => text(Phase::Paused, "RouteDrift"),
            Some(Reason::Pause) if self.plan.strategy == StrategyKind::BlueGreen => {
                text(Phase::Paused, "BlueGreenPause")
            }
            Some(Reason::Pause) => text(Phase::Paused, "CanaryPauseStep"),
            Some(Reason::Resting | Reason::Draining) => text(Phase::Healthy, ""),
            _ => text(Phase::Progressing, self.progress_message()),
        }
    }

    /// What every client of Argo's status reads while it moves: the first of these that is so.
    fn progress_message(&self) -> &'static str {
        let revisions = self.workload.map_or(&[][..], |seen| &seen.revisions);
        let sum = |of: fn(&RevisionSeen) -> u32| {
            let counts = revisions.iter().map(of);
            counts.fold(0, u32::saturating_add)
        };
        let (pods, available) = (sum(|seen| seen.pods), sum(|seen| seen.available));
        let updated = self.revision(&self.state.latest).map_or(0, |it| it.pods);
        let blue_green = self.plan.strategy == StrategyKind::BlueGreen;
        if updated < self.replicas() {
            "more replicas need to be updated"
        } else if available < updated {
            "updated replicas are still becoming available"
        } else if blue_green && self.wanted_at(Slot::Active) != Some(&self.state.latest) {
            "active service cutover pending"
        } else if blue_green {
            "waiting for analysis to complete"
        } else if !self.plan.splits() && pods > updated {
            "old replicas are pending termination"
        } else {
            "waiting for all steps to complete"
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
            judge: self.judge_summary().map(Box::new),
        }
    }
}
