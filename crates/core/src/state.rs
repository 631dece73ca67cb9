//! What outlives a restart: small, exact through serde, read from every older version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analysis::RunState;
use crate::analysis::judge::Learned;
use crate::event::Event;
use crate::fault::Fault;
use crate::id::{Digest, RevisionId};
use crate::measurement::RunKey;
use crate::route::{Route, Stamped};
use crate::time::Timestamp;
use crate::workload::TroubleKind;

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
        /// Whether this version was taken back before, so that its own traffic must be drained.
        #[serde(default)]
        again: bool,
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

/// The height that a version on trial has reached: the last weight whose capacity was complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Height {
    /// The version.
    pub of: RevisionId,
    /// The weight, in parts of the plan's total.
    pub weight: u32,
    /// The count of pods that carries it.
    pub pods: u32,
}

/// A revision's share of the traffic as it was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareSeen {
    /// In parts of the plan's total.
    pub share: u32,
    /// What it was before, if that was more: its pods stay until the drain delay has passed.
    pub before: u32,
    /// Since when this share is also what is wanted; none while a write is on its way.
    pub since: Option<Timestamp>,
}

/// What kind of thing a rollout waits for; each kind has a deadline of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitKind {
    /// Nothing, or a time or an operator without a deadline.
    #[default]
    Untimed,
    /// Pods, routes and what else the world must show.
    World,
    /// A gate.
    Gate,
    /// An analysis.
    Analysis,
    /// An operator's verdict on an analysis that could not decide.
    Verdict,
    /// An operator's word on a route that somebody else has changed.
    Drift,
    /// Replicas.
    Zero,
}

/// How long it has been waiting, and whether for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// For what.
    pub wait: WaitKind,
    /// Where: the step that it stands in.
    pub step: u32,
    /// The most pods of the new version that were available meanwhile.
    pub available: u32,
    /// Since when nothing has moved.
    pub since: Timestamp,
    /// Whether the deadline has passed.
    pub overdue: bool,
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
    /// The number that people know it by.
    #[serde(default)]
    pub number: u64,
    /// Which way it goes.
    pub course: Course,
    /// Whether an operator holds it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// Whether it holds because the route was found lower than we made it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drifted: bool,
    /// The height that the version on trial has reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<Height>,
    /// Whether stable was scaled down by us and is not yet back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stable_reduced: bool,
    /// The route as it is wanted; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// The replica targets as they are wanted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scales: BTreeMap<RevisionId, Stamped<u32>>,
    /// Each revision's share as it was last seen to change.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shares: BTreeMap<RevisionId, ShareSeen>,
    /// Analyses and gates of this attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunState>,
    /// How pods of earlier releases warmed up, by what a judge counted of them.
    #[serde(default, skip_serializing_if = "Learned::is_empty")]
    pub learned: Learned,
    /// The highest order taken, by source.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub orders: BTreeMap<String, u64>,
    /// The instant before which pods are to be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Stamped<Timestamp>>,
    /// The revision to go back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Stamped<RevisionId>>,
    /// Whether the end of this release is still to be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// How long it has been waiting.
    pub progress: Progress,
    /// Events not yet known to be delivered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// The number of the next event.
    pub next_event: u64,
    /// The last fault told as an event, so that it is told once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Fault>,
    /// The pods' troubles told as events, so that each is told once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<TroubleKind>,
}

impl State {
    /// The version of the encoding that this library writes.
    pub const VERSION: u32 = 1;

    /// The state of a rollout of which nothing is known but the version that is wanted.
    pub fn new(incarnation: u64, latest: RevisionId, now: Timestamp) -> Self {
        Self {
            version: Self::VERSION,
            now,
            incarnation,
            epoch: 0,
            sequence: 0,
            generation: 0,
            attempt: 0,
            plan: Digest::default(),
            steps: Digest::default(),
            stable: None,
            latest,
            number: 0,
            course: Course::Settled,
            held: false,
            drifted: false,
            height: None,
            stable_reduced: false,
            route: None,
            scales: BTreeMap::new(),
            shares: BTreeMap::new(),
            runs: Vec::new(),
            learned: Learned::new(),
            orders: BTreeMap::new(),
            restart: None,
            undo: None,
            unfinished: false,
            progress: Progress {
                wait: WaitKind::Untimed,
                step: 0,
                available: 0,
                since: now,
                overdue: false,
            },
            events: Vec::new(),
            next_event: 0,
            told: None,
            troubles: Vec::new(),
        }
    }

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

#[cfg(test)]
mod tests;
