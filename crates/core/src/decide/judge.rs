//! Analyses and gates: which are under way, what they ask for, and what their end means.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use super::advance::Completion;
use super::turn::Turn;
use super::wait::Wait;
use crate::analysis::{
    AnalysisPhase, Frame, LateArg, RunPlan, RunState, advance, is_settled, start, wants,
};
use crate::event::EventKind;
use crate::id::{cut, cut_explanation};
use crate::measurement::{Ask, GatePoint, RunKey};
use crate::plan::{Gate, Plan, StepKind};
use crate::reason::Reason;
use crate::state::{AbortCause, Course};
use crate::time::Timestamp;

impl<'a> Turn<'a> {
    /// Turns every run that is under way; a failing one takes the traffic back.
    pub(super) fn judge(&mut self) {
        if !self.state.runs.iter().all(|run| self.is_under_way(run.key)) {
            let mut runs = std::mem::take(&mut self.state.runs);
            runs.retain(|run| self.is_under_way(run.key));
            self.state.runs = runs;
        }
        for place in 0..self.state.runs.len() {
            self.turn_known_run(place);
        }
        self.start_background();
        self.act_on_verdicts();
    }

    /// Starts what runs beside the steps, once its step is reached.
    pub(super) fn start_background(&mut self) {
        if !self.is_forward() || self.is_waived() {
            return;
        }
        self.start_gate(GatePoint::Rollback, 0);
        let Some(background) = &self.plan.background else {
            return;
        };
        let due = self.is_started() && self.user_step() >= background.starting_step;
        if due && self.state.stable.is_some() && self.state.run(RunKey::Background).is_none() {
            self.start_run(RunKey::Background, &background.run);
        }
    }

    pub(super) fn start_run(&mut self, key: RunKey, plan: &RunPlan) {
        if !matches!(key, RunKey::Gate { .. }) {
            let text = format!("{key} analysis started");
            self.tell(EventKind::AnalysisRunRunning, text);
        }
        let mut run = start(plan, key, self.now);
        self.turn_run(&mut run);
        self.state.runs.push(run);
    }

    fn is_under_way(&self, key: RunKey) -> bool {
        let Course::Forward {
            step,
            started,
            waived,
            ..
        } = self.state.course
        else {
            let after = GatePoint::AfterPromotion;
            let after = matches!(key, RunKey::Gate { point, .. } if point == after);
            return after && self.state.course == Course::Settled && self.state.unfinished;
        };
        !waived
            && match key {
                RunKey::Background => started,
                RunKey::Step(index) => step == index,
                RunKey::Gate { point, pass } => match point {
                    GatePoint::BeforeStart => !started,
                    GatePoint::BeforeRaise => step == pass,
                    GatePoint::BeforePromotion | GatePoint::Rollback => true,
                    GatePoint::AfterPromotion => false,
                },
            }
    }

