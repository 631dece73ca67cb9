use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Provider;

/// Something outside that must be open before a rollout goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct GateSpec {
    /// Its name.
    pub name: String,
    /// Who is asked.
    pub provider: Provider,
    /// How often, as a Go duration.
    pub interval: Option<String>,
    /// How long it may stay closed before the wait is Degraded, where it is not the rollout's
    /// deadline.
    pub progress_deadline: Option<Duration>,
}

impl GateSpec {
    /// A gate that is asked as often as `compile` sees fit.
    pub fn new(name: impl Into<String>, provider: Provider) -> Self {
        Self {
            name: name.into(),
            provider,
            interval: None,
            progress_deadline: None,
        }
    }

    /// The same, asked this often (a Go duration such as `30s`).
    #[must_use]
    pub fn with_interval(mut self, interval: impl Into<String>) -> Self {
        self.interval = Some(interval.into());
        self
    }

    /// The same with a deadline of its own.
    #[must_use]
    pub fn with_progress_deadline(mut self, deadline: Duration) -> Self {
        self.progress_deadline = Some(deadline);
        self
    }
}

/// Keeps a client that saw the canary with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SessionAffinity {
    /// The name of the cookie that marks such a client.
    pub cookie_name: String,
    /// How long the mark holds. Default one day.
    pub max_age: Duration,
}

impl SessionAffinity {
    /// A mark that holds one day.
    pub fn new(cookie_name: impl Into<String>) -> Self {
        Self {
            cookie_name: cookie_name.into(),
            max_age: Duration::from_secs(86_400),
        }
    }

    /// The same with another life.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }
}
