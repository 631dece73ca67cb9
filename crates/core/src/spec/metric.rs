use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::IntOrText;
use crate::analysis::NoVerdict;

/// Who is asked, and what: the provider's own part stays as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// The name a manifest calls it by; those below `plugin` too.
    pub name: String,
    /// Its own part.
    pub part: Value,
}

impl Provider {
    /// A provider by its name, with its own part.
    pub fn new(name: impl Into<String>, part: Value) -> Self {
        Self {
            name: name.into(),
            part,
        }
    }
}

/// One metric, as the user wrote it. Durations are Go's; limits of -1 mean no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MetricSpec {
    /// Its name, unique within a run.
    pub name: String,
    /// The time from one measurement to the next; absent means one measurement.
    pub interval: Option<String>,
    /// The time from the run's start to the first measurement. Default none.
    pub initial_delay: Option<String>,
    /// How many measurements. Default 1 without an interval, without end with one.
    pub count: Option<IntOrText>,
    /// True is a success.
    pub success_condition: Option<String>,
    /// True is a failure.
    pub failure_condition: Option<String>,
    /// More failures than this fail it. Default 0.
    pub failure_limit: Option<IntOrText>,
    /// More inconclusive measurements than this make it inconclusive. Default 0.
    pub inconclusive_limit: Option<IntOrText>,
    /// More errors in a row than this make it an error. Default 4.
    pub consecutive_error_limit: Option<IntOrText>,
    /// So many successes in a row pass it. Default off.
    pub consecutive_success_limit: Option<IntOrText>,
    /// Who is asked.
    pub provider: Provider,
    /// So many failures in a row fail it. Ours, not Argo's; default off.
    pub consecutive_failure_limit: Option<IntOrText>,
    /// Failing for this long without a success fails it. Ours, not Argo's; default off.
    pub failure_for: Option<String>,
    /// What an empty answer counts as. Ours, not Argo's.
    pub on_no_data: NoVerdict,
    /// What NaN counts as. Ours, not Argo's.
    pub on_nan: NoVerdict,
    /// A query whose lines explain a failure, in the form of a provider's part. Ours, not
    /// Argo's.
    pub evidence: Option<Value>,
}

impl MetricSpec {
    /// A metric that is measured once and always passes: give it a condition.
    pub fn new(name: impl Into<String>, provider: Provider) -> Self {
        Self {
            name: name.into(),
            interval: None,
            initial_delay: None,
            count: None,
            success_condition: None,
            failure_condition: None,
            failure_limit: None,
            inconclusive_limit: None,
            consecutive_error_limit: None,
            consecutive_success_limit: None,
            provider,
            consecutive_failure_limit: None,
            failure_for: None,
            on_no_data: NoVerdict::Default,
            on_nan: NoVerdict::Default,
            evidence: None,
        }
    }

    /// The same, where true is a success.
    #[must_use]
    pub fn with_success(mut self, condition: impl Into<String>) -> Self {
        self.success_condition = Some(condition.into());
        self
    }

    /// The same, where true is a failure.
    #[must_use]
    pub fn with_failure(mut self, condition: impl Into<String>) -> Self {
        self.failure_condition = Some(condition.into());
        self
    }

    /// The same, measured this often (a Go duration such as `30s`).
    #[must_use]
    pub fn with_interval(mut self, interval: impl Into<String>) -> Self {
        self.interval = Some(interval.into());
        self
    }

    /// The same, measured so many times.
    #[must_use]
    pub fn with_count(mut self, count: impl Into<IntOrText>) -> Self {
        self.count = Some(count.into());
        self
    }

    /// The same, failing after more failures than this.
    #[must_use]
    pub fn with_failure_limit(mut self, limit: impl Into<IntOrText>) -> Self {
        self.failure_limit = Some(limit.into());
        self
    }

    /// The same, failing after so many failures in a row.
    #[must_use]
    pub fn with_consecutive_failure_limit(mut self, limit: impl Into<IntOrText>) -> Self {
        self.consecutive_failure_limit = Some(limit.into());
        self
    }

    /// The same, failing once it has failed for this long (a Go duration).
    #[must_use]
    pub fn with_failure_for(mut self, duration: impl Into<String>) -> Self {
        self.failure_for = Some(duration.into());
        self
    }
}
