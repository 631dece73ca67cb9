//! Which settings would take users back within a wished time.

use std::time::Duration;

use serde::Serialize;

use super::{Assumed, Judge, forecast, seconds, some_seconds};
use crate::analysis::{MetricPlan, RunPlan};
use crate::id::MetricName;
use crate::plan::{Background, Plan, Step, StepKind};

/// Intervals that a person would write, from the longest.
const INTERVALS: [u64; 8] = [300, 120, 60, 30, 20, 15, 10, 5];
/// How many suggestions are enough.
const MOST: usize = 3;
/// The longest plan that is looked at: each of many variants is forecast whole.
const MOST_STEPS: usize = 500;
/// How many judges, and how many metrics of each, are looked at.
const MOST_JUDGES: usize = 8;

/// A change of one setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
#[non_exhaustive]
pub enum Change {
    /// Another interval.
    Interval {
        /// Of which metric.
        metric: MetricName,
        /// What it is.
        #[serde(serialize_with = "some_seconds")]
        from: Option<Duration>,
        /// What it should be.
        #[serde(serialize_with = "seconds")]
        to: Duration,
    },
    /// Another limit of failures.
    FailureLimit {
        /// Of which metric.
        metric: MetricName,
        /// What it is; none when there is no limit.
        from: Option<u32>,
        /// What it should be.
        to: u32,
    },
    /// No initial delay.
    NoInitialDelay {
        /// Of which metric.
        metric: MetricName,
    },
    /// The pauses between the first request and the analysis of a step come after it.
    AnalyseBeforePauses {
        /// The analysis' step, as the user counts them.
        step: u32,
    },
    /// The analysis beside the steps starts earlier.
    StartingStep {
        /// The step at which it starts, as the user counts them.
        from: u32,
        /// The step at which it should.
        to: u32,
    },
    /// The metrics of a step's analysis are measured beside the steps as well, from the first.
    Beside {
        /// The analysis' step, as the user counts them; none for what a strategy adds.
        step: Option<u32>,
    },
}

/// Changes that together meet the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// What to change.
    pub changes: Vec<Change>,
    /// How long after its first request the traffic of a failing version is back at 0 then.
    #[serde(serialize_with = "seconds")]
    pub takes: Duration,
}

/// Settings that would take a failing version's traffic back within `target` of its first
/// request; the fewest changes first, and of these the gentlest. Empty where none of those that
/// are looked at would do, and where it is met already.
pub fn suggest(plan: &Plan, assumed: &Assumed, target: Duration) -> Vec<Suggestion> {
    let takes = |plan: &Plan| forecast(plan, assumed).failing.takes();
    if plan.steps.len() > MOST_STEPS || takes(plan).is_some_and(|takes| takes <= target) {
        return Vec::new();
    }
    let mut suggestions: Vec<Suggestion> = Vec::new();
    for base in bases(plan, assumed) {
        for at in 0..run_of(&base).map_or(0, |run| run.metrics.len().min(MOST_JUDGES)) {
            let fitting = variants(&base, at).into_iter().filter_map(|variant| {
                let takes = takes(&variant.plan).filter(|takes| *takes <= target)?;
                Some(Suggestion {
                    changes: variant.changes,
                    takes,
                })
            });
            // The first of the shortest is the gentlest.
            suggestions.extend(fitting.min_by_key(|it| it.changes.len()));
        }
    }
    suggestions.sort_by_key(|it| it.changes.len());
    suggestions.dedup_by(|one, other| one.changes == other.changes);
    suggestions.truncate(MOST);
    suggestions
}

/// A plan with some changes made, and the analysis that more may be made in.
#[derive(Clone)]
struct Variant {
    plan: Plan,
    changes: Vec<Change>,
    judge: Judge,
}

/// The plan as it is, for each of its analyses; with an analysis before its pauses; and with one
/// beside the steps.
fn bases(plan: &Plan, assumed: &Assumed) -> Vec<Variant> {
    let base = |judge| Variant {
        plan: plan.clone(),
        changes: Vec::new(),
        judge,
    };
    let mut bases = Vec::new();
    bases.extend(plan.background.iter().map(|_| base(Judge::Background)));
    bases.extend(earlier(plan, assumed));
    let steps = plan.steps.iter().enumerate();
    let analyses = steps
        .filter(|(_, step)| matches!(&step.kind, StepKind::Analysis(run) if run.gate().is_none()));
    for (index, step) in analyses.take(MOST_JUDGES) {
        bases.push(base(Judge::Step(index)));
        bases.extend(before_pauses(plan, assumed, index, step.index));
        if plan.background.is_none() && bases.len() <= 2 {
            bases.extend(beside(plan, assumed, index, step));
        }
    }
    bases
}

/// The analysis beside the steps from the step after the first weight on.
fn earlier(plan: &Plan, assumed: &Assumed) -> Option<Variant> {
    let rows = forecast(plan, assumed).steps;
    let first = rows.iter().find(|row| row.weight > 0)?.step?;
    let mut plan = plan.clone();
    let background = plan.background.as_mut()?;
    let (from, to) = (background.starting_step, first.saturating_add(1));
    if from <= to {
        return None;
    }
    background.starting_step = to;
    Some(Variant {
        plan,
        changes: vec![Change::StartingStep { from, to }],
        judge: Judge::Background,
    })
}

