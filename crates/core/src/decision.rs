//! What comes out of a round.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::event::Event;
use crate::id::{MetricName, RevisionId};
use crate::measurement::Ask;
use crate::number::Number;
use crate::order::Acknowledgement;
use crate::reason::Waiting;
use crate::state::{State, UnreadableState};
use crate::time::Timestamp;

/// Where a rollout stands, as every client of Argo's status reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Stable serves everyone, seen.
    Healthy,
    /// It moves or waits for the world.
    Progressing,
    /// It waits for a time or an operator.
    Paused,
    /// It was taken back, or a wait is overdue.
    Degraded,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What to show of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The version called stable.
    pub stable: Option<RevisionId>,
    /// The version that is wanted.
    pub latest: Option<RevisionId>,
    /// The user's step index; the number of the user's steps when all are done.
    pub step: u32,
    /// The number of the user's steps.
    pub steps: u32,
    /// The new version's weight that is wanted, in parts of `total`.
    pub weight: u32,
    /// The new version's weight as it was read.
    pub weight_seen: Option<u32>,
    /// What weights sum to.
    pub total: u32,
    /// The attempt.
    pub attempt: u32,
    /// How far the judge that compares both sides is, while it does; of several the one with the
    /// most evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Box<JudgeSummary>>,
}

/// How far a judge is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JudgeSummary {
    /// Its metric.
    pub metric: MetricName,
    /// The evidence that the new version is worse; 1 at the start.
    pub evidence: Number,
    /// How much of it takes the new version back.
    pub needed: Number,
    /// What it has found, as people say it.
    pub text: String,
}

/// What a store holds of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Saved {
    /// Nothing; the rollout's life begins.
    Nothing {
        /// The life that the store grants.
        incarnation: u64,
    },
    /// A state.
    State(Box<State>),
    /// Something that cannot be read, and is never overwritten.
    Unreadable {
        /// Why.
        message: String,
    },
}

impl Saved {
    /// What a store's text says: see [`State::from_json`].
    pub fn from_json(text: &str) -> Self {
        match State::from_json(text) {
            Ok(state) => Self::State(Box::new(state)),
            Err(error @ (UnreadableState::Version(_) | UnreadableState::Malformed(_))) => {
                Self::Unreadable {
                    message: error.to_string(),
                }
            }
        }
    }
}

/// What comes out of a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// What to save before anything is performed; none when nothing durable changed.
    pub state: Option<Box<State>>,
    /// What shall be.
    pub actions: Vec<Action>,
    /// Every measurement that is wanted now.
    pub wanted: Vec<Ask>,
    /// Every event not yet known to be delivered.
    pub events: Vec<Event>,
    /// What became of the orders; told after the save.
    pub acknowledged: Vec<Acknowledgement>,
    /// When to decide again if nothing happens before.
    pub wake: Option<Timestamp>,
    /// Why, what it waits for, and until when.
    pub waiting: Waiting,
    /// Where it stands.
    pub phase: Phase,
    /// The phase's message, as clients of Argo read it; empty when healthy.
    pub message: String,
    /// What to show of it.
    pub summary: Summary,
}
