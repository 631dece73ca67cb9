//! The library's judge on its own ramp: evidence chooses the weight.

use std::collections::VecDeque;
use std::time::Duration;

use gradatim::analysis::judge::{Pace, Risk, quantile};

use super::ours::Ours;
use super::{Judge, Seen, Service, Verdict};

/// Failed requests that may be lost finding out.
const PACE: Pace = Pace {
    budget: 50.0,
    reacts_in: Duration::from_secs(10),
    most: 0.5,
};
/// How long a version is watched at least, in seconds.
const BAKE: u32 = 300;
/// Over how long growth is limited, in seconds.
const GROWS_OVER: u32 = 30;
/// How sure the bound on the canary's errors is.
const MISSES: f64 = 0.05;

pub(super) struct Paced {
    ours: Ours,
    /// The weights since half a minute ago, and since when each has been.
    weights: VecDeque<(u32, f64)>,
    requests: (u32, u64),
    /// Requests a second, over the last half a minute or so.
    rate: f64,
}

impl Paced {
    pub(super) fn new(service: &Service<'_>, ours: Ours) -> Self {
        let minute = service.history.last().into_iter().flatten();
        let requests: u64 = minute.map(|pod| pod.requests).sum();
        Self {
            ours,
            weights: VecDeque::new(),
            requests: (0, 0),
            rate: requests as f64 / 60.0,
        }
    }

    fn measure(&mut self, at: u32, seen: &Seen<'_>) {
        let (since, before) = self.requests;
        let now = seen.canary_total.requests + seen.stable_total.requests;
        let rate = (now - before) as f64 / f64::from(at - since);
        self.rate = if self.rate > 0.0 {
            0.8 * self.rate + 0.2 * rate
        } else {
            rate
        };
        self.requests = (at, now);
    }

    fn risk(&self) -> Option<Risk> {
        let stream = self.ours.errors()?;
        let (seen, stable) = (stream.seen().canary, stream.stable().rate()?);
        let (_, at_most) = quantile::share(seen.events, seen.requests, MISSES);
        let worst = stream.likelihood().range().map(|(_, ratio)| ratio * stable);
        Some(Risk {
            requests_per_second: self.rate,
            lost: seen.events as f64 - seen.requests as f64 * stable,
            canary_at_most: worst.map_or(at_most, |worst| worst.min(at_most)),
            stable,
            before: self.weights.front().map_or(0.0, |(_, weight)| *weight),
        })
    }

    fn pace(&mut self, at: u32) -> Verdict {
        let since = at.saturating_sub(GROWS_OVER);
        while self.weights.get(1).is_some_and(|(next, _)| *next <= since) {
            self.weights.pop_front();
        }
        let Some(risk) = self.risk() else {
            return Verdict::GoOn;
        };
        let weight = PACE.weight(&risk);
        self.weights.push_back((at, weight));
        Verdict::Weight(weight)
    }
}

impl Judge for Paced {
    fn look(&mut self, at: u32, seen: Option<&Seen<'_>>) -> Verdict {
        if self.ours.look(at, seen) == Verdict::RollBack {
            return Verdict::RollBack;
        }
        if let Some(seen) = seen {
            self.measure(at, seen);
        } else if at > 0 {
            return Verdict::GoOn;
        }
        match at >= BAKE && self.ours.is_good_enough() {
            true => Verdict::Promote,
            false => self.pace(at),
        }
    }
}
