//! What a judge promises, over many generated releases that are no worse: raw counters of pods that
//! restart, scrapes that are lost, traffic and failures that drift on both sides, weights that
//! change.

use std::collections::BTreeMap;
use std::time::Duration;

use gradatim_core::analysis::judge::{
    Finding, JudgePlan, JudgeState, Learned, Moment, NoScrape, WarmUp,
};
use gradatim_core::measurement::{Counter, CounterKind, Sample, Side};
use gradatim_core::number::Number;
use gradatim_core::time::Timestamp;

const INTERVAL: Duration = Duration::from_secs(15);
/// Ten minutes before the release, fifteen of it.
const BEFORE: usize = 40;
const SCRAPES: usize = 60;
const RELEASES: u64 = 400;

/// A generator of its own, so that the same releases come on any machine.
struct Chance(u64);

impl Chance {
    /// 0–1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many of so many independent requests do what each does with this probability.
    fn of(&mut self, requests: u64, probability: f64) -> u64 {
        (0..requests).filter(|_| self.next() < probability).count() as u64
    }
}

/// What a pod's counters say: requests, failed ones, and those that took at most 0.25 s.
type Total = [u64; 3];

/// One release: the samples of every pod, by side and name.
struct World {
    pods: BTreeMap<(bool, String), Vec<(Timestamp, Total)>>,
    times: Vec<Timestamp>,
    weights: Vec<f64>,
}

impl World {
    /// The canary fails so many times as often as stable.
    fn of(seed: u64, worse: f64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(0x0100_0000_01b3));
        let (mut pods, mut totals) = (BTreeMap::new(), BTreeMap::new());
        let (mut times, mut weights) = (Vec::new(), Vec::new());
        let failing = 0.003 + 0.02 * chance.next();
        for at in 0..BEFORE + SCRAPES {
            let time = Timestamp::ZERO + INTERVAL.saturating_mul(at as u32 + 1000);
            let weight = match at.checked_sub(BEFORE) {
                None => 0.0,
                Some(step) => [0.1, 0.25, 0.5][(step / 20).min(2)],
            };
            // Everything doubles and fails three times as often towards the end.
            let drift = at as f64 / (BEFORE + SCRAPES) as f64;
            let (all, failing) = (300.0 * (1.0 + drift), failing * (1.0 + 2.0 * drift));
            for (canary, count) in [(false, 10), (true, 3)] {
                let share = if canary { weight } else { 1.0 - weight };
                for pod in 0..count {
                    if share == 0.0 {
                        continue;
                    }
                    let each = (all * share / f64::from(count) * (0.5 + chance.next())) as u64;
                    let failing = if canary { failing * worse } else { failing };
                    let name = (canary, format!("pod-{pod}"));
                    let total: &mut Total = totals.entry(name.clone()).or_default();
                    if chance.next() < 0.01 {
                        *total = Total::default();
                    }
                    let failed = chance.of(each, failing);
                    let quick = chance.of(each, 0.9);
                    *total = [total[0] + each, total[1] + failed, total[2] + quick];
                    pods.entry(name)
                        .or_insert_with(Vec::new)
                        .push((time, *total));
                }
            }
            times.push(time);
            weights.push(weight);
        }
        Self {
            pods,
            times,
            weights,
        }
    }

    /// What a provider answers: every sample of a window, and the last one before it.
    fn counters(&self, window: Duration, at: Timestamp) -> Vec<Counter> {
        let kinds = [
            (0, CounterKind::Requests),
            (1, CounterKind::Errors),
            (0, CounterKind::Bucket("+Inf".to_owned())),
            (2, CounterKind::Bucket("0.25".to_owned())),
        ];
        let of_pod = |((canary, pod), samples): (&(bool, String), &Vec<(Timestamp, Total)>)| {
            let from = samples.partition_point(|(time, _)| *time <= at - window);
            let to = samples.partition_point(|(time, _)| *time <= at);
            let seen = samples[from.saturating_sub(1)..to].to_vec();
            let (side, pod) = (
                if *canary { Side::Canary } else { Side::Stable },
                pod.clone(),
            );
            kinds.clone().map(|(place, kind)| {
                let sample = |(at, total): &(Timestamp, Total)| Sample {
                    at: *at,
                    value: Number::new(total[place] as f64),
                };
                let (pod, samples) = (pod.clone(), seen.iter().map(sample).collect());
                Counter {
                    side,
                    pod,
                    kind,
                    samples,
                }
            })
        };
        let counters = self.pods.iter().flat_map(of_pod);
        counters
            .filter(|counter| !counter.samples.is_empty())
            .collect()
    }
}

/// Whether the canary is taken back, and the evidence then or at the end, up to what is needed.
fn judged(plan: &JudgePlan, seed: u64, worse: f64) -> (bool, f64) {
    let (world, learned) = (World::of(seed, worse), Learned::new());
    let (mut state, mut chance) = (JudgeState::default(), Chance(!seed));
    for at in BEFORE - 1..BEFORE + SCRAPES {
        // One scrape in ten never arrives; the first one is when the judge begins.
        if at >= BEFORE && chance.next() < 0.1 {
            continue;
        }
        let time = world.times[at];
        let moment = Moment {
            at: time,
            interval: INTERVAL,
            weight: Some(world.weights[at]),
            learned: &learned,
        };
        let counters = world.counters(state.window(time), time);
        assert_eq!(
            state.count(plan, &counters, &moment),
            Ok::<(), NoScrape>(())
        );
        if state.finding(plan) == Finding::Worse {
            return (true, plan.needed());
        }
    }
    (false, state.evidence())
}

fn plan() -> JudgePlan {
    let mut plan = JudgePlan::default();
    plan.max_false_rollback = Number::new(0.05);
    plan.warm_up = WarmUp::None;
    plan.scrapes = SCRAPES as u32;
    plan
}

#[test]
fn of_releases_that_are_no_worse_no_more_are_taken_back_than_is_promised() {
    let plan = plan();
    let judged: Vec<_> = (0..RELEASES).map(|seed| judged(&plan, seed, 1.0)).collect();
    let back = judged.iter().filter(|(back, _)| *back).count();
    assert!(
        back as f64 <= RELEASES as f64 * 0.05,
        "{back} of {RELEASES}"
    );
    // The evidence is 1 on average at most; a factor that is wrong shows here long before it
    // shows in rollbacks.
    let mean = judged.iter().map(|(_, evidence)| evidence).sum::<f64>() / RELEASES as f64;
    println!("{back} of {RELEASES} taken back, evidence {mean:.2} on average");
    assert!(mean <= 1.0, "{mean}");
}

#[test]
fn in_the_same_worlds_a_release_that_is_twice_as_bad_is_taken_back() {
    let plan = plan();
    let back = (0..40).filter(|seed| judged(&plan, *seed, 2.0).0).count();
    println!("{back} of 40 taken back");
    assert!(back >= 30, "{back} of 40");
}
