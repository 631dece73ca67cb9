//! A version that fails from its first request: when it is found, and whom it has reached.

use std::time::Duration;

use serde::Serialize;

use super::timeline::{Exposure, Timeline, settle};
use super::{Assumed, metric, seconds, sight, some_seconds};
use crate::analysis::MetricPlan;
use crate::capability::Part;
use crate::id::MetricName;
use crate::plan::{Plan, StepKind, StrategyKind};

/// Which analysis finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Judge {
    /// The one beside the steps.
    Background,
    /// The one of a step, by its index in the plan.
    Step(usize),
}

/// How a failing version is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// When, at the latest, as the time since the release began.
    #[serde(serialize_with = "seconds")]
    pub at: Duration,
    /// By which analysis.
    pub by: Judge,
    /// By which of its metrics.
    pub metric: MetricName,
}

/// What becomes of a version that fails from its first request.
///
/// Its pods are available, and every measurement that sees failing requests fails: those taken
/// [`Assumed::data_lag`] after its first request, by tests and by metrics whose name or query
/// speaks of errors, failures, successes or status codes. Time is counted as in the earliest course of
/// things; pods that come later move all of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failing {
    /// When it gets its first request; none when it never does.
    #[serde(serialize_with = "some_seconds")]
    pub first_request: Option<Duration>,
    /// How it is found; none when nothing is sure to find it.
    pub found: Option<Found>,
    /// How it is found if a metric sees it that does not speak of failing requests, such as one
    /// of latency; where that would be earlier.
    pub doubtful: Option<Found>,
    /// When its traffic is seen at 0 again.
    #[serde(serialize_with = "some_seconds")]
    pub back: Option<Duration>,
    /// Whether the way back must wait for pods of the old version to come.
    pub back_waits_for_pods: bool,
    /// The largest share of the requests that it gets, 0 to 1.
    pub largest_share: f64,
    /// How many requests it gets: as many as all users send in this time. None where nothing
    /// ends it.
    #[serde(serialize_with = "some_seconds")]
    pub exposed: Option<Duration>,
    /// The index in [`Forecast::steps`](super::Forecast::steps) of the pause without end that it
    /// stops at undetected.
    pub stops_at: Option<usize>,
}

impl Failing {
    /// How long after its first request its traffic is back at 0.
    pub fn takes(&self) -> Option<Duration> {
        Some(
            self.back?
                .saturating_sub(self.first_request.unwrap_or(self.back?)),
        )
    }
}

pub(super) fn failing(plan: &Plan, assumed: &Assumed, timeline: &Timeline) -> Failing {
    let first = timeline
        .exposure
        .iter()
        .find(|it| it.share > 0.0)
        .map(|it| it.at);
    let found_by = |sees: fn(&MetricPlan) -> bool| found(plan, assumed, timeline, first, sees);
    let found = found_by(sight::sees_failures);
    let earlier = |it: &Found| found.as_ref().is_none_or(|found| it.at < found.at);
    let doubtful = found_by(|metric| !sight::sees_failures(metric)).filter(earlier);
    let met = |it: &Found| first.is_some_and(|first| it.at >= first);
    let back_waits_for_pods = match plan.strategy {
        StrategyKind::BlueGreen => false,
        _ => plan.dynamic_stable_scale || !plan.splits(),
    };
    let back = found.as_ref().map(|found| match met(found) {
        true => found
            .at
            .saturating_add(way_back(plan, assumed, back_waits_for_pods)),
        false => found.at,
    });
    let until = back.or_else(|| found.as_ref().map(|it| it.at));
    let before = |it: &&Exposure| until.is_none_or(|until| it.at < until);
    let shares = timeline.exposure.iter().filter(before).map(|it| it.share);
    let mut rows = timeline.steps.iter();
    let stops_at = rows.position(|row| row.until.earliest.is_none());
    Failing {
        first_request: first.filter(|first| until.is_none_or(|until| *first <= until)),
        back,
        back_waits_for_pods,
        largest_share: shares.fold(0.0, f64::max),
        exposed: until.map(|until| exposed(&timeline.exposure, until)),
        stops_at: stops_at.filter(|_| found.is_none()),
        found,
        doubtful,
    }
}

