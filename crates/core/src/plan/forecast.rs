//! What a plan will do before anyone runs it: when each step may begin, and how a version that
//! fails is found.
//!
//! A forecast is arithmetic over the plan and a few [`Assumed`] numbers; it looks at nothing. The
//! earliest times are those of a world in which pods come at once, routers show what they were
//! given when their settle time is over, and every measurement passes. The latest ones are those
//! of a world in which every wait lasts to its deadline.
//!
//! ```
//! use std::time::Duration;
//!
//! use gradatim_core::plan::forecast::{Assumed, forecast};
//! use gradatim_core::registry::Registry;
//! use gradatim_core::spec::{CanarySpec, RolloutSpec, StepSpec};
//! use gradatim_core::compile;
//!
//! let minute = Duration::from_secs(60);
//! let canary = CanarySpec::new([StepSpec::set_weight(50), StepSpec::pause_for(minute)]);
//! let shop = RolloutSpec::new("shop", canary).with_replicas(4);
//! let plan = compile(&shop, &[], &Registry::new())?.plan;
//!
//! let forecast = forecast(&plan, &Assumed::of(&shop));
//! assert_eq!(forecast.steps[0].canary_pods, 2);
//! assert_eq!(forecast.promoted.earliest, minute);
//! assert_eq!(forecast.failing.found, None, "nothing judges it");
//! # Ok::<(), gradatim_core::plan::CompileErrors>(())
//! ```

mod failing;
mod metric;
mod noticed;
mod sight;
mod target;
mod timeline;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Serialize;

pub use self::failing::{Failing, Found, Judge};
pub(in crate::plan) use self::metric::can_measure_failure;
pub use self::metric::{FailsAt, MetricForecast};
pub use self::noticed::{Noticed, noticed};
pub(in crate::plan) use self::sight::{sees_failures, sends_requests};
pub use self::target::{Change, Suggestion, suggest};
pub use self::timeline::{Hold, StepForecast, What};
pub(in crate::plan) use self::timeline::{Timeline, settle, timeline};
use super::{Plan, StrategyKind};
use crate::spec::RolloutSpec;

/// What is taken for granted of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assumed {
    /// How many pods the whole workload has.
    pub replicas: u32,
    /// How long a new pod needs until it is available.
    #[serde(serialize_with = "seconds")]
    pub pod_start: Duration,
    /// How old the newest data is that a measurement sees.
    #[serde(serialize_with = "seconds")]
    pub data_lag: Duration,
}

impl Assumed {
    /// The rollout's own replicas; pods that are ready at once and available after
    /// `minReadySeconds`; data that is at most 15 s old.
    pub fn of(spec: &RolloutSpec) -> Self {
        Self {
            replicas: spec.replicas,
            pod_start: Duration::from_secs(spec.min_ready_seconds.into()),
            data_lag: Duration::from_secs(15),
        }
    }
}

/// An instant of a release.
///
/// A pause without end starts the clock anew: nobody knows when an operator ends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// How many pauses without end have been ended by then.
    pub pauses: u32,
    /// The time since the last of them was, or since the release began.
    #[serde(serialize_with = "seconds")]
    pub at: Duration,
}

impl Moment {
    fn plus(self, time: Duration) -> Self {
        let at = self.at.saturating_add(time);
        Self { at, ..self }
    }

    /// The time since an earlier moment, where no pause without end lies between them.
    pub fn since(self, earlier: Self) -> Option<Duration> {
        (self.pauses == earlier.pauses).then(|| self.at.saturating_sub(earlier.at))
    }
}

/// When something happens: not before, and not after unless something is overdue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// How many pauses without end have been ended by then.
    pub pauses: u32,
    /// The time since the last of them was, or since the release began: at least this.
    #[serde(serialize_with = "seconds")]
    pub earliest: Duration,
    /// At most this.
    #[serde(serialize_with = "seconds")]
    pub latest: Duration,
}

impl Span {
    /// Its earliest moment.
    pub fn first(self) -> Moment {
        Moment {
            pauses: self.pauses,
            at: self.earliest,
        }
    }

    /// Its latest moment.
    pub fn last(self) -> Moment {
        Moment {
            pauses: self.pauses,
            at: self.latest,
        }
    }

    fn plus(self, earliest: Duration, latest: Duration) -> Self {
        Self {
            pauses: self.pauses,
            earliest: self.earliest.saturating_add(earliest),
            latest: self.latest.saturating_add(latest),
        }
    }
}

/// What a plan will do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// How it was written.
    pub strategy: StrategyKind,
    /// What weights sum to.
    pub total: u32,
    /// What was taken for granted.
    pub assumed: Assumed,
    /// The steps in their order, and the promotion after them.
    pub steps: Vec<StepForecast>,
    /// The analysis beside the steps.
    pub background: Option<BackgroundForecast>,
    /// When the new version serves everyone and is stable.
    pub promoted: Span,
    /// How long the old pods stay after that.
    #[serde(serialize_with = "seconds")]
    pub scale_down_delay: Duration,
    /// How long a wait may last before it is overdue.
    #[serde(serialize_with = "seconds")]
    pub progress_deadline: Duration,
    /// Whether an overdue wait aborts the release.
    pub deadline_aborts: bool,
    /// A version that fails from its first request.
    pub failing: Failing,
}

/// The analysis beside the steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackgroundForecast {
    /// The step, as the user counts them, at which it starts.
    pub starting_step: u32,
    /// When it starts.
    pub from: Span,
    /// What is measured.
    pub metrics: Vec<MetricForecast>,
}

/// What a plan will do in a world that is taken to be so.
pub fn forecast(plan: &Plan, assumed: &Assumed) -> Forecast {
    let timeline = timeline(plan, assumed);
    let background = plan.background.as_ref();
    let background = background.map(|background| BackgroundForecast {
        starting_step: background.starting_step,
        from: timeline.entered(background.starting_step),
        metrics: background.run.metrics.iter().map(Into::into).collect(),
    });
    Forecast {
        strategy: plan.strategy,
        total: plan.total,
        assumed: *assumed,
        background,
        promoted: timeline.promoted,
        scale_down_delay: plan.scale_down_delay,
        progress_deadline: plan.progress_deadline,
        deadline_aborts: plan.deadline_aborts,
        failing: failing::failing(plan, assumed, &timeline),
        steps: timeline.steps,
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn some_seconds<S: serde::Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => seconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}
