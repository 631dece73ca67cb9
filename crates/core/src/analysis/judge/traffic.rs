//! How much traffic there is, and how much of it the canary gets.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::number::Number;
use crate::time::Timestamp;

/// The canary's traffic is not what its weight says when it gets less than this part of it, of
/// so many expected requests, in so many scrapes in a row.
const SHORT: f64 = 0.5;
const EXPECTED: f64 = 20.0;
const IN_A_ROW: u32 = 3;
/// How much of the known rate of requests is kept at each scrape.
const KEPT: f64 = 0.8;
/// Over how long the growth of a weight is limited, and how many weights of it are kept.
const GROWS_OVER: Duration = Duration::from_secs(30);
const MOST_WEIGHTS: usize = 8;

/// What is remembered of both sides' requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Traffic {
    /// Requests a second of both sides, over the last half a minute or so; none before any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<Number>,
    /// The weights of the last half a minute, where a ramp is paced by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    weights: Vec<(Timestamp, Number)>,
    /// For how many scrapes in a row the canary has had less traffic than its weight says.
    #[serde(default, skip_serializing_if = "is_zero")]
    short: u32,
}

impl Traffic {
    /// Counts so many requests a second.
    pub(super) fn notice(&mut self, per_second: f64) {
        let known = self.rate.map(Number::get);
        let rate = known.map_or(per_second, |known| KEPT * known + (1.0 - KEPT) * per_second);
        self.rate = Some(Number::new(rate));
    }

    /// Requests a second, over the last half a minute or so; none before any.
    pub(super) fn per_second(&self) -> Option<f64> {
        self.rate.map(Number::get)
    }

    /// Remembers the canary's weight, 0–1. Only the newest of those that are older than half a
    /// minute is of use.
    pub(super) fn remember(&mut self, at: Timestamp, weight: f64) {
        if weight > 0.0 {
            self.weights.push((at, Number::new(weight)));
        }
        let old = at - GROWS_OVER;
        let passed = |next: Option<&(Timestamp, Number)>| next.is_some_and(|(at, _)| *at <= old);
        while passed(self.weights.get(1)) || self.weights.len() > MOST_WEIGHTS {
            self.weights.remove(0);
        }
    }

    /// The canary's weight half a minute ago, 0–1.
    pub(super) fn weight_before(&self) -> f64 {
        self.weights.first().map_or(0.0, |(_, weight)| weight.get())
    }

    /// Watches whether the canary's share of so many requests is what its weight says.
    pub(super) fn compare(&mut self, requests: f64, share: Option<f64>, weight: Option<f64>) {
        let (Some(share), Some(weight)) = (share, weight) else {
            return;
        };
        let short = requests * weight >= EXPECTED && share < weight * SHORT;
        self.short = if short {
            self.short.saturating_add(1)
        } else {
            0
        };
    }

    /// Whether the canary gets much less traffic than its weight says.
    pub(super) fn is_short(&self) -> bool {
        self.short >= IN_A_ROW
    }

    pub(super) fn instants(&mut self) -> impl Iterator<Item = &mut Timestamp> {
        self.weights.iter_mut().map(|(at, _)| at)
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}
