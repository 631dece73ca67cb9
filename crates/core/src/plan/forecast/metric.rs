//! One metric: how long it takes, and how many failures it takes to fail.

use std::time::Duration;

use serde::Serialize;

use super::{seconds, some_seconds};
use crate::analysis::MetricPlan;
use crate::id::MetricName;

/// What fails a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FailsAt {
    /// So many failures.
    Failures(u32),
    /// So many failures in a row.
    InARow(u32),
    /// Failures for so long, and at least two.
    #[serde(serialize_with = "seconds")]
    For(Duration),
    /// No success limit reached at its last measurement.
    End,
    /// A judge's evidence that the new version is worse.
    Evidence,
}

/// After how many scrapes a judge has seen a version that fails every request, where each brings
/// a request or two of it.
const SCRAPES: u32 = 3;

/// One metric of an analysis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricForecast {
    /// Its name.
    pub name: MetricName,
    /// The time from one measurement to the next.
    #[serde(serialize_with = "some_seconds")]
    pub interval: Option<Duration>,
    /// The time from the run's start to the first one.
    #[serde(serialize_with = "seconds")]
    pub initial_delay: Duration,
    /// How many there are; none while the run lasts.
    pub count: Option<u32>,
    /// What fails it, each by itself; nothing does when empty.
    pub fails_at: Vec<FailsAt>,
    /// Whether it is only watched.
    pub dry_run: bool,
}

impl From<&MetricPlan> for MetricForecast {
    fn from(plan: &MetricPlan) -> Self {
        Self {
            name: plan.name.clone(),
            interval: plan.interval,
            initial_delay: plan.initial_delay,
            count: plan.count,
            fails_at: fails_at(plan),
            dry_run: plan.dry_run,
        }
    }
}

/// Providers whose answers are verdicts: they need no condition.
const JUDGES: [&str; 3] = ["job", "kayenta", "command"];

/// Whether measurements of a metric can fail at all.
pub(in crate::plan) fn can_measure_failure(plan: &MetricPlan) -> bool {
    if plan.judge.is_some() {
        return true;
    }
    let success = plan.success.as_ref().map(|it| it.constant() != Some(true));
    let failure = plan.failure.as_ref().map(|it| it.constant() != Some(false));
    match (success, failure) {
        (None, None) => JUDGES.contains(&plan.provider.as_str()),
        (success, failure) => success == Some(true) || failure == Some(true),
    }
}

pub(super) fn fails_at(plan: &MetricPlan) -> Vec<FailsAt> {
    if plan.judge.is_some() {
        return vec![FailsAt::Evidence];
    }
    if !can_measure_failure(plan) {
        return Vec::new();
    }
    let reachable = |failures: &u32| plan.count.is_none_or(|count| *failures <= count);
    let by_count = plan.failure_limit.map(|limit| limit.saturating_add(1));
    let in_a_row = plan.consecutive_failure_limit.filter(|it| *it > 0);
    let lasting = plan.failure_for.filter(|wanted| {
        let span = |count: u32| plan.interval.unwrap_or_default().saturating_mul(count - 1);
        plan.count
            .is_none_or(|count| count > 1 && span(count) >= *wanted)
    });
    // With a limit on failures it is left undecided at its end; without one it has failed.
    let wants_successes = plan.consecutive_success_limit.is_some_and(|it| it > 0);
    let at_end = wants_successes && plan.failure_limit.is_none() && plan.count.is_some();
    [
        by_count.filter(reachable).map(FailsAt::Failures),
        in_a_row.filter(reachable).map(FailsAt::InARow),
        lasting.map(FailsAt::For),
        at_end.then_some(FailsAt::End),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How long after the run's start a metric passes when every measurement does.
pub(super) fn shortest(plan: &MetricPlan) -> Option<Duration> {
    let in_a_row = plan.consecutive_success_limit.filter(|it| *it > 0);
    let count = match (plan.count, in_a_row) {
        (Some(count), Some(in_a_row)) => count.min(in_a_row),
        (count, in_a_row) => count.or(in_a_row)?,
    };
    Some(after(plan, count))
}

/// How long after the run's start the `count`-th measurement comes.
pub(super) fn after(plan: &MetricPlan, count: u32) -> Duration {
    let interval = plan.interval.unwrap_or_default();
    let ticks = interval.saturating_mul(count.saturating_sub(1));
    plan.initial_delay.saturating_add(ticks)
}

/// How long after the run's start a metric has failed, when every measurement from `from` on
/// fails; `from` is as late after the start as that. None when it does not fail.
///
/// `aligned` says that the grid of measurements is known; otherwise the first that fails comes
/// up to an interval later.
pub(super) fn failed_after(plan: &MetricPlan, from: Duration, aligned: bool) -> Option<Duration> {
    let interval = plan.interval.unwrap_or_default();
    let (first, at) = first_failure(plan, from, aligned)?;
    let nth = |n: u32| {
        let last = first.checked_add(n.checked_sub(1)?)?;
        let within = plan.count.is_none_or(|count| last < count);
        within.then(|| at.saturating_add(interval.saturating_mul(n - 1)))
    };
    let times = fails_at(plan).into_iter().filter_map(|it| match it {
        FailsAt::Failures(n) | FailsAt::InARow(n) => nth(n),
        FailsAt::For(wanted) if interval.is_zero() => nth(2).filter(|_| wanted.is_zero()),
        FailsAt::For(wanted) => {
            let ticks = wanted.as_nanos().div_ceil(interval.as_nanos()).max(1);
            nth(u32::try_from(ticks).unwrap_or(u32::MAX - 1) + 1)
        }
        FailsAt::Evidence => nth(SCRAPES),
        FailsAt::End => Some(after(plan, plan.count?)),
    });
    times.min()
}

/// The index of the first measurement that fails, and when it is taken.
fn first_failure(plan: &MetricPlan, from: Duration, aligned: bool) -> Option<(u32, Duration)> {
    let delay = plan.initial_delay;
    if delay >= from {
        return Some((0, delay));
    }
    let interval = plan.interval.filter(|interval| !interval.is_zero())?;
    let late = (from - delay).as_nanos().div_ceil(interval.as_nanos());
    let index = u32::try_from(late).ok()?;
    let at = match aligned {
        true => delay.saturating_add(interval.saturating_mul(index)),
        false => from.saturating_add(interval),
    };
    plan.count
        .is_none_or(|count| index < count)
        .then_some((index, at))
}
