//! Kayenta's judge: points of 15 seconds since the start, compared by Mann and Whitney's test,
//! with its default bounds. Errors and the 95th percentile are both critical.

use super::mann_whitney::shift;
use super::window::error_rate;
use super::{Judge, Seen, Service, Verdict};
use crate::latency::quantile;
use crate::world::Counters;

/// How much of the estimate the lower bound has to reach.
const TOLERANCE: f64 = 0.25;

pub(super) struct Kayenta {
    /// When it judges, in seconds; none is each minute.
    ends: Option<Vec<u32>>,
    last: (Counters, Counters),
    errors: Points,
    latency: Points,
}

#[derive(Default)]
struct Points {
    canary: Vec<f64>,
    stable: Vec<f64>,
}

impl Kayenta {
    pub(super) fn at_the_end_of_steps(service: &Service<'_>) -> Self {
        let mut end = 0;
        let ends = service.steps.iter().map(|(_, seconds)| {
            end += seconds;
            end
        });
        Self::new(Some(ends.collect()))
    }

    pub(super) fn each_minute() -> Self {
        Self::new(None)
    }

    fn new(ends: Option<Vec<u32>>) -> Self {
        Self {
            ends,
            last: Default::default(),
            errors: Points::default(),
            latency: Points::default(),
        }
    }

    fn gather(&mut self, seen: &Seen<'_>) {
        let now = (seen.canary_total, seen.stable_total);
        let counted = (now.0.since(&self.last.0), now.1.since(&self.last.1));
        self.last = now;
        for (counters, errors, latency) in [
            (counted.0, &mut self.errors.canary, &mut self.latency.canary),
            (counted.1, &mut self.errors.stable, &mut self.latency.stable),
        ] {
            if let Some(seconds) = quantile(0.95, counters.requests, &counters.slower) {
                errors.push(error_rate(&counters));
                latency.push(seconds);
            }
        }
    }

    fn is_due(&self, at: u32) -> bool {
        match &self.ends {
            Some(ends) => ends.contains(&at),
            None => at > 0 && at.is_multiple_of(60),
        }
    }
}

impl Points {
    fn is_high(&self) -> bool {
        let mean = |points: &[f64]| points.iter().sum::<f64>() / points.len() as f64;
        let higher = mean(&self.canary) >= mean(&self.stable);
        let shift = shift(&self.canary, &self.stable);
        higher && shift.is_some_and(|(lower, estimate)| lower > TOLERANCE * estimate.abs())
    }
}

impl Judge for Kayenta {
    fn look(&mut self, at: u32, seen: Option<&Seen<'_>>) -> Verdict {
        if let Some(seen) = seen {
            self.gather(seen);
        }
        match self.is_due(at) && (self.errors.is_high() || self.latency.is_high()) {
            true => Verdict::RollBack,
            false => Verdict::GoOn,
        }
    }
}
