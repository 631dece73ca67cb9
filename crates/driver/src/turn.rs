//! What came of one round, as values that are cheap to share.

use std::sync::Arc;
use std::time::Duration;

use gradatim_core::decision::{Decision, Phase, Saved};
use gradatim_core::fault::Fault;
use gradatim_core::observation::Observation;
use gradatim_core::plan::Plan;
use gradatim_core::port::PortError;
use gradatim_core::reason::Reason;
use gradatim_core::time::Timestamp;

use crate::evidence::Evidence;
use crate::probe::Unmeasurable;

/// What became of a decision's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Persisted {
    /// There was nothing to save.
    Unchanged,
    /// It is saved.
    Saved,
    /// It is not saved; nothing was performed but what lowers the canary.
    Failed(Fault),
}

/// What came of one round.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Turn {
    /// The plan that was followed.
    pub plan: Arc<Plan>,
    /// What was saved before the round.
    pub saved: Arc<Saved>,
    /// What was seen.
    pub observation: Arc<Observation>,
    /// When it was decided.
    pub now: Timestamp,
    /// What was decided.
    pub decision: Arc<Decision>,
    /// Whether the decision is saved.
    pub persisted: Persisted,
    /// Lines that say why measurements failed, the newest last; no decision reads them.
    pub evidence: Arc<[Evidence]>,
    /// What this attempt's metrics would not have to measure; no decision reads it.
    pub unmeasurable: Arc<[Unmeasurable]>,
    /// How much later than the previous decision asked for this round came; zero when it came
    /// before, because something had happened.
    pub late: Duration,
    /// How long the round took, by the clock of its ports.
    pub took: Duration,
    /// When the decision, or something that failed, asks for the next round by itself; none when
    /// nothing does.
    pub due: Option<Timestamp>,
    /// When to take the next round if nothing happens before; at once when this has passed. It is
    /// [`due`](Self::due), or a look at the world for safety before that. A loop whose ports lose
    /// no change may go by `due` alone.
    pub come_back: Timestamp,
}

impl Turn {
    /// Whether nothing is left to be done until a new version or an order.
    pub fn is_at_rest(&self) -> bool {
        is_at_rest(&self.decision)
    }
}

/// Whether stable serves everyone and nothing is left to be done.
pub(crate) fn is_at_rest(decision: &Decision) -> bool {
    decision.phase == Phase::Healthy && decision.waiting.reason == Reason::Resting
}

/// A rollout could not be turned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TurnError {
    /// The store did not give the rollout to this driver; the next round tries again.
    #[error("the rollout could not be taken")]
    NotTaken(#[source] PortError),
    /// Another driver owns the rollout now; this one has stopped acting on it.
    #[error("another driver owns the rollout: {0}")]
    Lost(Fault),
}
