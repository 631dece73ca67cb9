//! Prometheus as a [`MetricProvider`] of
//! [gradatim](https://crates.io/crates/gradatim).
//!
//! A manifest says `provider.prometheus` as it does for Argo Rollouts: `address`, `query`,
//! `rangeQuery`, `timeout` (seconds), `headers`, `authentication` (`basicAuth`, `oauth2`, and
//! `bearer`, which is ours) and `insecure`. Signing for AWS (`sigv4`) is refused.
//!
//! ```
//! use gradatim_core::registry::Registry;
//! use gradatim_prometheus::{Config, register};
//! use serde_json::json;
//!
//! let registry = register(Registry::new(), Config::with_address("http://127.0.0.1:9090"));
//!
//! let part = json!({ "query": "sum(rate(http_requests_total{version=\"v2\"}[1m]))" });
//! assert!(registry.parse_provider("prometheus", &part).unwrap().is_ok());
//!
//! let wrong = json!({ "qeury": "up", "timeout": -1 });
//! let errors = registry.parse_provider("prometheus", &wrong).unwrap().unwrap_err();
//! assert_eq!(errors.len(), 3);
//! ```
//!
//! # What a condition sees
//!
//! A scalar is one number (`result >= 0.95`). A vector is the list of its values, and a matrix
//! the list of all of its values, series by series (`result[0] >= 0.95`,
//! `all(result, # < 0.5)`). Labels and times are kept beside them. NaN and the infinities arrive
//! as themselves; an empty answer is an empty list and never a zero; a string, a native histogram
//! and a number that is none are errors. Warnings of the server stand in the notes.
//!
//! The query is asked for the instant that the measurement speaks of, so that the same analysis
//! runs on last week's data.
//!
//! # Ready-made queries
//!
//! `preset` stands in place of `query` and needs no PromQL. It always names the version that is
//! judged, so that it cannot judge both at once:
//!
//! ```yaml
//! provider:
//!   prometheus:
//!     preset:
//!       measure: success-rate   # error-rate, latency, request-rate, cpu, memory, ready-ratio,
//!                               # restarts, error-budget, burn-rate, firing-alerts
//!       source: http            # or istio, nginx
//!       workload: shop
//!       namespace: prod         # optional
//!       version: "{{args.canary-hash}}"
//!       window: 1m              # default 1m
//!       quantile: 0.95          # of latency
//!       objective: 0.999        # of error-budget and burn-rate
//!       labels: {version: rollouts_pod_template_hash}   # where yours have other names
//! ```
//!
//! # Raw counters
//!
//! `counters` answers with samples as they were scraped, resets and all, for both sides at the
//! same instant. That is what a statistical judge needs.
//!
//! ```yaml
//! provider:
//!   prometheus:
//!     counters: {source: http, workload: shop, stable: v1, canary: v2}
//! ```
//!
//! or three selectors: `requests`, `errors`, `buckets`, with the `label` that tells the sides
//! apart, its value for each side, and the label of a `pod`. Selectors that agree but for their
//! metric's name and what narrows them further are one request; [`Prometheus::counters`] is the
//! same for a program.

mod config;
mod counters;
mod encode;
mod labels;
mod matchers;
mod moment;
mod part;
mod preset;
mod provider;
mod selectors;
mod window;

use std::sync::Arc;

use gradatim_core::port::MetricProvider;
use gradatim_core::registry::Registry;

pub use self::config::{ADDRESS_VARIABLE, Config};
pub use self::counters::Counters;
pub use self::labels::{Labels, Source};
pub use self::moment::Moment;
pub use self::part::{Asking, Question};
pub use self::preset::{Measure, Preset};
pub use self::provider::Prometheus;

/// The name that a manifest calls it by.
pub const NAME: &str = "prometheus";

/// Registers the provider under [`NAME`].
pub fn register(registry: Registry, config: Config) -> Registry {
    registry
        .with_provider(NAME, |part| {
            Asking::parse(part).map(|asking| asking.traits())
        })
        .with_provider_builder(NAME, move |secrets| {
            let provider = Prometheus::new(config.clone(), secrets)?;
            Ok(Arc::new(provider) as Arc<dyn MetricProvider>)
        })
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
