//! One kind of event with everything that is known of it.

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, at_least};
use super::likelihood::{Assurance, Likelihood};
use super::noise::{BLOCK_SECONDS, Noise};
use super::scrape::{Count, Scrape};
use crate::number::Number;

/// From how much of a change of the canary's share on a gap in the scrapes is of two weights.
const MOVED: f64 = 1.5;
/// From how many times the usual distance on two scrapes have a gap between them.
const GAP: f64 = 1.5;

/// What is judged of one kind of event: failed requests, or requests slower than one bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    weight: Number,
    gate: Number,
    evidence: Evidence,
    likelihood: Likelihood,
    assurance: Assurance,
    noise: Noise,
    /// All that stable counted, before the release and in it.
    stable: Count,
    /// What both sides counted in the release.
    seen: Scrape,
    /// The canary's share at the last scrape that had requests.
    share: Option<Number>,
}

/// What holds for one scrape besides its counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circumstances {
    /// How many times worse the canary may be now, because its pods are young; 1 and more.
    pub tolerated: f64,
    /// How many pods the canary has.
    pub canary_pods: usize,
    /// How many pods stable has.
    pub stable_pods: usize,
    /// The time since the last scrape that was had, in seconds.
    pub seconds: f64,
    /// The time between two scrapes where none is missing, in seconds.
    pub interval: f64,
    /// The part of a reserve that is staked at each scrape, 0–1: half of one by the number of
    /// scrapes that the release is planned to take.
    pub invested: f64,
    /// The canary is good enough when it is proved to be less than so many times worse.
    pub bound: f64,
}

impl Stream {
    /// Nothing is known yet. `weight` is the part that the stream has of the whole (0–1; those of
    /// a judge add up to 1), `gate` the smallest ratio that is worth a rollback.
    pub fn new(weight: f64, gate: f64) -> Self {
        Self {
            weight: Number::new(weight),
            gate: Number::new(gate),
            evidence: Evidence::default(),
            likelihood: Likelihood::default(),
            assurance: Assurance::default(),
            noise: Noise::default(),
            stable: Count::default(),
            seen: Scrape::default(),
            share: None,
        }
    }

    /// Counts what each of stable's pods did in one block of [`BLOCK_SECONDS`] before the release.
    pub fn remember(&mut self, pods: &[Count]) {
        self.learn(pods);
        for pod in pods {
            self.stable += *pod;
        }
    }

    /// Learns how much pods differ from one block of [`BLOCK_SECONDS`] within the release, whose
    /// requests are counted scrape by scrape as well.
    pub fn learn(&mut self, pods: &[Count]) {
        self.noise.count(pods);
    }

    /// Counts one scrape. One after a gap in which the weight has changed tells nothing: its two
    /// sides speak of different minutes.
    pub fn count(&mut self, scrape: &Scrape, now: &Circumstances) {
        if let Some(share) = scrape.share() {
            let before = self.share.replace(Number::new(share)).map(Number::get);
            if !is_mixed(share, before, now) {
                let noise = self.noise_factor(scrape, share, now);
                self.evidence
                    .count(scrape, now.tolerated, noise, now.invested);
                if now.tolerated <= 1.0 {
                    self.likelihood.count(scrape, noise);
                    self.assurance.count(scrape, now.bound, noise);
                }
            }
        }
        self.stable += scrape.stable;
        self.seen += *scrape;
    }

    /// The factor by which this scrape says less than independent requests would.
    ///
    /// It is known before the scrape's events are: it follows from the requests, and from the
    /// rate of events that stable had until then.
    fn noise_factor(&self, scrape: &Scrape, share: f64, now: &Circumstances) -> f64 {
        let rate = self.stable.rate().unwrap_or_default();
        let blocks = BLOCK_SECONDS as f64 / at_least(now.seconds, 1.0);
        let expected = |count: Count, pods: usize| {
            let each = count.requests as f64 / pods.max(1) as f64;
            each * blocks * rate
        };
        let canary = expected(scrape.canary, now.canary_pods);
        let stable = expected(scrape.stable, now.stable_pods);
        self.noise.factor(share, canary, stable)
    }

