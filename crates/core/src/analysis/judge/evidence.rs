//! Evidence that the canary is worse, worth what it is at any moment.
//!
//! Events are counted within each scrape on both sides, so that whatever happens to both at once
//! cancels. For an alternative ratio θ the likelihood of the canary's share of the events, against
//! the null that its risk is at most ρ times stable's, multiplies a stake. Under the null every
//! factor has a mean of at most 1 (the risks of single requests may differ and drift; only their
//! independence is used), so that the sum of the stakes is a supermartingale, and by Ville's
//! inequality it ever reaches 1/α with a probability of at most α.
//!
//! Source: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS
//! 2022; the reserve follows J. Shin, A. Ramdas and A. Rinaldo, "E-detectors", 2022.

use serde::{Deserialize, Serialize};

use super::scrape::Scrape;
use crate::number::Number;

/// The alternatives: how many times worse the canary may be.
pub const RATIOS: [f64; 8] = [1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0];
/// The parts of the whole that are staked on them: most on those that take longest to tell from
/// chance. What is far worse shows within seconds whatever was staked on it, and next to nothing
/// is staked on what is not worth a rollback.
const PARTS: [f64; RATIOS.len()] = [0.055, 0.055, 0.335, 0.225, 0.11, 0.09, 0.065, 0.065];
/// What is kept back at the start, to be staked a little at each scrape.
pub const RESERVE: f64 = 0.5;
/// Where a stake stops growing: the verdict has long been clear.
const MOST: f64 = 1e100;

/// The evidence of one stream of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    reserve: Number,
    stakes: [Number; RATIOS.len()],
}

impl Default for Evidence {
    fn default() -> Self {
        Self::on(&PARTS)
    }
}

impl Evidence {
    /// With so much of the whole on each alternative; all of it sums to 1.
    fn on(parts: &[f64; RATIOS.len()]) -> Self {
        Self {
            reserve: Number::new(RESERVE),
            stakes: parts.map(|part| Number::new((1.0 - RESERVE) * part)),
        }
    }

    /// Counts one scrape.
    ///
    /// `tolerated` is how many times worse the canary may be now and still count as good (1 once
    /// it is warm), `noise` the factor by which events are less informative than independent
    /// ones (1 and more), `invested` what is staked of the reserve. Nothing happens where there is
    /// nothing to compare.
    pub fn count(&mut self, scrape: &Scrape, tolerated: f64, noise: f64, invested: f64) {
        self.count_on(&PARTS, scrape, [tolerated, noise, invested]);
    }

    fn count_on(
        &mut self,
        parts: &[f64; RATIOS.len()],
        scrape: &Scrape,
        [tolerated, noise, invested]: [f64; 3],
    ) {
        let Some(share) = scrape.share() else {
            return;
        };
        let reserve = self.reserve.get();
        let invested = at_least(invested, 0.0).min(reserve);
        self.reserve = Number::new(reserve - invested);
        let stakes = self.stakes.iter_mut().zip(parts).zip(RATIOS);
        for ((stake, part), ratio) in stakes {
            let gain = libm::exp(log_gain(scrape, share, ratio, tolerated, noise));
            *stake = Number::new(((stake.get() + invested * part) * gain).min(MOST));
        }
    }

    /// The evidence: 1 at the start, and 1/α proves it at the level α.
    pub fn value(&self) -> f64 {
        self.reserve.get() + self.staked()
    }

    /// What is left of the reserve.
    pub fn reserve(&self) -> f64 {
        self.reserve.get()
    }

    /// How many times worse the canary seems; 1 where nothing speaks for any alternative.
    pub fn estimate(&self) -> f64 {
        let staked = self.staked();
        if staked <= 0.0 {
            return 1.0;
        }
        let stakes = self.stakes.iter().zip(RATIOS);
        let logs: f64 = stakes
            .map(|(stake, ratio)| stake.get() / staked * libm::log(ratio))
            .sum();
        libm::exp(logs)
    }

    fn staked(&self) -> f64 {
        self.stakes.iter().map(|stake| stake.get()).sum()
    }
}

/// The logarithm of a scrape's likelihood ratio; 0 for an alternative that is tolerated.
pub(super) fn log_gain(scrape: &Scrape, share: f64, ratio: f64, tolerated: f64, noise: f64) -> f64 {
    let tolerated = at_least(tolerated, 1.0);
    if ratio <= tolerated {
        return 0.0;
    }
    let (canary, all) = (scrape.canary.events as f64, scrape.events());
    let null = 1.0 - share + share * tolerated;
    let alternative = 1.0 - share + share * ratio;
    let gain = canary * libm::log(ratio / tolerated) + all * libm::log(null / alternative);
    gain / at_least(noise, 1.0)
}

