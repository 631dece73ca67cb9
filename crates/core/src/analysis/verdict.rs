//! One measurement against its conditions.

use super::plan::{MetricPlan, NoVerdict};
use super::state::AnalysisPhase;
use crate::condition::{Condition, Value};
use crate::id::{cut, cut_explanation};
use crate::measurement::{GateState, Reading, Series, WorkPhase};

/// What one measurement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Successful, Failed, Inconclusive or Error; Running where it counts as nothing.
    pub phase: AnalysisPhase,
    /// Why, with the number and the bound.
    pub why: String,
}

impl Verdict {
    pub(super) fn new(phase: AnalysisPhase, why: impl AsRef<str>) -> Self {
        Self {
            phase,
            why: cut(why.as_ref()),
        }
    }

    /// One whose words are a judge's.
    pub(super) fn explained(phase: AnalysisPhase, why: &str) -> Self {
        Self {
            phase,
            why: cut_explanation(why),
        }
    }
}

/// Judges a reading by a metric's conditions.
///
/// With both conditions a failure wins; with neither of them true it is inconclusive. With one,
/// the other is its negation; with none everything passes. An empty answer and NaN follow the
/// metric's own policy; by default they are judged like anything else, except that they are
/// never a success unless the condition names the case itself.
pub fn judge(plan: &MetricPlan, reading: &Reading) -> Verdict {
    let value = match reading {
        Reading::Number(number) => Value::Float(number.get()),
        Reading::Series(series) => Value::Array(series.iter().flat_map(values).collect()),
        Reading::Json(json) => Value::from(json.clone()),
        Reading::Work { phase, text } => return Verdict::new(work(*phase), text),
        Reading::Gate(GateState::Open) => {
            return Verdict::new(AnalysisPhase::Successful, "the gate is open");
        }
        Reading::Gate(GateState::Closed) => {
            return Verdict::new(AnalysisPhase::Running, "the gate is closed");
        }
        Reading::Gate(GateState::Unknown) => {
            return Verdict::new(AnalysisPhase::Running, "the gate is unknown");
        }
        Reading::Counters(_) => {
            return Verdict::new(AnalysisPhase::Error, "raw counters have no condition");
        }
    };
    let (empty, nan) = (is_empty(&value), has_nan(&value));
    let policy = match (empty, nan) {
        (true, _) => plan.on_no_data,
        (false, true) => plan.on_nan,
        (false, false) => NoVerdict::Default,
    };
    let case = if empty { "no data" } else { "NaN" };
    match policy {
        NoVerdict::Default => careful(plan, &value, empty, nan),
        NoVerdict::Inconclusive => Verdict::new(AnalysisPhase::Inconclusive, case),
        NoVerdict::Failed => Verdict::new(AnalysisPhase::Failed, case),
        NoVerdict::Error => Verdict::new(AnalysisPhase::Error, case),
        NoVerdict::Ignore => Verdict::new(AnalysisPhase::Running, case),
    }
}

/// Judges what a gate answers. What says neither open nor closed leaves it closed.
pub(super) fn judge_gate(plan: &MetricPlan, reading: &Reading) -> Verdict {
    let says = matches!(reading, Reading::Gate(_) | Reading::Work { .. });
    if says || plan.success.is_some() || plan.failure.is_some() {
        judge(plan, reading)
    } else {
        Verdict::new(AnalysisPhase::Running, "the answer is no gate's")
    }
}

/// The conditions' verdict, but no success from no data.
fn careful(plan: &MetricPlan, value: &Value, empty: bool, nan: bool) -> Verdict {
    let verdict = by_conditions(plan, value);
    if verdict.phase != AnalysisPhase::Successful {
        return verdict;
    }
    let conditions = [&plan.success, &plan.failure];
    let names =
        |guards: fn(&Condition) -> bool| conditions.iter().any(|c| c.as_ref().is_some_and(guards));
    if empty && !names(Condition::guards_empty) {
        return Verdict::new(AnalysisPhase::Inconclusive, "no data is no success");
    }
    if nan && !names(Condition::guards_nan) {
        return Verdict::new(AnalysisPhase::Inconclusive, "NaN is no success");
    }
    verdict
}

fn by_conditions(plan: &MetricPlan, value: &Value) -> Verdict {
    use AnalysisPhase::{Error, Failed, Inconclusive, Successful};
    let evaluate =
        |condition: &Option<Condition>| condition.as_ref().map(|c| c.evaluate(value)).transpose();
    // Success is evaluated first: its error wins even where the failure condition holds.
    let (success, failure) = match (evaluate(&plan.success), evaluate(&plan.failure)) {
        (Ok(success), Ok(failure)) => (success, failure),
        (Err(error), _) | (_, Err(error)) => return Verdict::new(Error, error.to_string()),
    };
    match (success, failure) {
        (None, None) => Verdict::new(Successful, "no condition"),
        (Some(success), None) if success.holds => Verdict::new(Successful, success.why),
        (Some(success), None) => Verdict::new(Failed, success.why),
        (_, Some(failure)) if failure.holds => Verdict::new(Failed, failure.why),
        (None, Some(failure)) => Verdict::new(Successful, failure.why),
        (Some(success), Some(_)) if success.holds => Verdict::new(Successful, success.why),
        (Some(success), Some(_)) => Verdict::new(Inconclusive, success.why),
    }
}

fn work(phase: WorkPhase) -> AnalysisPhase {
    match phase {
        WorkPhase::Successful => AnalysisPhase::Successful,
        WorkPhase::Failed => AnalysisPhase::Failed,
        WorkPhase::Inconclusive => AnalysisPhase::Inconclusive,
    }
}

fn values(series: &Series) -> impl Iterator<Item = Value> {
    let samples = series.samples.iter();
    samples.map(|sample| Value::Float(sample.value.get()))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn has_nan(value: &Value) -> bool {
    match value {
        Value::Float(number) => number.is_nan(),
        Value::Array(items) => items.iter().any(has_nan),
        _ => false,
    }
}
