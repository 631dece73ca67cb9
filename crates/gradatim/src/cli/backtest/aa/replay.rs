//! A release that never was: one half of stable's pods is called the canary.

use std::time::Duration;

use gradatim_core::analysis::judge::{
    BLOCK_SECONDS, Circumstances, Count, RESERVE, Scrape, Stream, evidence,
};
use gradatim_core::measurement::Counter;
use gradatim_core::time::Timestamp;

use super::series::{Events, Pods};

/// The smallest effects worth a rollback.
const WORSE: f64 = 1.35;
const SLOWER: f64 = 1.15;
const BOUND: f64 = 2.0;
/// How much evidence takes a release back: at most one good release in a hundred is.
pub(super) const NEEDED: f64 = 100.0;
/// A bucket's bound is of use where so many of stable's requests are slower.
const USEFUL: std::ops::RangeInclusive<f64> = 0.002..=0.6;
const MOST_BOUNDS: usize = 4;

/// How an imaginary release goes.
pub(super) struct Release {
    /// How often it is looked at.
    pub(super) interval: Duration,
    /// How many times.
    pub(super) scrapes: u32,
    /// How much of stable is known before.
    pub(super) history: Duration,
}

impl Release {
    pub(super) fn length(&self) -> Duration {
        self.interval.saturating_mul(self.scrapes)
    }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Imaginary {
    Judged(Judged),
    /// It says nothing, and why.
    LeftOut(String),
}

/// What the judge saw.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judged {
    /// When the judge took it back, since its start; none where it did not.
    pub(super) rolled_back: Option<Duration>,
    /// The most evidence that there was at any moment.
    pub(super) evidence: f64,
    /// The pods of each half.
    pub(super) canary: Vec<String>,
    pub(super) stable: Vec<String>,
    /// What each half counted until the end, requests and errors.
    pub(super) seen: Scrape,
    /// What made the judge take it back.
    pub(super) worst: Option<String>,
}

/// Lets the judge watch a release that starts at an instant. `split` chooses the halves.
pub(super) fn replay(
    counters: &[Counter],
    release: &Release,
    start: Timestamp,
    split: u64,
) -> Imaginary {
    let pods = Pods::of(counters);
    let serving = pods.serving(start, start + release.length());
    if serving.len() < 2 {
        let why = match serving.len() {
            0 => "stable served no request",
            _ => "one pod alone cannot be split in two",
        };
        return Imaginary::LeftOut(why.to_owned());
    }
    let (canary, stable) = halves(&serving, split);
    let judge = Judge::new(&pods, release, start, &serving);
    Imaginary::Judged(judge.watch(&canary, &stable))
}

/// Two halves of the pods, others for each number.
fn halves<'a>(pods: &[&'a str], split: u64) -> (Vec<&'a str>, Vec<&'a str>) {
    let mut shuffled: Vec<&str> = pods.to_vec();
    shuffled.sort_by_cached_key(|pod| (lot(pod, split), *pod));
    let stable = shuffled.split_off(shuffled.len() / 2);
    (shuffled, stable)
}

/// A number that depends on a name and a number and on nothing else (FNV-1a).
fn lot(name: &str, split: u64) -> u64 {
    let bytes = split.to_le_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes().chain(bytes) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The low bits alone would tell even splits from odd ones.
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

struct Judge<'a> {
    pods: &'a Pods<'a>,
    release: &'a Release,
    start: Timestamp,
    events: Vec<Events>,
    /// One for each of the events.
    streams: Vec<Stream>,
}

impl<'a> Judge<'a> {
    /// A judge that knows the time before the release.
    fn new(pods: &'a Pods<'a>, release: &'a Release, start: Timestamp, all: &[&str]) -> Self {
        let before = |events: &Events| total(pods, all, events, start - release.history, start);
        let slower = pods.bounds().into_iter().map(Events::Slower);
        let is_useful = |it: &Events| before(it).rate().is_some_and(|it| USEFUL.contains(&it));
        let slower = evenly(slower.filter(is_useful).collect());
        let (errors, each) = match slower.len() {
            0 => (1.0, 0.0),
            bounds => (0.5, 0.5 / bounds as f64),
        };
        let mut streams = vec![Stream::new(errors, WORSE)];
        streams.extend(slower.iter().map(|_| Stream::new(each, SLOWER)));
        let events: Vec<Events> = std::iter::once(Events::Errors).chain(slower).collect();
        for (events, stream) in events.iter().zip(&mut streams) {
            for (from, to) in blocks(start - release.history, release.history) {
                stream.remember(&each_pod(pods, all, events, from, to));
            }
        }
        Self {
            pods,
            release,
            start,
            events,
            streams,
        }
    }

