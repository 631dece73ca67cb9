use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use super::{BlueGreenSpec, CanarySpec, GateSpec, ObjectKind, ObjectRef, SessionAffinity};
use crate::measurement::GatePoint;
use crate::workload::TroubleKind;

/// How a new version takes the place of the old one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Strategy {
    /// Step by step.
    Canary(CanarySpec),
    /// Two whole sets of pods and one switch.
    BlueGreen(BlueGreenSpec),
    /// No strategy was written: pods are replaced a few at a time.
    #[default]
    RollingUpdate,
}

impl From<CanarySpec> for Strategy {
    fn from(canary: CanarySpec) -> Self {
        Self::Canary(canary)
    }
}

impl From<BlueGreenSpec> for Strategy {
    fn from(blue_green: BlueGreenSpec) -> Self {
        Self::BlueGreen(blue_green)
    }
}

/// How many finished analysis runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisHistory {
    /// Runs that passed. Default 5.
    pub successful: u32,
    /// Runs that did not. Default 5.
    pub unsuccessful: u32,
}

impl Default for AnalysisHistory {
    fn default() -> Self {
        Self {
            successful: 5,
            unsuccessful: 5,
        }
    }
}

/// When the workload that a rollout took over is scaled down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScaleDown {
    /// It keeps its pods.
    #[default]
    Never,
    /// Once the rollout is healthy.
    OnSuccess,
    /// As the rollout's own pods become available.
    Progressively,
}

/// A workload whose pod template the rollout uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRef {
    /// The API version, such as `apps/v1`.
    pub api_version: String,
    /// `Deployment`, `ReplicaSet` or `PodTemplate`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// When it is scaled down.
    pub scale_down: ScaleDown,
}

/// One rollout, as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RolloutSpec {
    /// Its name.
    pub name: String,
    /// Its namespace, where one is written.
    pub namespace: Option<String>,
    /// How many pods the whole workload has. Default 1.
    pub replicas: u32,
    /// Whether the user has paused it. Default false.
    pub paused: bool,
    /// How long a pod must be ready before it is available, in seconds. Default 0.
    pub min_ready_seconds: u32,
    /// How many old revisions are kept. Default 10.
    pub revision_history_limit: u32,
    /// How long a wait may take before it is Degraded, in seconds. Default 600.
    pub progress_deadline_seconds: u32,
    /// Whether reaching that deadline aborts. Default false.
    pub progress_deadline_abort: bool,
    /// A change to one of so many revisions back skips steps and analyses.
    pub rollback_window: Option<u32>,
    /// Pods older than this instant (RFC 3339) are to be restarted.
    pub restart_at: Option<String>,
    /// How many finished analysis runs are kept.
    pub analysis_history: AnalysisHistory,
    /// How a new version takes the old one's place.
    pub strategy: Strategy,
    /// The label selector, as it was written.
    pub selector: Option<Value>,
    /// The pod template, as it was written.
    pub template: Option<Value>,
    /// A workload whose template is used instead.
    pub workload_ref: Option<WorkloadRef>,
    /// Which troubles of canary pods abort at once. Ours, not Argo's; default none.
    pub abort_on: BTreeSet<TroubleKind>,
    /// What must be open at which point. Ours, not Argo's; default none.
    pub gates: BTreeMap<GatePoint, Vec<GateSpec>>,
    /// Whether a client that saw the canary is kept with it. Ours, not Argo's; default not.
    pub session_affinity: Option<SessionAffinity>,
}

impl RolloutSpec {
    /// A rollout of one replica with everything else at its default.
    pub fn new(name: impl Into<String>, strategy: impl Into<Strategy>) -> Self {
        Self {
            name: name.into(),
            namespace: None,
            replicas: 1,
            paused: false,
            min_ready_seconds: 0,
            revision_history_limit: 10,
            progress_deadline_seconds: 600,
            progress_deadline_abort: false,
            rollback_window: None,
            restart_at: None,
            analysis_history: AnalysisHistory::default(),
            strategy: strategy.into(),
            selector: None,
            template: None,
            workload_ref: None,
            abort_on: BTreeSet::new(),
            gates: BTreeMap::new(),
            session_affinity: None,
        }
    }

    /// The object that its fields belong to.
    pub fn object(&self) -> ObjectRef {
        ObjectRef {
            kind: ObjectKind::Rollout,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// The same in a namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// The same with so many pods.
    #[must_use]
    pub fn with_replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// The same with another progress deadline, and whether reaching it aborts.
    #[must_use]
    pub fn with_progress_deadline(mut self, seconds: u32, aborts: bool) -> Self {
        (self.progress_deadline_seconds, self.progress_deadline_abort) = (seconds, aborts);
        self
    }

    /// The same, where a change to one of so many revisions back skips the steps.
    #[must_use]
    pub fn with_rollback_window(mut self, revisions: u32) -> Self {
        self.rollback_window = Some(revisions);
        self
    }

    /// The same with one more trouble that aborts at once.
    #[must_use]
    pub fn with_abort_on(mut self, trouble: TroubleKind) -> Self {
        self.abort_on.insert(trouble);
        self
    }

    /// The same with one more gate at a point.
    #[must_use]
    pub fn with_gate(mut self, point: GatePoint, gate: GateSpec) -> Self {
        self.gates.entry(point).or_default().push(gate);
        self
    }
}