    /// What the stream adds to the evidence against the canary: nothing while what it sees is
    /// not worth a rollback.
    pub fn evidence(&self) -> f64 {
        match self.evidence.estimate() >= self.gate.get() {
            true => self.weight.get() * self.evidence.value(),
            false => 0.0,
        }
    }

    /// The evidence against the canary of this stream alone, whatever its weight.
    pub fn own_evidence(&self) -> f64 {
        self.evidence.value()
    }

    /// The evidence that the canary is less than the bound worse; 1/β proves it at the level β.
    pub fn assurance(&self) -> f64 {
        self.assurance.value()
    }

    /// How likely each ratio is, warm pods only.
    pub fn likelihood(&self) -> &Likelihood {
        &self.likelihood
    }

    /// What both sides counted in the release.
    pub fn seen(&self) -> Scrape {
        self.seen
    }

    /// All that stable counted, before the release and in it.
    pub fn stable(&self) -> Count {
        self.stable
    }
}

/// The evidence against the canary over all streams; 1/α proves it at the level α.
///
/// It is an average, which keeps the promise whatever the streams have to do with each other.
pub fn evidence<'a>(streams: impl IntoIterator<Item = &'a Stream>) -> f64 {
    streams.into_iter().map(Stream::evidence).sum()
}

fn is_mixed(share: f64, before: Option<f64>, now: &Circumstances) -> bool {
    let Some(before) = before else {
        return false;
    };
    now.seconds > GAP * now.interval && share.max(before) > MOVED * share.min(before)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, scrape};
    use super::*;

    const NOW: Circumstances = Circumstances {
        tolerated: 1.0,
        canary_pods: 1,
        stable_pods: 9,
        seconds: 15.0,
        interval: 15.0,
        invested: 0.5 / 60.0,
        bound: 2.0,
    };

    #[test]
    fn one_stream_alone_has_the_evidence_of_its_process() {
        let rows = [
            scrape(150, 1, 1350, 4),
            scrape(148, 3, 1361, 5),
            scrape(151, 4, 1344, 3),
        ];
        let mut stream = Stream::new(1.0, 1.3);
        for row in &rows {
            stream.count(row, &NOW);
        }
        close(stream.evidence(), 68.268264, 1e-6);
        let halves = [Stream::new(0.5, 1.3), stream.clone()];
        close(evidence(&halves), stream.evidence(), 0.5 + 1e-6);
        assert_eq!(stream.seen(), scrape(449, 8, 4055, 12));
    }

    #[test]
    fn what_is_not_worth_a_rollback_counts_for_nothing() {
        let mut stream = Stream::new(1.0, 1.3);
        for _ in 0..200 {
            stream.count(&scrape(5000, 120, 5000, 100), &NOW);
        }
        assert_eq!(stream.evidence(), 0.0);
        assert!(stream.evidence.value() > 100.0);
    }

    #[test]
    fn a_gap_is_counted_unless_the_weight_changed_within() {
        let gap = Circumstances {
            seconds: 60.0,
            ..NOW
        };
        let mut stream = Stream::new(1.0, 1.3);
        stream.count(&scrape(150, 1, 1350, 4), &NOW);
        let before = stream.evidence.clone();
        stream.count(&scrape(1200, 30, 4800, 20), &gap);
        assert_eq!(stream.evidence, before);
        stream.count(&scrape(1200, 30, 4800, 20), &gap);
        assert_ne!(stream.evidence, before);
    }

    #[test]
    fn pods_that_differ_make_every_scrape_say_less() {
        let worse = scrape(1500, 40, 13_500, 90);
        let of = |pods: [u64; 4]| {
            let mut stream = Stream::new(1.0, 1.3);
            for _ in 0..10 {
                stream.remember(&pods.map(|events| Count::new(900, events)));
            }
            stream.count(&worse, &NOW);
            stream.evidence()
        };
        assert!(of([6, 5, 6, 7]) > 10.0 * of([1, 20, 2, 1]));
    }
}
