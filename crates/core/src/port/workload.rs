use async_trait::async_trait;

use super::{Missing, PortError, never};
use crate::fault::FaultKind;
use crate::id::RevisionId;
use crate::stamp::Stamp;
use crate::time::Timestamp;
use crate::workload::WorkloadSeen;

/// Runs the versions: one value for each rollout.
///
/// The rules:
/// 1. `scale` is absolute: asking twice is asking once.
/// 2. A fenced workload refuses a stamp older than the one that the target bears, with
///    [`FaultKind::Fenced`](crate::fault::FaultKind::Fenced), in one conditional write.
/// 3. `observe` counts what is there now: desired, existing, ready and available pods.
/// 4. A revision is known by one name as long as it exists.
/// 5. Scaling a revision that does not exist, or undoing to one, is an error of kind `NotFound`.
/// 6. Pods that cannot start are told as trouble, in the server's words.
/// 7. `restart` replaces the pods that started before the instant and no others, at most so many
///    down at once; called again until none is left, it comes to an end.
///    A workload that cannot says so with an error of kind `Invalid`.
/// 8. `undo` makes the revision the wanted one; a workload that cannot says so with an error of
///    kind `Invalid`.
/// 9. Where it says that it is watched, `changed` resolves after every change of what `observe`
///    reads, whoever makes it.
#[async_trait]
pub trait Workload: Send + Sync {
    /// Whether it refuses an older stamp by itself. Where it does not, a driver makes sure that
    /// it still owns the rollout before each write.
    fn is_fenced(&self) -> bool {
        false
    }

    /// Whether [`changed`](Self::changed) misses no change. A rollout all of whose ports are
    /// watched is not looked at for safety's sake every few seconds.
    fn is_watched(&self) -> bool {
        false
    }

    /// What runs and how ready it is.
    ///
    /// # Errors
    /// When it could not be read.
    async fn observe(&self) -> Result<WorkloadSeen, PortError>;

    /// Asks for so many pods of a revision.
    ///
    /// # Errors
    /// When the target could not be written.
    async fn scale(
        &self,
        revision: &RevisionId,
        replicas: u32,
        stamp: Stamp,
    ) -> Result<(), PortError>;

    /// Replaces pods that started before an instant, at most `at_most` down at once; called
    /// again until none is left. By default it says that it cannot.
    ///
    /// # Errors
    /// When a pod could not be replaced.
    async fn restart(
        &self,
        before: Timestamp,
        at_most: u32,
        stamp: Stamp,
    ) -> Result<(), PortError> {
        let _ = (before, at_most, stamp);
        let text = "this workload restarts no pods";
        Err(PortError::new(FaultKind::Invalid, text))
    }

    /// Makes an older revision the wanted one. By default it says that it cannot.
    ///
    /// # Errors
    /// When the template could not be written.
    async fn undo(&self, to: &RevisionId, stamp: Stamp) -> Result<(), PortError> {
        let _ = stamp;
        let text = format!("this workload does not go back to {to}");
        Err(PortError::new(FaultKind::Invalid, text))
    }

    /// Names what is missing before a rollout can start; writes nothing.
    ///
    /// # Errors
    /// When it cannot be found out.
    async fn probe(&self) -> Result<Vec<Missing>, PortError> {
        Ok(Vec::new())
    }

    /// Resolves when what `observe` reads may have changed; pending for ever by default.
    async fn changed(&self) {
        never().await;
    }
}
