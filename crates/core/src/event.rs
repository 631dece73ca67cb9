//! What happened, for people and other programs; each event has an id and is told once.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What happened. Argo's reasons where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventKind {
    /// A new version is wanted.
    RolloutUpdated,
    /// A step is complete.
    RolloutStepCompleted,
    /// The steps are skipped: back to stable, or inside the rollback window.
    SkipSteps,
    /// The weight was seen at a new height.
    TrafficWeightUpdated,
    /// The active slot serves another revision.
    SwitchService,
    /// It waits for a time or an operator.
    RolloutPaused,
    /// It goes on.
    RolloutResumed,
    /// The traffic is taken back.
    RolloutAborted,
    /// The aborted version is tried again.
    RolloutRetry,
    /// The new version serves everyone.
    RolloutCompleted,
    /// An analysis started.
    AnalysisRunRunning,
    /// An analysis passed.
    AnalysisRunSuccessful,
    /// An analysis failed.
    AnalysisRunFailed,
    /// An analysis could not be measured.
    AnalysisRunError,
    /// An analysis could not decide.
    AnalysisRunInconclusive,
    /// Pods crash, fail their probes, are refused, or have no image.
    PodTrouble,
    /// A wait has reached its deadline.
    ProgressDeadlineExceeded,
    /// The route is not what we made it.
    RouteDrift,
    /// A router, workload, provider or store has failed.
    BackendFault,
    /// The saved state cannot be read.
    StateUnreadable,
    /// A rollout in flight without a state of ours was taken on.
    Adopted,
    /// An order was refused.
    OrderRefused,
}

/// Names an event of one rollout for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId {
    /// The life of the rollout, granted by its store.
    pub incarnation: u64,
    /// Counts its events.
    pub number: u64,
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.incarnation, self.number)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its name.
    pub id: EventId,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// A sentence for a person, at most 256 bytes; 1,024 where a judge explains itself.
    pub text: String,
    /// Lines of the failing version that say why, newest first and as a terminal may show them.
    /// They are read while the event is being told: a decision and a state hold none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

impl EventKind {
    /// Whether an undelivered one is kept before all others: how it ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::RolloutAborted | Self::RolloutCompleted)
    }

    /// Whether its text may hold the words of a judge.
    pub(crate) fn explains(self) -> bool {
        matches!(
            self,
            Self::RolloutAborted
                | Self::AnalysisRunSuccessful
                | Self::AnalysisRunFailed
                | Self::AnalysisRunInconclusive
        )
    }
}
