use async_trait::async_trait;

use super::PortError;
use crate::event::Event;
use crate::id::RolloutId;

/// Tells the world about events. Never in the way of a decision.
///
/// The rules:
/// 1. An event is told once for its id: telling it again is no error and changes nothing.
/// 2. A call that fails has told nothing that the next call would not tell.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Tells one event of a rollout.
    ///
    /// # Errors
    /// When it was not told; it is tried again as long as the state keeps it.
    async fn tell(&self, rollout: &RolloutId, event: &Event) -> Result<(), PortError>;
}
