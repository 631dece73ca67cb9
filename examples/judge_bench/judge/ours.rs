//! The library's judge: evidence within each scrape, of errors and of requests that are slower
//! than bounds of the histogram.

use std::time::Duration;

use gradatim::analysis::judge::{BLOCK_SECONDS, Count, Curve, Evidence, Noise, Scrape, WarmUp};

use super::{Judge, Seen, Service, Verdict};
use crate::latency::EDGES;
use crate::world::{Counters, Pod};

/// The smallest effects worth a rollback.
const WORSE: f64 = 1.35;
const SLOWER: f64 = 1.15;
/// How much worse pods may begin, where nothing was learned.
const COLD_ERRORS: f64 = 10.0;
const COLD_LATENCY: f64 = 30.0;
/// Bounds of the histogram are of use where so many of stable's requests are slower.
const USEFUL: std::ops::RangeInclusive<f64> = 0.002..=0.6;
const MOST_BOUNDS: usize = 4;

pub(super) struct Ours {
    /// How much evidence it takes.
    needed: f64,
    streams: Vec<Stream>,
    /// What is staked of each reserve at a scrape.
    invested: f64,
    scrapes: u32,
    last: Reading,
    block: (u32, Vec<Counters>),
    share: Option<f64>,
}

/// What was read last.
#[derive(Default)]
struct Reading {
    at: u32,
    canary: Counters,
    stable: Counters,
}

/// One kind of event.
struct Stream {
    kind: Events,
    weight: f64,
    gate: f64,
    evidence: Evidence,
    noise: Noise,
    warm_up: WarmUp,
    cold: f64,
    curve: Curve,
    /// All that stable has counted so far.
    stable: Count,
}

/// What counts as an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Events {
    Errors,
    /// Requests slower than an edge of the histogram.
    Slower(usize),
}

impl Events {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Errors).chain((0..EDGES.len()).map(Self::Slower))
    }

    pub(crate) fn count(self, counters: &Counters) -> Count {
        let events = match self {
            Self::Errors => counters.errors,
            Self::Slower(edge) => counters.slower.get(edge).copied().unwrap_or_default(),
        };
        Count::new(counters.requests, events)
    }
}

impl Ours {
    /// A judge that takes back at most `false_rollbacks` of good versions (0–1), with a warm-up
    /// that is `learned` or the default one.
    pub(super) fn new(
        service: &Service<'_>,
        false_rollbacks: f64,
        learned: bool,
        scrapes: u32,
    ) -> Self {
        let streams = streams(service, learned);
        let planned = f64::from(service.length() / scrapes);
        Self {
            needed: 1.0 / false_rollbacks,
            streams,
            invested: gradatim::analysis::judge::RESERVE / planned,
            scrapes,
            last: Reading::default(),
            block: (0, Vec::new()),
            share: None,
        }
    }

    fn count(&mut self, at: u32, seen: &Seen<'_>) {
        let now = Reading {
            at,
            canary: seen.canary_total,
            stable: seen.stable_total,
        };
        let counted = Counted {
            canary: now.canary.since(&self.last.canary),
            stable: now.stable.since(&self.last.stable),
            seconds: f64::from(at - self.last.at),
            pods: (seen.canary.len(), seen.stable.len()),
            ages: ages(seen.canary, self.last.at, at),
        };
        let is_mixed = self.is_mixed(&counted);
        for stream in &mut self.streams {
            stream.count(&counted, self.invested, is_mixed);
        }
        self.last = now;
        self.close_block(at, seen.stable);
    }

    /// Whether the weight has changed unseen, so that both sides' requests are of other minutes.
    fn is_mixed(&mut self, counted: &Counted) -> bool {
        let share = counted.share();
        let before = self.share;
        self.share = share.or(before);
        let (Some(share), Some(before)) = (share, before) else {
            return false;
        };
        let moved = share.max(before) > 1.5 * share.min(before);
        moved && counted.seconds > 1.5 * f64::from(self.scrapes)
    }

    fn close_block(&mut self, at: u32, stable: &[Pod]) {
        let (since, before) = &self.block;
        let seconds = u64::from(at - since);
        if seconds < BLOCK_SECONDS {
            return;
        }
        if seconds < 2 * BLOCK_SECONDS {
            let nothing = Counters::default();
            let pods = stable.iter().enumerate();
            let counted: Vec<Counters> = pods
                .map(|(pod, now)| now.counters.since(before.get(pod).unwrap_or(&nothing)))
                .collect();
            for stream in &mut self.streams {
                stream.learn_noise(&counted);
            }
        }
        self.block = (at, stable.iter().map(|pod| pod.counters).collect());
    }

