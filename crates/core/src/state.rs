//! What outlives a restart: small, exact through serde, read from every older version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analysis::RunState;
use crate::event::Event;
use crate::fault::Fault;
use crate::id::{Digest, RevisionId};
use crate::measurement::RunKey;
use crate::route::{Route, Stamped};
use crate::stamp::Stamp;
use crate::time::Timestamp;

/// Why traffic is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AbortCause {
    /// An operator ordered it.
    Ordered,
    /// An analysis failed or could not be measured.
    Analysis {
        /// Which run.
        run: RunKey,
        /// Whether it could not be measured, rather than failed.
        error: bool,
        /// The run's message.
        message: String,
    },
    /// The rollback gate is open.
    Gate,
    /// A wait reached its deadline and the plan aborts there.
    Deadline,
    /// Pods of the new version are in a trouble on which the plan aborts.
    Trouble(String),
}

/// Which way a rollout goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Course {
    /// Towards stable serving everyone, or there already.
    Settled,
    /// Through the steps.
    Forward {
        /// The step's index in the plan; past the end means promotion.
        step: u32,
        /// Since when it stands there.
        entered_at: Timestamp,
        /// Whether the previous version's traffic was seen gone and drained, so that this one may start.
        started: bool,
        /// Whether an order or the rollback window has waived what is left of the plan.
        waived: bool,
        /// Whether an operator has ended the pause it stands in.
        released: bool,
    },
    /// Back, by the one way there is.
    Back {
        /// Why.
        cause: AbortCause,
        /// Since when.
        at: Timestamp,
    },
}

/// The highest step whose capacity was complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Height {
    /// The weight, in parts of the plan's total.
    pub weight: u32,
    /// The count of pods that carries it.
    pub pods: u32,
}

/// A revision's share as it was last seen to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareSeen {
    /// In parts of the plan's total.
    pub share: u32,
    /// What it was before, if that was more: its pods stay until the drain delay has passed.
    pub before: u32,
    /// Since when.
    pub since: Timestamp,
}

/// What outlives a restart. Only the core looks into it; a store keeps it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The version of this encoding.
    pub version: u32,
    /// The instant of its last change.
    pub now: Timestamp,
    /// The life of the rollout, granted by its store.
    pub incarnation: u64,
    /// The epoch of the driver that wrote it last.
    pub epoch: u64,
    /// Counts intents; never reset.
    pub sequence: u64,
    /// Counts plans; never reset.
    pub generation: u64,
    /// Counts attempts; never reset.
    pub attempt: u32,
    /// The plan's digest.
    pub plan: Digest,
    /// The digest of the plan's steps.
    pub steps: Digest,
    /// The version called stable; none before the first one is up.
    pub stable: Option<RevisionId>,
    /// The version that is wanted.
    pub latest: RevisionId,
    /// Which way it goes.
    pub course: Course,
    /// Whether an operator holds it.
    pub held: bool,
    /// Whether it holds because the route was found lower than we made it.
    pub drifted: bool,
    /// The height that the canary has reached.
    pub height: Height,
    /// Whether stable was scaled down by us and is not yet back.
    pub stable_reduced: bool,
    /// The route as it is wanted; none before the first.
    pub route: Option<Route>,
    /// The stamp of the split that was last seen as wanted.
    pub confirmed: Option<Stamp>,
    /// The replica targets as they are wanted.
    pub scales: BTreeMap<RevisionId, Stamped<u32>>,
    /// Each revision's share as it was last seen to change.
    pub shares: BTreeMap<RevisionId, ShareSeen>,
    /// Analyses and gates of this attempt.
    pub runs: Vec<RunState>,
    /// The highest order taken, by source.
    pub orders: BTreeMap<String, u64>,
    /// The instant before which pods are to be replaced.
    pub restart: Option<Stamped<Timestamp>>,
    /// The revision to go back to.
    pub undo: Option<Stamped<RevisionId>>,
    /// Whether the end of this release is still to be told.
    pub unfinished: bool,
    /// When something last moved forward.
    pub progress_at: Timestamp,
    /// The mark of that: the step and the new version's available pods.
    pub progress: (u32, u32),
    /// Whether the wait that it stands in has reached its deadline.
    pub overdue: bool,
    /// Events not yet known to be delivered.
    pub events: Vec<Event>,
    /// The number of the next event.
    pub next_event: u64,
    /// The last fault told as an event, so that it is told once.
    pub told: Option<Fault>,
}

impl State {
    /// The version of the encoding that this library writes.
    pub const VERSION: u32 = 1;

    /// Reads a state from JSON of this or an older version.
    ///
    /// # Errors
    /// When the text is no state, or one of a newer version.
    pub fn from_json(text: &str) -> Result<Self, UnreadableState> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let malformed = |error: serde_json::Error| UnreadableState::Malformed(error.to_string());
        let Versioned { version } = serde_json::from_str(text).map_err(malformed)?;
        match version {
            Self::VERSION => serde_json::from_str(text).map_err(malformed),
            other => Err(UnreadableState::Version(other)),
        }
    }

    /// Writes it as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A run by its key.
    pub fn run(&self, key: RunKey) -> Option<&RunState> {
        self.runs.iter().find(|run| run.key == key)
    }
}

/// A saved state that this library cannot read; it is never overwritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableState {
    /// Another version of the library wrote it.
    #[error("the saved state has version {0}; this library reads up to {max}", max = State::VERSION)]
    Version(u32),
    /// It is not a state.
    #[error("the saved state cannot be read: {0}")]
    Malformed(String),
}
