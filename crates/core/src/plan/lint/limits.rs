//! Metrics that cannot fail, and limits that mean something else than they seem to.

use std::time::Duration;

use super::subject::{Metric, Run, Subject};
use super::{Found, Rule};
use crate::analysis::MetricPlan;
use crate::plan::forecast::{FailsAt, MetricForecast, can_measure_failure};

/// How long after an error the next try comes.
const RETRY: Duration = Duration::from_secs(10);

pub(super) fn look(subject: &Subject<'_>, found: &mut Found) {
    for run in &subject.runs {
        only_watched(run, found);
        same_twice(run, found);
    }
    for (_, metric) in subject.judging() {
        conditions(metric, found);
        limits(metric, found);
        errors(metric, found);
    }
}

fn only_watched(run: &Run<'_>, found: &mut Found) {
    if !run.metrics.is_empty() && run.metrics.iter().all(|metric| metric.plan.dry_run) {
        let message = "all metrics of this analysis are only watched: it passes whatever they show";
        let help = "leave one that judges out of dryRun";
        found.say(Rule::OnlyWatched, &run.site, message.to_owned(), help);
    }
}

fn same_twice(run: &Run<'_>, found: &mut Found) {
    let asks = |metric: &MetricPlan| {
        let MetricPlan {
            provider,
            query,
            success,
            failure,
            ..
        } = metric;
        (
            provider.clone(),
            query.clone(),
            success.clone(),
            failure.clone(),
        )
    };
    for (at, metric) in run.metrics.iter().enumerate() {
        let mut before = run.metrics.iter().take(at);
        if let Some(other) = before.find(|other| asks(other.plan) == asks(metric.plan)) {
            let (name, other) = (&metric.plan.name, &other.plan.name);
            let message = format!("{name} asks and wants the same as {other} in one run");
            found.say(
                Rule::SameTwice,
                &metric.site,
                message,
                "one of them is enough",
            );
        }
    }
}

fn conditions(metric: &Metric<'_>, found: &mut Found) {
    let (plan, name) = (metric.plan, &metric.plan.name);
    let constant = [
        ("successCondition", &plan.success),
        ("failureCondition", &plan.failure),
    ];
    for (field, condition) in constant {
        if let Some(value) = condition.as_ref().and_then(|it| it.constant()) {
            let message = format!("this is always {value}: it does not look at what was measured");
            let site = metric.site.key(field);
            found.say(
                Rule::ConstantCondition,
                &site,
                message,
                "compare result with a bound",
            );
        }
    }
    let judged = plan.success.is_some() || plan.failure.is_some();
    if !judged && !can_measure_failure(plan) {
        let message = format!("{name} cannot fail: without a condition every answer is a success");
        let help = "add a successCondition, such as result[0] >= 0.95";
        found.say(Rule::NoCondition, &metric.site, message, help);
    }
}

fn limits(metric: &Metric<'_>, found: &mut Found) {
    let (plan, name) = (metric.plan, &metric.plan.name);
    if !can_measure_failure(plan) {
        return;
    }
    let site = metric.site.key("failureLimit");
    let at = MetricForecast::from(plan).fails_at;
    match (at.as_slice(), plan.failure_limit, plan.count) {
        ([], None, _) => {
            let message =
                format!("{name} cannot fail: failureLimit -1 allows any number of failures");
            found.say(
                Rule::NeverFails,
                &site,
                message,
                "0 fails it at the first failure",
            );
        }
        ([], Some(limit), Some(count)) => {
            let message = format!(
                "{name} cannot fail: more than {limit} of its {count} {} would have to",
                if count == 1 {
                    "measurement"
                } else {
                    "measurements"
                },
            );
            let help = format!(
                "at most {}: a limit is passed by one more",
                count.saturating_sub(1)
            );
            found.say(Rule::NeverFails, &site, message, &help);
        }
        ([FailsAt::Failures(failures)], Some(limit), Some(count))
            if *failures == count && count > 1 =>
        {
            let message = format!(
                "failureLimit {limit} of {count}: all {count} measurements must fail before {name} does"
            );
            let fewer = (count - 1) / 2;
            let help = format!("failureLimit {fewer}: {} of {count} fail it", fewer + 1);
            found.say(Rule::AllMustFail, &site, message, &help);
        }
        _ => {}
    }
}

/// Errors are asked again after 10 s, whatever the interval.
fn errors(metric: &Metric<'_>, found: &mut Found) {
    let (Some(_), Some(limit)) = (
        &metric.spec.consecutive_error_limit,
        metric.plan.consecutive_error_limit,
    ) else {
        return;
    };
    let lasts = RETRY.saturating_mul(limit);
    let interval = metric.plan.interval.unwrap_or_default();
    if lasts < interval {
        let message = format!(
            "after an error the next try comes in 10 s, not after the interval: {} s without an \
             answer and the release is taken back",
            lasts.as_secs()
        );
        let help = format!(
            "{} is one interval",
            interval.as_secs().div_ceil(RETRY.as_secs())
        );
        let site = metric.site.key("consecutiveErrorLimit");
        found.say(Rule::ErrorsInTries, &site, message, &help);
    }
}