/// The value, or the bound where it is below it or no number.
pub(super) fn at_least(value: f64, bound: f64) -> f64 {
    if value > bound && value.is_finite() {
        value
    } else {
        bound
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, scrape};
    use super::*;

    /// The worked examples have the same on each alternative.
    const EVEN: [f64; RATIOS.len()] = [1.0 / RATIOS.len() as f64; RATIOS.len()];

    #[test]
    fn what_is_staked_and_what_is_kept_are_the_whole() {
        for parts in [PARTS, EVEN] {
            close(Evidence::on(&parts).value(), 1.0, 1e-12);
        }
    }

    /// Rows of canary requests and events, stable requests and events, then what is expected.
    fn play(rows: &[[u64; 4]], options: impl Fn(usize) -> (f64, f64)) -> Vec<(f64, f64, f64)> {
        let mut evidence = Evidence::on(&EVEN);
        let rows = rows.iter().enumerate();
        rows.map(|(at, [n1, x1, n0, x0])| {
            let (tolerated, noise) = options(at);
            let row = scrape(*n1, *x1, *n0, *x0);
            evidence.count_on(&EVEN, &row, [tolerated, noise, 0.5 / 60.0]);
            (evidence.value(), evidence.estimate(), evidence.reserve())
        })
        .collect()
    }

    #[test]
    fn three_scrapes_of_a_worse_canary() {
        let rows = [[150, 1, 1350, 4], [148, 3, 1361, 5], [151, 4, 1344, 3]];
        let ends = play(&rows, |_| (1.0, 1.0));
        let values = [0.878954, 2.278120, 64.585395];
        let estimates = [2.4456, 3.2358, 5.3212];
        for ((end, value), estimate) in ends.iter().zip(values).zip(estimates) {
            close(end.0, value, 1e-6);
            close(end.1, estimate, 1e-4);
        }
        close(ends[2].2, 0.475, 1e-9);
    }

    #[test]
    fn a_changing_weight_a_warm_up_and_noise() {
        let rows = [
            [1500, 9, 13500, 41],
            [3750, 22, 11250, 33],
            [3760, 25, 11240, 31],
        ];
        let ends = play(&rows, |at| {
            (
                if at == 0 { 2.0 } else { 1.0 },
                if at == 2 { 1.5 } else { 1.0 },
            )
        });
        let expected = [(0.715207, 1.7172), (3.015828, 1.7945), (45.664388, 1.9614)];
        for (end, (value, estimate)) in ends.iter().zip(expected) {
            close(end.0, value, 1e-6);
            close(end.1, estimate, 1e-4);
        }
    }

    #[test]
    fn a_canary_that_fails_altogether_is_found_at_one_request_a_second() {
        let ends = play(&[[2, 2, 13, 0], [1, 1, 14, 0], [2, 2, 12, 0]], |_| {
            (1.0, 1.0)
        });
        let expected = [
            (8.818920, 26.9674),
            (79.167490, 45.0682),
            (2841.123546, 59.3919),
        ];
        for (end, (value, estimate)) in ends.iter().zip(expected) {
            close(end.0, value, 1e-6);
            close(end.1, estimate, 1e-4);
        }
    }

    #[test]
    fn nothing_to_compare_changes_nothing_and_nothing_absurd_breaks_it() {
        let mut evidence = Evidence::default();
        evidence.count(&scrape(0, 0, 0, 0), 1.0, 1.0, 0.1);
        assert_eq!(evidence, Evidence::default());
        let most = u64::MAX;
        for (tolerated, noise) in [
            (1.0, 1.0),
            (f64::NAN, f64::NAN),
            (-3.0, 0.0),
            (1e300, 1e300),
        ] {
            for counts in [
                [most, most, most, 0],
                [most, 0, 1, most],
                [1, most, 0, 0],
                [0, 0, 9, 9],
            ] {
                let [n1, x1, n0, x0] = counts;
                evidence.count(&scrape(n1, x1, n0, x0), tolerated, noise, f64::INFINITY);
                let all = [evidence.value(), evidence.estimate(), evidence.reserve()];
                assert!(
                    all.iter().all(|value| value.is_finite() && *value >= 0.0),
                    "{all:?}"
                );
            }
        }
    }
}
