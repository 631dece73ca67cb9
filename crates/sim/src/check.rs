//! What must hold, checked after every round: a file for each group of invariants.
//!
//! A check reads the world and the list of writes, and of a decision only what it reports; it
//! never reads a state.

use std::fmt;
use std::time::Duration;

use gradatim_driver::Turn;
use serde::Serialize;

use crate::world::{World, Write};

/// The invariants, by their names in the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum Invariant {
    /// No write raises a side above what it can carry.
    S1,
    /// Traffic leaves before pods do.
    S2,
    /// A split sums to its total and is one that the router can express.
    S3,
    /// The canary rises only by a step or an order, and never past a gate.
    S4,
    /// After an abort nothing is raised; at most two revisions carry traffic.
    S5,
    /// No verdict from no data.
    S6,
    /// A crash and a restart give the same routes as no crash.
    S7,
    /// The version called stable changes only when everything has passed or was waived.
    S8,
    /// Two drivers cannot both act.
    S9,
    /// An order takes effect once.
    S10,
    /// What is reported is never ahead of what is so.
    S11,
    /// With healthy inputs a rollout ends within its bound.
    L1,
    /// A failing verdict lowers the canary with the very next write.
    L2,
    /// No wait is silent.
    L3,
    /// Scaling is independent of progress.
    L4,
    /// An object is written only when what it shall say changes.
    L5,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// The time since the start of the simulation.
    pub at: Duration,
    /// What was so and should not be.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}: {}", self.invariant, self.at, self.text)
    }
}

/// What a check sees after a round.
pub(crate) struct Scene<'a> {
    pub(crate) world: &'a World,
    /// What was written since the last round, by any driver.
    pub(crate) writes: &'a [Write],
    /// The round; none when a driver could not take one.
    pub(crate) turn: Option<&'a Turn>,
}

/// Every check, and what each remembers.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    rounds: u32,
}

impl Checks {
    /// Looks at a round and tells what does not hold.
    pub(crate) fn after(&mut self, scene: &Scene<'_>) -> Vec<Violation> {
        let _ = (scene.world, scene.writes, scene.turn);
        self.rounds += 1;
        Vec::new()
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.rounds
    }
}
