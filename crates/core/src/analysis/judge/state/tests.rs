use super::*;
use crate::analysis::judge::{JudgePlan, WarmUp};
use crate::measurement::{CounterKind, Sample};
use crate::number::Number;

const SCRAPE: i64 = 15;
const START: i64 = 6_000;

/// A pod that counts evenly from an instant on.
#[derive(Clone)]
struct Pod {
    side: Side,
    name: &'static str,
    since: i64,
    /// Requests a second, the share of them that fails, and the share that is slower than 0.25 s.
    rate: f64,
    failing: f64,
    slow: f64,
}

fn pod(side: Side, name: &'static str, since: i64, rate: f64, failing: f64) -> Pod {
    Pod {
        side,
        name,
        since,
        rate,
        failing,
        slow: 0.06,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// What a provider answers at an instant for a window: a sample before it, and those in it.
fn counters(pods: &[Pod], to: i64, window: Duration) -> Vec<Counter> {
    let from = to - i64::try_from(window.as_secs()).unwrap() - SCRAPE;
    let counter = |pod: &Pod, kind: CounterKind, share: f64| {
        let samples = (from.max(pod.since)..=to).filter(|second| second % SCRAPE == 0);
        let samples = samples.map(|second| Sample {
            at: at(second),
            value: Number::new(((second - pod.since) as f64 * pod.rate * share).floor()),
        });
        Counter {
            side: pod.side,
            pod: pod.name.to_owned(),
            kind,
            samples: samples.collect(),
        }
    };
    let bucket = |bound: &str| CounterKind::Bucket(bound.to_owned());
    let of = |pod: &Pod| {
        [
            counter(pod, CounterKind::Requests, 1.0),
            counter(pod, CounterKind::Errors, pod.failing),
            counter(pod, bucket("0.25"), 1.0 - pod.slow),
            counter(pod, bucket("5"), 1.0),
            counter(pod, bucket("+Inf"), 1.0),
        ]
    };
    let all = pods.iter().flat_map(of);
    all.filter(|it| !it.samples.is_empty()).collect()
}

fn plan() -> JudgePlan {
    JudgePlan {
        warm_up: WarmUp::None,
        ..JudgePlan::default()
    }
}

fn read(state: &mut JudgeState, plan: &JudgePlan, pods: &[Pod], to: i64) -> Result<(), NoScrape> {
    let counters = counters(pods, to, state.window(at(to)));
    let moment = Moment {
        at: at(to),
        interval: Duration::from_secs(15),
        weight: Some(0.1),
        learned: &Learned::new(),
    };
    state.count(plan, &counters, &moment)
}

/// A judge that reads each scrape of so many seconds.
fn watch(plan: &JudgePlan, pods: &[Pod], seconds: i64) -> JudgeState {
    let mut state = JudgeState::default();
    for to in (START..=START + seconds).step_by(15) {
        read(&mut state, plan, pods, to).unwrap();
    }
    state
}

/// Nine stable pods of 10 requests a second, and a canary of 1 in 10 that fails at this rate.
fn release(failing: f64) -> Vec<Pod> {
    const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let mut pods: Vec<Pod> = NAMES
        .iter()
        .map(|name| pod(Side::Stable, name, 0, 10.0, 0.003))
        .collect();
    pods.push(pod(Side::Canary, "z", START - 300, 10.0, failing));
    pods
}

#[test]
fn a_version_that_fails_ten_times_as_often_is_worse_within_minutes() {
    let state = watch(&plan(), &release(0.03), 180);
    assert_eq!(state.finding(&plan()), Finding::Worse);
    assert!(state.evidence() >= 100.0);
    let accounts = state.accounts();
    let events: Vec<_> = accounts
        .iter()
        .map(|it| it.event.key().to_owned())
        .collect();
    assert_eq!(events, ["errors", "0.25"]);
    let seen = accounts[0].stream.seen();
    assert_eq!((seen.canary.requests, seen.canary.events), (1800, 54));
    assert_eq!(seen.stable.requests, 16_200);
}

#[test]
fn a_version_that_is_as_good_is_proved_to_be_when_there_is_enough_data() {
    let early = watch(&plan(), &release(0.003), 60);
    assert_eq!(early.finding(&plan()), Finding::NotEnough);
    assert_eq!(early.open(&plan())[0].event, Event::Errors);
    assert_eq!(early.lasted(), Duration::from_secs(60));
    let late = watch(&plan(), &release(0.003), 3600);
    assert_eq!(late.finding(&plan()), Finding::GoodEnough);
    assert!(late.open(&plan()).is_empty() && late.evidence() < 2.0);
}

#[test]
fn a_version_that_never_fails_is_good_enough_where_stable_never_does() {
    let mut pods = release(0.0);
    pods.iter_mut().for_each(|pod| pod.failing = 0.0);
    let plan = plan();
    assert_eq!(watch(&plan, &pods, 120).finding(&plan), Finding::NotEnough);
    assert_eq!(
        watch(&plan, &pods, 1500).finding(&plan),
        Finding::GoodEnough
    );
}

#[test]
fn a_version_that_is_slow_is_worse_though_nothing_fails() {
    let mut pods = release(0.003);
    pods.last_mut().unwrap().slow = 0.3;
    let state = watch(&plan(), &pods, 120);
    assert_eq!(state.finding(&plan()), Finding::Worse);
}

#[test]
fn a_young_pod_may_be_worse_for_a_while() {
    let mut pods = release(0.012);
    pods.last_mut().unwrap().since = START;
    let tolerant = JudgePlan {
        warm_up: WarmUp::fixed(10.0),
        ..JudgePlan::default()
    };
    let (strict, plan) = (plan(), tolerant);
    let of = |plan| watch(plan, &pods, 60).evidence();
    assert!(
        of(&strict) > 5.0 * of(&plan),
        "{} {}",
        of(&strict),
        of(&plan)
    );
    // Once it is warm, it is judged like any other.
    assert_eq!(watch(&plan, &pods, 600).finding(&plan), Finding::Worse);
}

#[test]
fn what_young_pods_of_a_promoted_release_did_is_tolerated_in_the_next() {
    let mut pods = release(0.003);
    let young = pods.last_mut().unwrap();
    young.since = START;
    let mut learned = Learned::new();
    let state = watch(&plan(), &pods, 300);
    state.teach(&mut learned);
    let events: Vec<_> = learned.keys().map(String::as_str).collect();
    assert_eq!(events, ["0.25", "errors"]);
    let one_release = learned.clone();
    state.teach(&mut learned);
    // Half of the first and all of the second.
    assert_ne!(learned, one_release);
    let moment = |learned| Moment {
        at: at(START + 315),
        interval: Duration::from_secs(15),
        weight: None,
        learned,
    };
    let mut next = state.clone();
    let read = counters(&pods, START + 315, Duration::from_secs(60));
    assert_eq!(next.count(&plan(), &read, &moment(&learned)), Ok(()));
}

#[test]
fn a_missing_scrape_changes_nothing_and_the_next_one_covers_it() {
    let (plan, pods) = (plan(), release(0.01));
    let mut whole = watch(&plan, &pods, 60);
    let mut gap = whole.clone();
    let before = gap.clone();
    let empty = Moment {
        at: at(START + 75),
        interval: Duration::from_secs(15),
        weight: None,
        learned: &Learned::new(),
    };
    assert_eq!(gap.count(&plan, &[], &empty), Err(NoScrape::Empty));
    let old = counters(&pods, START + 60, Duration::from_secs(60));
    assert_eq!(gap.count(&plan, &old, &empty), Err(NoScrape::Old));
    assert_eq!(gap, before);
    read(&mut whole, &plan, &pods, START + 75).unwrap();
    read(&mut whole, &plan, &pods, START + 90).unwrap();
    read(&mut gap, &plan, &pods, START + 90).unwrap();
    let seen = |state: &JudgeState| state.errors().unwrap().seen();
    assert_eq!(seen(&whole), seen(&gap));
}

#[test]
fn a_pod_that_restarts_begins_again_at_zero() {
    let (plan, mut pods) = (plan(), release(0.01));
    let mut state = watch(&plan, &pods, 60);
    let before = state.errors().unwrap().seen().canary.requests;
    pods.last_mut().unwrap().since = START + 60;
    read(&mut state, &plan, &pods, START + 75).unwrap();
    assert_eq!(state.errors().unwrap().seen().canary.requests, before + 150);
}

#[test]
fn a_canary_that_is_hardly_asked_is_noticed_after_three_scrapes() {
    let mut pods = release(0.003);
    pods.last_mut().unwrap().rate = 1.0;
    let plan = plan();
    assert!(!watch(&plan, &pods, 30).is_short_of_traffic());
    assert!(watch(&plan, &pods, 45).is_short_of_traffic());
    assert!(!watch(&plan, &release(0.003), 60).is_short_of_traffic());
}

#[test]
fn serialised_in_the_middle_it_goes_on_bit_for_bit_and_stays_small() {
    let (plan, pods) = (plan(), release(0.004));
    let mut through = watch(&plan, &pods, 300);
    let text = serde_json::to_string(&through).unwrap();
    assert!(text.len() <= 4096, "{}: {text}", text.len());
    let mut restarted: JudgeState = serde_json::from_str(&text).unwrap();
    for to in [START + 315, START + 330] {
        read(&mut through, &plan, &pods, to).unwrap();
        read(&mut restarted, &plan, &pods, to).unwrap();
    }
    assert_eq!(through, restarted);
}

/// Every bound of the histogram is of use, shares and ages differ all the time, and no number is
/// round: nothing makes a state larger.
#[test]
fn the_largest_state_is_small_too() {
    let mut plan = JudgePlan {
        failure_budget: Some(50),
        ..JudgePlan::default()
    };
    plan.warm_up = WarmUp::Learned;
    let bounds = ["0.05", "0.1", "0.25", "0.5", "1"];
    let mut lot = 1_u64;
    let mut draw = |most: u64| {
        lot = lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (lot >> 33) % most
    };
    let mut pods: Vec<(Side, String, [f64; 8])> = (0..14)
        .map(|pod| (Side::Stable, format!("stable-{pod}"), [0.0; 8]))
        .collect();
    let mut state = JudgeState::default();
    let mut samples: Vec<Counter> = Vec::new();
    for to in (START - 600..=START + 900).step_by(15) {
        if to == START + 15 {
            let canaries = (0..3).map(|pod| (Side::Canary, format!("new-{pod}"), [0.0; 8]));
            pods.extend(canaries);
        }
        let factor = 1 + draw(40);
        for (side, pod, counts) in &mut pods {
            let requests = match side {
                Side::Stable => 40 + draw(900),
                Side::Canary => factor * (3 + draw(90)),
            };
            let slower = [1.0, 0.003, 0.5, 0.3, 0.1, 0.05, 0.02, 0.0];
            for (count, share) in counts.iter_mut().zip(slower) {
                *count += (requests as f64 * share).round() + draw(3) as f64 * share;
            }
            let kinds = [CounterKind::Requests, CounterKind::Errors].into_iter();
            let buckets = bounds
                .iter()
                .map(|bound| CounterKind::Bucket((*bound).to_owned()));
            let values = counts[..2].iter().copied();
            let within = counts[2..7].iter().map(|slower| counts[0] - slower);
            let all = [(CounterKind::Bucket("+Inf".to_owned()), counts[0])];
            for (kind, value) in kinds.chain(buckets).zip(values.chain(within)).chain(all) {
                let sample = Sample {
                    at: at(to),
                    value: Number::new(value),
                };
                let known = samples
                    .iter_mut()
                    .find(|it| it.pod == *pod && it.kind == kind);
                match known {
                    Some(counter) => counter.samples.push(sample),
                    None => samples.push(Counter {
                        side: *side,
                        pod: pod.clone(),
                        kind,
                        samples: vec![sample],
                    }),
                }
            }
        }
        if to >= START {
            let moment = Moment {
                at: at(to),
                interval: Duration::from_secs(15),
                weight: Some(draw(900) as f64 / 1000.0),
                learned: &Learned::new(),
            };
            state.count(&plan, &samples, &moment).unwrap();
        }
    }
    assert_eq!(state.accounts().len(), 4);
    let text = serde_json::to_string(&state).unwrap();
    assert!(
        (3000..=4096).contains(&text.len()),
        "{}: {text}",
        text.len()
    );
}

#[test]
fn the_names_of_pods_and_their_order_change_nothing() {
    let (plan, pods) = (plan(), release(0.01));
    let mut other = pods.clone();
    other.reverse();
    for (pod, name) in other
        .iter_mut()
        .zip(["q", "w", "e", "r", "t", "y", "u", "o", "p", "m"])
    {
        pod.name = name;
    }
    assert_eq!(watch(&plan, &pods, 120), watch(&plan, &other, 120));
}

#[test]
fn the_unit_of_time_of_a_histogram_changes_no_verdict() {
    let (plan, pods) = (plan(), release(0.01));
    let renamed = |counters: Vec<Counter>| -> Vec<Counter> {
        let renamed = counters.into_iter().map(|mut counter| {
            counter.kind = match counter.kind {
                CounterKind::Bucket(bound) if bound == "0.25" => CounterKind::Bucket("250".into()),
                CounterKind::Bucket(bound) if bound == "5" => CounterKind::Bucket("5000".into()),
                kind => kind,
            };
            counter
        });
        renamed.collect()
    };
    let (mut seconds, mut millis) = (JudgeState::default(), JudgeState::default());
    for to in (START..=START + 120).step_by(15) {
        let nothing = Learned::new();
        let moment = Moment {
            at: at(to),
            interval: Duration::from_secs(15),
            weight: None,
            learned: &nothing,
        };
        let read = counters(&pods, to, seconds.window(at(to)));
        seconds.count(&plan, &read, &moment).unwrap();
        millis.count(&plan, &renamed(read), &moment).unwrap();
    }
    assert_eq!(seconds.evidence().to_bits(), millis.evidence().to_bits());
    assert_eq!(seconds.finding(&plan), millis.finding(&plan));
}

#[test]
fn absurd_counters_make_no_absurd_state() {
    let mut state = watch(&plan(), &release(0.003), 60);
    for value in [f64::NAN, f64::INFINITY, -1e300, 1e300, 0.0] {
        let mut read = counters(&release(0.003), START + 90, Duration::from_secs(60));
        for counter in &mut read {
            for sample in &mut counter.samples {
                sample.value = Number::new(value);
            }
        }
        let moment = Moment {
            at: at(START + 90),
            interval: Duration::ZERO,
            weight: Some(f64::NAN),
            learned: &Learned::new(),
        };
        let _ = state.count(&JudgePlan::default(), &read, &moment);
        assert!(state.evidence().is_finite());
        let text = serde_json::to_string(&state).unwrap();
        assert!(!text.contains("NaN") && !text.contains("Inf"), "{text}");
    }
}
