//! What a metric makes of no data, of NaN, and of values between its conditions.

use super::subject::{Metric, Subject};
use super::{Found, Rule, promql, query};
use crate::analysis::{AnalysisPhase, MetricPlan, NoVerdict, judge};
use crate::condition::{Condition, Value};
use crate::measurement::{Reading, Sample, Series};
use crate::number::Number;
use crate::time::Timestamp;

pub(super) fn look(subject: &Subject<'_>, found: &mut Found) {
    for (_, metric) in subject.judging() {
        let listed = ["prometheus", "loki"].contains(&metric.plan.provider.as_str());
        if listed && !vector(metric, found) {
            empty(metric, found);
            nan(metric, found);
        }
        between(metric, found);
    }
}

/// The answer is a list of series, and each condition that cannot take one is an error each time.
fn vector(metric: &Metric<'_>, found: &mut Found) -> bool {
    let mut texts = query::texts(&metric.plan.query).into_iter();
    if texts.any(|text| text.trim_start().starts_with("scalar(")) {
        return false;
    }
    let conditions = [
        ("successCondition", &metric.plan.success),
        ("failureCondition", &metric.plan.failure),
    ];
    let wrong = conditions.into_iter().find(|(_, condition)| {
        condition.as_ref().is_some_and(|condition| {
            let numbers = [0.0, 0.5, 1.0, 100.0].map(Value::Float);
            let takes = |value: &Value| condition.holds(value).is_ok();
            let lists = numbers.clone().map(|number| Value::Array(vec![number]));
            numbers.iter().any(takes) && !lists.iter().any(takes)
        })
    });
    let Some((field, _)) = wrong else {
        return false;
    };
    let message = format!(
        "the answer of {} is a list of series, which this takes for a number: each measurement is \
         an error",
        metric.plan.provider
    );
    let site = metric.site.key(field);
    found.say(
        Rule::VectorAsNumber,
        &site,
        message,
        "result[0] is the first of the list",
    );
    true
}

/// An empty vector is what a query without any matching series gives.
fn empty(metric: &Metric<'_>, found: &mut Found) {
    let plan = metric.plan;
    let foreseen = query::texts(&plan.query)
        .iter()
        .any(|text| promql::is_never_empty(text));
    if plan.on_no_data != NoVerdict::Default || foreseen || guards(plan, Condition::guards_empty) {
        return;
    }
    let name = &plan.name;
    let message = match judge(plan, &Reading::Series(Vec::new())).phase {
        AnalysisPhase::Error => match plan.consecutive_error_limit {
            None => return,
            Some(limit) => format!(
                "an empty answer is an error of this condition: {} of them in a row, {} s without \
                 data, take the release back",
                u64::from(limit) + 1,
                u64::from(limit) * 10,
            ),
        },
        AnalysisPhase::Inconclusive if plan.inconclusive_limit == Some(0) => {
            format!("an empty answer leaves {name} undecided, and a person must promote or abort")
        }
        AnalysisPhase::Failed => format!("an empty answer is a failure of {name}"),
        _ => return,
    };
    let help = "say what it counts as with onNoData (inconclusive, failed, error, ignore), or name \
                the case: len(result) == 0 || …";
    found.say(Rule::UnguardedEmpty, &condition_site(metric), message, help);
}

/// A division of zero by zero, or a quantile of no requests.
fn nan(metric: &Metric<'_>, found: &mut Found) {
    let plan = metric.plan;
    let possible = query::texts(&plan.query)
        .iter()
        .any(|text| promql::may_be_nan(text));
    if plan.on_nan != NoVerdict::Default || !possible || guards(plan, Condition::guards_nan) {
        return;
    }
    let name = &plan.name;
    let sample = Sample {
        at: Timestamp::ZERO,
        value: Number::new(f64::NAN),
    };
    let series = Series {
        labels: Default::default(),
        samples: vec![sample],
    };
    let message = match judge(plan, &Reading::Series(vec![series])).phase {
        AnalysisPhase::Failed => format!(
            "no request in the window gives NaN, which is a failure of {name}: a quiet moment \
             counts against the new version"
        ),
        AnalysisPhase::Inconclusive if plan.success.is_none() => format!(
            "no request in the window gives NaN, which passes this failureCondition: Argo calls \
             that a success of {name}, here it is undecided and a person must promote or abort"
        ),
        AnalysisPhase::Inconclusive if plan.inconclusive_limit == Some(0) => format!(
            "no request in the window gives NaN, which leaves {name} undecided, and a person must \
             promote or abort"
        ),
        _ => return,
    };
    let help = "say what it counts as with onNaN (inconclusive, failed, error, ignore), or name the \
                case: isNaN(result[0]) || …";
    found.say(Rule::UnguardedNan, &condition_site(metric), message, help);
}

fn guards(plan: &MetricPlan, names: fn(&Condition) -> bool) -> bool {
    [&plan.success, &plan.failure]
        .into_iter()
        .flatten()
        .any(names)
}

fn condition_site(metric: &Metric<'_>) -> super::Site {
    match (&metric.plan.success, &metric.plan.failure) {
        (None, Some(_)) => metric.site.key("failureCondition"),
        (Some(_), _) => metric.site.key("successCondition"),
        (None, None) => metric.site.clone(),
    }
}

/// Two bounds on one number that leave something between them, or have something in common.
fn between(metric: &Metric<'_>, found: &mut Found) {
    let (Some(success), Some(failure)) = (&metric.plan.success, &metric.plan.failure) else {
        return;
    };
    let (Some(one), Some(other)) = (success.bounds(), failure.bounds()) else {
        return;
    };
    let name = &metric.plan.name;
    let site = metric.site.key("failureCondition");
    for value in probes(one.value, other.value) {
        let Some((passes, fails)) = verdicts(success, failure, value) else {
            return;
        };
        let shown = Number::new(value);
        if passes && fails {
            let message =
                format!("at {shown} both conditions of {name} are true: then it is a failure");
            return found.say(
                Rule::ConditionsOverlap,
                &site,
                message,
                "one is the negation of the other",
            );
        }
        if !passes && !fails && metric.plan.inconclusive_limit == Some(0) {
            let message = format!(
                "at {shown} no condition of {name} is true: that leaves it undecided, and a person \
                 must promote or abort"
            );
            let help = "one condition is enough: the other is its negation";
            return found.say(Rule::ConditionsGap, &site, message, help);
        }
    }
}

/// Numbers around two bounds, the one between them first.
fn probes(one: f64, other: f64) -> [f64; 5] {
    let apart = (one - other).abs();
    let step = if apart > 0.0 {
        apart
    } else {
        one.abs().max(1.0)
    };
    let (low, high) = (one.min(other), one.max(other));
    [f64::midpoint(low, high), low, high, low - step, high + step]
}

/// What both conditions say of a number, alone or in a vector.
fn verdicts(success: &Condition, failure: &Condition, value: f64) -> Option<(bool, bool)> {
    let number = Value::Float(value);
    let of = |value: &Value| success.holds(value).ok().zip(failure.holds(value).ok());
    of(&Value::Array(vec![number.clone()])).or_else(|| of(&number))
}
