//! The decision as a parameter: ours, or an embedder's around it.

use crate::decision::{Decision, Saved};
use crate::observation::Observation;
use crate::plan::Plan;
use crate::time::Timestamp;

/// Turns what is planned, saved and seen into what shall be.
///
/// An implementation is pure and total: the same arguments give an equal decision, and none
/// makes it panic. One of your own usually calls [`Standard`] and changes what comes out.
pub trait Policy: Send + Sync {
    /// Decides one round.
    fn decide(
        &self,
        plan: &Plan,
        saved: &Saved,
        observation: &Observation,
        now: Timestamp,
    ) -> Decision;
}

/// The policy of this library: [`decide`](crate::decide()).
#[derive(Clone, Copy, Debug, Default)]
pub struct Standard;

impl Policy for Standard {
    fn decide(
        &self,
        plan: &Plan,
        saved: &Saved,
        observation: &Observation,
        now: Timestamp,
    ) -> Decision {
        crate::decide::decide(plan, saved, observation, now)
    }
}
