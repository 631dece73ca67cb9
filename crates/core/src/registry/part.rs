use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spec::{FieldPath, SessionAffinity};

/// What a router's own part stands in: names, services, and what all routers share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RouterFrame {
    /// The rollout's name.
    pub rollout: String,
    /// Its namespace, where one is written.
    pub namespace: Option<String>,
    /// The service of the stable version.
    pub stable_service: Option<String>,
    /// The service of the version on trial.
    pub canary_service: Option<String>,
    /// Blue-green: the service that the users reach.
    pub active_service: Option<String>,
    /// Blue-green: the service that the testers reach.
    pub preview_service: Option<String>,
    /// What a split sums to. Default 100.
    pub max_traffic_weight: u32,
    /// The routes that header and mirror steps may own, first match first.
    pub managed_routes: Vec<String>,
    /// How a client that saw the version on trial shall be kept with it. A router that cannot
    /// keep it says so in its [`Capabilities`](crate::capability::Capabilities).
    #[serde(default)]
    pub session_affinity: Option<SessionAffinity>,
}

impl Default for RouterFrame {
    fn default() -> Self {
        Self {
            rollout: String::new(),
            namespace: None,
            stable_service: None,
            canary_service: None,
            active_service: None,
            preview_service: None,
            max_traffic_weight: 100,
            managed_routes: Vec::new(),
            session_affinity: None,
        }
    }
}

impl RouterFrame {
    /// The frame of a rollout that names no service.
    pub fn new(rollout: impl Into<String>) -> Self {
        Self {
            rollout: rollout.into(),
            ..Self::default()
        }
    }

    /// Whether any service is named.
    pub fn has_services(&self) -> bool {
        let services = [
            &self.stable_service,
            &self.canary_service,
            &self.active_service,
            &self.preview_service,
        ];
        services.into_iter().any(Option::is_some)
    }
}

/// What a metric provider says of its part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderTraits {
    /// Whether it can answer for instants in the past.
    pub has_history: bool,
    /// How far back its query reaches, where the part says so; otherwise one interval.
    pub window: Option<Duration>,
}

/// Something that is wrong with a backend's own part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartError {
    /// Where, below the part; the part itself when empty.
    pub path: FieldPath,
    /// The value that is wrong, as it was written.
    pub value: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl PartError {
    /// An error at a path below the part, such as `stableIngresses[0]`.
    pub fn new(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: FieldPath::from(path),
            value: None,
            message: message.into(),
            help: None,
        }
    }

    /// The same with the value that is wrong.
    #[must_use]
    pub fn with_value(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// The same with what would be right.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
