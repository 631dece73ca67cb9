//! Whoever wants to know of every round: a log, metrics, a status file.

use std::sync::Arc;

use gradatim_core::id::RolloutId;

use crate::turn::Turn;

/// Is told of every round that a driver turns.
///
/// It is called inside the loop and must return at once. [`DecisionLog`](crate::log::DecisionLog),
/// [`Metrics`](crate::metrics::Metrics) and [`FileStore`](crate::store::FileStore) are witnesses.
pub trait Witness: Send + Sync {
    /// A round is over.
    fn turned(&self, rollout: &RolloutId, turn: &Turn);

    /// The rollout is no longer driven here.
    fn left(&self, rollout: &RolloutId) {
        let _ = rollout;
    }
}

impl<W: Witness + ?Sized> Witness for Arc<W> {
    fn turned(&self, rollout: &RolloutId, turn: &Turn) {
        (**self).turned(rollout, turn);
    }

    fn left(&self, rollout: &RolloutId) {
        (**self).left(rollout);
    }
}
