//! The metrics of the analyses that run, as the rounds show them.

use std::collections::BTreeSet;

use gradatim_core::analysis::{AnalysisPhase, MetricPlan, MetricState, RunState};
use gradatim_core::decision::Saved;
use gradatim_core::id::MetricName;
use gradatim_core::measurement::{Measurement, MeasurementId, RunKey};
use gradatim_core::plan::{Plan, StepKind};
use gradatim_core::time::Timestamp;
use gradatim_driver::Turn;

use crate::cli::reading::{value, wanted};
use crate::cli::text::clean;

/// How many values of a metric are kept.
const VALUES: usize = 4;

/// What is known of the analyses that run, or ran last.
#[derive(Default)]
pub(super) struct Trial {
    pub(super) metrics: Vec<Metric>,
    answered: BTreeSet<MeasurementId>,
}

/// A metric as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metric {
    id: (u32, RunKey, MetricName),
    pub(super) name: String,
    /// The newest values, oldest first; a dash where there was no answer.
    pub(super) values: Vec<String>,
    pub(super) wanted: Option<String>,
    /// How many have failed, and how many may.
    pub(super) failed: (u32, Option<u32>),
    pub(super) phase: AnalysisPhase,
    /// When it is measured next, while it is.
    pub(super) next: Option<Timestamp>,
}

impl Trial {
    /// Takes in a round; what it says of answers that were not good.
    pub(super) fn turn(&mut self, turn: &Turn) -> Vec<String> {
        let mut fresh = fresh_metrics(turn);
        // An analysis that has ended is shown until the next one begins.
        if !fresh.is_empty() {
            for metric in &mut fresh {
                let known = self.metrics.iter_mut().find(|it| it.id == metric.id);
                metric.values = known.map_or_else(Vec::new, |it| std::mem::take(&mut it.values));
            }
            self.metrics = fresh;
        }
        self.answers(turn)
    }

    fn answers(&mut self, turn: &Turn) -> Vec<String> {
        let all = &turn.observation.measurements;
        let is_known = |it: &&Measurement| !self.answered.contains(&it.id);
        let fresh: Vec<_> = all.iter().filter(is_known).collect();
        let lines = fresh.into_iter().filter_map(|it| self.answer(it, turn));
        let lines = lines.collect();
        let done = all.iter().filter(|it| value(it).is_some());
        self.answered = done.map(|it| it.id.clone()).collect();
        lines
    }

    fn answer(&mut self, measurement: &Measurement, turn: &Turn) -> Option<String> {
        let id = &measurement.id;
        let value = clean(&value(measurement)?).into_owned();
        let metric = self
            .metrics
            .iter_mut()
            .find(|it| (it.id.0, it.id.1, &it.id.2) == (id.attempt, id.run, &id.metric))?;
        metric.values.push(value);
        let old = metric.values.len().saturating_sub(VALUES);
        metric.values.drain(..old);
        let run = runs(turn).find(|run| run.key == id.run)?;
        let state = run.metrics.iter().find(|it| it.name == id.metric)?;
        let (times, most) = metric.failed;
        let is_bad = state.consecutive_failure > 0 || state.consecutive_error > 0;
        let most = most.map_or_else(String::new, |most| format!(" of {most} allowed"));
        is_bad.then(|| match state.consecutive_error {
            0 => format!(
                "{}: {}; failed {times}{most}",
                metric.name,
                clean(&state.last)
            ),
            _ => format!("{}: no answer: {}", metric.name, clean(&state.last)),
        })
    }
}

/// The runs as the newest state has them.
fn runs(turn: &Turn) -> impl Iterator<Item = &RunState> {
    let state = match (&turn.decision.state, turn.saved.as_ref()) {
        (Some(state), _) => Some(state),
        (None, Saved::State(state)) => Some(state),
        (None, _) => None,
    };
    let runs = state.into_iter().flat_map(|state| &state.runs);
    runs.filter(|run| !matches!(run.key, RunKey::Gate { .. }))
}

fn fresh_metrics(turn: &Turn) -> Vec<Metric> {
    let attempt = turn.decision.summary.attempt;
    let mut all = Vec::new();
    for run in runs(turn) {
        let plans = metrics_of(&turn.plan, run.key).unwrap_or_default();
        for state in &run.metrics {
            if let Some(plan) = plans.iter().find(|plan| plan.name == state.name) {
                all.push(Metric::of(attempt, run, plan, state));
            }
        }
    }
    all
}

fn metrics_of(plan: &Plan, key: RunKey) -> Option<&[MetricPlan]> {
    match key {
        RunKey::Background => Some(&plan.background.as_ref()?.run.metrics),
        RunKey::Step(index) => match &plan.steps.get(usize::try_from(index).ok()?)?.kind {
            StepKind::Analysis(run) => Some(&run.metrics),
            _ => None,
        },
        RunKey::Gate { .. } => None,
    }
}

impl Metric {
    fn of(attempt: u32, run: &RunState, plan: &MetricPlan, state: &MetricState) -> Self {
        let grid = plan.interval.unwrap_or_default().saturating_mul(state.tick);
        let due = run.started_at + plan.initial_delay + grid;
        Self {
            id: (attempt, run.key, state.name.clone()),
            name: clean(state.name.as_str()).into_owned(),
            values: Vec::new(),
            wanted: wanted(plan).map(|it| clean(&it).into_owned()),
            failed: (state.failed, plan.failure_limit),
            phase: state.phase,
            next: (!state.phase.is_final()).then(|| state.retry_at.unwrap_or(due)),
        }
    }
}
