use gradatim_core::measurement::{CounterKind, Sample, Side};
use gradatim_core::number::Number;

use super::*;

fn release() -> Release {
    Release {
        interval: Duration::from_secs(15),
        judge: JudgePlan::default(),
    }
}

fn start() -> Timestamp {
    Timestamp::from_secs(600)
}

/// A pod that serves ten requests a second, of which so many in a thousand fail, in an order that
/// looks like chance.
fn pod(name: &str, per_mille: u64, scraped: impl Fn(i64) -> bool) -> Vec<Counter> {
    let (mut requests, mut errors) = (0_u64, 0_u64);
    let (mut all, mut failed) = (Vec::new(), Vec::new());
    let sample = |at: i64, value: u64| Sample {
        at: Timestamp::from_secs(at),
        value: Number::new(value as f64),
    };
    for at in (0..=1500).step_by(15) {
        if scraped(at) {
            all.push(sample(at, requests));
            failed.push(sample(at, errors));
        }
        for _ in 0..150 {
            requests += 1;
            errors += u64::from(lot(name, requests) % 1000 < per_mille);
        }
    }
    let of = |kind, samples| Counter {
        side: Side::Stable,
        pod: name.to_owned(),
        kind,
        samples,
    };
    vec![
        of(CounterKind::Requests, all),
        of(CounterKind::Errors, failed),
    ]
}

fn judged(counters: &[Counter], split: u64) -> Judged {
    match replay(counters, &release(), start(), split) {
        Imaginary::Judged(judged) => judged,
        Imaginary::LeftOut(why) => panic!("{why}"),
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("shop-{at}")).collect()
}

#[test]
fn like_pods_are_never_taken_back() {
    let counters: Vec<Counter> = names(6)
        .iter()
        .flat_map(|it| pod(it, 4, |_| true))
        .collect();
    for split in 0..20 {
        let judged = judged(&counters, split);
        assert_eq!(judged.rolled_back, None, "{split}: {judged:?}");
        assert_eq!((judged.canary.len(), judged.stable.len()), (3, 3));
        assert_eq!(judged.seen.canary.requests, 3 * 9000);
    }
}

#[test]
fn one_bad_pod_of_two_is_seen_on_whichever_side_it_is_the_canary() {
    let mut counters = pod("shop-a", 3, |_| true);
    counters.extend(pod("shop-b", 3, |_| true));
    // Bad from the start of the release on: before it nothing was known of that.
    let bad = pod("shop-c", 60, |at| at >= 600);
    counters.extend(bad);
    let found: Vec<Judged> = (0..20).map(|split| judged(&counters, split)).collect();
    let with_bad = |it: &&Judged| it.canary.iter().any(|pod| pod == "shop-c");
    assert!(found.iter().filter(with_bad).count() > 2);
    for judged in &found {
        let is_bad = with_bad(&judged);
        assert_eq!(judged.rolled_back.is_some(), is_bad, "{judged:?}");
        let worst = judged.worst.as_deref().unwrap_or("errors: ");
        assert!(worst.starts_with("errors: "), "{worst}");
    }
}

#[test]
fn a_gap_in_the_metrics_is_covered_by_the_next_scrape() {
    let gap = |at: i64| !(900..1080).contains(&at);
    let counters: Vec<Counter> = names(4).iter().flat_map(|it| pod(it, 4, gap)).collect();
    let judged = judged(&counters, 1);
    assert_eq!(judged.rolled_back, None);
    assert_eq!(judged.seen.canary.requests, 2 * 9000);
}

#[test]
fn one_pod_or_none_is_left_out() {
    let of = |counters: &[Counter]| match replay(counters, &release(), start(), 0) {
        Imaginary::LeftOut(why) => why,
        Imaginary::Judged(judged) => panic!("{judged:?}"),
    };
    assert_eq!(of(&[]), "stable served no request");
    assert_eq!(
        of(&pod("a", 4, |_| true)),
        "one pod alone cannot be split in two"
    );
    assert_eq!(of(&pod("a", 4, |at| at < 600)), "stable served no request");
}

#[test]
fn splits_differ_and_use_every_pod() {
    let names = names(5);
    let pods: Vec<&str> = names.iter().map(String::as_str).collect();
    let all: std::collections::BTreeSet<Vec<&str>> = (0..50)
        .map(|split| {
            let (mut canary, stable) = halves(&pods, split);
            assert_eq!((canary.len(), stable.len()), (2, 3));
            canary.sort_unstable();
            canary
        })
        .collect();
    assert_eq!(all.len(), 10, "{all:?}");
}
