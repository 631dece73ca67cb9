use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AntiAffinity, Metadata, RolloutAnalysis, StepSpec};
use crate::plan::{Amount, Threshold};

/// Two services that take turns in being the stable one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PingPong {
    /// One of them.
    pub ping_service: String,
    /// The other.
    pub pong_service: String,
}

/// Who moves the traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TrafficRouting {
    /// Each router's own part by the name a manifest calls it by; those below `plugins` too.
    pub routers: BTreeMap<String, Value>,
    /// The routes that header and mirror steps may own, first match first.
    pub managed_routes: Vec<String>,
    /// What a split sums to. Default 100.
    pub max_traffic_weight: Option<u32>,
}

impl TrafficRouting {
    /// One router with its own part.
    pub fn new(router: impl Into<String>, part: Value) -> Self {
        Self {
            routers: BTreeMap::from([(router.into(), part)]),
            ..Self::default()
        }
    }

    /// The same with one more router.
    #[must_use]
    pub fn with_router(mut self, router: impl Into<String>, part: Value) -> Self {
        self.routers.insert(router.into(), part);
        self
    }

    /// The same with one more route that header and mirror steps may own.
    #[must_use]
    pub fn with_managed_route(mut self, name: impl Into<String>) -> Self {
        self.managed_routes.push(name.into());
        self
    }

    /// The same with another total.
    #[must_use]
    pub fn with_max_traffic_weight(mut self, total: u32) -> Self {
        self.max_traffic_weight = Some(total);
        self
    }
}

/// A canary: weights, step by step. Without steps it is a plain rolling update.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CanarySpec {
    /// The service of the version on trial.
    pub canary_service: Option<String>,
    /// The service of the stable version.
    pub stable_service: Option<String>,
    /// The steps, in order.
    pub steps: Vec<StepSpec>,
    /// Without a router: how many more pods there may be. Default 25 %.
    pub max_surge: Option<Amount>,
    /// Without a router: how many fewer pods may be available. Default 25 %.
    pub max_unavailable: Option<Amount>,
    /// Who moves the traffic; pods make the ratio when absent.
    pub traffic_routing: Option<TrafficRouting>,
    /// An analysis beside the steps.
    pub analysis: Option<RolloutAnalysis>,
    /// Keeps the two revisions' pods apart.
    pub anti_affinity: Option<AntiAffinity>,
    /// What the canary's pods bear while they are that.
    pub canary_metadata: Option<Metadata>,
    /// What the stable pods bear while they are that.
    pub stable_metadata: Option<Metadata>,
    /// With a router: how long the old side keeps its pods after a promotion. Default 30 s.
    pub scale_down_delay_seconds: Option<u32>,
    /// With a router: how many old revisions may wait for that. Default no limit.
    pub scale_down_delay_revision_limit: Option<u32>,
    /// With a router: how long the canary keeps its pods after an abort. Default 30 s.
    pub abort_scale_down_delay_seconds: Option<u32>,
    /// With a router: whether stable shrinks as the canary grows. Default false.
    pub dynamic_stable_scale: bool,
    /// With a router: the fewest pods of a side that has any.
    pub min_pods_per_replica_set: Option<u32>,
    /// Two services that take turns.
    pub ping_pong: Option<PingPong>,
    /// How many available canary pods complete a step. Default all of them.
    pub replica_progress_threshold: Option<Threshold>,
}

impl CanarySpec {
    /// A canary of these steps with everything else at its default.
    pub fn new(steps: impl IntoIterator<Item = StepSpec>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            ..Self::default()
        }
    }

    /// The same with the services of the two sides.
    #[must_use]
    pub fn with_services(mut self, stable: impl Into<String>, canary: impl Into<String>) -> Self {
        self.stable_service = Some(stable.into());
        self.canary_service = Some(canary.into());
        self
    }

    /// The same with routers.
    #[must_use]
    pub fn with_traffic_routing(mut self, routing: TrafficRouting) -> Self {
        self.traffic_routing = Some(routing);
        self
    }

    /// The same with an analysis beside the steps.
    #[must_use]
    pub fn with_analysis(mut self, analysis: RolloutAnalysis) -> Self {
        self.analysis = Some(analysis);
        self
    }

    /// The same with bounds on how many pods there may be without a router.
    #[must_use]
    pub fn with_surge(mut self, max_surge: Amount, max_unavailable: Amount) -> Self {
        self.max_surge = Some(max_surge);
        self.max_unavailable = Some(max_unavailable);
        self
    }
}
