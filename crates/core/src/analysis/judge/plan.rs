//! What a judge is told: what it may get wrong, what is worth a rollback, and what is to happen
//! when it cannot tell.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::evidence::RESERVE;
use super::warm_up::WarmUp;
use crate::number::Number;

/// What happens when all that was to be counted is counted and the canary is neither proved
/// worse nor proved good enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Undecided {
    /// It waits: for more data, or for an operator.
    #[default]
    Hold,
    /// The release goes on.
    Proceed,
    /// The traffic is taken back.
    RollBack,
}

/// How a judge decides; see [`judge`](super).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JudgePlan {
    /// The share of good releases that may be taken back by chance, above 0 and below 1.
    /// Default 0.01.
    pub max_false_rollback: Number,
    /// How many times as many failed requests are worth a rollback, above 1. Default 1.5.
    pub stop_errors: Number,
    /// How many times as many slow requests are worth a rollback, above 1. Default 1.15.
    pub stop_slow: Number,
    /// The canary is good enough when it is proved to be less than so many times worse, above 1.
    /// Default 2.
    pub not_worse_than: Number,
    /// How sure that proof is, 0–1. Default 0.95.
    pub sure: Number,
    /// A canary whose failed requests are proved, as surely, to be fewer than this share of all
    /// (0–1) is good enough as well, whatever stable's are. Default 0.001.
    pub or_below: Number,
    /// How much worse young pods may be. Default learned.
    pub warm_up: WarmUp,
    /// How much longer it counts before [`undecided`](Self::undecided) applies. Default not at
    /// all.
    pub extend: Duration,
    /// What happens without enough data. Default hold.
    pub undecided: Undecided,
    /// After how long without a scrape nothing goes on. Default 2 minutes.
    pub missing_after: Duration,
    /// How many requests a paced ramp may lose finding out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_budget: Option<u32>,
    /// How many scrapes the release is planned to take; at each a part of the reserve is staked.
    pub scrapes: u32,
}

impl JudgePlan {
    /// How much of the time before a release is read.
    pub const HISTORY: Duration = Duration::from_secs(600);

    /// How much evidence takes the canary back.
    pub fn needed(&self) -> f64 {
        1.0 / self.max_false_rollback.get().clamp(1e-9, 1.0)
    }

    /// How much assurance makes it good enough.
    pub fn proved(&self) -> f64 {
        1.0 / (1.0 - self.sure.get()).clamp(1e-9, 1.0)
    }

    /// The part of the reserve that is staked at each scrape.
    pub(super) fn invested(&self) -> f64 {
        RESERVE / f64::from(self.scrapes.max(1))
    }
}

impl Default for JudgePlan {
    fn default() -> Self {
        Self {
            max_false_rollback: Number::new(0.01),
            stop_errors: Number::new(1.5),
            stop_slow: Number::new(1.15),
            not_worse_than: Number::new(2.0),
            sure: Number::new(0.95),
            or_below: Number::new(0.001),
            warm_up: WarmUp::Learned,
            extend: Duration::ZERO,
            undecided: Undecided::Hold,
            missing_after: Duration::from_secs(120),
            failure_budget: None,
            scrapes: 60,
        }
    }
}
