//! What an operator asks for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::RevisionId;

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum OrderKind {
    /// Go on: end the pause, or skip the step that is running.
    Promote,
    /// Skip every step, analysis and gate that is left.
    PromoteFull,
    /// Take the traffic back.
    Abort,
    /// Try the aborted version again, from the first step.
    Retry,
    /// Hold where it is.
    Pause,
    /// End a hold.
    Resume,
    /// Skip the current step.
    SkipStep,
    /// Replace every pod, a few at a time.
    Restart,
    /// Go back to an older revision; the one before the newest where none is named.
    Undo(Option<RevisionId>),
}

impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promote => "promote",
            Self::PromoteFull => "promote --full",
            Self::Abort => "abort",
            Self::Retry => "retry",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::SkipStep => "skip step",
            Self::Restart => "restart",
            Self::Undo(_) => "undo",
        })
    }
}

/// What the operator saw when giving an order; whatever is absent is not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expects {
    /// The revision on trial.
    pub revision: Option<RevisionId>,
    /// The attempt at it.
    pub attempt: Option<u32>,
    /// The step's index.
    pub step: Option<u32>,
}

/// An order: takes effect once, on what it was meant for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Who numbers it: a handle, the store's mailbox, an object's field.
    pub source: String,
    /// Its number; the highest of each source is kept and none is taken twice.
    pub sequence: u64,
    /// What it asks for.
    pub kind: OrderKind,
    /// What it was meant for.
    #[serde(default)]
    pub expects: Expects,
    /// Who gave it, for people; none where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The order's source.
    pub source: String,
    /// The order's number.
    pub sequence: u64,
    /// Why it was refused; none when it took effect.
    pub refused: Option<String>,
}
