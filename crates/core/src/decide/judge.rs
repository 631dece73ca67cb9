//! Analyses and gates: which are under way, what they ask for, and what their end means.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::turn::Turn;
use crate::analysis::{AnalysisPhase, Frame, LateArg, RunPlan, RunState, start, turn as turn_run};
use crate::event::EventKind;
use crate::measurement::{GatePoint, RunKey};
use crate::plan::{Gate, Plan, StepKind};
use crate::state::{AbortCause, Course};

impl<'a> Turn<'a> {
    /// Turns every run that is under way; a failing one takes the traffic back.
    pub(super) fn judge(&mut self) {
        self.start_background();
        let mut runs = std::mem::take(&mut self.state.runs);
        runs.retain(|run| self.is_under_way(run.key));
        for run in &mut runs {
            self.turn_run(run);
        }
        self.state.runs = runs;
        self.act_on_verdicts();
    }

    /// Starts what runs beside the steps, once its step is reached.
    pub(super) fn start_background(&mut self) {
        self.start_gate(GatePoint::Rollback, 0);
        let Some(background) = &self.plan.background else {
            return;
        };
        let waived = matches!(self.state.course, Course::Forward { waived: true, .. });
        let due = self.is_started() && !waived && self.user_step() >= background.starting_step;
        if due && self.state.stable.is_some() && self.state.run(RunKey::Background).is_none() {
            self.start_run(RunKey::Background, &background.run);
        }
    }

    pub(super) fn start_run(&mut self, key: RunKey, plan: &RunPlan) {
        self.state.runs.push(start(plan, key, self.now));
        if !matches!(key, RunKey::Gate { .. }) {
            self.tell(
                EventKind::AnalysisRunRunning,
                format!("{key} analysis started"),
            );
        }
        if let Some(mut run) = self.state.runs.pop() {
            self.turn_run(&mut run);
            self.state.runs.push(run);
        }
    }

    fn is_under_way(&self, key: RunKey) -> bool {
        match (&self.state.course, key) {
            (
                Course::Forward {
                    started: true,
                    waived,
                    ..
                },
                RunKey::Background,
            ) => !waived,
            (
                Course::Forward {
                    step,
                    waived: false,
                    ..
                },
                RunKey::Step(index),
            ) => *step == index,
            (Course::Forward { .. }, RunKey::Gate { point, .. }) => {
                point != GatePoint::AfterPromotion
            }
            (
                Course::Settled,
                RunKey::Gate {
                    point: GatePoint::AfterPromotion,
                    ..
                },
            ) => self.state.unfinished,
            _ => false,
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

    fn turn_run(&mut self, run: &mut RunState) {
        let Some(plan) = self.plan_of(run.key) else {
            return;
        };
        let was = run.phase;
        let args = self.late_args(&plan);
        let (incarnation, attempt) = (self.state.incarnation, self.state.attempt);
        let latest = self.state.latest.clone();
        let frame = Frame {
            incarnation,
            revision: &latest,
            attempt,
            args: &args,
        };
        let turned = turn_run(&plan, run, &self.seen.measurements, &frame, self.now);
        *run = turned.state;
        self.wanted.extend(turned.wanted);
        if let Some(wake) = turned.wake {
            self.wake_at(wake);
        }
        if run.phase != was && run.phase.is_final() && !matches!(run.key, RunKey::Gate { .. }) {
            self.tell(
                event_of(run.phase),
                format!("{} analysis: {} {}", run.key, run.phase, run.message),
            );
        }
    }

    fn late_args(&self, plan: &RunPlan) -> BTreeMap<String, String> {
        let value = |arg: &LateArg| match arg {
            LateArg::StableHash => self.state.stable.as_ref().map(ToString::to_string),
            LateArg::LatestHash => Some(self.state.latest.to_string()),
            LateArg::Field(path) => self
                .workload
                .and_then(|workload| workload.fields.get(path).cloned()),
        };
        plan.late_args
            .iter()
            .filter_map(|(name, arg)| Some((name.clone(), value(arg)?)))
            .collect()
    }

    fn act_on_verdicts(&mut self) {
        let ended = self.state.runs.iter().find(|run| {
            let gate = matches!(run.key, RunKey::Gate { .. });
            !gate && matches!(run.phase, AnalysisPhase::Failed | AnalysisPhase::Error)
        });
        if let Some(run) = ended {
            let error = run.phase == AnalysisPhase::Error;
            let cause = AbortCause::Analysis {
                run: run.key,
                error,
                message: crate::id::cut(&run.message),
            };
            return self.abort(cause);
        }
        if self.is_started()
            && self.has_gate(GatePoint::Rollback)
            && self.gate_opened(GatePoint::Rollback, 0)
        {
            self.abort(AbortCause::Gate);
        }
    }

    fn has_gate(&self, point: GatePoint) -> bool {
        self.plan.gates.iter().any(|gate| gate.point == point)
    }

    fn start_gate(&mut self, point: GatePoint, pass: u32) {
        let key = RunKey::Gate { point, pass };
        let waived = matches!(self.state.course, Course::Forward { waived: true, .. });
        let applies = point == GatePoint::AfterPromotion || (self.is_forward() && !waived);
        if applies && self.has_gate(point) && self.state.run(key).is_none() {
            let plan = self.gate_run(point);
            self.start_run(key, &plan);
        }
    }

    fn gate_opened(&self, point: GatePoint, pass: u32) -> bool {
        self.state
            .run(RunKey::Gate { point, pass })
            .is_some_and(|run| run.phase == AnalysisPhase::Successful)
    }

    /// Whether the gates of a point let it go on; asks them where they have not been asked.
    pub(super) fn gate_is_open(&mut self, point: GatePoint, pass: u32) -> bool {
        let waived = matches!(self.state.course, Course::Forward { waived: true, .. });
        if waived || self.state.stable.is_none() || !self.has_gate(point) {
            return true;
        }
        self.start_gate(point, pass);
        self.gate_opened(point, pass)
    }

    /// The name of the first gate of a point, for people.
    pub(super) fn gate_name(&self, point: GatePoint) -> String {
        let gate = self.plan.gates.iter().find(|gate| gate.point == point);
        gate.map_or_else(String::new, |gate| gate.metric.name.to_string())
    }

    /// A running background metric whose newest measurement is older than two intervals: after
    /// an outage of ours nothing is raised until it is measured again.
    pub(super) fn stale_metric(&self) -> Option<String> {
        let plan = &self.plan.background.as_ref()?.run;
        let run = self.state.run(RunKey::Background)?;
        let stale = run.metrics.iter().find(|metric| {
            let interval = plan
                .metrics
                .iter()
                .find(|m| m.name == metric.name)
                .and_then(|m| m.interval);
            let overdue = |interval: std::time::Duration| {
                metric
                    .measured_at
                    .is_some_and(|at| self.now.since(at) > interval.saturating_mul(2))
            };
            metric.phase == AnalysisPhase::Running && interval.is_some_and(overdue)
        });
        stale.map(|metric| metric.name.to_string())
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
