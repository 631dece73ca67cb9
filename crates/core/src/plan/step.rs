//! The closed list of what a rollout can do on its way.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::analysis::{MetricPlan, RunPlan};
use crate::measurement::GatePoint;
use crate::route::{HeaderRoute, MirrorRoute};

/// A number of pods, or a percentage of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Amount {
    /// So many pods.
    Pods(u32),
    /// So many percent of `replicas`.
    Percent(u32),
}

impl Amount {
    /// In pods, a fraction counting as one more.
    pub fn rounded_up(self, replicas: u32) -> u32 {
        self.of(replicas, 99)
    }

    /// In pods, a fraction left out.
    pub fn rounded_down(self, replicas: u32) -> u32 {
        self.of(replicas, 0)
    }

    fn of(self, replicas: u32, add: u64) -> u32 {
        match self {
            Self::Pods(pods) => pods,
            Self::Percent(percent) => {
                let pods = (u64::from(replicas) * u64::from(percent) + add) / 100;
                u32::try_from(pods).unwrap_or(u32::MAX)
            }
        }
    }
}

/// How many available pods of a side are enough to complete a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Threshold {
    /// So many pods.
    Pods(u32),
    /// So many percent of the count that the step asks for, rounded up.
    Percent(u32),
}

/// How many pods the canary has, apart from its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CanaryScale {
    /// As many as this weight, in percent of `replicas`, would need.
    Weight(u32),
    /// So many.
    Replicas(u32),
    /// As many as the traffic weight needs: the default.
    MatchTrafficWeight,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    /// The canary gets this many parts of the total.
    SetWeight(u32),
    /// The evidence of the judge beside the steps chooses the canary's weight.
    Pace {
        /// The most parts of the total.
        most: u32,
        /// How long it takes at least.
        bake: Duration,
    },
    /// Waits so long, or for an operator where no time is given.
    Pause(Option<Duration>),
    /// Sets the canary's pods apart from its weight.
    SetCanaryScale(CanaryScale),
    /// Measures, and goes on when it passed.
    Analysis(RunPlan),
    /// Requests with these headers go to the canary; without matches the route is removed.
    SetHeaderRoute(HeaderRoute),
    /// A copy of these requests goes to the canary; without matches the mirror is removed.
    SetMirrorRoute(MirrorRoute),
    /// Blue-green: brings the preview up, with this many pods or all of them.
    Preview(Option<u32>),
    /// Blue-green: binds the active slot to the new version, once it can carry everyone.
    Switch,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The index of the user's step that it came from; several may share one, and what a
    /// strategy adds by itself has the number of the user's steps.
    pub index: u32,
    /// What it does.
    pub kind: StepKind,
    /// How long a wait in it may last before it is Degraded; the plan's where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Duration>,
}

impl Step {
    /// A step that waits as long as the plan lets it.
    pub fn new(index: u32, kind: StepKind) -> Self {
        Self {
            index,
            kind,
            progress_deadline: None,
        }
    }
}

/// The same step without its deadline: how long a wait may last is no other step.
pub(super) fn untimed(step: &Step) -> Step {
    Step::new(step.index, step.kind.clone())
}

/// A gate of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Where it stands.
    pub point: GatePoint,
    /// How it is asked; its interval is how often.
    pub metric: MetricPlan,
    /// How long it may stay closed before the wait is Degraded; the plan's where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Duration>,
}

impl Gate {
    /// A gate that may stay closed as long as the plan lets a wait last.
    pub fn new(point: GatePoint, metric: MetricPlan) -> Self {
        Self {
            point,
            metric,
            progress_deadline: None,
        }
    }
}
