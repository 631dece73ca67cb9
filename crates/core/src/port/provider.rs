use std::time::Duration;

use async_trait::async_trait;

use super::{Missing, PortError};
use crate::measurement::{Ask, MeasurementId, Outcome};
use crate::time::Timestamp;

/// Measures: one value for all rollouts.
///
/// The rules:
/// 1. A successful call answers the ask that it was given, at the instant the ask names.
/// 2. An empty answer is an empty series, never a zero.
/// 3. NaN and the infinities arrive as themselves.
/// 4. What cannot be understood is an error of kind `Malformed`, never a number.
/// 5. A wrong query is an error of kind `Invalid` that no retry helps.
/// 6. The ask's id is the idempotency key of what is not a pure read: asked twice, done once.
/// 7. A secret never appears in an error, a note or a `Debug` output.
/// 8. Labels and times of samples are kept.
/// 9. A handle has at most 256 bytes; `terminate` ends what runs, and what is unknown or over is
///    no error.
#[async_trait]
pub trait MetricProvider: Send + Sync {
    /// Whether it can answer for instants in the past.
    fn has_history(&self) -> bool {
        false
    }

    /// Takes one measurement, or starts one that runs on.
    ///
    /// # Errors
    /// When there is no answer. The caller makes it an outcome; nothing is judged here.
    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError>;

    /// Ends a running measurement that is no longer wanted; one that is unknown is no error.
    ///
    /// # Errors
    /// When it may still be running.
    async fn terminate(&self, id: &MeasurementId, handle: &str) -> Result<(), PortError> {
        let _ = (id, handle);
        Ok(())
    }

    /// Lines that explain a failure: at most `most`, newest first, from the window that ends at
    /// `at`. None where the provider has no lines to show.
    ///
    /// They are for people: no decision reads them.
    ///
    /// # Errors
    /// When they could not be read.
    async fn evidence(
        &self,
        query: &serde_json::Value,
        at: Timestamp,
        window: Duration,
        most: usize,
    ) -> Result<Vec<String>, PortError> {
        let _ = (query, at, window, most);
        Ok(Vec::new())
    }

    /// Names what is missing for a query; asks nothing that changes anything.
    ///
    /// # Errors
    /// When it cannot be found out.
    async fn probe(&self, query: &serde_json::Value) -> Result<Vec<Missing>, PortError> {
        let _ = query;
        Ok(Vec::new())
    }
}
