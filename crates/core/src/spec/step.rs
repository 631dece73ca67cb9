use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{GateSpec, RolloutAnalysis};
use crate::plan::CanaryScale;
use crate::route::{HeaderRoute, MirrorRoute};

/// A wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseSpec {
    /// How long, in whole seconds; absent means until an operator promotes.
    pub duration: Option<Duration>,
}

/// A ramp whose weight follows the evidence. Ours, not Argo's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaceSpec {
    /// The most that the canary gets, in percent. Default 50.
    pub max_weight: Option<u32>,
    /// How long it takes at least. Default 5 minutes.
    pub bake: Option<Duration>,
}

/// A step that another program performs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginStep {
    /// The name that the program is registered under.
    pub name: String,
    /// Its own part.
    pub config: Value,
    /// Whether it is skipped. Default false.
    pub disabled: bool,
}

/// One step. Several kinds may stand in one; the order in which they act is `compile`'s.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct StepSpec {
    /// The canary's weight, 0 to the total.
    pub set_weight: Option<u32>,
    /// A wait.
    pub pause: Option<PauseSpec>,
    /// The canary's pods, apart from its weight. With a router only.
    pub set_canary_scale: Option<CanaryScale>,
    /// An analysis that must pass.
    pub analysis: Option<RolloutAnalysis>,
    /// An experiment, as it was written.
    pub experiment: Option<Value>,
    /// Requests with these headers go to the canary; without matches the route is removed.
    pub set_header_route: Option<HeaderRoute>,
    /// A copy of these requests goes to the canary; without matches the mirror is removed.
    pub set_mirror_route: Option<MirrorRoute>,
    /// A step that another program performs.
    pub plugin: Option<PluginStep>,
    /// A ramp whose weight follows the evidence of the judge beside the steps. Ours, not Argo's.
    pub pace: Option<PaceSpec>,
    /// Something that must be open. Ours, not Argo's.
    pub gate: Option<GateSpec>,
    /// How long this step may take before it is Degraded, where it is not the rollout's
    /// deadline. Ours, not Argo's.
    pub progress_deadline: Option<Duration>,
}

impl StepSpec {
    /// Gives the canary this weight.
    pub fn set_weight(weight: u32) -> Self {
        Self {
            set_weight: Some(weight),
            ..Self::default()
        }
    }

    /// Waits until an operator promotes.
    pub fn pause() -> Self {
        Self {
            pause: Some(PauseSpec::default()),
            ..Self::default()
        }
    }

    /// Waits so long; parts of a second are cut off.
    pub fn pause_for(duration: Duration) -> Self {
        let duration = Some(Duration::from_secs(duration.as_secs()));
        Self {
            pause: Some(PauseSpec { duration }),
            ..Self::default()
        }
    }

    /// Sets the canary's pods apart from its weight.
    pub fn set_canary_scale(scale: CanaryScale) -> Self {
        Self {
            set_canary_scale: Some(scale),
            ..Self::default()
        }
    }

    /// Measures, and goes on when it passed.
    pub fn analysis(analysis: RolloutAnalysis) -> Self {
        Self {
            analysis: Some(analysis),
            ..Self::default()
        }
    }

    /// Sends requests with these headers to the canary.
    pub fn set_header_route(route: HeaderRoute) -> Self {
        Self {
            set_header_route: Some(route),
            ..Self::default()
        }
    }

    /// Copies these requests to the canary.
    pub fn set_mirror_route(route: MirrorRoute) -> Self {
        Self {
            set_mirror_route: Some(route),
            ..Self::default()
        }
    }

    /// Lets the evidence choose the weight.
    pub fn pace(pace: PaceSpec) -> Self {
        Self {
            pace: Some(pace),
            ..Self::default()
        }
    }

    /// Waits until it is open.
    pub fn gate(gate: GateSpec) -> Self {
        Self {
            gate: Some(gate),
            ..Self::default()
        }
    }

    /// The same with a deadline of its own.
    #[must_use]
    pub fn with_progress_deadline(mut self, deadline: Duration) -> Self {
        self.progress_deadline = Some(deadline);
        self
    }

    /// The fields of the kinds that it holds, by the names a manifest calls them by, in the
    /// order in which they act.
    pub fn kinds(&self) -> Vec<&'static str> {
        let kinds = [
            ("gate", self.gate.is_some()),
            ("pause", self.pause.is_some()),
            ("setCanaryScale", self.set_canary_scale.is_some()),
            ("setWeight", self.set_weight.is_some()),
            ("pace", self.pace.is_some()),
            ("experiment", self.experiment.is_some()),
            ("analysis", self.analysis.is_some()),
            ("setHeaderRoute", self.set_header_route.is_some()),
            ("setMirrorRoute", self.set_mirror_route.is_some()),
            ("plugin", self.plugin.is_some()),
        ];
        kinds
            .into_iter()
            .filter_map(|(name, there)| there.then_some(name))
            .collect()
    }
}
