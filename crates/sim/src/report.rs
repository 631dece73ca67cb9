//! What came of a simulation.

mod interval;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use gradatim_core::decision::Phase;
use gradatim_core::id::RevisionId;
use gradatim_core::reason::Reason;
use gradatim_driver::Turn;
use serde::Serialize;

pub use self::interval::{Interval, Intervals, Share};
use crate::check::Violation;
use crate::fact::Fact;
use crate::measure::Guess;
use crate::world::{Tally, World};

/// How a release ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Outcome {
    /// The wanted version serves everyone.
    Promoted {
        /// The version.
        revision: RevisionId,
    },
    /// The wanted version was taken back; stable serves everyone.
    RolledBack {
        /// The version that was taken back.
        revision: RevisionId,
        /// Why.
        why: String,
    },
    /// Neither, when the simulation ended.
    Undecided {
        /// Where it stood.
        phase: Option<Phase>,
        /// What it waited for.
        why: String,
    },
}

impl Outcome {
    /// Whether it is an end.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Undecided { .. })
    }

    /// Whether the wanted version serves everyone.
    pub fn is_promoted(&self) -> bool {
        matches!(self, Self::Promoted { .. })
    }

    /// Whether the wanted version was taken back.
    pub fn is_rolled_back(&self) -> bool {
        matches!(self, Self::RolledBack { .. })
    }

    /// Whether a round found an end: cheaper than to say which.
    pub(crate) fn stands(turn: &Turn) -> bool {
        let (decision, summary) = (&turn.decision, &turn.decision.summary);
        let promoted = decision.phase == Phase::Healthy && summary.stable == summary.latest;
        let back = decision.phase == Phase::Degraded
            && matches!(decision.waiting.reason, Reason::Aborted { .. })
            && summary.weight_seen.unwrap_or(summary.weight) == 0;
        summary.latest.is_some() && (promoted || back)
    }

    pub(crate) fn of(turn: Option<&Turn>) -> Self {
        let Some(turn) = turn else {
            let why = "no round was taken".to_owned();
            return Self::Undecided { phase: None, why };
        };
        let (decision, summary) = (&turn.decision, &turn.decision.summary);
        match (&decision.waiting.reason, &summary.latest) {
            (Reason::Aborted { message }, Some(revision))
                if Self::stands(turn) && decision.phase == Phase::Degraded =>
            {
                Self::RolledBack {
                    revision: revision.clone(),
                    why: message.clone(),
                }
            }
            (_, Some(revision)) if Self::stands(turn) => Self::Promoted {
                revision: revision.clone(),
            },
            (reason, _) => Self::Undecided {
                phase: Some(decision.phase),
                why: reason.to_string(),
            },
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promoted { revision } => write!(f, "{revision} promoted"),
            Self::RolledBack { revision, why } => write!(f, "{revision} rolled back: {why}"),
            Self::Undecided { why, .. } => write!(f, "undecided: {why}"),
        }
    }
}

/// What came of a version.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VersionReport {
    /// The version.
    pub revision: RevisionId,
    /// What was asked of it and what became of it.
    pub tally: Tally,
    /// When it first failed a user's request.
    pub first_failure: Option<Duration>,
    /// When users' requests last reached it.
    pub last_request: Option<Duration>,
    /// From its first failure until no user's request reached it any more; none when it never
    /// failed, or requests still reach it.
    pub harm: Option<Duration>,
}

/// What came of a simulation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How the release ended.
    pub outcome: Outcome,
    /// When the outcome came to stand, since the start; the whole length when there is none.
    pub took: Duration,
    /// When the simulation ended, since the start.
    pub lasted: Duration,
    /// How many rounds were taken.
    pub rounds: u32,
    /// After how many rounds the invariants were checked, those before the start included.
    pub checked: u32,
    /// The seed that it came from.
    pub seed: u64,
    /// What happened, in its order.
    pub facts: Vec<Fact>,
    /// Invariants that did not hold.
    pub violations: Vec<Violation>,
    /// Metrics of which nobody said what they measure, and what they were taken for.
    pub guesses: Vec<Guess>,
    /// What all users asked for and what became of it.
    pub users: Tally,
    /// What came of each version, oldest first.
    pub versions: Vec<VersionReport>,
    /// How often each kind of fault was met, by its name.
    pub faults: BTreeMap<&'static str, u32>,
    /// Who was sent where and how it went, over time.
    pub intervals: Intervals,
}

impl Report {
    /// What came of a version.
    pub fn version(&self, name: &str) -> Option<&VersionReport> {
        self.versions
            .iter()
            .find(|version| version.revision.as_str() == name)
    }

    /// Whether every invariant held.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}

pub(crate) fn versions(world: &World) -> Vec<VersionReport> {
    let report = |revision: &crate::world::Revision| {
        let stretches = || {
            let all = revision.ledger.stretches().iter();
            all.filter(|stretch| stretch.to > world.origin && stretch.flow.users > 0.0)
        };
        let elapsed = |at: gradatim_core::time::Timestamp| at.since(world.origin);
        let first = stretches().find(|stretch| stretch.flow.errors > 0.0);
        let first_failure = first.map(|stretch| elapsed(stretch.from));
        let last_request = stretches().next_back().map(|stretch| elapsed(stretch.to));
        let gone = last_request.filter(|at| *at < world.elapsed());
        VersionReport {
            revision: revision.id.clone(),
            tally: revision.ledger.between(world.origin, world.now),
            first_failure,
            last_request,
            harm: first_failure
                .zip(gone)
                .map(|(first, last)| last.saturating_sub(first)),
        }
    };
    world.revisions.iter().map(report).collect()
}
