//! A version that fails from its first request: when it is found, and whom it has reached.

use std::time::Duration;

use serde::Serialize;

use super::timeline::{Exposure, Timeline, settle};
use super::{Assumed, metric, seconds, some_seconds};
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
/// Its pods are available, and every measurement that can see it fails: those taken
/// [`Assumed::data_lag`] after its first request. Time is counted as in the earliest course of
/// things; pods that come later move all of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failing {
    /// When it gets its first request; none when it never does.
    #[serde(serialize_with = "some_seconds")]
    pub first_request: Option<Duration>,
    /// How it is found; none when nothing finds it.
    pub found: Option<Found>,
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
    /// The step, as the user counts them, whose pause without end it stops at undetected.
    pub stops_at: Option<u32>,
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
    let found = found(plan, assumed, timeline, first);
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
    let stops = timeline
        .steps
        .iter()
        .find(|row| row.until.earliest.is_none());
    Failing {
        first_request: first.filter(|first| until.is_none_or(|until| *first <= until)),
        back,
        back_waits_for_pods,
        largest_share: shares.fold(0.0, f64::max),
        exposed: until.map(|until| exposed(&timeline.exposure, until)),
        stops_at: stops.filter(|_| found.is_none()).and_then(|row| row.step),
        found,
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
) -> Option<Found> {
    let seen = first.map(|first| first.saturating_add(assumed.data_lag));
    let inline = plan.steps.iter().zip(&timeline.steps).enumerate();
    let inline = inline.filter_map(|(index, (step, row))| {
        let StepKind::Analysis(run) = &step.kind else {
            return None;
        };
        let start = row.from.earliest?;
        let times = run.metrics.iter().filter_map(|metric| {
            let at = in_step(metric, start, first, seen)?;
            Some(found_by(Judge::Step(index), metric, at))
        });
        times.min_by_key(|found| found.at)
    });
    let beside = background(plan, timeline, first, seen);
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
    if metric.dry_run {
        return None;
    }
    let exposed = first.is_some_and(|first| first <= start);
    let from = match exposed {
        true => seen?.saturating_sub(start),
        // A test that sends requests of its own needs no user's.
        false if sends_requests(metric) => Duration::ZERO,
        false => return None,
    };
    metric::failed_after(metric, from, true).map(|after| start.saturating_add(after))
}

/// Providers that try the new version themselves.
fn sends_requests(metric: &MetricPlan) -> bool {
    ["job", "web", "command"].contains(&metric.provider.as_str())
}

fn background(
    plan: &Plan,
    timeline: &Timeline,
    first: Option<Duration>,
    seen: Option<Duration>,
) -> Option<Found> {
    let background = plan.background.as_ref()?;
    let start = timeline.entered(background.starting_step).earliest?;
    let (first, seen) = (first?, seen?);
    let times = background.run.metrics.iter().filter_map(|metric| {
        if metric.dry_run {
            return None;
        }
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
