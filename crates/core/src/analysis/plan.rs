//! What an analysis measures, and what counts as good.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::judge::{JudgePlan, Undecided};
use crate::condition::Condition;
use crate::id::{Digest, MetricName};

/// What a measurement counts as when there is nothing to judge: no data, or NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NoVerdict {
    /// As the condition says, but never a success: inconclusive instead, unless the condition
    /// names the case itself.
    #[default]
    Default,
    /// Inconclusive.
    Inconclusive,
    /// A failure.
    Failed,
    /// An error: asked again, and counted towards `consecutiveErrorLimit`.
    Error,
    /// Asked again at the next interval and counted as nothing.
    Ignore,
}

/// An argument that is known only when a run starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LateArg {
    /// The name of the stable revision.
    StableHash,
    /// The name of the revision on trial.
    LatestHash,
    /// A field of the workload's object, by path.
    Field(String),
}

/// One metric of an analysis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricPlan {
    /// Its name, unique within its run.
    pub name: MetricName,
    /// The digest of everything below: an edit starts again only what it touched.
    pub digest: Digest,
    /// The provider, by the name a manifest calls it by.
    pub provider: String,
    /// The provider's own part.
    pub query: serde_json::Value,
    /// The grid of due times; absent means once.
    pub interval: Option<Duration>,
    /// How long after the run's start the grid begins.
    pub initial_delay: Duration,
    /// How many measurements; absent means until the run is ended.
    pub count: Option<u32>,
    /// True is a success.
    pub success: Option<Condition>,
    /// True is a failure.
    pub failure: Option<Condition>,
    /// More failures than this fail the metric; absent means no limit.
    pub failure_limit: Option<u32>,
    /// More inconclusive measurements than this make it inconclusive; absent means no limit.
    pub inconclusive_limit: Option<u32>,
    /// More errors in a row than this make it an error; absent means no limit.
    pub consecutive_error_limit: Option<u32>,
    /// So many successes in a row pass it; absent means that its count decides.
    pub consecutive_success_limit: Option<u32>,
    /// So many failures in a row fail it, whatever `failure_limit` says.
    pub consecutive_failure_limit: Option<u32>,
    /// Failing for this long without a success fails it.
    pub failure_for: Option<Duration>,
    /// What an empty answer counts as.
    pub on_no_data: NoVerdict,
    /// What NaN counts as.
    pub on_nan: NoVerdict,
    /// Whether it is only watched: its verdict changes nothing.
    pub dry_run: bool,
    /// How far back a query over a window reaches.
    pub window: Duration,
    /// A query whose lines explain a failure, in the form of a provider's part.
    pub evidence: Option<serde_json::Value>,
    /// How raw counters of both sides are judged, in the place of conditions and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Box<JudgePlan>>,
}

impl MetricPlan {
    /// A metric that is measured once, with Argo's limits.
    pub fn new(
        name: impl Into<MetricName>,
        provider: impl Into<String>,
        query: serde_json::Value,
    ) -> Self {
        Self {
            name: name.into(),
            digest: Digest::default(),
            provider: provider.into(),
            query,
            interval: None,
            initial_delay: Duration::ZERO,
            count: Some(1),
            success: None,
            failure: None,
            failure_limit: Some(0),
            inconclusive_limit: Some(0),
            consecutive_error_limit: Some(4),
            consecutive_success_limit: None,
            consecutive_failure_limit: None,
            failure_for: None,
            on_no_data: NoVerdict::Default,
            on_nan: NoVerdict::Default,
            dry_run: false,
            window: Duration::ZERO,
            evidence: None,
            judge: None,
        }
        .sealed()
    }

    /// A metric that reads raw counters of both sides at each interval, and judges them.
    pub fn judged(
        name: impl Into<MetricName>,
        provider: impl Into<String>,
        query: serde_json::Value,
        interval: Duration,
        judge: JudgePlan,
    ) -> Self {
        Self {
            interval: Some(interval),
            count: None,
            consecutive_error_limit: None,
            window: JudgePlan::HISTORY,
            judge: Some(Box::new(judge)),
            ..Self::new(name, provider, query)
        }
        .sealed()
    }

    /// The same metric under the digest of what it holds now; call it after every change.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.digest = Digest::default();
        self.digest = Digest::of(&self);
        self
    }
}

/// What an analysis measures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunPlan {
    /// The names of the templates it was made of, for people.
    pub templates: Vec<String>,
    /// The metrics.
    pub metrics: Vec<MetricPlan>,
    /// Arguments that are filled in when the run starts.
    pub late_args: BTreeMap<String, LateArg>,
}

impl RunPlan {
    /// The gate of a step: a run of no template that asks for one thing.
    pub fn gate(&self) -> Option<&MetricPlan> {
        match self.metrics.as_slice() {
            [gate] if self.templates.is_empty() => Some(gate),
            _ => None,
        }
    }

    /// How long it takes when every measurement comes at its time; none when it never ends.
    pub fn longest(&self) -> Option<Duration> {
        let length = |metric: &MetricPlan| {
            if let Some(judge) = &metric.judge {
                let ends = judge.undecided != Undecided::Hold || !judge.extend.is_zero();
                return ends.then_some(metric.initial_delay + judge.extend);
            }
            let ticks = metric.count?.saturating_sub(1);
            Some(metric.initial_delay + metric.interval.unwrap_or_default().saturating_mul(ticks))
        };
        self.metrics
            .iter()
            .map(length)
            .try_fold(Duration::ZERO, |longest, length| Some(longest.max(length?)))
    }
}
