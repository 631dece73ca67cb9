//! Any JSON endpoint, any command and any webhook, for
//! [gradatim](https://crates.io/crates/gradatim).
//!
//! | in a manifest | what it is |
//! |---|---|
//! | `provider.web` | a JSON endpoint, with the fields of Argo Rollouts |
//! | `provider.command` | a program of this machine: its exit code, or the JSON that it prints |
//! | `provider.webhook` | a gate that somebody else opens |
//!
//! ```
//! use gradatim_core::registry::Registry;
//! use serde_json::json;
//!
//! let registry = gradatim_web::register(Registry::new());
//! let part = json!({ "command": ["k6", "run", "--quiet", "checkout.js"], "timeout": "5m" });
//! assert!(registry.parse_provider("command", &part).unwrap().is_ok());
//! ```
//!
//! # What a condition sees
//!
//! `web`: what stands at `jsonPath` (default `{$}`, the first match); a body that is no JSON is a
//! text. Another status than 200 to 299 is an error. `command` with `result: json`: what it
//! prints. Without, no condition is needed: 0 passes, anything else fails, and a test program
//! such as k6 gates a step without Kubernetes.
//!
//! # k6
//!
//! k6 exits with 0 when every threshold of its script held and with 99 when one was crossed, so
//! that no result has to be read:
//!
//! ```yaml
//! provider:
//!   command: {command: [k6, run, --quiet, checkout.js], timeout: 5m}
//! ```
//!
//! What it measured can be judged instead, from the file of `--summary-export` wherever that is
//! served:
//!
//! ```yaml
//! successCondition: result < 0.01
//! provider:
//!   web: {url: "http://load/summary.json", jsonPath: "{$.metrics.http_req_failed.value}"}
//! ```
//!
//! Other paths are `{$.metrics.checks.value}` (the part of the checks that held) and
//! `{$.metrics.http_req_duration['p(95)']}` (milliseconds). A threshold in that file is `true` when
//! it was crossed, and of `http_req_failed` the `passes` are the requests that failed.
//!
//! # Gates, by Flagger's names
//!
//! | Flagger | here |
//! |---|---|
//! | `confirm-rollout` | `gates.beforeStart` with `provider.webhook` |
//! | `pre-rollout` | a `gate` step, or an analysis step, before the first weight and after the `setCanaryScale` that starts the pods |
//! | `rollout` | a metric with `provider.web` in the background analysis: called at each interval, and any other answer than 200 to 299 counts towards its `consecutiveErrorLimit` |
//! | `confirm-traffic-increase` | `gates.beforeRaise` |
//! | `confirm-promotion` | `gates.beforePromotion` |
//! | `post-rollout` | `gates.afterPromotion`, or a notification of the last event |
//! | `rollback` | `gates.rollback`: open means take the traffic back |
//! | `event` | [`WebhookNotifier`] with [`FLAGGER`], or a template of your own |
//!
//! The payload is Flagger's (`name`, `namespace`, `phase`, `checksum`, `metadata`) with the `id`
//! of the question. 200 to 299 is open, 204 included; any other answer is closed. A gate that does
//! not answer is unknown: it waits, and its silence is no failed check.
//!
//! # Once
//!
//! Whatever may not be done twice carries its id in the header `Idempotency-Key`: a measurement
//! that is asked again after a crash has the id that it had.

mod command;
mod notifier;
mod web;
mod webhook;

use std::sync::Arc;

use gradatim_core::port::MetricProvider;
use gradatim_core::registry::Registry;

pub use self::command::{Command, Commands};
pub use self::notifier::{FLAGGER, JSON, SLACK, WebhookNotifier};
pub use self::web::{Asking, Web};
pub use self::webhook::{Gate, Webhook};

/// The header that names what may not be done twice.
const IDEMPOTENCY: &str = "Idempotency-Key";

/// Registers `web`, `command` and `webhook`.
pub fn register(registry: Registry) -> Registry {
    registry
        .with_provider("web", Web::parse)
        .with_provider_builder("web", |secrets| {
            Ok(Arc::new(Web::new(secrets)?) as Arc<dyn MetricProvider>)
        })
        .with_provider("command", Commands::parse)
        .with_provider_builder("command", |secrets| {
            Ok(Arc::new(Commands::new(secrets)) as Arc<dyn MetricProvider>)
        })
        .with_provider("webhook", Webhook::parse)
        .with_provider_builder("webhook", |secrets| {
            Ok(Arc::new(Webhook::new(secrets)?) as Arc<dyn MetricProvider>)
        })
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
