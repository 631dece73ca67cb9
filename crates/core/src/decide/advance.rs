//! From step to step: each is complete when an observation shows its effect.

use super::turn::Turn;
use super::wait::Wait;
use crate::event::EventKind;
use crate::measurement::{GatePoint, RunKey};
use crate::plan::{Plan, StepKind, StrategyKind};
use crate::reason::Reason;
use crate::state::Course;

/// Whether a step is complete, or what it waits for.
pub(super) type Completion = Result<(), Wait>;

impl<'a> Turn<'a> {
    /// The current step; none past the last one and on the way back.
    pub(super) fn step_kind(&self) -> Option<&'a StepKind> {
        let plan: &'a Plan = self.plan;
        let Course::Forward { step, .. } = self.state.course else {
            return None;
        };
        let step = plan.steps.get(usize::try_from(step).ok()?)?;
        Some(&step.kind)
    }

    /// The user's index of the current step; the number of the user's steps when all are done.
    pub(super) fn user_step(&self) -> u32 {
        let index = match self.state.course {
            Course::Back { .. } => return 0,
            Course::Settled => usize::MAX,
            Course::Forward { step, .. } => usize::try_from(step).unwrap_or(usize::MAX),
        };
        let step = self.plan.steps.get(index).map(|step| step.index);
        step.unwrap_or(u32::MAX).min(self.user_steps())
    }

    /// The number of steps that the user wrote; a blue-green release has none.
    pub(super) fn user_steps(&self) -> u32 {
        if self.plan.strategy == StrategyKind::BlueGreen {
            return 0;
        }
        let numbers = self.plan.steps.iter().map(|step| step.index);
        numbers.max().map_or(0, |last| last.saturating_add(1))
    }

    /// Goes through every step that is complete, and says what the next one waits for.
    pub(super) fn advance(&mut self) {
        if self.unreadable.is_some() || !self.is_forward() {
            return;
        }
        if self.workload.is_none() {
            return self.wait_for_sight();
        }
        for _ in 0..=self.plan.steps.len().saturating_add(1) {
            match self.complete_step() {
                Ok(()) => self.enter_next(),
                Err(wait) if self.is_forward() => return self.wait(wait),
                Err(_) => return,
            }
            if !self.is_forward() {
                return;
            }
        }
    }

    pub(super) fn wait_for_sight(&mut self) {
        let fault = self.seen.workload.fault();
        let message = fault.map_or_else(String::new, |fault| fault.text.clone());
        self.wait(Wait::new(Reason::Unobserved { message }));
    }

    fn complete_step(&mut self) -> Completion {
        self.complete_start()?;
        if let Some(message) = self.undecided() {
            return Err(Wait::new(Reason::Inconclusive { message }));
        }
        if self.is_held() {
            return Err(Wait::for_ever(Reason::Held));
        }
        if self.state.drifted {
            return Err(Wait::new(Reason::RouteDrift));
        }
        self.judges_can_see()?;
        match self.step_kind() {
            Some(StepKind::SetWeight(weight)) => self.complete_weight(*weight),
            Some(StepKind::Pace { bake, .. }) => self.complete_pace(*bake),
            Some(StepKind::Pause(duration)) => self.complete_pause(*duration),
            Some(StepKind::SetCanaryScale(_)) => self.complete_scale(),
            Some(StepKind::Analysis(run)) => self.complete_analysis(run),
            Some(StepKind::SetHeaderRoute(_) | StepKind::SetMirrorRoute(_)) => {
                self.complete_trial()
            }
            Some(StepKind::Preview(_)) => self.complete_preview(),
            Some(StepKind::Switch) => self.complete_switch(),
            None => self.complete_plan(),
        }
    }

    fn enter_next(&mut self) {
        let done = self.user_step();
        let now = self.now;
        let last = self.step_kind().is_none();
        let Course::Forward {
            step,
            entered_at,
            released,
            ..
        } = &mut self.state.course
        else {
            return;
        };
        if last {
            return self.promote_to_stable();
        }
        *step = step.saturating_add(1);
        (*entered_at, *released) = (now, false);
        let entered = *step;
        self.state.runs.retain(|run| match run.key {
            RunKey::Step(_) => false,
            RunKey::Gate { point, pass } => point != GatePoint::BeforeRaise || pass == entered,
            RunKey::Background => true,
        });
        if self.user_step() != done {
            let (done, all) = (done.saturating_add(1), self.user_steps());
            let text = format!("Rollout step {done} of {all} completed");
            self.tell(EventKind::RolloutStepCompleted, text);
        }
        self.tell_pause();
        self.start_background();
    }

    fn tell_pause(&mut self) {
        if let Some(StepKind::Pause(duration)) = self.step_kind() {
            let text = match duration {
                Some(duration) => crate::go_duration::format(*duration),
                None => "until it is promoted".to_owned(),
            };
            self.tell(
                EventKind::RolloutPaused,
                format!("Rollout is paused: {text}"),
            );
        }
    }

    /// From here on the new version is the stable one; the way back is an undo.
    fn promote_to_stable(&mut self) {
        let first = self.state.stable.is_none();
        let gated = !first && !self.is_waived();
        if gated {
            self.learn_from_judges();
        }
        let latest = self.state.latest.clone();
        let old = self.state.stable.replace(latest);
        // The old side's delay begins with the promotion, however long it was without traffic.
        let old = old.and_then(|old| self.state.shares.get_mut(&old));
        if let Some(since) = old.and_then(|old| old.since.as_mut()) {
            *since = self.now;
        }
        self.state.course = Course::Settled;
        self.state.runs.clear();
        if gated {
            self.start_gate(GatePoint::AfterPromotion, 0);
        }
    }
}