    fn evidence(&self) -> f64 {
        let each = self.streams.iter().map(|stream| {
            let counts = stream.evidence.estimate() >= stream.gate;
            if counts {
                stream.weight * stream.evidence.value()
            } else {
                0.0
            }
        });
        each.sum()
    }
}

impl Judge for Ours {
    fn look(&mut self, at: u32, seen: Option<&Seen<'_>>) -> Verdict {
        let Some(seen) = seen else {
            return Verdict::GoOn;
        };
        self.count(at, seen);
        match self.evidence() >= self.needed {
            true => Verdict::RollBack,
            false => Verdict::GoOn,
        }
    }
}

/// What both sides counted between two scrapes.
struct Counted {
    canary: Counters,
    stable: Counters,
    seconds: f64,
    pods: (usize, usize),
    ages: Vec<Duration>,
}

impl Counted {
    fn share(&self) -> Option<f64> {
        self.scrape(Events::Errors).share()
    }

    fn scrape(&self, events: Events) -> Scrape {
        Scrape {
            canary: events.count(&self.canary),
            stable: events.count(&self.stable),
        }
    }
}

/// How old pods were on average between two scrapes.
pub(crate) fn ages(pods: &[Pod], from: u32, to: u32) -> Vec<Duration> {
    let age = |pod: &Pod| {
        let from = from.max(pod.since);
        Duration::from_secs_f64(f64::from(from + to) / 2.0 - f64::from(pod.since))
    };
    pods.iter().map(age).collect()
}

/// Errors have one half of the whole, and the useful bounds of the histogram share the other.
fn streams(service: &Service<'_>, learned: bool) -> Vec<Stream> {
    let new = |kind: Events, weight: f64, gate: f64, cold: f64| {
        let warm_up = if learned {
            WarmUp::Learned
        } else {
            WarmUp::fixed(cold)
        };
        let place = Events::all().position(|it| it == kind).unwrap_or_default();
        let mut stream = Stream {
            kind,
            weight,
            gate,
            evidence: Evidence::default(),
            noise: Noise::default(),
            warm_up,
            cold,
            curve: service.curves.get(place).cloned().unwrap_or_default(),
            stable: Count::default(),
        };
        for minute in service.history {
            stream.learn_noise(minute);
            minute
                .iter()
                .for_each(|pod| stream.stable += kind.count(pod));
        }
        stream
    };
    let slower = (0..EDGES.len()).map(|edge| new(Events::Slower(edge), 0.0, SLOWER, COLD_LATENCY));
    let useful = slower.filter(|it| it.stable.rate().is_some_and(|rate| USEFUL.contains(&rate)));
    let mut slower: Vec<Stream> = useful.take(MOST_BOUNDS).collect();
    let each = 0.5 / slower.len() as f64;
    slower.iter_mut().for_each(|stream| stream.weight = each);
    let weight = if slower.is_empty() { 1.0 } else { 0.5 };
    let errors = new(Events::Errors, weight, WORSE, COLD_ERRORS);
    std::iter::once(errors).chain(slower).collect()
}

impl Stream {
    fn count(&mut self, counted: &Counted, invested: f64, is_mixed: bool) {
        let scrape = counted.scrape(self.kind);
        if let Some(share) = scrape.share().filter(|_| !is_mixed) {
            let tolerated = self
                .warm_up
                .tolerated(&counted.ages, &self.curve, self.cold);
            let noise = self.noise_factor(counted, share);
            self.evidence.count(&scrape, tolerated, noise, invested);
        }
        self.stable += scrape.stable;
    }

    fn noise_factor(&self, counted: &Counted, share: f64) -> f64 {
        let rate = self.stable.rate().unwrap_or_default();
        let blocks = BLOCK_SECONDS as f64 / counted.seconds;
        let expected =
            |requests: u64, pods: usize| requests as f64 / pods.max(1) as f64 * blocks * rate;
        let canary = expected(counted.canary.requests, counted.pods.0);
        let stable = expected(counted.stable.requests, counted.pods.1);
        self.noise.factor(share, canary, stable)
    }

    fn learn_noise(&mut self, pods: &[Counters]) {
        let pods: Vec<Count> = pods.iter().map(|pod| self.kind.count(pod)).collect();
        self.noise.count(&pods);
    }
}
