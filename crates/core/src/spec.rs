//! What the user writes, as plain values: no positions, no YAML, nothing checked yet.
//!
//! A reader of manifests and an embedder's constructors build the same types, and `compile`
//! cannot tell which of them did. Fields that a template may fill in (`{{args.x}}`) stay text
//! until then.
//!
//! ```
//! use std::time::Duration;
//! use gradatim_core::spec::{CanarySpec, RolloutSpec, StepSpec};
//!
//! let canary = CanarySpec::new([
//!     StepSpec::set_weight(10),
//!     StepSpec::pause_for(Duration::from_secs(60)),
//!     StepSpec::set_weight(50),
//!     StepSpec::pause(),
//! ]);
//! let spec = RolloutSpec::new("shop", canary).with_replicas(5);
//! assert_eq!(spec.progress_deadline_seconds, 600);
//! ```

mod analysis;
mod blue_green;
mod canary;
mod extension;
mod judge;
mod metric;
mod path;
mod rollout;
mod step;
mod value;

use serde::{Deserialize, Serialize};

pub use self::analysis::{
    AnalysisTemplate, ArgSpec, ArgValue, HashOf, Retention, RolloutAnalysis, TemplateRef,
};
pub use self::blue_green::BlueGreenSpec;
pub use self::canary::{CanarySpec, PingPong, TrafficRouting};
pub use self::extension::{GateSpec, SessionAffinity};
pub use self::judge::{JudgeSpec, WarmUpSpec};
pub use self::metric::{MetricSpec, Provider};
pub use self::path::{FieldPath, FieldRef, ObjectKind, ObjectRef, Segment};
pub use self::rollout::{AnalysisHistory, RolloutSpec, ScaleDown, Strategy, WorkloadRef};
pub use self::step::{PaceSpec, PauseSpec, PluginStep, StepSpec};
pub use self::value::{AntiAffinity, IntOrText, Metadata};

/// Everything that was read, or that an embedder wrote, in the order in which it stood there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifests {
    /// The rollouts.
    pub rollouts: Vec<RolloutSpec>,
    /// The analysis templates, those of the cluster included.
    pub templates: Vec<AnalysisTemplate>,
}

impl Manifests {
    /// The template that an analysis in `namespace` means by `reference`.
    ///
    /// A namespace that is not written matches any.
    pub fn template(
        &self,
        reference: &TemplateRef,
        namespace: Option<&str>,
    ) -> Option<&AnalysisTemplate> {
        self.templates
            .iter()
            .find(|template| template.answers(reference, namespace))
    }
}
