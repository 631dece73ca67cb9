//! What the embedder gives.

use std::time::Duration;

/// What the embedder gives; every field has a default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where a query goes whose manifest names no address. Default none: such a query is an
    /// error.
    pub address: Option<String>,
    /// Whether `address` is taken even where a manifest names another one. Default false.
    pub overrides: bool,
    /// The tenant of a query whose manifest names none. Default none.
    pub tenant: Option<String>,
    /// How long a query may take whose manifest does not say. Default 30 s.
    pub timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: None,
            overrides: false,
            tenant: None,
            timeout: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// The defaults with an address.
    pub fn with_address(address: impl Into<String>) -> Self {
        Self {
            address: Some(address.into()),
            ..Self::default()
        }
    }
}
