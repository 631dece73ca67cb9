//! What a reading counts as, without the sentence that says why: a second opinion beside the
//! core's, and a cheaper one.

use gradatim_core::analysis::{AnalysisPhase, MetricPlan, NoVerdict};
use gradatim_core::condition::{Condition, Value};
use gradatim_core::measurement::{GateState, Reading, Series, WorkPhase};

/// What a reading counts as; Running where it counts as nothing.
pub(crate) fn phase(metric: &MetricPlan, reading: &Reading) -> AnalysisPhase {
    use AnalysisPhase::{Error, Failed, Inconclusive, Running, Successful};
    // A judge decides on all that it has counted, not on one reading.
    if metric.judge.is_some() {
        return match reading {
            Reading::Counters(_) => Running,
            _ => Error,
        };
    }
    let value = match reading {
        Reading::Number(number) => Value::Float(number.get()),
        Reading::Series(series) => Value::Array(series.iter().filter_map(last).collect()),
        Reading::Json(json) => Value::from(json.clone()),
        Reading::Work { phase, .. } => {
            return match phase {
                WorkPhase::Successful => Successful,
                WorkPhase::Failed => Failed,
                WorkPhase::Inconclusive => Inconclusive,
            };
        }
        Reading::Gate(GateState::Open) => return Successful,
        Reading::Gate(_) => return Running,
        _ => return Error,
    };
    let nothing = Nothing::of(reading);
    let policy = match nothing {
        Some(Nothing::Data) => metric.on_no_data,
        Some(Nothing::Number) => metric.on_nan,
        None => NoVerdict::Default,
    };
    match policy {
        NoVerdict::Inconclusive => Inconclusive,
        NoVerdict::Failed => Failed,
        NoVerdict::Error => Error,
        NoVerdict::Ignore => Running,
        NoVerdict::Default => match by_conditions(metric, &value) {
            Successful if !is_proof(metric, reading) => Inconclusive,
            phase => phase,
        },
    }
}

fn by_conditions(metric: &MetricPlan, value: &Value) -> AnalysisPhase {
    use AnalysisPhase::{Error, Failed, Inconclusive, Successful};
    let holds = |condition: &Option<Condition>| {
        let held = condition.as_ref().map(|condition| condition.holds(value));
        held.transpose()
    };
    match (holds(&metric.success), holds(&metric.failure)) {
        (Err(_), _) | (_, Err(_)) => Error,
        (_, Ok(Some(true))) | (Ok(Some(false)), Ok(None)) => Failed,
        (Ok(Some(false)), Ok(Some(false))) => Inconclusive,
        _ => Successful,
    }
}

/// A reading that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nothing {
    Data,
    Number,
}

impl Nothing {
    fn of(reading: &Reading) -> Option<Self> {
        match reading {
            Reading::Series(series) if series.iter().filter_map(last).next().is_none() => {
                Some(Self::Data)
            }
            Reading::Json(json) if json.is_null() => Some(Self::Data),
            Reading::Json(serde_json::Value::Array(items)) if items.is_empty() => Some(Self::Data),
            Reading::Number(number) if number.is_nan() => Some(Self::Number),
            Reading::Series(series) => {
                let mut last = series.iter().filter_map(|one| one.samples.last());
                last.any(|sample| sample.value.is_nan())
                    .then_some(Self::Number)
            }
            _ => None,
        }
    }
}

/// Whether something was measured, or a condition names the case of nothing.
pub(crate) fn is_proof(metric: &MetricPlan, reading: &Reading) -> bool {
    let names = |words: &[&str]| {
        let conditions = metric.success.iter().chain(&metric.failure);
        let mut sources = conditions.map(|condition| condition.source().replace(' ', ""));
        sources.any(|source| words.iter().any(|word| source.contains(word)))
    };
    let judged = metric.success.is_some() || metric.failure.is_some();
    match Nothing::of(reading) {
        Some(Nothing::Data) => judged && names(&["len(", "nil", "Nil", "default(", "??"]),
        Some(Nothing::Number) => judged && names(&["isNaN("]),
        None => true,
    }
}

fn last(series: &Series) -> Option<Value> {
    let sample = series.samples.last()?;
    Some(Value::Float(sample.value.get()))
}

#[cfg(test)]
mod tests {
    use gradatim_core::analysis::judge;
    use gradatim_core::measurement::Sample;
    use gradatim_core::number::Number;
    use gradatim_core::time::Timestamp;

    use super::*;

    fn series(values: &[f64]) -> Reading {
        let one = |value: &f64| Series {
            labels: Default::default(),
            samples: vec![Sample {
                at: Timestamp::ZERO,
                value: Number::new(*value),
            }],
        };
        Reading::Series(values.iter().map(one).collect())
    }

    #[test]
    fn it_agrees_with_the_core_on_every_kind_of_reading() {
        let conditions = [
            "result[0] >= 0.95",
            "len(result) == 0 || result[0] >= 0.95",
            "isNaN(result[0]) || result[0] < 0.5",
            "all(result, # > 0.5)",
        ];
        let readings = [
            series(&[]),
            series(&[0.99]),
            series(&[0.2]),
            series(&[f64::NAN]),
            Reading::Number(Number::new(0.7)),
            Reading::Number(Number::new(f64::NAN)),
            Reading::Json(serde_json::json!(null)),
            Reading::Json(serde_json::json!([])),
            Reading::Json(serde_json::json!([0.97])),
            Reading::Gate(GateState::Closed),
        ];
        let policies = [
            NoVerdict::Default,
            NoVerdict::Inconclusive,
            NoVerdict::Failed,
            NoVerdict::Error,
            NoVerdict::Ignore,
        ];
        let all = || {
            conditions
                .iter()
                .map(|source| Condition::parse(source).ok())
                .chain([None])
        };
        for (success, failure) in all().flat_map(|one| all().map(move |other| (one.clone(), other)))
        {
            for policy in policies {
                let mut metric = MetricPlan::new("a", "b", serde_json::Value::Null);
                (metric.success, metric.failure) = (success.clone(), failure.clone());
                (metric.on_no_data, metric.on_nan) = (policy, policy);
                for reading in &readings {
                    let theirs = judge(&metric, reading).phase;
                    assert_eq!(phase(&metric, reading), theirs, "{metric:?} {reading:?}");
                }
            }
        }
    }
}
