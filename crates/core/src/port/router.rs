use async_trait::async_trait;

use super::{Missing, PortError, never};
use crate::capability::Capabilities;
use crate::route::{Route, RouteSeen};
use crate::stamp::Stamp;

/// Moves traffic: one value for each rollout.
///
/// The rules:
/// 1. `apply` makes the parts that the router carries what the route says, and nothing else.
/// 2. Applying the same route twice is applying it once; the second time writes nothing.
/// 3. `observe` reads back what the objects say now, a stranger's edits included, and never
///    answers from what was written.
/// 4. A part that the router does not carry is absent from `observe`; a part that it carries
///    is present once it was applied.
/// 5. Each part is written with its own stamp, and read back with it.
/// 6. A fenced router refuses a route whose newest stamp is older than the one that is there,
///    with [`FaultKind::Fenced`](crate::fault::FaultKind::Fenced), in one conditional write.
/// 7. A split that the router cannot express is an error of kind
///    [`Invalid`](crate::fault::FaultKind::Invalid); nothing is rounded in silence.
/// 8. A raise checks every object before it writes one; a lowering writes every object it can.
/// 9. `since` does not move while the value and its stamp stay what they are, and moves when they
///    change.
/// 10. A missing object is an error of `observe`, not an empty part, and `probe`, which writes
///     nothing, names it.
/// 11. Where it says that it is watched, `changed` resolves after every change of what `observe`
///     reads, whoever makes it.
#[async_trait]
pub trait TrafficRouter: Send + Sync {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Whether [`changed`](Self::changed) misses no change; see
    /// [`Workload::is_watched`](super::Workload::is_watched).
    fn is_watched(&self) -> bool {
        false
    }

    /// Makes the route so.
    ///
    /// # Errors
    /// When any object could not be written; those that could are written all the same where the
    /// route lowers the canary.
    async fn apply(&self, route: &Route) -> Result<(), PortError>;

    /// Reads the route.
    ///
    /// # Errors
    /// When any object could not be read; a missing object is an error, not an empty part.
    async fn observe(&self) -> Result<RouteSeen, PortError>;

    /// The newest stamp that any of its objects bears.
    ///
    /// # Errors
    /// When an object could not be read.
    async fn highest_stamp(&self) -> Result<Option<Stamp>, PortError> {
        let seen = self.observe().await?;
        let stamps = [
            seen.bind.and_then(|part| part.stamp),
            seen.split.and_then(|part| part.stamp),
            seen.headers.and_then(|part| part.stamp),
            seen.mirrors.and_then(|part| part.stamp),
        ];
        Ok(stamps.into_iter().flatten().max())
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
