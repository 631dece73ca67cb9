//! Loki as a [`MetricProvider`] of
//! [gradatim](https://crates.io/crates/gradatim).
//!
//! A manifest says `provider.loki`, an extension of Argo Rollouts' format, which has no provider
//! of logs:
//!
//! ```yaml
//! provider:
//!   loki:
//!     address: http://loki:3100        # or the program's own
//!     tenant: shop                     # X-Scope-OrgID, optional
//!     query: '{app="shop", version="{{args.canary-hash}}"} |= "ERROR"'
//!     window: 2m                       # of a query that gives lines; else the metric's interval
//!     step: 10s                        # with it a metric query runs over the window
//!     timeout: 30                      # seconds
//!     headers: []                      # headers, authentication and insecure as with Prometheus
//! ```
//!
//! ```
//! use gradatim_core::registry::Registry;
//! use gradatim_loki::{Config, register};
//! use serde_json::json;
//!
//! let registry = register(Registry::new(), Config::with_address("http://127.0.0.1:3100"));
//! let part = json!({ "query": "sum(rate({app=\"shop\"} |= \"ERROR\" [1m]))" });
//! assert!(registry.parse_provider("loki", &part).unwrap().is_ok());
//! ```
//!
//! # What a condition sees
//!
//! A query that gives numbers is asked as it stands: `result[0] < 5` on a vector, `result < 5` on
//! a scalar. A query that gives lines counts them over its window.
//!
//! **Nothing is no zero.** Loki has no series where no line matched, and none where the labels
//! are wrong; both answers are empty. Say which one is meant: `len(result) == 0 || result[0] < 5`
//! passes without a line, `onNoData: Failed` fails, and `… or vector(0)` in the query makes it a
//! zero. **A line that a parser cannot read is counted** within `sum`: write
//! `| json | __error__=""`.
//!
//! # Evidence
//!
//! A metric of any provider may name lines that explain its failure. They are read when a
//! measurement fails, cut to 200 characters, freed of control characters, and shown to people;
//! no decision reads them.
//!
//! ```yaml
//! - name: success-rate
//!   evidence:
//!     loki: {query: '{app="shop", version="v2"} |= "ERROR"'}
//! ```

mod config;
mod decode;
mod encode;
mod part;
mod provider;

use std::sync::Arc;

use gradatim_core::port::MetricProvider;
use gradatim_core::registry::Registry;

pub use self::config::Config;
pub use self::part::Asking;
pub use self::provider::Loki;

/// The name that a manifest calls it by.
pub const NAME: &str = "loki";

/// Registers the provider under [`NAME`].
pub fn register(registry: Registry, config: Config) -> Registry {
    registry
        .with_provider(NAME, |part| {
            Asking::parse(part).map(|asking| asking.traits())
        })
        .with_provider_builder(NAME, move |secrets| {
            let provider = Loki::new(config.clone(), secrets)?;
            Ok(Arc::new(provider) as Arc<dyn MetricProvider>)
        })
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
