//! Metric providers, gates and notifications against a stub server: the port's rules, and
//! everything that a server can do wrong.

mod faults;
mod gates;
mod k6;
mod notifications;
mod rules;
mod secrets;
mod tls;
mod world;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gradatim_conformance::provider::SECRET;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::Digest;
use gradatim_core::measurement::{Ask, MeasurementId, RunKey};
use gradatim_core::port::{PortError, Secret, Secrets};
use gradatim_core::time::Timestamp;
use serde_json::Value;

/// One secret: `vault/key`.
pub(super) struct Keys;

#[async_trait]
impl Secrets for Keys {
    async fn get(&self, name: &str, key: &str) -> Result<Secret, PortError> {
        match (name, key) {
            ("vault", "key") => Ok(Secret::new(SECRET)),
            _ => Err(PortError::new(
                FaultKind::NotFound,
                format!("no secret {name}/{key}"),
            )),
        }
    }
}

pub(super) fn keys() -> Arc<dyn Secrets> {
    Arc::new(Keys)
}

/// An ask of a query, at an instant.
pub(crate) fn ask(query: Value, at: Timestamp) -> Ask {
    Ask {
        id: MeasurementId {
            incarnation: 1,
            revision: "v2".into(),
            attempt: 1,
            run: RunKey::Background,
            metric: "checked".into(),
            digest: Digest::of(&query),
            tick: 0,
            retry: 0,
        },
        provider: "checked".to_owned(),
        query,
        window: Duration::from_secs(60),
        at,
        handle: None,
    }
}
