//! A test of two proportions at 5 %, made for one look and looked at every half minute.

use super::{Judge, Seen, Verdict};
use crate::latency::ANNOYING;
use crate::world::Counters;

const INTERVAL: u32 = 30;
const LEAST: u64 = 30;
/// Beyond which a difference happens by chance in 5 of 100 cases, if looked at once.
const Z: f64 = 1.96;

#[derive(Default)]
pub(super) struct Peeked {
    totals: (Counters, Counters),
}

impl Peeked {
    fn finds(&self) -> bool {
        let (canary, stable) = &self.totals;
        if canary.requests < LEAST || stable.requests < LEAST {
            return false;
        }
        let (n1, n0) = (canary.requests as f64, stable.requests as f64);
        let events = |of: fn(&Counters) -> u64| (of(canary) as f64, of(stable) as f64);
        let worse = |(x1, x0): (f64, f64)| {
            let pooled = (x1 + x0) / (n1 + n0);
            let error = (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n0)).sqrt();
            error > 0.0 && (x1 / n1 - x0 / n0) / error > Z
        };
        worse(events(|it| it.errors)) || worse(events(|it| it.slower[ANNOYING]))
    }
}

impl Judge for Peeked {
    fn look(&mut self, at: u32, seen: Option<&Seen<'_>>) -> Verdict {
        if let Some(seen) = seen {
            self.totals = (seen.canary_total, seen.stable_total);
        }
        match at.is_multiple_of(INTERVAL) && self.finds() {
            true => Verdict::RollBack,
            false => Verdict::GoOn,
        }
    }
}
