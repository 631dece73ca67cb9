//! A version that fails from its first request: when it is found, and whom it has reached.

use std::time::Duration;

use serde::Serialize;

use super::timeline::{Exposure, Timeline, settle};
use super::{Assumed, Moment, metric, sight, some_seconds};
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
    /// When, at the latest.
    pub at: Moment,
    /// By which analysis.
    pub by: Judge,
    /// By which of its metrics.
    pub metric: MetricName,
}

/// What becomes of a version that fails from its first request.
///
/// Its pods are available, and every measurement that sees failing requests fails: those taken
/// [`Assumed::data_lag`] after its first request, by tests and by metrics whose name or query
/// speaks of errors, failures, successes or status codes. Time is counted as in the earliest
/// course of things; pods that come later move all of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failing {
    /// When it gets its first request; none when it never does.
    pub first_request: Option<Moment>,
    /// How it is found; none when nothing is sure to find it.
    pub found: Option<Found>,
    /// How it is found if a metric sees it that does not speak of failing requests, such as one
    /// of latency; where that would be earlier.
    pub doubtful: Option<Found>,
    /// A metric that would see it and can fail, but has too few measurements after its first
    /// request; where nothing finds it.
    pub missed: Option<MetricName>,
    /// When its traffic is seen at 0 again.
    pub back: Option<Moment>,
    /// Whether the way back must wait for pods of the old version to come.
    pub back_waits_for_pods: bool,
    /// The largest share of the requests that it gets, 0 to 1.
    pub largest_share: f64,
    /// How many requests it gets: as many as all users send in this time. None where nothing
    /// ends it.
    #[serde(serialize_with = "some_seconds")]
    pub exposed: Option<Duration>,
    /// The index in [`Forecast::steps`](super::Forecast::steps) of a pause without end in which
    /// users meet it and nothing finds it.
    pub stops_at: Option<usize>,
}

impl Failing {
    /// How long after its first request its traffic is back at 0; none where nothing bounds it.
    pub fn takes(&self) -> Option<Duration> {
        let back = self.back?;
        back.since(self.first_request.unwrap_or(back))
    }
}

pub(super) fn failing(plan: &Plan, assumed: &Assumed, timeline: &Timeline) -> Failing {
    let mut exposure = timeline.exposure.iter();
    let first = exposure.find(|it| it.share > 0.0).map(|it| it.at);
    let found_by = |sees: fn(&MetricPlan) -> bool| found(plan, assumed, timeline, first, sees);
    let found = found_by(sight::sees_failures);
    let earlier = |it: &Found| found.as_ref().is_none_or(|found| it.at < found.at);
    let doubtful = found_by(|metric| !sight::sees_failures(metric)).filter(earlier);
    let back_waits_for_pods = match plan.strategy {
        StrategyKind::BlueGreen => false,
        _ => plan.dynamic_stable_scale || !plan.splits(),
    };
    let met = |at: Moment| first.is_some_and(|first| at >= first);
    let back = found.as_ref().map(|found| match met(found.at) {
        true => found.at.plus(way_back(plan, assumed, back_waits_for_pods)),
        false => found.at,
    });
    let stops_at = stands(timeline, back);
    // What comes after a pause without end is not what this version is known by.
    let stop = stops_at.and_then(|at| timeline.steps.get(at));
    let before = |it: &&Exposure| match stop {
        Some(row) => it.at <= row.from.first(),
        None => back.is_none_or(|back| it.at < back),
    };
    let shares = timeline.exposure.iter().filter(before).map(|it| it.share);
    Failing {
        first_request: first.filter(|first| back.is_none_or(|back| *first <= back)),
        back,
        back_waits_for_pods,
        largest_share: shares.fold(0.0, f64::max),
        exposed: back
            .filter(|_| stops_at.is_none())
            .map(|back| exposed(&timeline.exposure, back)),
        stops_at,
        missed: missed(plan).filter(|_| found.is_none()),
        found,
        doubtful,
    }
}

/// The first pause without end in which users meet a version that is back at 0 only after it.
fn stands(timeline: &Timeline, back: Option<Moment>) -> Option<usize> {
    timeline.steps.iter().position(|row| {
        let endless = row.until.pauses > row.from.pauses;
        let after = back.is_none_or(|back| back.pauses > row.from.pauses);
        endless && after && row.weight > 0
    })
}

