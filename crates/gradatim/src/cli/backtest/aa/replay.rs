//! A release that never was: one half of stable's pods is called the canary.

use std::time::Duration;

use gradatim_core::analysis::judge::{
    Count, Counted, Finding, JudgePlan, JudgeState, Learned, Moment, Scrape, WarmUp,
};
use gradatim_core::measurement::{Counter, Side};
use gradatim_core::time::Timestamp;

/// How an imaginary release goes.
pub(super) struct Release {
    /// How often it is looked at.
    pub(super) interval: Duration,
    /// How it is judged, and how many times it is looked at.
    pub(super) judge: JudgePlan,
}

impl Release {
    pub(super) fn length(&self) -> Duration {
        self.interval.saturating_mul(self.judge.scrapes)
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
    let pods = Counted::of(counters);
    let serving = pods.serving(Side::Stable, start, start + release.length());
    if serving.len() < 2 {
        let why = match serving.len() {
            0 => "stable served no request",
            _ => "one pod alone cannot be split in two",
        };
        return Imaginary::LeftOut(why.to_owned());
    }
    let (canary, stable) = halves(&serving, split);
    Imaginary::Judged(watch(counters, release, start, (&canary, &stable)))
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

/// Lets the judge look at each scrape: before the start all pods are stable's, and then some of
/// them the canary's. No pod is young, so that nothing is forgiven.
fn watch(
    counters: &[Counter],
    release: &Release,
    start: Timestamp,
    (canary, stable): (&[&str], &[&str]),
) -> Judged {
    let owned = |pods: &[&str]| pods.iter().map(|pod| (*pod).to_owned()).collect();
    let mut judged = Judged {
        rolled_back: None,
        evidence: 0.0,
        canary: owned(canary),
        stable: owned(stable),
        seen: Scrape::default(),
        worst: None,
    };
    let mut plan = release.judge.clone();
    plan.warm_up = WarmUp::None;
    let parted = parted(counters, canary, stable);
    let mut judge = JudgeState::default();
    let mut look = |counters: &[Counter], at| {
        let moment = Moment {
            at,
            interval: release.interval,
            weight: None,
            learned: &Learned::new(),
        };
        // Nothing is counted of what was not scraped; the next scrape covers it.
        let _ = judge.count(&plan, counters, &moment);
        judged.evidence = judged.evidence.max(judge.evidence());
        judged.seen = judge.errors().map(|it| it.seen()).unwrap_or_default();
        if judge.finding(&plan) == Finding::Worse {
            judged.rolled_back = Some(at.since(start));
            judged.worst = worst(&judge);
        }
        judged.rolled_back.is_some()
    };
    if !look(counters, start) {
        let scrapes = 1..=release.judge.scrapes;
        let mut at = scrapes.map(|scrape| start + release.interval.saturating_mul(scrape));
        at.any(|at| look(&parted, at));
    }
    judged
}

/// The counters of these pods, on the side that each is on now.
fn parted(counters: &[Counter], canary: &[&str], stable: &[&str]) -> Vec<Counter> {
    let side = |pod: &str| match (canary.contains(&pod), stable.contains(&pod)) {
        (true, _) => Some(Side::Canary),
        (_, true) => Some(Side::Stable),
        _ => None,
    };
    let stable = counters.iter().filter(|it| it.side == Side::Stable);
    let parted = stable.filter_map(|counter| {
        Some(Counter {
            side: side(&counter.pod)?,
            ..counter.clone()
        })
    });
    parted.collect()
}

/// The stream that speaks loudest, in words.
fn worst(judge: &JudgeState) -> Option<String> {
    let accounts = judge.accounts().into_iter();
    let worst = accounts.max_by(|a, b| a.stream.evidence().total_cmp(&b.stream.evidence()))?;
    let Scrape { canary, stable } = worst.stream.seen();
    let of = |count: Count| format!("{} of {}", count.events, count.requests);
    Some(format!(
        "{}: {} against {}",
        worst.event,
        of(canary),
        of(stable)
    ))
}

#[cfg(test)]
mod tests;