fn way_back(plan: &Plan, assumed: &Assumed, waits_for_pods: bool) -> Duration {
    let part = match plan.strategy {
        StrategyKind::BlueGreen => Part::Bind,
        _ => Part::Split,
    };
    let pods = if waits_for_pods {
        assumed.pod_start
    } else {
        Duration::ZERO
    };
    settle(plan, part).saturating_add(pods)
}

/// The time in which all users together send as many requests as the version gets.
fn exposed(exposure: &[Exposure], until: Duration) -> Duration {
    let ends = exposure.iter().skip(1).map(|it| it.at).chain([until]);
    let parts = exposure.iter().zip(ends).map(|(it, end)| {
        let lasts = end.min(until).saturating_sub(it.at);
        lasts.as_secs_f64() * it.share
    });
    Duration::try_from_secs_f64(parts.sum()).unwrap_or(Duration::MAX)
}

/// The earliest of the latest instants at which an analysis has failed.
fn found(
    plan: &Plan,
    assumed: &Assumed,
    timeline: &Timeline,
    first: Option<Duration>,
    sees: fn(&MetricPlan) -> bool,
) -> Option<Found> {
    let seen = first.map(|first| first.saturating_add(assumed.data_lag));
    let inline = plan.steps.iter().zip(&timeline.steps).enumerate();
    let inline = inline.filter_map(|(index, (step, row))| {
        let StepKind::Analysis(run) = &step.kind else {
            return None;
        };
        let start = row.from.earliest?;
        let judging = run.metrics.iter().filter(|it| !it.dry_run && sees(it));
        let times = judging.filter_map(|metric| {
            let at = in_step(metric, start, first, seen)?;
            Some(found_by(Judge::Step(index), metric, at))
        });
        times.min_by_key(|found| found.at)
    });
    let beside = background(plan, timeline, first, seen, sees);
    inline.chain(beside).min_by_key(|found| found.at)
}

fn found_by(by: Judge, metric: &MetricPlan, at: Duration) -> Found {
    Found {
        at,
        by,
        metric: metric.name.clone(),
    }
}

/// When a metric of a step that begins at `start` has failed.
fn in_step(
    metric: &MetricPlan,
    start: Duration,
    first: Option<Duration>,
    seen: Option<Duration>,
) -> Option<Duration> {
    let exposed = first.is_some_and(|first| first <= start);
    let from = match exposed {
        true => seen?.saturating_sub(start),
        // A test that sends requests of its own needs no user's.
        false if sight::sends_requests(metric) => Duration::ZERO,
        false => return None,
    };
    metric::failed_after(metric, from, true).map(|after| start.saturating_add(after))
}

fn background(
    plan: &Plan,
    timeline: &Timeline,
    first: Option<Duration>,
    seen: Option<Duration>,
    sees: fn(&MetricPlan) -> bool,
) -> Option<Found> {
    let background = plan.background.as_ref()?;
    let start = timeline.entered(background.starting_step).earliest?;
    let (first, seen) = (first?, seen?);
    let metrics = background.run.metrics.iter();
    let judging = metrics.filter(|it| !it.dry_run && sees(it));
    let times = judging.filter_map(|metric| {
        let from = seen.saturating_sub(start);
        // Where the run begins before the first request, pods decide what falls between.
        let aligned = metric.count.is_some() || first <= start;
        let at = start.saturating_add(metric::failed_after(metric, from, aligned)?);
        let ended = timeline
            .promoted
            .earliest
            .is_some_and(|promoted| promoted < at);
        (!ended).then(|| found_by(Judge::Background, metric, at))
    });
    times.min_by_key(|found| found.at)
}
