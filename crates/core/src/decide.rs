//! One round: from what is planned, saved and seen to what shall be.

use crate::decision::{Decision, Phase, Saved, Summary};
use crate::observation::Observation;
use crate::plan::Plan;
use crate::reason::{Reason, Waiting};
use crate::time::Timestamp;

/// Decides one round.
pub fn decide(plan: &Plan, saved: &Saved, observation: &Observation, now: Timestamp) -> Decision {
    let _ = (saved, observation, now);
    Decision {
        state: None,
        actions: Vec::new(),
        wanted: Vec::new(),
        events: Vec::new(),
        acknowledged: Vec::new(),
        wake: None,
        waiting: Waiting {
            reason: Reason::Resting,
            until: None,
        },
        phase: Phase::Healthy,
        message: String::new(),
        summary: Summary {
            stable: None,
            latest: None,
            step: 0,
            steps: 0,
            weight: 0,
            weight_seen: None,
            total: plan.total,
            attempt: 0,
        },
    }
}
