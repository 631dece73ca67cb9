//! What the embedder gives.

use std::time::Duration;

/// The variable that Argo Rollouts reads its default address from.
pub const ADDRESS_VARIABLE: &str = "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS";

/// What the embedder gives; every field has a default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where a query goes whose manifest names no address. Default none: such a query is an
    /// error.
    pub address: Option<String>,
    /// Whether `address` is taken even where a manifest names another one. Default false.
    pub overrides: bool,
    /// How long a query may take whose manifest does not say. Default 30 s, as in Argo Rollouts.
    pub timeout: Duration,
    /// How far before a window the last sample before it is looked for, of raw counters. Default
    /// 5 min, Prometheus' own limit of staleness.
    pub lookback: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: None,
            overrides: false,
            timeout: Duration::from_secs(30),
            lookback: Duration::from_secs(300),
        }
    }
}

impl Config {
    /// The defaults, with the address that [`ADDRESS_VARIABLE`] holds, if it holds any.
    pub fn from_env() -> Self {
        let address = std::env::var(ADDRESS_VARIABLE).ok();
        Self {
            address: address.filter(|address| !address.trim().is_empty()),
            ..Self::default()
        }
    }

    /// The defaults with an address.
    pub fn with_address(address: impl Into<String>) -> Self {
        Self {
            address: Some(address.into()),
            ..Self::default()
        }
    }
}
