//! What any backend owes. The ports are the only asynchronous thing the core declares.
//!
//! A port never sleeps, never retries by itself and never decides: those are the driver's and
//! the core's. Every error carries its kind, whether trying again can help, and its source.
//! The numbered rules in each port's documentation are checked by `gradatim-conformance`.

mod notifier;
mod provider;
mod router;
mod secrets;
mod store;
mod workload;

use std::error::Error as StdError;

pub use self::notifier::Notifier;
pub use self::provider::MetricProvider;
pub use self::router::TrafficRouter;
pub use self::secrets::{Secret, Secrets};
pub use self::store::{Loaded, MailboxOrder, Ownership, Store, Token};
pub use self::workload::Workload;
use crate::fault::{Fault, FaultKind, Retry};

#[cfg(feature = "mock")]
pub mod mock;

/// A port could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct PortError {
    /// What kind of failure it was.
    pub kind: FaultKind,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What a person should read: which object, and what to do.
    pub text: String,
    /// What caused it.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl PortError {
    /// An error that is worth another try, unless its kind says that none can help.
    pub fn new(kind: FaultKind, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            kind,
            retry: Fault::new(kind, "").retry,
            text,
            source: None,
        }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The error as the core sees it.
    pub fn to_fault(&self) -> Fault {
        Fault {
            retry: self.retry,
            ..Fault::new(self.kind, &self.text)
        }
    }
}

/// Something that is missing before a rollout starts, found by a port's read-only `probe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What is missing: a Service, an annotation, a metric without series.
    pub what: String,
    /// What to do about it.
    pub help: String,
}

/// Waits for ever: the default of every `changed`.
pub(crate) async fn never() {
    std::future::pending::<()>().await;
}
