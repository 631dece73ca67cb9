//! What a metric probably measures, by its name, its provider and its conditions.

use gradatim_core::analysis::MetricPlan;
use gradatim_core::condition::Condition;
use gradatim_core::measurement::{Ask, GateState, RunKey};
use gradatim_core::plan::Plan;

use super::{Measure, Of};

/// A metric of which nobody said what it measures here, and what it was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The metric.
    pub metric: String,
    /// What it was taken to measure.
    pub measure: String,
}

pub(super) fn guess(plan: &Plan, ask: &Ask) -> Measure {
    if matches!(ask.id.run, RunKey::Gate { .. }) {
        return Measure::gate(GateState::Open);
    }
    let known = metric(plan, ask);
    if known.is_some_and(|metric| metric.judge.is_some()) {
        return Measure::counters();
    }
    let name = ask.id.metric.as_str().to_lowercase();
    let bound = known.and_then(largest_bound);
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let percent = |measure: Measure| match bound {
        Some(bound) if bound > 1.0 => measure.in_percent(),
        _ => measure,
    };
    let measure = if matches!(ask.provider.as_str(), "job" | "command" | "exec") {
        Measure::trial()
    } else if says(&[
        "latency", "duration", "response", "p50", "p90", "p95", "p99", "slow",
    ]) {
        let millis = says(&["ms", "milli"]) || bound.is_some_and(|bound| bound > 20.0);
        let measure = Measure::latency(share_of(&name));
        if millis { measure.in_millis() } else { measure }
    } else if says(&["error", "fail", "5xx", "4xx", "exception"]) {
        match bound {
            _ if says(&["count", "lines", "total"]) => Measure::errors(),
            _ => percent(Measure::error_rate()),
        }
    } else if says(&["rps", "qps", "throughput", "request-rate", "traffic"]) {
        Measure::request_rate()
    } else if says(&["requests", "samples", "count"]) {
        Measure::requests()
    } else {
        percent(Measure::success_rate())
    };
    if says(&["stable", "baseline"]) && !says(&["canary"]) {
        measure.of(Of::Stable)
    } else {
        measure
    }
}

/// Whether a metric's conditions look at a vector.
pub(super) fn is_vector(plan: &Plan, ask: &Ask) -> bool {
    let Some(metric) = metric(plan, ask) else {
        return false;
    };
    let conditions = metric.success.iter().chain(&metric.failure);
    let looks = [
        "result[",
        "len(result",
        "(result,",
        "first(result",
        "last(result",
    ];
    let source = |condition: &Condition| condition.source().replace(' ', "");
    conditions
        .map(source)
        .any(|source| looks.iter().any(|look| source.contains(look)))
}

/// The plan of the metric that is asked for.
fn metric<'a>(plan: &'a Plan, ask: &Ask) -> Option<&'a MetricPlan> {
    plan.metrics()
        .find(|metric| metric.name == ask.id.metric && metric.digest == ask.id.digest)
}

/// The largest number that a metric's conditions compare with.
fn largest_bound(metric: &MetricPlan) -> Option<f64> {
    let conditions = metric.success.iter().chain(&metric.failure);
    let numbers = conditions.flat_map(|condition| numbers(condition.source()));
    numbers.reduce(f64::max)
}

/// The numbers that a text names, indices left out.
fn numbers(text: &str) -> Vec<f64> {
    let outside = text.replace("[0]", "");
    let words = outside.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.filter_map(|word| word.parse().ok()).collect()
}

/// `p99` is 0.99; 0.95 where the name does not say.
fn share_of(name: &str) -> f64 {
    let digits = name.split('p').skip(1).map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits
    });
    let mut shares = digits.filter_map(|digits| {
        let whole: f64 = digits.parse().ok()?;
        let scale = if digits.len() > 2 { 1000.0 } else { 100.0 };
        (digits.len() >= 2).then_some(whole / scale)
    });
    shares.next().unwrap_or(0.95)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gradatim_core::id::Digest;
    use gradatim_core::measurement::MeasurementId;
    use gradatim_core::plan::Background;
    use gradatim_core::time::Timestamp;

    use super::*;

    fn guessed(name: &str, condition: &str) -> (String, bool) {
        let mut metric = MetricPlan::new(name, "prometheus", serde_json::Value::Null);
        metric.success = Some(Condition::parse(condition).unwrap());
        let metric = metric.sealed();
        let (digest, mut plan) = (metric.digest, Plan::rolling_update("shop"));
        let mut background = Background {
            run: Default::default(),
            starting_step: 0,
        };
        background.run.metrics.push(metric);
        plan.background = Some(background);
        let ask = ask(name, digest);
        (guess(&plan, &ask).to_string(), is_vector(&plan, &ask))
    }

    fn ask(name: &str, digest: Digest) -> Ask {
        Ask {
            id: MeasurementId {
                incarnation: 1,
                revision: "v2".into(),
                attempt: 1,
                run: RunKey::Background,
                metric: name.into(),
                digest,
                tick: 0,
                retry: 0,
            },
            provider: "prometheus".to_owned(),
            query: serde_json::Value::Null,
            window: Duration::ZERO,
            at: Timestamp::ZERO,
            handle: None,
        }
    }

    #[test]
    fn a_metric_is_taken_for_what_its_name_and_bound_say() {
        let said = |name, condition| guessed(name, condition).0;
        assert_eq!(
            said("success-rate", "result[0] >= 0.95"),
            "success rate of the canary"
        );
        assert_eq!(
            said("availability", "result >= 99.5"),
            "success rate of the canary in percent"
        );
        assert_eq!(
            said("http-5xx", "result[0] < 0.01"),
            "error rate of the canary"
        );
        assert_eq!(
            said("latency-p99", "result[0] <= 0.5"),
            "p99 latency of the canary"
        );
        assert_eq!(
            said("p95", "result[0] <= 500"),
            "p95 latency of the canary in milliseconds"
        );
        assert_eq!(
            said("error-lines", "result[0] <= 10"),
            "failed requests of the canary"
        );
        assert_eq!(
            said("stable-error-rate", "result < 1"),
            "error rate of stable"
        );
        assert_eq!(
            said("request-rate", "result > 1"),
            "requests a second of the canary"
        );
    }

    #[test]
    fn a_vector_is_what_its_conditions_look_at() {
        assert!(guessed("a", "len(result) == 0 || result[0] > 1").1);
        assert!(!guessed("a", "result > 1").1);
    }
}
