//! How far a query looks back, against the time that it speaks of.

use std::time::Duration;

use super::query::{self, Sides, Takes};
use super::subject::{Metric, Place, Run, Subject, percent};
use super::{Found, Rule, promql};
use crate::analysis::NoVerdict;
use crate::go_duration::short;
use crate::plan::forecast::{FailsAt, MetricForecast};

/// Less than this after the first request a query over a window finds nothing or next to it:
/// two scrapes of 15 s.
const ENOUGH: Duration = Duration::from_secs(30);

pub(super) fn look(subject: &Subject<'_>, found: &mut Found) {
    let sides = Sides::of(subject);
    for (run, metric) in subject.judging() {
        no_traffic(subject, run, metric, found);
        let Some(window) = window(metric) else {
            continue;
        };
        overlapping(metric, window, found);
        match run.place {
            Place::Step(index) => in_step(subject, &sides, run, metric, index, window, found),
            Place::Background(step) => beside(subject, metric, step, found),
            Place::BeforeSwitch | Place::AfterSwitch => {}
        }
    }
}

/// How far a metric's query looks back, where that stands in it.
fn window(metric: &Metric<'_>) -> Option<Duration> {
    let texts = query::texts(&metric.plan.query);
    texts.into_iter().filter_map(promql::window).max()
}

/// The weight before the last raise, and how long the weight of that stands when the step begins.
fn since_raise(subject: &Subject<'_>, index: usize) -> Option<(u32, Duration)> {
    let rows = &subject.timeline.steps;
    let before = subject.before(index);
    let start = rows.get(index)?.from.first();
    let raised = rows.get(before.raise?)?.until.first();
    Some((before.below, start.since(raised)?))
}

fn in_step(
    subject: &Subject<'_>,
    sides: &Sides,
    run: &Run<'_>,
    metric: &Metric<'_>,
    index: usize,
    window: Duration,
    found: &mut Found,
) {
    let Some((before, elapsed)) = since_raise(subject, index) else {
        return;
    };
    let plan = metric.plan;
    let first = elapsed.saturating_add(plan.initial_delay);
    if before == 0 && first < ENOUGH && plan.on_no_data == NoVerdict::Default {
        let message = format!(
            "{} is measured for the first time {} after the first request: over {} it finds nothing \
             or next to it",
            plan.name,
            short(first),
            short(window),
        );
        let help = "an initialDelay of the window, or a pause before the analysis";
        found.say(Rule::MeasuresTooEarly, &metric.site, message, help);
    }
    let ticks = plan.count.unwrap_or(1).saturating_sub(1);
    let last = first.saturating_add(plan.interval.unwrap_or_default().saturating_mul(ticks));
    // Before its first weight there is nothing of the new version that could weigh.
    let diluted = before > 0 || query::takes(sides, run, metric) == Takes::Both;
    if window > last && diluted {
        let message = format!(
            "{} looks back {}, but its last measurement comes {} after the step to {}: all of them \
             count what was before it",
            plan.name,
            short(window),
            short(last),
            subject.percent(subject.weight(index)),
        );
        let help = "a window of the time since the step, or an initialDelay";
        found.say(Rule::WindowBeforeStep, &query::site(metric), message, help);
    }
}

/// A run that begins before the first request.
fn beside(subject: &Subject<'_>, metric: &Metric<'_>, step: u32, found: &mut Found) {
    let rows = &subject.timeline.steps;
    let Some(exposed) = rows.iter().find(|row| row.weight > 0) else {
        return;
    };
    let early = exposed.step.is_some_and(|exposed| step <= exposed);
    let plan = metric.plan;
    if early && plan.initial_delay < ENOUGH && plan.on_no_data == NoVerdict::Default {
        let message = format!(
            "{} is measured as soon as step {} begins, before the new version has answered a request",
            plan.name,
            step.saturating_add(1),
        );
        let help = "an initialDelay, a startingStep after the first pause, or onNoData: ignore";
        found.say(Rule::MeasuresTooEarly, &metric.site, message, help);
    }
}

/// One bad moment stands in the window of several measurements.
fn overlapping(metric: &Metric<'_>, window: Duration, found: &mut Found) {
    let Some(interval) = metric.plan.interval.filter(|it| !it.is_zero()) else {
        return;
    };
    let times = window.as_nanos().div_ceil(interval.as_nanos());
    let forecast = MetricForecast::from(metric.plan);
    let allowed = forecast.fails_at.iter().find_map(|at| match at {
        FailsAt::Failures(n) | FailsAt::InARow(n) if *n > 1 && u128::from(*n) < times => Some(*n),
        _ => None,
    });
    if let Some(failures) = allowed {
        let message = format!(
            "one bad moment is in {times} measurements of {} in a row, as each looks back {} and \
             comes {} after the last: it fails at {failures}",
            metric.plan.name,
            short(window),
            short(interval),
        );
        let help = "an interval as long as the window";
        found.say(
            Rule::OverlappingWindows,
            &metric.site.key("interval"),
            message,
            help,
        );
    }
}

/// A query while no user reaches the new version.
fn no_traffic(subject: &Subject<'_>, run: &Run<'_>, metric: &Metric<'_>, found: &mut Found) {
    let Place::Step(index) = run.place else {
        return;
    };
    let (reached, weight) = (subject.before(index).trial, subject.weight(index));
    let counts = ["prometheus", "loki"].contains(&metric.plan.provider.as_str());
    if weight == 0 && !reached && counts && window(metric).is_some() && !tested(run) {
        let message = format!(
            "{} is measured at {}: no user reaches the new version, so there is nothing to see",
            metric.plan.name,
            percent(0.0),
        );
        let help = "setWeight before it, or a test that sends requests of its own beside it";
        found.say(Rule::MeasuresNoTraffic, &metric.site, message, help);
    }
}

/// Whether the same run sends requests of its own.
fn tested(run: &Run<'_>) -> bool {
    let mut metrics = run.metrics.iter();
    metrics.any(|metric| crate::plan::forecast::sends_requests(metric.plan))
}
