use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{IntOrText, Provider};

/// How much worse young pods may be, as the user wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum WarmUpSpec {
    /// As much as in earlier releases that were promoted.
    #[default]
    Learned,
    /// Not at all.
    None,
    /// So many times worse at its start, falling to once by the end.
    Fixed {
        /// How long it takes, as a Go duration.
        lasts: String,
        /// How many times worse, such as `10x`.
        tolerate: String,
    },
}

/// A judge that compares both sides within each scrape, as the user wrote it; see
/// [`judge`](mod@crate::analysis::judge). Ours, not Argo's.
///
/// Percentages are written `1%`, how many times worse `1.3x`, durations as Go's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JudgeSpec {
    /// Its name among the metrics of its run. Default `judge`.
    pub name: String,
    /// Who gives the raw counters of both sides.
    pub provider: Provider,
    /// The time from one scrape to the next. Default 15 s.
    pub interval: Option<String>,
    /// Of all good releases so many may be taken back by chance. Default 1 %.
    pub max_false_rollback: Option<String>,
    /// How many times as many failed requests are worth a rollback. Default 1.5.
    pub stop_errors: Option<String>,
    /// How many times as many slow requests are worth a rollback. Default 1.15.
    pub stop_slow: Option<String>,
    /// The new version is good enough when it is proved to be less than so many times worse.
    /// Default 2.
    pub not_worse_than: Option<String>,
    /// How sure that proof is. Default 95 %.
    pub sure: Option<String>,
    /// A new version that is proved to fail less often than this is good enough as well. Default
    /// 0.1 %.
    pub or_below: Option<String>,
    /// How much worse young pods may be.
    pub warm_up: WarmUpSpec,
    /// What happens where there is not enough data: `hold` (the default), `proceed` or
    /// `roll back`, at once or after `extend 30m, then …`.
    pub not_enough_data: Option<String>,
    /// When nothing goes on without metrics: `hold after 2m`, the default.
    pub missing_metrics: Option<String>,
    /// How many requests a paced ramp may lose finding out.
    pub failure_budget: Option<IntOrText>,
    /// A query whose lines explain a failure, in the form of a provider's part.
    pub evidence: Option<Value>,
}

impl JudgeSpec {
    /// A judge with every default.
    pub fn new(provider: Provider) -> Self {
        Self {
            name: "judge".to_owned(),
            provider,
            interval: None,
            max_false_rollback: None,
            stop_errors: None,
            stop_slow: None,
            not_worse_than: None,
            sure: None,
            or_below: None,
            warm_up: WarmUpSpec::Learned,
            not_enough_data: None,
            missing_metrics: None,
            failure_budget: None,
            evidence: None,
        }
    }

    /// The same, reading counters this often (a Go duration such as `5s`).
    #[must_use]
    pub fn with_interval(mut self, interval: impl Into<String>) -> Self {
        self.interval = Some(interval.into());
        self
    }

    /// The same, where so many good releases may be taken back by chance (such as `1%`).
    #[must_use]
    pub fn with_max_false_rollback(mut self, share: impl Into<String>) -> Self {
        self.max_false_rollback = Some(share.into());
        self
    }

    /// The same with another consequence of too little data (such as `extend 30m, then proceed`).
    #[must_use]
    pub fn with_not_enough_data(mut self, consequence: impl Into<String>) -> Self {
        self.not_enough_data = Some(consequence.into());
        self
    }

    /// The same with another allowance for young pods.
    #[must_use]
    pub fn with_warm_up(mut self, warm_up: WarmUpSpec) -> Self {
        self.warm_up = warm_up;
        self
    }
}
