//! Young pods are slower and fail more: how much worse they may be, by their age.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::evidence::at_least;
use super::scrape::Count;
use crate::number::Number;

/// How many times as much as was learned beyond stable's events is still tolerated.
const MARGIN: f64 = 1.25;
/// From where on earlier releases speak clearly, in nats.
const CLEAR: f64 = 2.0;
/// How long one class of age is, in seconds.
pub(super) const CLASS_SECONDS: u64 = 15;
/// How many classes are learned: 5 minutes.
const CLASSES: usize = 20;
/// Until when a pod is young: of older ones nothing is learned.
pub(super) const YOUNG: Duration = Duration::from_secs(CLASS_SECONDS * CLASSES as u64);
/// Expected events are kept in hundredths: whole numbers stay short as text.
const UNIT: f64 = 100.0;

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
    /// As much worse as in earlier releases that were promoted, and a quarter of it more; like
    /// [`WarmUp::Fixed`] until there was one.
    Learned,
}

/// How much worse the pods of promoted releases were at each age.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Curve {
    /// The canary's events, and those that stable would have had in hundredths, by class of age.
    classes: Vec<(u64, u64)>,
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
        let usual = canary.requests as f64 * at_least(stable_rate, 0.0).min(1.0);
        *events = events.saturating_add(canary.events);
        *expected = expected.saturating_add((usual * UNIT).round() as u64);
    }

    /// Adds what one release did. What earlier ones did counts half as much then, so that a
    /// service that changes is learned anew.
    pub fn add_release(&mut self, release: &Self) {
        if self.classes.len() < release.classes.len() {
            self.classes
                .resize(release.classes.len(), Default::default());
        }
        for ((events, expected), (new_events, new_expected)) in
            self.classes.iter_mut().zip(&release.classes)
        {
            *events = (*events / 2).saturating_add(*new_events);
            *expected = (*expected / 2).saturating_add(*new_expected);
        }
    }

    /// Whether nothing was learned.
    pub fn is_empty(&self) -> bool {
        self.classes.iter().all(|(_, expected)| *expected == 0)
    }

    /// The ratio that is tolerated at each class of age, 1 and more.
    ///
    /// A class is judged by itself and together with its neighbours, as far as they make one
    /// curve that falls with age: a warm-up shows in many classes at once, and chance does not.
    fn tolerated(&self) -> [f64; CLASSES] {
        let mut ratios = [1.0; CLASSES];
        for (ratio, (events, expected)) in ratios.iter_mut().zip(&self.classes) {
            *ratio = tolerated(*events as f64, *expected as f64 / UNIT);
        }
        let mut at = 0;
        for block in self.falling() {
            let together = tolerated(block.events, block.expected);
            for ratio in ratios.iter_mut().skip(at).take(block.classes) {
                *ratio = ratio.max(together);
            }
            at += block.classes;
        }
        ratios
    }

    /// The classes as the curve that fits them best of those that never rise with age, by pooling
    /// neighbours that rise.
    fn falling(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::with_capacity(self.classes.len());
        for (events, expected) in &self.classes {
            let mut block = Block {
                events: *events as f64,
                expected: *expected as f64 / UNIT,
                classes: 1,
            };
            while let Some(before) = blocks.pop_if(|before| before.ratio() <= block.ratio()) {
                block = before.with(&block);
            }
            blocks.push(block);
        }
        blocks
    }
}

/// Classes of age in a row, taken together.
struct Block {
    events: f64,
    expected: f64,
    classes: usize,
}

impl Block {
    fn ratio(&self) -> f64 {
        self.events / self.expected.max(f64::MIN_POSITIVE)
    }

    fn with(&self, other: &Self) -> Self {
        Self {
            events: self.events + other.events,
            expected: self.expected + other.expected,
            classes: self.classes + other.classes,
        }
    }
}

/// What is tolerated where so many events came and so many would have been stable's: nothing
/// unless they speak clearly. What several releases together do not show, one will not be taken
/// back for.
fn tolerated(events: f64, expected: f64) -> f64 {
    // Half an event more, so that few of them teach little.
    let expected = expected + 0.5;
    let ratio = events / expected;
    if ratio <= 1.0 || events * libm::log(ratio) - events + expected < CLEAR {
        return 1.0;
    }
    at_least(1.0 + MARGIN * (ratio - 1.0), 1.0)
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
        let learned = match self {
            Self::Learned if !curve.is_empty() => Some(curve.tolerated()),
            _ => None,
        };
        let of = |age: &Duration| match (self, &learned) {
            (Self::None, _) => 1.0,
            (_, Some(learned)) => learned.get(class(*age)).copied().unwrap_or(1.0),
            (Self::Learned, None) => falling(*age, Duration::from_secs(120), default),
            (Self::Fixed { lasts, ratio }, None) => falling(*age, *lasts, ratio.get()),
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
    fn a_learned_curve_tolerates_what_promoted_releases_did_and_a_quarter_of_it_more() {
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
        close(at(5), 1.0 + 1.25 * (120.0 / 30.5 - 1.0), 1e-9);
        close(at(40), 1.0, 1e-9);
        close(at(1000), 1.0, 0.0);
    }

    /// A curve of pods that served 500 requests at each class of age, with these events.
    fn of(events: &[u64]) -> Curve {
        let mut curve = Curve::default();
        for (class, events) in events.iter().enumerate() {
            let age = Duration::from_secs(class as u64 * CLASS_SECONDS);
            curve.count(age, Count::new(500, *events), 0.003);
        }
        curve
    }

    #[test]
    fn what_may_as_well_be_chance_is_not_tolerated() {
        let chance = of(&[1, 3, 0, 2, 2, 1, 4, 0, 1, 2]);
        assert_eq!(chance.tolerated(), [1.0; CLASSES]);
        assert_eq!(Curve::default().tolerated(), [1.0; CLASSES]);
    }

    #[test]
    fn a_few_more_events_in_many_classes_make_a_warm_up() {
        let weak = of(&[4, 4, 4, 4, 5, 5, 5, 5]).tolerated();
        let (young, old) = weak.split_at(8);
        assert!(
            young.iter().all(|ratio| (2.5..4.0).contains(ratio)),
            "{weak:?}"
        );
        assert!(old.iter().all(|ratio| *ratio == 1.0), "{weak:?}");
    }

    #[test]
    fn a_late_peak_is_tolerated_for_itself() {
        let late = of(&[1, 2, 1, 20, 2, 1]).tolerated();
        assert!(late[3] > 10.0, "{late:?}");
        assert_eq!(late[4], 1.0);
    }

    #[test]
    fn nothing_absurd_makes_a_curve_absurd() {
        let mut curve = Curve::default();
        let second = Duration::from_secs(1);
        for (requests, events, rate) in [
            (u64::MAX, u64::MAX, 0.0),
            (u64::MAX, 0, f64::INFINITY),
            (1, 1, f64::NAN),
            (0, 0, -1.0),
        ] {
            curve.count(second, Count::new(requests, events), rate);
            curve.count(Duration::MAX, Count::new(requests, events), rate);
            let ratios = curve.tolerated();
            assert!(
                ratios
                    .iter()
                    .all(|ratio| *ratio >= 1.0 && ratio.is_finite()),
                "{ratios:?}"
            );
        }
    }
}
