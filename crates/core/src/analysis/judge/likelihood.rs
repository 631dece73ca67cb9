//! How likely each ratio is after all that was counted: for the range that people read, and for
//! the proof that the canary is good enough.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evidence::at_least;
use super::scrape::Scrape;
use super::sum::Sum;

/// How sure the range is that people read.
const MISSES: f64 = 0.05;
/// How finely shares are told apart: two within a tenth of each other's odds count as one.
const FINENESS: f64 = 10.0;
/// How many classes of shares are kept apart at most; beyond it the nearest two become one.
const MOST_CLASSES: usize = 7;
/// Sums are kept in ten-thousandths: whole numbers stay short as text.
const UNIT: f64 = 10_000.0;

/// Events by the canary's share of requests at the time: enough to tell the likelihood of any
/// ratio, whatever the weight was when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Likelihood {
    /// The canary's events, each divided by the noise of its time.
    canary: Sum,
    /// Both sides' events and the sum of their shares, by the share's class, as whole numbers of [`UNIT`]s.
    strata: BTreeMap<i16, (u64, u64)>,
}

impl Likelihood {
    /// Counts one scrape.
    pub fn count(&mut self, scrape: &Scrape, noise: f64) {
        let Some(share) = scrape.share().filter(|share| *share > 0.0 && *share < 1.0) else {
            return;
        };
        let noise = at_least(noise, 1.0);
        let events = scrape.events() / noise;
        self.canary.add(scrape.canary.events as f64 / noise);
        let (all, shares) = self.strata.entry(class(share)).or_default();
        *all = all.saturating_add(whole(events));
        *shares = shares.saturating_add(whole(events * share));
        if self.strata.len() > MOST_CLASSES {
            self.join_nearest();
        }
    }

    /// Makes one class of the two that are nearest to each other.
    fn join_nearest(&mut self) {
        let neighbours = self.strata.keys().zip(self.strata.keys().skip(1));
        let nearest = neighbours.min_by_key(|(low, high)| i32::from(**high) - i32::from(**low));
        let Some((low, high)) = nearest.map(|(low, high)| (*low, *high)) else {
            return;
        };
        let parts = [self.strata.remove(&low), self.strata.remove(&high)];
        let mut joined = (0_u64, 0_u64);
        for (events, shares) in parts.into_iter().flatten() {
            joined.0 = joined.0.saturating_add(events);
            joined.1 = joined.1.saturating_add(shares);
        }
        let (_, share) = known(&joined);
        self.strata.insert(class(share).clamp(low, high), joined);
    }

    /// The logarithm of a ratio's likelihood, but for a constant.
    pub fn log(&self, ratio: f64) -> f64 {
        let canary = self.canary.get();
        // Without an event of the canary's any small ratio is as likely as the next.
        let first = if canary > 0.0 {
            canary * libm::log(ratio)
        } else {
            0.0
        };
        let strata = self.strata.values().map(|stratum| {
            let (events, share) = known(stratum);
            events * libm::log(1.0 - share + share * ratio)
        });
        first - strata.sum::<f64>()
    }

    /// The ratio that is most likely; none without an event.
    pub fn best(&self) -> Option<f64> {
        if self.strata.values().all(|(events, _)| *events == 0) {
            return None;
        }
        if self.canary.get() <= 0.0 {
            return Some(0.0);
        }
        // The slope falls with the ratio: find where it is 0.
        let slope = |log: f64| {
            let ratio = libm::exp(log);
            let pulls = self.strata.values().map(|stratum| {
                let (events, share) = known(stratum);
                events * share * ratio / (1.0 - share + share * ratio)
            });
            self.canary.get() - pulls.sum::<f64>()
        };
        Some(libm::exp(crossing(slope, -LONG, LONG)))
    }

    /// The range of ratios that is right in 95 of 100 releases, whenever it is looked at; none
    /// without an event.
    pub fn range(&self) -> Option<(f64, f64)> {
        let best = self.best()?;
        let bound = self.log_mean() - libm::log(1.0 / MISSES);
        let above = |log: f64| self.log(libm::exp(log)) - bound;
        let top = libm::log(best.max(1e-12));
        let low = match above(-LONG) >= 0.0 {
            true => 0.0,
            false => libm::exp(crossing(|log| -above(log), -LONG, top)),
        };
        let high = match above(LONG) >= 0.0 {
            true => f64::INFINITY,
            false => libm::exp(crossing(above, top, LONG)),
        };
        Some((low, high))
    }

    /// The logarithm of the mean likelihood over ratios from 0.1 to 100.
    fn log_mean(&self) -> f64 {
        let logs: Vec<f64> = (0..GRID).map(|at| self.log(grid(at))).collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.iter().map(|log| libm::exp(log - most)).sum();
        most + libm::log(sum / GRID as f64)
    }
}

/// How many ratios the range is averaged over.
const GRID: usize = 31;
/// The farthest ratio that is looked at, as a logarithm: about a million.
const LONG: f64 = 14.0;

fn grid(at: usize) -> f64 {
    0.1 * libm::pow(10.0, at as f64 / 10.0)
}

/// In whole numbers.
fn whole(value: f64) -> u64 {
    (value * UNIT).round() as u64
}

/// The events of a stratum, and their mean share.
fn known((events, shares): &(u64, u64)) -> (f64, f64) {
    let share = match events {
        0 => 0.0,
        events => (*shares as f64 / *events as f64).clamp(1e-9, 1.0 - 1e-9),
    };
    (*events as f64 / UNIT, share)
}

/// The class of a share, by its odds.
fn class(share: f64) -> i16 {
    (libm::log(share / (1.0 - share)) * FINENESS).round() as i16
}

