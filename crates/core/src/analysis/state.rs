//! What is remembered of an analysis: counters, never the measurements.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::judge::JudgeState;
use crate::id::{Digest, MetricName};
use crate::measurement::RunKey;
use crate::time::Timestamp;

/// Where an analysis, a metric or a measurement stands; ordered from best to worst.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum AnalysisPhase {
    /// Passed.
    Successful,
    /// Being measured.
    Running,
    /// Not yet measured.
    #[default]
    Pending,
    /// Cannot be decided.
    Inconclusive,
    /// Could not be measured.
    Error,
    /// Failed.
    Failed,
}

impl AnalysisPhase {
    /// Whether nothing more comes.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::Pending)
    }
}

impl std::fmt::Display for AnalysisPhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// What is remembered of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricState {
    /// Its name.
    pub name: MetricName,
    /// The digest of the plan under which it was measured.
    pub digest: Digest,
    /// Where it stands.
    pub phase: AnalysisPhase,
    /// Why it ended, as clients of Argo read it; empty while it runs and when it passed.
    pub why: String,
    /// Measurements that were not errors.
    pub count: u32,
    /// Successes.
    pub successful: u32,
    /// Failures.
    pub failed: u32,
    /// Inconclusive measurements.
    pub inconclusive: u32,
    /// Errors.
    pub error: u32,
    /// Errors since the last measurement that was none.
    pub consecutive_error: u32,
    /// Successes since the last measurement that was none.
    pub consecutive_success: u32,
    /// Failures since the last success.
    pub consecutive_failure: u32,
    /// The first of those failures.
    pub failing_since: Option<Timestamp>,
    /// The next index on the grid of due times.
    pub tick: u32,
    /// How often this index was tried in vain.
    pub retry: u32,
    /// The instant of the next try after an error.
    pub retry_at: Option<Timestamp>,
    /// What a running measurement is known by.
    pub handle: Option<String>,
    /// When to ask for a running measurement again.
    pub ask_again_at: Option<Timestamp>,
    /// When the last measurement that was no error arrived.
    pub measured_at: Option<Timestamp>,
    /// A sentence on the last measurement.
    pub last: String,
    /// What its judge remembers, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Box<JudgeState>>,
}

/// What is remembered of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunState {
    /// Which run.
    pub key: RunKey,
    /// When it started.
    pub started_at: Timestamp,
    /// Where it stands.
    pub phase: AnalysisPhase,
    /// Why, as clients of Argo read it.
    pub message: String,
    /// Values of arguments that were known only when it started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    /// Its metrics.
    pub metrics: Vec<MetricState>,
}
