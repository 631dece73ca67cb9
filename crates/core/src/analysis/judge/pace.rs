//! How much traffic may be risked on what is known so far.

use std::time::Duration;

use super::evidence::at_least;

/// How many times as much as half a minute ago it may be.
const GROWTH: f64 = 3.0;
/// The most at the very start, when nothing is known.
const FIRST: f64 = 0.05;
/// What is left of a budget that is spent: enough to learn on, too little to hurt.
const LAST: f64 = 0.1;

/// A ramp that asks what could be lost, instead of what time it is.
///
/// The weight is such that the worst that may still be true of the canary costs no more than what
/// is left of a budget of failed requests until anybody can react.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// How many requests may be lost finding out.
    pub budget: f64,
    /// How long it takes from a failure to a changed weight: two scrapes or so.
    pub reacts_in: Duration,
    /// The most that the canary gets before it is promoted, 0–1.
    pub most: f64,
}

/// What is known at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Risk {
    /// Requests a second, of both sides.
    pub requests_per_second: f64,
    /// How many requests failed so far that stable would not have failed.
    pub lost: f64,
    /// The share of the canary's requests that may fail at the very most, 0–1; 1 when nothing is
    /// known.
    pub canary_at_most: f64,
    /// The share of stable's requests that fail, 0–1.
    pub stable: f64,
    /// The weight half a minute ago, 0–1; 0 at the start.
    pub before: f64,
}

impl Pace {
    /// The weight that may be had, 0–1.
    pub fn weight(&self, risk: &Risk) -> f64 {
        let budget = at_least(self.budget, 0.0);
        let left = at_least(budget - at_least(risk.lost, 0.0), budget * LAST);
        let excess = at_least(risk.canary_at_most, 0.0).min(1.0) - at_least(risk.stable, 0.0);
        let at_risk = risk.requests_per_second * self.reacts_in.as_secs_f64() * excess;
        // Where nothing is at risk, growth alone is the bound.
        let affordable = match at_risk > 0.0 {
            true => left / at_risk,
            false => 1.0,
        };
        let grown = match risk.before > 0.0 {
            true => risk.before * GROWTH,
            false => FIRST,
        };
        affordable.min(grown).min(self.most).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::close;
    use super::*;

    const PACE: Pace = Pace {
        budget: 50.0,
        reacts_in: Duration::from_secs(10),
        most: 0.5,
    };
    const START: Risk = Risk {
        requests_per_second: 1000.0,
        lost: 0.0,
        canary_at_most: 1.0,
        stable: 0.003,
        before: 0.0,
    };

    #[test]
    fn at_the_start_everything_may_fail() {
        close(PACE.weight(&START), 50.0 / (10_000.0 * 0.997), 1e-12);
        let quiet = Risk {
            requests_per_second: 1.0,
            ..START
        };
        close(PACE.weight(&quiet), 0.05, 1e-12);
    }

    #[test]
    fn what_is_known_to_be_harmless_grows_threefold_and_never_beyond_the_cap() {
        let known = |before| Risk {
            canary_at_most: 0.004,
            before,
            ..START
        };
        close(PACE.weight(&known(0.01)), 0.03, 1e-12);
        close(PACE.weight(&known(0.4)), 0.5, 1e-12);
        let better = Risk {
            canary_at_most: 0.001,
            ..known(0.1)
        };
        close(PACE.weight(&better), 0.3, 1e-12);
    }

    #[test]
    fn what_is_lost_already_is_not_risked_again() {
        let lost = |lost| Risk {
            lost,
            before: 0.5,
            canary_at_most: 0.033,
            ..START
        };
        close(PACE.weight(&lost(0.0)), 50.0 / 300.0, 1e-12);
        close(PACE.weight(&lost(-20.0)), 50.0 / 300.0, 1e-12);
        close(PACE.weight(&lost(40.0)), 10.0 / 300.0, 1e-12);
        close(PACE.weight(&lost(400.0)), 5.0 / 300.0, 1e-12);
    }

    #[test]
    fn nothing_absurd_makes_a_weight_that_is_none() {
        let values = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300];
        for value in values {
            for risk in [
                Risk {
                    requests_per_second: value,
                    ..START
                },
                Risk {
                    lost: value,
                    ..START
                },
                Risk {
                    canary_at_most: value,
                    ..START
                },
                Risk {
                    stable: value,
                    ..START
                },
                Risk {
                    before: value,
                    ..START
                },
            ] {
                let weight = PACE.weight(&risk);
                assert!((0.0..=0.5).contains(&weight), "{risk:?}: {weight}");
            }
        }
    }
}