    fn plan_of(&self, key: RunKey) -> Option<Cow<'a, RunPlan>> {
        let plan: &'a Plan = self.plan;
        match key {
            RunKey::Background => plan
                .background
                .as_ref()
                .map(|background| Cow::Borrowed(&background.run)),
            RunKey::Step(index) => {
                let step = plan
                    .steps
                    .get(usize::try_from(index).unwrap_or(usize::MAX))?;
                match &step.kind {
                    StepKind::Analysis(run) => Some(Cow::Borrowed(run)),
                    _ => None,
                }
            }
            RunKey::Gate { point, .. } => Some(Cow::Owned(self.gate_run(point))),
        }
    }

    /// All gates of a point, measured together.
    fn gate_run(&self, point: GatePoint) -> RunPlan {
        let gates = self
            .plan
            .gates
            .iter()
            .filter(|gate: &&Gate| gate.point == point);
        RunPlan {
            metrics: gates.map(|gate| gate.metric.clone()).collect(),
            ..RunPlan::default()
        }
    }

    /// Turns a run of the state, which is not copied where nothing is new.
    fn turn_known_run(&mut self, place: usize) {
        let Some(run) = self.state.runs.get(place) else {
            return;
        };
        let Some(plan) = self.plan_of(run.key) else {
            return;
        };
        if self.seen.measurements.is_empty() && is_settled(&plan, run) {
            let (wanted, wake) = wants(&plan, run, &self.frame(&run.args), self.now);
            return self.want_measurements(wanted, wake);
        }
        let mut turned = run.clone();
        self.turn_run(&mut turned);
        if let Some(run) = self.state.runs.get_mut(place) {
            *run = turned;
        }
    }

    fn turn_run(&mut self, run: &mut RunState) {
        let Some(plan) = self.plan_of(run.key) else {
            return;
        };
        let was = run.phase;
        if self.resolve_args(&plan, run) {
            // The arguments are the run's own, which is about to change.
            let args = std::mem::take(&mut run.args);
            let frame = self.frame(&args);
            let (wanted, wake) = advance(&plan, run, &self.seen.measurements, &frame, self.now);
            run.args = args;
            self.want_measurements(wanted, wake);
        }
        if run.phase != was && run.phase.is_final() && !matches!(run.key, RunKey::Gate { .. }) {
            let text = format!("{} analysis: {} {}", run.key, run.phase, run.message);
            self.tell(event_of(run.phase), text);
        }
    }

    fn frame<'b>(&'b self, args: &'b BTreeMap<String, String>) -> Frame<'b> {
        Frame {
            incarnation: self.state.incarnation,
            revision: &self.state.latest,
            attempt: self.state.attempt,
            args,
            weight: self.weight_shown(),
            learned: &self.state.learned,
        }
    }

    fn want_measurements(&mut self, wanted: Vec<Ask>, wake: Option<Timestamp>) {
        self.wanted.extend(wanted);
        if let Some(wake) = wake {
            self.wake_at(wake);
        }
    }

    /// Fills in what is known only once a run starts. One that has no value ends the run; none
    /// is asked for while the workload cannot be read.
    fn resolve_args(&self, plan: &RunPlan, run: &mut RunState) -> bool {
        for (name, arg) in &plan.late_args {
            if run.phase.is_final() || run.args.contains_key(name) {
                continue;
            }
            let value = match (arg, self.workload) {
                (LateArg::StableHash, _) => self.state.stable.as_ref().map(ToString::to_string),
                (LateArg::LatestHash, _) => Some(self.state.latest.to_string()),
                (LateArg::Field(_), None) => return false,
                (LateArg::Field(path), Some(workload)) => workload.fields.get(path).cloned(),
            };
            match value {
                Some(value) => drop(run.args.insert(name.clone(), value)),
                None => {
                    run.phase = AnalysisPhase::Error;
                    run.message = cut(&format!("args.{name} was not resolved"));
                }
            }
        }
        true
    }

    /// Takes the traffic back on a failed run or an open rollback gate.
    pub(super) fn act_on_verdicts(&mut self) {
        let bad = |phase| matches!(phase, AnalysisPhase::Failed | AnalysisPhase::Error);
        let gate = |key| matches!(key, RunKey::Gate { .. });
        let mut runs = self.state.runs.iter();
        if let Some(run) = runs.find(|run| !gate(run.key) && bad(run.phase)) {
            let cause = AbortCause::Analysis {
                run: run.key,
                error: run.phase == AnalysisPhase::Error,
                message: cut_explanation(&run.message),
            };
            return self.abort(cause);
        }
        if self.is_started() && self.gate_opened(GatePoint::Rollback, 0) {
            self.abort(AbortCause::Gate);
        }
    }

    fn has_gate(&self, point: GatePoint) -> bool {
        self.plan.gates.iter().any(|gate| gate.point == point)
    }

    pub(super) fn start_gate(&mut self, point: GatePoint, pass: u32) {
        let key = RunKey::Gate { point, pass };
        if self.has_gate(point) && self.state.run(key).is_none() {
            let plan = self.gate_run(point);
            self.start_run(key, &plan);
        }
    }

    fn gate_opened(&self, point: GatePoint, pass: u32) -> bool {
        let run = self.state.run(RunKey::Gate { point, pass });
        run.is_some_and(|run| run.phase == AnalysisPhase::Successful)
    }

    /// Passes a point of the plan if its gates let it; asks them where they have not been asked.
    pub(super) fn pass_gate(&mut self, point: GatePoint, pass: u32) -> Completion {
        if self.is_waived() || self.state.stable.is_none() || !self.has_gate(point) {
            return Ok(());
        }
        self.start_gate(point, pass);
        if self.gate_opened(point, pass) {
            Ok(())
        } else {
            Err(Wait::new(self.gate_reason(point)))
        }
    }

    /// The gate after the promotion that is still closed.
    pub(super) fn gate_after(&self) -> Option<Reason> {
        let point = GatePoint::AfterPromotion;
        let asked = self.state.run(RunKey::Gate { point, pass: 0 }).is_some();
        let closed = asked && !self.gate_opened(point, 0);
        (closed && self.state.course == Course::Settled).then(|| self.gate_reason(point))
    }

    /// The shortest that the closed gates of a point give.
    pub(super) fn gate_deadline(&self, point: GatePoint) -> Duration {
        let asked = |key| matches!(key, RunKey::Gate { point: at, .. } if at == point);
        let mut runs = self.state.runs.iter().filter(|run| asked(run.key));
        let newest = runs.next_back().map_or(&[][..], |run| &run.metrics);
        let is_open = |gate: &Gate| {
            let mut metrics = newest.iter();
            metrics.any(|metric| metric.name == gate.metric.name && metric.phase.is_final())
        };
        let gates = self.plan.gates.iter();
        let closed = gates.filter(|gate| gate.point == point && !is_open(gate));
        let whole = self.plan.progress_deadline;
        let each = closed.map(|gate| gate.progress_deadline.unwrap_or(whole));
        each.min().unwrap_or(whole)
    }

    fn gate_reason(&self, point: GatePoint) -> Reason {
        let gate = self.plan.gates.iter().find(|gate| gate.point == point);
        let name = gate.map_or_else(String::new, |gate| gate.metric.name.to_string());
        Reason::Gate { point, name }
    }

    /// A running background metric whose newest measurement is older than its interval: after
    /// an outage of ours nothing is raised until it is measured again.
    pub(super) fn stale_metric(&self) -> Option<String> {
        let plan = &self.plan.background.as_ref()?.run;
        let run = self.state.run(RunKey::Background)?;
        let running = run
            .metrics
            .iter()
            .filter(|m| m.phase == AnalysisPhase::Running);
        let mut stale = running.filter(|metric| {
            let interval = plan.metrics.iter().find(|plan| plan.name == metric.name);
            let interval = interval.and_then(|plan| plan.interval);
            let age = metric.measured_at.map(|at| self.now.since(at));
            age.zip(interval)
                .is_some_and(|(age, interval)| age > interval)
        });
        stale.next().map(|metric| metric.name.to_string())
    }

    /// The message of a run that an operator must decide.
    pub(super) fn undecided(&self) -> Option<String> {
        let run = self
            .state
            .runs
            .iter()
            .find(|run| run.phase == AnalysisPhase::Inconclusive)?;
        Some(run.message.clone())
    }
}

fn event_of(phase: AnalysisPhase) -> EventKind {
    match phase {
        AnalysisPhase::Successful => EventKind::AnalysisRunSuccessful,
        AnalysisPhase::Failed => EventKind::AnalysisRunFailed,
        AnalysisPhase::Error => EventKind::AnalysisRunError,
        AnalysisPhase::Inconclusive => EventKind::AnalysisRunInconclusive,
        AnalysisPhase::Running | AnalysisPhase::Pending => EventKind::AnalysisRunRunning,
    }
}
