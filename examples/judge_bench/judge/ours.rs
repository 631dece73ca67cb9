//! The library's judge: evidence within each scrape, of errors and of requests that are slower
//! than bounds of the histogram.

use std::time::Duration;

use gradatim::analysis::judge::{
    BLOCK_SECONDS, Circumstances, Count, Curve, RESERVE, Scrape, Stream, WarmUp, evidence,
};

use super::{Judge, Seen, Service, Verdict};
use crate::latency::EDGES;
use crate::world::{Counters, Pod};

/// The smallest effects worth a rollback.
const WORSE: f64 = 1.5;
const SLOWER: f64 = 1.15;
/// How much worse pods may begin, where nothing was learned.
const COLD_ERRORS: f64 = 10.0;
const COLD_LATENCY: f64 = 30.0;
/// Bounds of the histogram are of use where so many of stable's requests are slower.
const USEFUL: std::ops::RangeInclusive<f64> = 0.002..=0.6;
const MOST_BOUNDS: usize = 4;
/// A version is good enough when it is proved to be less than so many times worse.
const BOUND: f64 = 2.0;
/// A bound that fewer of stable's requests exceed proves nothing in time; it still takes back.
const RARE: f64 = 0.01;
/// With a confidence of 95 %.
const SURE: f64 = 20.0;

pub(super) struct Ours {
    /// How much evidence it takes.
    needed: f64,
    kinds: Vec<Kind>,
    streams: Vec<Stream>,
    /// What is staked of each reserve at a scrape.
    invested: f64,
    scrapes: u32,
    last: Reading,
    block: (u32, Vec<Counters>),
}

/// What was read last.
#[derive(Default)]
struct Reading {
    at: u32,
    canary: Counters,
    stable: Counters,
}

/// One kind of event, and how young pods may be worse.
struct Kind {
    events: Events,
    warm_up: WarmUp,
    cold: f64,
    curve: Curve,
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
        let (kinds, streams) = streams(service, learned).into_iter().unzip();
        let planned = f64::from(service.length() / scrapes);
        Self {
            needed: 1.0 / false_rollbacks,
            kinds,
            streams,
            invested: RESERVE / planned,
            scrapes,
            last: Reading::default(),
            block: (0, Vec::new()),
        }
    }

    fn count(&mut self, at: u32, seen: &Seen<'_>) {
        let now = Reading {
            at,
            canary: seen.canary_total,
            stable: seen.stable_total,
        };
        let canary = now.canary.since(&self.last.canary);
        let stable = now.stable.since(&self.last.stable);
        let ages = ages(seen.canary, self.last.at, at);
        for (kind, stream) in self.kinds.iter().zip(&mut self.streams) {
            let scrape = Scrape {
                canary: kind.events.count(&canary),
                stable: kind.events.count(&stable),
            };
            let circumstances = Circumstances {
                tolerated: kind.warm_up.tolerated(&ages, &kind.curve, kind.cold),
                canary_pods: seen.canary.len(),
                stable_pods: seen.stable.len(),
                seconds: f64::from(at - self.last.at),
                interval: f64::from(self.scrapes),
                invested: self.invested,
                bound: BOUND,
            };
            stream.count(&scrape, &circumstances);
        }
        self.last = now;
        self.close_block(at, seen.stable);
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
            for (kind, stream) in self.kinds.iter().zip(&mut self.streams) {
                stream.learn(&kind.counts(&counted));
            }
        }
        self.block = (at, stable.iter().map(|pod| pod.counters).collect());
    }
}

impl Ours {
    /// What is known of errors.
    pub(super) fn errors(&self) -> Option<&Stream> {
        self.streams.first()
    }

    /// Whether errors, and requests slower than each bound that is not a rare one, are proved to
    /// be less than so many times as many.
    pub(super) fn is_good_enough(&self) -> bool {
        let kinds = self.kinds.iter().zip(&self.streams);
        let mut asked = kinds.filter(|(kind, stream)| {
            let rate = stream.stable().rate();
            kind.events == Events::Errors || rate.is_some_and(|rate| rate >= RARE)
        });
        asked.all(|(_, stream)| stream.assurance() >= SURE)
    }
}

impl Judge for Ours {
    fn look(&mut self, at: u32, seen: Option<&Seen<'_>>) -> Verdict {
        let Some(seen) = seen else {
            return Verdict::GoOn;
        };
        self.count(at, seen);
        match evidence(&self.streams) >= self.needed {
            true => Verdict::RollBack,
            false => Verdict::GoOn,
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
fn streams(service: &Service<'_>, learned: bool) -> Vec<(Kind, Stream)> {
    let all = |pods: &[Counters], events: Events| -> Count {
        let counts = pods.iter().map(|pod| events.count(pod));
        counts.fold(Count::default(), |mut sum, count| {
            sum += count;
            sum
        })
    };
    let is_useful = |events: &Events| {
        let minutes = service.history.iter().map(|pods| all(pods, *events));
        let before = minutes.fold(Count::default(), |mut sum, minute| {
            sum += minute;
            sum
        });
        before.rate().is_some_and(|rate| USEFUL.contains(&rate))
    };
    let slower = (0..EDGES.len()).map(Events::Slower).filter(is_useful);
    let slower: Vec<Events> = slower.take(MOST_BOUNDS).collect();
    let (errors, each) = match slower.len() {
        0 => (1.0, 0.0),
        bounds => (0.5, 0.5 / bounds as f64),
    };
    let new = |events: Events| {
        let kind = Kind::new(service, events, learned);
        let mut stream = match events {
            Events::Errors => Stream::new(errors, WORSE),
            Events::Slower(_) => Stream::new(each, SLOWER),
        };
        for minute in service.history {
            stream.remember(&kind.counts(minute));
        }
        (kind, stream)
    };
    std::iter::once(Events::Errors)
        .chain(slower)
        .map(new)
        .collect()
}

impl Kind {
    fn new(service: &Service<'_>, events: Events, learned: bool) -> Self {
        let cold = match events {
            Events::Errors => COLD_ERRORS,
            Events::Slower(_) => COLD_LATENCY,
        };
        let warm_up = match learned {
            true => WarmUp::Learned,
            false => WarmUp::fixed(cold),
        };
        let place = Events::all().position(|it| it == events);
        let curve = place.and_then(|place| service.curves.get(place)).cloned();
        Self {
            events,
            warm_up,
            cold,
            curve: curve.unwrap_or_default(),
        }
    }

    fn counts(&self, pods: &[Counters]) -> Vec<Count> {
        pods.iter().map(|pod| self.events.count(pod)).collect()
    }
}