/// The analysis right after the step that brings the first request.
fn before_pauses(plan: &Plan, assumed: &Assumed, index: usize, step: u32) -> Option<Variant> {
    let rows = forecast(plan, assumed).steps;
    let first = rows.iter().position(|row| row.weight > 0)?;
    let between = plan.steps.get(first + 1..index)?;
    let only_pauses = between
        .iter()
        .all(|step| matches!(step.kind, StepKind::Pause(_)));
    if between.is_empty() || !only_pauses {
        return None;
    }
    let mut plan = plan.clone();
    let analysis = plan.steps.remove(index);
    plan.steps.insert(first + 1, analysis);
    Some(Variant {
        plan,
        changes: vec![Change::AnalyseBeforePauses { step }],
        judge: Judge::Step(first + 1),
    })
}

fn beside(plan: &Plan, assumed: &Assumed, index: usize, step: &Step) -> Option<Variant> {
    let StepKind::Analysis(run) = &step.kind else {
        return None;
    };
    let rows = forecast(plan, assumed).steps;
    let of_user = rows.get(index)?.step;
    let mut run = run.clone();
    run.metrics
        .iter_mut()
        .filter(|it| it.interval.is_some())
        .for_each(|it| it.count = None);
    let mut plan = plan.clone();
    plan.background = Some(Background {
        run,
        starting_step: 0,
    });
    Some(Variant {
        plan,
        changes: vec![Change::Beside { step: of_user }],
        judge: Judge::Background,
    })
}

fn run_of(variant: &Variant) -> Option<&RunPlan> {
    match variant.judge {
        Judge::Background => variant.plan.background.as_ref().map(|it| &it.run),
        Judge::Step(index) => match &variant.plan.steps.get(index)?.kind {
            StepKind::Analysis(run) => Some(run),
            _ => None,
        },
    }
}

fn metric_of(variant: &mut Variant, at: usize) -> Option<&mut MetricPlan> {
    let run = match variant.judge {
        Judge::Background => variant.plan.background.as_mut().map(|it| &mut it.run),
        Judge::Step(index) => match &mut variant.plan.steps.get_mut(index)?.kind {
            StepKind::Analysis(run) => Some(run),
            _ => None,
        },
    };
    run?.metrics.get_mut(at)
}

/// The plan with each combination of changes to one metric, the gentler ones first.
fn variants(base: &Variant, at: usize) -> Vec<Variant> {
    let mut all = vec![base.clone()];
    for change in [without_delay, with_interval, with_limit] {
        let more: Vec<_> = all.iter().flat_map(|variant| change(variant, at)).collect();
        all.extend(more);
    }
    all.retain(|variant| !variant.changes.is_empty());
    all
}

fn with(
    base: &Variant,
    at: usize,
    change: Change,
    edit: impl Fn(&mut MetricPlan),
) -> Option<Variant> {
    let mut variant = base.clone();
    edit(metric_of(&mut variant, at)?);
    variant.changes.push(change);
    Some(variant)
}

fn metric(base: &Variant, at: usize) -> Option<MetricPlan> {
    run_of(base)?
        .metrics
        .get(at)
        .filter(|metric| !metric.dry_run)
        .cloned()
}

fn without_delay(base: &Variant, at: usize) -> Vec<Variant> {
    let delayed = metric(base, at).filter(|metric| !metric.initial_delay.is_zero());
    let without = delayed.and_then(|metric| {
        let change = Change::NoInitialDelay {
            metric: metric.name,
        };
        with(base, at, change, |metric| {
            metric.initial_delay = Duration::ZERO
        })
    });
    without.into_iter().collect()
}

fn with_interval(base: &Variant, at: usize) -> Vec<Variant> {
    let Some(metric) = metric(base, at) else {
        return Vec::new();
    };
    let Some(from) = metric.interval else {
        return Vec::new();
    };
    let shorter = INTERVALS
        .map(Duration::from_secs)
        .into_iter()
        .filter(|to| *to < from);
    let variant = |to: Duration| {
        let change = Change::Interval {
            metric: metric.name.clone(),
            from: Some(from),
            to,
        };
        with(base, at, change, |metric| metric.interval = Some(to))
    };
    shorter.filter_map(variant).collect()
}

fn with_limit(base: &Variant, at: usize) -> Vec<Variant> {
    let Some(metric) = metric(base, at) else {
        return Vec::new();
    };
    let from = metric.failure_limit;
    let mut limits = vec![from.map_or(3, |it| it / 2), 3, 2, 1, 0];
    limits.retain(|to| from.is_none_or(|from| *to < from));
    limits.sort_unstable_by(|one, other| other.cmp(one));
    limits.dedup();
    let variant = |to: u32| {
        let change = Change::FailureLimit {
            metric: metric.name.clone(),
            from,
            to,
        };
        with(base, at, change, |metric| metric.failure_limit = Some(to))
    };
    limits.into_iter().filter_map(variant).collect()
}
