//! One kind of event that a judge watches.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counted::Counted;
use super::noise::BLOCK_SECONDS;
use super::plan::JudgePlan;
use super::promotion;
use super::scrape::{Count, Scrape};
use super::state::Learned;
use super::stream::Stream;
use super::warm_up::Curve;
use super::words::Event;
use crate::measurement::Side;
use crate::number::Number;
use crate::time::Timestamp;

/// How many times worse young pods may begin, where nothing was learned.
const COLD_ERRORS: f64 = 10.0;
const COLD_SLOW: f64 = 30.0;
/// A bound that fewer of stable's requests exceed proves nothing in time; it still takes back.
const RARE: f64 = 0.01;

/// One kind of event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watched {
    pub(super) event: Event,
    pub(super) stream: Stream,
    /// What this release's young pods did.
    #[serde(default, skip_serializing_if = "Curve::is_empty")]
    pub(super) young: Curve,
}

impl Watched {
    pub(super) fn new(event: Event, weight: f64, gate: Number) -> Self {
        Self {
            event,
            stream: Stream::new(weight, gate.get()),
            young: Curve::default(),
        }
    }

    /// Learns how much stable's pods differed before the release, block by block.
    pub(super) fn remember(&mut self, counted: &Counted<'_>, at: Timestamp) {
        let block = Duration::from_secs(BLOCK_SECONDS);
        let blocks = JudgePlan::HISTORY.as_secs() / BLOCK_SECONDS;
        for before in (0..u32::try_from(blocks).unwrap_or(u32::MAX)).rev() {
            let to = at - block.saturating_mul(before);
            let pods = counted.each(Side::Stable, &self.event, to - block, to);
            self.stream.remember(&pods);
        }
    }

    pub(super) fn scrape(&self, counted: &Counted<'_>, from: Timestamp, to: Timestamp) -> Scrape {
        let total = |side| -> Count { counted.total(side, &self.event, from, to) };
        Scrape {
            canary: total(Side::Canary),
            stable: total(Side::Stable),
        }
    }

    pub(super) fn tolerated(&self, plan: &JudgePlan, learned: &Learned, ages: &[Duration]) -> f64 {
        let nothing = Curve::default();
        let curve = learned.get(self.event.key()).unwrap_or(&nothing);
        let cold = match self.event {
            Event::Errors => COLD_ERRORS,
            Event::Slower(_) => COLD_SLOW,
        };
        plan.warm_up.tolerated(ages, curve, cold)
    }

    /// Whether a proof of it is asked for.
    pub(super) fn is_asked(&self) -> bool {
        let rate = self.stream.stable().rate();
        self.event == Event::Errors || rate.is_some_and(|rate| rate >= RARE)
    }

    /// Whether the canary is proved not to be so much worse, or to fail so seldom that it does
    /// not matter.
    pub(super) fn is_proved(&self, plan: &JudgePlan) -> bool {
        self.stream.assurance() >= plan.proved() || self.is_harmless(plan)
    }

    fn is_harmless(&self, plan: &JudgePlan) -> bool {
        self.event == Event::Errors && promotion::is_harmless(self.stream.seen().canary, plan)
    }
}
