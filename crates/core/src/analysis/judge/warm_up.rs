//! Young pods are slower and fail more: how much worse they may be, by their age.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::evidence::at_least;
use super::scrape::Count;
use super::sum::Sum;
use crate::number::Number;

/// How much above what was learned is still tolerated.
const MARGIN: f64 = 1.25;
/// How long one class of age is, in seconds.
const CLASS_SECONDS: u64 = 15;
/// How many classes are learned: 5 minutes.
const CLASSES: usize = 20;

/// How much worse a young pod may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum WarmUp {
    /// Not at all.
    None,
    /// So many times worse at its start, falling to once by the end.
    Fixed {
        /// How long it takes.
        lasts: Duration,
        /// How many times worse at the start.
        ratio: Number,
    },
    /// As much worse as in earlier releases that were promoted, and a quarter more; like
    /// [`WarmUp::Fixed`] until there was one.
    Learned,
}

/// How much worse the pods of promoted releases were at each age.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Curve {
    /// The canary's events and those that stable would have had, by class of age.
    classes: Vec<(Sum, Sum)>,
}

impl Curve {
    /// Counts what pods of one age did while stable failed at a rate.
    pub fn count(&mut self, age: Duration, canary: Count, stable_rate: f64) {
        let class = class(age);
        if class >= CLASSES {
            return;
        }
        if self.classes.len() <= class {
            self.classes.resize(class + 1, Default::default());
        }
        let Some((events, expected)) = self.classes.get_mut(class) else {
            return;
        };
        events.add(canary.events as f64);
        expected.add(canary.requests as f64 * at_least(stable_rate, 0.0));
    }

    /// Whether nothing was learned.
    pub fn is_empty(&self) -> bool {
        self.classes
            .iter()
            .all(|(_, expected)| expected.get() <= 0.0)
    }

    /// The ratio that is tolerated at an age, 1 and more.
    fn tolerated(&self, age: Duration) -> f64 {
        let Some((events, expected)) = self.classes.get(class(age)) else {
            return 1.0;
        };
        // Half an event on each side, so that few of them teach little.
        let ratio = (events.get() + 0.5) / (expected.get() + 0.5);
        if ratio <= 1.0 { 1.0 } else { ratio * MARGIN }
    }
}

fn class(age: Duration) -> usize {
    usize::try_from(age.as_secs() / CLASS_SECONDS).unwrap_or(usize::MAX)
}

impl WarmUp {
    /// The default: 2 minutes, and so many times worse at the start.
    pub fn fixed(ratio: f64) -> Self {
        Self::Fixed {
            lasts: Duration::from_secs(120),
            ratio: Number::new(ratio),
        }
    }

    /// How many times worse a canary of pods of these ages may be now, 1 and more; the mean over
    /// its pods.
    ///
    /// `curve` is what earlier releases taught, `default` the ratio of a learned curve that is
    /// still empty.
    pub fn tolerated(&self, ages: &[Duration], curve: &Curve, default: f64) -> f64 {
        if ages.is_empty() {
            return 1.0;
        }
        let of = |age: &Duration| match self {
            Self::None => 1.0,
            Self::Learned if !curve.is_empty() => curve.tolerated(*age),
            Self::Learned => falling(*age, Duration::from_secs(120), default),
            Self::Fixed { lasts, ratio } => falling(*age, *lasts, ratio.get()),
        };
        at_least(ages.iter().map(of).sum::<f64>() / ages.len() as f64, 1.0)
    }
}

/// `ratio^(1 − age/lasts)`.
fn falling(age: Duration, lasts: Duration, ratio: f64) -> f64 {
    if age >= lasts {
        return 1.0;
    }
    let left = 1.0 - age.as_secs_f64() / lasts.as_secs_f64();
    libm::pow(at_least(ratio, 1.0), left)
}

#[cfg(test)]
mod tests {
    use super::super::tests::close;
    use super::*;

    fn seconds(ages: &[u64]) -> Vec<Duration> {
        ages.iter().copied().map(Duration::from_secs).collect()
    }

    #[test]
    fn a_fixed_warm_up_falls_to_once_by_its_end() {
        let warm_up = WarmUp::fixed(10.0);
        let at = |ages: &[u64]| warm_up.tolerated(&seconds(ages), &Curve::default(), 10.0);
        close(at(&[0]), 10.0, 1e-12);
        close(at(&[60]), 10f64.sqrt(), 1e-12);
        close(at(&[120]), 1.0, 0.0);
        close(at(&[0, 120]), 5.5, 1e-12);
        close(at(&[]), 1.0, 0.0);
        close(
            WarmUp::None.tolerated(&seconds(&[0]), &Curve::default(), 10.0),
            1.0,
            0.0,
        );
    }

    #[test]
    fn a_learned_curve_tolerates_what_promoted_releases_did_and_a_quarter_more() {
        let mut curve = Curve::default();
        let early = || seconds(&[5]);
        close(
            WarmUp::Learned.tolerated(&early(), &curve, 10.0),
            libm::pow(10.0, 115.0 / 120.0),
            1e-9,
        );
        curve.count(Duration::from_secs(5), Count::new(10_000, 120), 0.003);
        curve.count(Duration::from_secs(40), Count::new(10_000, 30), 0.003);
        let at = |age: u64| WarmUp::Learned.tolerated(&seconds(&[age]), &curve, 10.0);
        close(at(5), 1.25 * 120.5 / 30.5, 1e-9);
        close(at(40), 1.0, 1e-9);
        close(at(1000), 1.0, 0.0);
    }
}