/// Where a falling function passes 0, by bisection.
fn crossing(falling: impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    let (mut low, mut high) = (from, to);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if falling(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Evidence that the canary is less than so many times worse: the same proof as that of
/// [`Evidence`](super::Evidence), the other way round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assurance {
    /// The logarithms of three better ratios' likelihood over the bound's.
    logs: [Sum; 3],
}

impl Assurance {
    /// No evidence yet.
    pub fn new() -> Self {
        Self {
            logs: [Sum::default(); 3],
        }
    }

    /// Counts one scrape against a `bound` above 1, the same at each call.
    pub fn count(&mut self, scrape: &Scrape, bound: f64, noise: f64) {
        let Some(share) = scrape.share() else {
            return;
        };
        let (canary, all) = (scrape.canary.events as f64, scrape.events());
        let noise = at_least(noise, 1.0);
        let worst = 1.0 - share + share * bound;
        let better = [0.5, 1.0, f64::midpoint(1.0, bound)];
        for (log, ratio) in self.logs.iter_mut().zip(better) {
            let best = 1.0 - share + share * ratio;
            let gain = canary * libm::log(ratio / bound) + all * libm::log(worst / best);
            log.add(gain / noise);
        }
    }

    /// The evidence; 1/β proves it at the level β. At most 1e100.
    pub fn value(&self) -> f64 {
        let gains = self.logs.iter().map(|log| libm::exp(log.get()).min(1e100));
        gains.sum::<f64>() / self.logs.len() as f64
    }
}

impl Default for Assurance {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, scrape};
    use super::*;

    const ROWS: [[u64; 4]; 3] = [
        [1500, 4, 13500, 41],
        [3750, 10, 11250, 33],
        [7500, 24, 7500, 22],
    ];

    fn of(rows: &[[u64; 4]]) -> (Likelihood, Assurance) {
        let (mut likelihood, mut assurance) = (Likelihood::default(), Assurance::new());
        for [n1, x1, n0, x0] in rows {
            let scrape = scrape(*n1, *x1, *n0, *x0);
            likelihood.count(&scrape, 1.0);
            assurance.count(&scrape, 2.0, 1.0);
        }
        (likelihood, assurance)
    }

    #[test]
    fn the_range_and_the_proof_of_one_scrape() {
        let (likelihood, assurance) = of(&ROWS[..1]);
        let (low, high) = likelihood.range().unwrap();
        close(low, 0.1099, 1e-4);
        close(high, 3.3396, 1e-4);
        close(likelihood.best().unwrap(), 0.8780, 1e-4);
        close(assurance.value(), 3.328600, 1e-6);
    }

    #[test]
    fn the_range_and_the_proof_over_three_weights() {
        let (likelihood, assurance) = of(&ROWS);
        let (low, high) = likelihood.range().unwrap();
        close(low, 0.4810, 1e-4);
        close(high, 1.9354, 1e-4);
        close(likelihood.best().unwrap(), 0.9895, 1e-4);
        close(assurance.value() / 184.316063, 1.0, 1e-6);
    }

    #[test]
    fn a_canary_without_an_event_may_be_anything_down_to_nothing() {
        let (likelihood, assurance) = of(&[[10, 0, 90, 1]]);
        let (low, high) = likelihood.range().unwrap();
        assert_eq!((low, likelihood.best()), (0.0, Some(0.0)));
        close(high / 273.5217, 1.0, 1e-5);
        close(assurance.value(), 1.101838, 1e-6);
    }

    #[test]
    fn without_events_there_is_no_range() {
        assert_eq!(of(&[]).0.range(), None);
        assert_eq!(of(&[[100, 0, 900, 0]]).0.range(), None);
        assert_eq!(of(&[[0, 0, 900, 5]]).0.range(), None);
    }

    #[test]
    fn shares_that_differ_a_little_count_as_their_mean() {
        let rows: Vec<[u64; 4]> = (0..40).map(|k| [1480 + k, 4, 13500 - 7 * k, 41]).collect();
        let (likelihood, _) = of(&rows);
        assert!(likelihood.strata.len() <= 2, "{likelihood:?}");
        let exact = |ratio: f64| -> f64 {
            let each = rows.iter().map(|[n1, x1, n0, x0]| {
                let share = *n1 as f64 / (n1 + n0) as f64;
                *x1 as f64 * libm::log(ratio)
                    - (x1 + x0) as f64 * libm::log(1.0 - share + share * ratio)
            });
            each.sum()
        };
        // A range ends where the logarithm has fallen by about 3.
        for (ratio, tolerance) in [(0.2, 0.01), (1.0, 1e-9), (3.0, 0.02), (50.0, 0.1)] {
            close(likelihood.log(ratio), exact(ratio), tolerance);
        }
    }

    #[test]
    fn however_much_the_share_moves_little_is_kept_and_the_range_stays() {
        let rows: Vec<[u64; 4]> = (2..120).map(|k| [k * 5, k % 3, 1000 - 5 * k, 3]).collect();
        let (likelihood, _) = of(&rows);
        assert!(likelihood.strata.len() <= MOST_CLASSES, "{likelihood:?}");
        let exact = |ratio: f64| -> f64 {
            let each = rows.iter().map(|[n1, x1, n0, x0]| {
                let share = *n1 as f64 / (n1 + n0) as f64;
                *x1 as f64 * libm::log(ratio)
                    - (x1 + x0) as f64 * libm::log(1.0 - share + share * ratio)
            });
            each.sum()
        };
        for (ratio, tolerance) in [(0.5, 1.0), (1.0, 1e-9), (2.0, 1.0)] {
            close(likelihood.log(ratio), exact(ratio), tolerance);
        }
    }
}
