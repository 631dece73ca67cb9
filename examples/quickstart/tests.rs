//! Each kind of release, in as few seconds as it takes: what is tested is how it ends.

use std::sync::mpsc::channel;
use std::thread;

use gradatim::driver::Outcome;
use tokio::sync::mpsc::unbounded_channel;

use crate::kind::Kind;
use crate::options::Options;
use crate::release_all;
use crate::report::{Report, Verdict};
use crate::shop::Shop;
use crate::voice::Wish;

/// Releases and answers every line with a wish, or none.
fn release(kind: Kind, mut answer: impl FnMut(&str) -> Option<Wish>) -> Report {
    let options = Options {
        releases: vec![kind],
        seconds: Some(5),
        plain: true,
    };
    let (lines, written) = channel();
    let (wishes, mut wished) = unbounded_channel();
    let shop = thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let shop = Shop::open(&options, lines).await.unwrap();
            release_all(&options, shop, &mut wished).await
        })
    });
    for line in written {
        let line = line.to_string();
        eprintln!("{line}");
        if let Some(wish) = answer(&line) {
            // It may have ended already.
            let _ = wishes.send(wish);
        }
    }
    shop.join().unwrap()
}

fn undisturbed(kind: Kind) -> Report {
    let report = release(kind, |_| None);
    assert_eq!(report.verdict(), Verdict::Deserved, "{report}");
    assert!(report.requests > 0);
    report
}

#[test]
fn a_good_release_is_promoted_and_hurts_nobody() {
    assert_eq!(undisturbed(Kind::Good).failed, 0);
}

#[test]
fn a_bad_release_is_taken_back_because_of_its_errors() {
    let report = undisturbed(Kind::Bad);
    let bad = &report.releases[0];
    assert_eq!(bad.share, 0);
    assert!(bad.to_zero.is_some() && bad.counts.failed > 0, "{report}");
}

#[test]
fn a_slow_release_is_taken_back_because_of_its_latency() {
    let report = undisturbed(Kind::Slow);
    assert!(report.releases[0].counts.slow > 0, "{report}");
    assert_eq!(report.failed, 0);
}

#[test]
fn a_good_release_is_promoted_although_metrics_fail_and_a_pod_restarts() {
    undisturbed(Kind::Flaky);
}

#[test]
fn an_interrupted_release_is_taken_back_first() {
    let at_25 = |line: &str| line.contains("25 %").then_some(Wish::Interrupt);
    let report = release(Kind::Good, at_25);
    assert_eq!(report.verdict(), Verdict::Interrupted);
    assert_eq!(
        (report.releases[0].share, report.failed),
        (0, 0),
        "{report}"
    );
}

#[test]
fn whoever_leaves_a_release_leaves_it_as_it_is() {
    let at_25 = |line: &str| line.contains("25 %").then_some(Wish::Leave);
    let report = release(Kind::Good, at_25);
    assert_eq!(report.verdict(), Verdict::Undecided);
    assert_eq!(
        (report.releases[0].share, report.failed),
        (25, 0),
        "{report}"
    );
}

#[test]
fn an_order_to_abort_takes_a_good_release_back() {
    let at_10 = |line: &str| line.contains("10 %").then_some(Wish::Abort);
    let report = release(Kind::Good, at_10);
    assert_eq!(report.verdict(), Verdict::Undeserved, "{report}");
    let outcome = &report.releases[0].outcome;
    assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome:?}");
}

#[test]
fn orders_to_promote_skip_what_is_waited_for() {
    let measured = |line: &str| line.contains("measure").then_some(Wish::Promote);
    let report = release(Kind::Good, measured);
    assert_eq!(report.verdict(), Verdict::Deserved, "{report}");
    assert_eq!(report.releases[0].share, 100);
}
