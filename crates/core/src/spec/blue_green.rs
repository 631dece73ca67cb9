use serde::{Deserialize, Serialize};

use super::{AntiAffinity, Metadata, RolloutAnalysis};
use crate::plan::Amount;

/// Two whole sets of pods and one switch between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BlueGreenSpec {
    /// The service that the users reach.
    pub active_service: String,
    /// A service of the new version, before it is active.
    pub preview_service: Option<String>,
    /// How many pods the new version has before the switch. Default all.
    pub preview_replica_count: Option<u32>,
    /// Whether it switches by itself. Default true; false waits for an operator.
    pub auto_promotion_enabled: bool,
    /// How long it waits before it switches by itself, in seconds. Default 0.
    pub auto_promotion_seconds: Option<u32>,
    /// How many pods may be missing in a restart. Default 25 %.
    pub max_unavailable: Option<Amount>,
    /// How long the old side keeps its pods after the switch. Default 30 s.
    pub scale_down_delay_seconds: Option<u32>,
    /// How many old revisions may wait for that. Default no limit.
    pub scale_down_delay_revision_limit: Option<u32>,
    /// How long the new side keeps its pods after an abort. Default 30 s; 0 means for ever.
    pub abort_scale_down_delay_seconds: Option<u32>,
    /// An analysis that must pass before the switch.
    pub pre_promotion_analysis: Option<RolloutAnalysis>,
    /// An analysis that takes the switch back when it fails.
    pub post_promotion_analysis: Option<RolloutAnalysis>,
    /// Keeps the two revisions' pods apart.
    pub anti_affinity: Option<AntiAffinity>,
    /// What the new version's pods bear before the switch.
    pub preview_metadata: Option<Metadata>,
    /// What the active pods bear.
    pub active_metadata: Option<Metadata>,
}

impl BlueGreenSpec {
    /// A switch of this service that happens by itself.
    pub fn new(active_service: impl Into<String>) -> Self {
        Self {
            active_service: active_service.into(),
            preview_service: None,
            preview_replica_count: None,
            auto_promotion_enabled: true,
            auto_promotion_seconds: None,
            max_unavailable: None,
            scale_down_delay_seconds: None,
            scale_down_delay_revision_limit: None,
            abort_scale_down_delay_seconds: None,
            pre_promotion_analysis: None,
            post_promotion_analysis: None,
            anti_affinity: None,
            preview_metadata: None,
            active_metadata: None,
        }
    }

    /// The same with a service of the new version.
    #[must_use]
    pub fn with_preview_service(mut self, service: impl Into<String>) -> Self {
        self.preview_service = Some(service.into());
        self
    }

    /// The same, waiting for an operator before the switch.
    #[must_use]
    pub fn with_manual_promotion(mut self) -> Self {
        self.auto_promotion_enabled = false;
        self
    }

    /// The same with an analysis that must pass before the switch.
    #[must_use]
    pub fn with_pre_promotion_analysis(mut self, analysis: RolloutAnalysis) -> Self {
        self.pre_promotion_analysis = Some(analysis);
        self
    }

    /// The same with an analysis that takes the switch back when it fails.
    #[must_use]
    pub fn with_post_promotion_analysis(mut self, analysis: RolloutAnalysis) -> Self {
        self.post_promotion_analysis = Some(analysis);
        self
    }
}