/// A metric that sees failing requests and can fail, however many it takes.
fn missed(plan: &Plan) -> Option<MetricName> {
    let inline = plan.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Analysis(run) => Some(run),
        _ => None,
    });
    let runs = inline.chain(plan.background.iter().map(|background| &background.run));
    let mut metrics = runs.flat_map(|run| &run.metrics);
    let judges = |it: &&MetricPlan| {
        !it.dry_run && sight::sees_failures(it) && !metric::fails_at(it).is_empty()
    };
    metrics.find(judges).map(|metric| metric.name.clone())
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
fn exposed(exposure: &[Exposure], back: Moment) -> Duration {
    let ends = exposure.iter().skip(1).map(|it| it.at).chain([back]);
    let parts = exposure.iter().zip(ends).map(|(it, end)| {
        // Nobody meets it in a pause without end: that is what `stands` has looked for.
        let lasts = end.min(back).since(it.at).unwrap_or_default();
        lasts.as_secs_f64() * it.share
    });
    Duration::try_from_secs_f64(parts.sum()).unwrap_or(Duration::MAX)
}

/// The earliest of the latest moments at which an analysis has failed.
fn found(
    plan: &Plan,
    assumed: &Assumed,
    timeline: &Timeline,
    first: Option<Moment>,
    sees: fn(&MetricPlan) -> bool,
) -> Option<Found> {
    let seen = first.map(|first| first.plus(assumed.data_lag));
    let inline = plan.steps.iter().zip(&timeline.steps).enumerate();
    let inline = inline.filter_map(|(index, (step, row))| {
        let StepKind::Analysis(run) = &step.kind else {
            return None;
        };
        let judging = run.metrics.iter().filter(|it| !it.dry_run && sees(it));
        let times = judging.filter_map(|metric| {
            let at = in_step(metric, row.from.first(), first, seen)?;
            Some(found_by(Judge::Step(index), metric, at))
        });
        times.min_by_key(|found| found.at)
    });
    let beside = background(plan, timeline, first, seen, sees);
    inline.chain(beside).min_by_key(|found| found.at)
}

fn found_by(by: Judge, metric: &MetricPlan, at: Moment) -> Found {
    let metric = metric.name.clone();
    Found { at, by, metric }
}

/// When a metric of a step that begins at `start` has failed.
fn in_step(
    metric: &MetricPlan,
    start: Moment,
    first: Option<Moment>,
    seen: Option<Moment>,
) -> Option<Moment> {
    let exposed = first.is_some_and(|first| first <= start);
    let from = match exposed {
        // Before a pause without end is long ago.
        true => seen?.since(start).unwrap_or_default(),
        // A test that sends requests of its own needs no user's.
        false if sight::sends_requests(metric) => Duration::ZERO,
        false => return None,
    };
    metric::failed_after(metric, from, true).map(|after| start.plus(after))
}

fn background(
    plan: &Plan,
    timeline: &Timeline,
    first: Option<Moment>,
    seen: Option<Moment>,
    sees: fn(&MetricPlan) -> bool,
) -> Option<Found> {
    let background = plan.background.as_ref()?;
    let start = timeline.entered(background.starting_step).first();
    let (first, seen) = (first?, seen?);
    let metrics = background.run.metrics.iter();
    let judging = metrics.filter(|it| !it.dry_run && sees(it));
    let times = judging.filter_map(|metric| {
        let at = match start.pauses < seen.pauses {
            true => after_pause(metric, seen)?,
            false => {
                let from = seen.since(start).unwrap_or_default();
                // Where it begins before the first request, pods decide what falls between.
                let aligned = metric.count.is_some() || first <= start;
                start.plus(metric::failed_after(metric, from, aligned)?)
            }
        };
        (at <= timeline.promoted.first()).then(|| found_by(Judge::Background, metric, at))
    });
    times.min_by_key(|found| found.at)
}

/// When a metric has failed that runs since before a pause without end, after which the version
/// gets its first requests: its grid is not known then, nor how much of its count is left.
fn after_pause(metric: &MetricPlan, seen: Moment) -> Option<Moment> {
    if metric.count.is_some() {
        return None;
    }
    let mut metric = metric.clone();
    metric.initial_delay = Duration::ZERO;
    let from = seen.at.max(Duration::from_nanos(1));
    let at = metric::failed_after(&metric, from, false)?;
    Some(Moment { at, ..seen })
}