    fn watch(mut self, canary: &[&str], stable: &[&str]) -> Judged {
        let owned = |pods: &[&str]| pods.iter().map(|pod| (*pod).to_owned()).collect();
        let mut judged = Judged {
            rolled_back: None,
            evidence: 0.0,
            canary: owned(canary),
            stable: owned(stable),
            seen: Scrape::default(),
            worst: None,
        };
        let all: Vec<&str> = canary.iter().chain(stable).copied().collect();
        let (mut last, mut block) = (self.start, self.start);
        for scrape in 1..=self.release.scrapes {
            let now = self.start + self.release.interval.saturating_mul(scrape);
            // Nothing is counted of what was not scraped; the next scrape covers it.
            if !self.pods.was_scraped(&all, last, now) {
                continue;
            }
            self.count(canary, stable, last, now);
            last = now;
            if now.since(block) >= Duration::from_secs(BLOCK_SECONDS) {
                self.learn(stable, block, now);
                block = now;
            }
            let found = evidence(&self.streams);
            judged.evidence = judged.evidence.max(found);
            if found >= NEEDED {
                judged.rolled_back = Some(now.since(self.start));
                judged.worst = self.worst();
                break;
            }
        }
        judged.seen = self.streams.first().map(Stream::seen).unwrap_or_default();
        judged
    }

    fn count(&mut self, canary: &[&str], stable: &[&str], from: Timestamp, to: Timestamp) {
        let now = Circumstances {
            tolerated: 1.0,
            canary_pods: canary.len(),
            stable_pods: stable.len(),
            seconds: to.since(from).as_secs_f64(),
            interval: self.release.interval.as_secs_f64(),
            invested: RESERVE / f64::from(self.release.scrapes),
            bound: BOUND,
        };
        for (events, stream) in self.events.iter().zip(&mut self.streams) {
            let scrape = Scrape {
                canary: total(self.pods, canary, events, from, to),
                stable: total(self.pods, stable, events, from, to),
            };
            stream.count(&scrape, &now);
        }
    }

    fn learn(&mut self, stable: &[&str], from: Timestamp, to: Timestamp) {
        if to.since(from) < Duration::from_secs(2 * BLOCK_SECONDS) {
            for (events, stream) in self.events.iter().zip(&mut self.streams) {
                stream.learn(&each_pod(self.pods, stable, events, from, to));
            }
        }
    }

    /// The stream that speaks loudest, in words.
    fn worst(&self) -> Option<String> {
        let streams = self.events.iter().zip(&self.streams);
        let (events, stream) = streams.max_by(|a, b| a.1.evidence().total_cmp(&b.1.evidence()))?;
        let what = match events {
            Events::Errors => "errors".to_owned(),
            Events::Slower(bound) => format!("slower than {bound} s"),
        };
        let Scrape { canary, stable } = stream.seen();
        let of = |count: Count| format!("{} of {}", count.events, count.requests);
        Some(format!("{what}: {} against {}", of(canary), of(stable)))
    }
}

/// At most so many of the bounds, over their whole range.
fn evenly(bounds: Vec<Events>) -> Vec<Events> {
    let count = bounds.len();
    let place = |at: usize| at * (count - 1) / (MOST_BOUNDS - 1);
    match count <= MOST_BOUNDS {
        true => bounds,
        false => (0..MOST_BOUNDS)
            .map(|at| bounds[place(at)].clone())
            .collect(),
    }
}

/// A time in pieces of a block's length.
fn blocks(from: Timestamp, length: Duration) -> impl Iterator<Item = (Timestamp, Timestamp)> {
    let block = Duration::from_secs(BLOCK_SECONDS);
    let count = u32::try_from(length.as_secs() / BLOCK_SECONDS).unwrap_or(u32::MAX);
    (0..count).map(move |at| {
        let from = from + block.saturating_mul(at);
        (from, from + block)
    })
}

fn each_pod(
    pods: &Pods<'_>,
    names: &[&str],
    events: &Events,
    from: Timestamp,
    to: Timestamp,
) -> Vec<Count> {
    let each = names.iter().map(|pod| pods.count(pod, events, from, to));
    each.collect()
}

fn total(
    pods: &Pods<'_>,
    names: &[&str],
    events: &Events,
    from: Timestamp,
    to: Timestamp,
) -> Count {
    let mut sum = Count::default();
    for count in each_pod(pods, names, events, from, to) {
        sum += count;
    }
    sum
}

#[cfg(test)]
mod tests;
