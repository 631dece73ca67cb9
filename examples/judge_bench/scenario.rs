//! What is released into what: ten good versions and twenty-two bad ones.

use std::fmt;

/// What happens to both sides, whatever the version.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Weather {
    /// How much pods differ, as coefficients of variation that are drawn anew every minute:
    /// of their errors and of their latency.
    pub noise: (f64, f64),
    /// Two minutes in which something that both depend on fails.
    pub blips: bool,
    /// Traffic goes up and down by half, errors rise threefold, latency by 30 %.
    pub drift: bool,
    /// A fifth of the scrapes is lost, and two minutes in one piece.
    pub gaps: bool,
    /// Pods begin with ten times the errors and three times the latency.
    pub cold: bool,
}

/// What is wrong with the new version.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Defect {
    /// So many times the errors.
    pub errors: f64,
    /// And so large a share of all requests on top.
    pub added: f64,
    /// So many times the latency.
    pub latency: f64,
    /// From minute 10 on errors climb to a tenth of all requests in 5 minutes, and latency to
    /// twice what it was.
    pub leak: bool,
}

impl Defect {
    pub(crate) const NONE: Self = Self {
        errors: 1.0,
        added: 0.0,
        latency: 1.0,
        leak: false,
    };

    const fn errors(errors: f64) -> Self {
        Self {
            errors,
            ..Self::NONE
        }
    }

    const fn added(added: f64) -> Self {
        Self {
            added,
            ..Self::NONE
        }
    }

    const fn latency(latency: f64) -> Self {
        Self {
            latency,
            ..Self::NONE
        }
    }
}

/// One line of the tables.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scenario {
    pub id: &'static str,
    pub name: &'static str,
    /// Requests a second, of both sides.
    pub rate: u32,
    pub weather: Weather,
    pub defect: Defect,
}

impl Scenario {
    /// Whether the version deserves to be promoted.
    pub(crate) fn is_good(&self) -> bool {
        self.id.starts_with('G')
    }

    /// Whether nothing at all is wrong with the version: the promise is about these.
    pub(crate) fn is_null(&self) -> bool {
        self.defect == Defect::NONE
    }

    /// The same service with a good version.
    pub(crate) fn without_defect(&self) -> Self {
        let defect = Defect::NONE;
        Self { defect, ..*self }
    }

    /// Whether it does harm by being slow and not by failing.
    pub(crate) fn is_slow(&self) -> bool {
        self.defect.latency > 1.0
    }

    /// Whether somebody who says `text` means it: `B`, `B2` and `B2@100` are all `B2@100`.
    pub(crate) fn is_meant(&self, text: &str) -> bool {
        match text.split_once('@') {
            Some((id, rate)) => self.id == id && self.rate.to_string() == rate,
            None => self.id == text || self.id.starts_with(text) && text.len() == 1,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} @{}", self.id, self.name, self.rate)
    }
}

const CALM: Weather = Weather {
    noise: (0.0, 0.0),
    blips: false,
    drift: false,
    gaps: false,
    cold: false,
};
const NOISE: Weather = Weather {
    noise: (0.7, 0.1),
    ..CALM
};
const BLIPS: Weather = Weather {
    blips: true,
    ..CALM
};
const DRIFT: Weather = Weather {
    drift: true,
    ..CALM
};
const GAPS: Weather = Weather { gaps: true, ..CALM };
const COLD: Weather = Weather { cold: true, ..CALM };

const GOOD: Defect = Defect::NONE;
const TOLERABLE: Defect = Defect::errors(1.1);
const TWICE: Defect = Defect::errors(2.0);
const FIVE_TIMES: Defect = Defect::errors(5.0);
const HALF_A_POINT: Defect = Defect::added(0.005);
const ALL: Defect = Defect::added(1.0);
const SLOWER: Defect = Defect::latency(1.2);
const TWICE_AS_SLOW: Defect = Defect::latency(2.0);
const LEAK: Defect = Defect { leak: true, ..GOOD };

const fn scenario(
    id: &'static str,
    name: &'static str,
    rate: u32,
    weather: Weather,
    defect: Defect,
) -> Scenario {
    Scenario {
        id,
        name,
        rate,
        weather,
        defect,
    }
}

/// All of them.
pub(crate) const SCENARIOS: [Scenario; 32] = [
    scenario("G1", "good", 1, CALM, GOOD),
    scenario("G1", "good", 100, CALM, GOOD),
    scenario("G1", "good", 1000, CALM, GOOD),
    scenario("G2", "noisy pods", 100, NOISE, GOOD),
    scenario("G2", "noisy pods", 1000, NOISE, GOOD),
    scenario("G3", "shared blips", 100, BLIPS, GOOD),
    scenario("G4", "drift", 100, DRIFT, GOOD),
    scenario("G5", "metric gaps", 100, GAPS, GOOD),
    scenario("G6", "cold start", 100, COLD, GOOD),
    scenario("G7", "errors +10 %", 1000, CALM, TOLERABLE),
    scenario("B1", "errors ×2", 1, CALM, TWICE),
    scenario("B1", "errors ×2", 100, CALM, TWICE),
    scenario("B1", "errors ×2", 1000, CALM, TWICE),
    scenario("B2", "errors ×5", 1, CALM, FIVE_TIMES),
    scenario("B2", "errors ×5", 100, CALM, FIVE_TIMES),
    scenario("B2", "errors ×5", 1000, CALM, FIVE_TIMES),
    scenario("B3", "errors +0.5 pp", 1, CALM, HALF_A_POINT),
    scenario("B3", "errors +0.5 pp", 100, CALM, HALF_A_POINT),
    scenario("B3", "errors +0.5 pp", 1000, CALM, HALF_A_POINT),
    scenario("B4", "all fail", 1, CALM, ALL),
    scenario("B4", "all fail", 100, CALM, ALL),
    scenario("B4", "all fail", 1000, CALM, ALL),
    scenario("B5", "latency ×1.2", 1, CALM, SLOWER),
    scenario("B5", "latency ×1.2", 100, CALM, SLOWER),
    scenario("B5", "latency ×1.2", 1000, CALM, SLOWER),
    scenario("B6", "latency ×2", 1, CALM, TWICE_AS_SLOW),
    scenario("B6", "latency ×2", 100, CALM, TWICE_AS_SLOW),
    scenario("B6", "latency ×2", 1000, CALM, TWICE_AS_SLOW),
    scenario("B7", "leak at 10 min", 100, CALM, LEAK),
    scenario("B8", "×5 + noise", 100, NOISE, FIVE_TIMES),
    scenario("B9", "×5 + gaps", 100, GAPS, FIVE_TIMES),
    scenario("B10", "×5 + drift", 100, DRIFT, FIVE_TIMES),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(text: &str) -> usize {
        SCENARIOS.iter().filter(|it| it.is_meant(text)).count()
    }

    #[test]
    fn a_letter_a_number_and_a_rate_mean_fewer_and_fewer() {
        assert_eq!((meant("G"), meant("B")), (10, 22));
        assert_eq!((meant("B2"), meant("B2@100"), meant("B10")), (3, 1, 1));
        assert_eq!(
            (meant("B1"), meant("x"), meant(""), meant("B2@")),
            (3, 0, 0, 0)
        );
    }
}
