//! What a judge has found, as one person tells another: rates with their counts, how much worse
//! and how sure, what it cost.

mod text;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::text::{
    about, capital, counted, joined, listed, percent, rounded_down, short, thousands, times,
};
use super::plan::JudgePlan;
use super::preflight::{self, Stretch};
use super::promotion;
use super::scrape::Count;
use super::stream::Stream;

/// What a stream counts, as people call it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// Failed requests.
    Errors,
    /// Requests slower than so many seconds, as the bucket's bound is written.
    Slower(String),
}

impl Event {
    /// The name that it is kept under: `errors`, or the bucket's bound.
    pub fn key(&self) -> &str {
        match self {
            Self::Errors => "errors",
            Self::Slower(bound) => bound,
        }
    }
}

/// A stream, and what it counts.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    /// What it counts.
    pub event: Event,
    /// What was counted.
    pub stream: &'a Stream,
}

/// From how many seconds on a wait is as good as endless: 30 days.
const LONG: f64 = 2_592_000.0;
/// From how much evidence of its own on a stream shows a sign, its weight apart.
const SIGN: f64 = 10.0;

/// Why a release is taken back. `weight` is the canary's at that moment, in percent, where it is
/// known, and `needed` the evidence that takes back.
pub fn rolled_back(weight: Option<f64>, accounts: &[Account<'_>], needed: f64) -> String {
    let loudest = accounts
        .iter()
        .max_by(|a, b| a.stream.evidence().total_cmp(&b.stream.evidence()));
    let Some(worst) = loudest else {
        return "Rolled back.".to_owned();
    };
    let all = evidence_of(accounts);
    let at = weight.map_or(String::new(), |weight| format!(" at {} %", short(weight)));
    let sentences = [
        format!("Rolled back{at}: {}.", worse(worst)),
        compared(worst),
        promise(all, needed),
        cost(accounts),
        others(accounts, worst),
    ];
    joined(&sentences)
}

/// Why a release is promoted: nothing that is asked for is so much worse.
pub fn promoted(accounts: &[Account<'_>], plan: &JudgePlan) -> String {
    format!("Promoted: {}", proved(accounts, plan))
}

/// That a release may be promoted, and why.
pub fn good_enough(accounts: &[Account<'_>], plan: &JudgePlan) -> String {
    format!("Good enough: {}", proved(accounts, plan))
}

/// `proved less than 2× worse. Errors (best guess 0.99×, at most 1.9×).`
fn proved(accounts: &[Account<'_>], plan: &JudgePlan) -> String {
    let each = accounts.iter().map(|account| {
        let seen = account.stream.seen().canary;
        let proved = account.stream.assurance() >= plan.proved();
        let guess = match (proved, account.stream.likelihood().best(), range(account)) {
            (true, Some(best), Some((_, most))) if most.is_finite() => {
                // The proof may say more than the range does.
                let most = most.min(plan.not_worse_than.get());
                format!(" (best guess {}, at most {})", times(best), times(most))
            }
            (false, ..) if account.event == Event::Errors => {
                let (events, requests) = (thousands(seen.events), thousands(seen.requests));
                let most = percent(plan.or_below.get());
                format!(" ({events} of {requests}, surely fewer than {most})")
            }
            _ => String::new(),
        };
        format!("{}{guess}", account.event)
    });
    let each: Vec<String> = each.collect();
    let bound = short(plan.not_worse_than.get());
    let each = capital(&each.join("; "));
    format!("proved less than {bound}× worse. {each}.")
}

/// What is missing where neither is proved: `open` is what is asked for and not proved, counted
/// for so long.
pub fn not_enough(open: &[Account<'_>], lasted: Duration, plan: &JudgePlan) -> String {
    let Some(first) = open.first() else {
        return "Not enough data: nothing is counted yet.".to_owned();
    };
    let requests = first.stream.seen().canary.requests;
    let minutes = lasted.as_secs_f64() / 60.0;
    let traffic = match minutes >= 1.0 {
        true => format!(
            "{} requests of the new version a minute",
            counted(requests as f64 / minutes)
        ),
        false => format!("{} requests of the new version so far", thousands(requests)),
    };
    let names: Vec<String> = open
        .iter()
        .map(|account| account.event.to_string())
        .collect();
    let bound = short(plan.not_worse_than.get());
    let more = open.iter().map(|account| {
        let waits = promotion::more(account.stream, account.event == Event::Errors, lasted, plan);
        waits.unwrap_or(f64::INFINITY)
    });
    let more = match more.fold(0.0, f64::max) {
        seconds if seconds < LONG => {
            format!("that takes about {} more at this traffic", about(seconds))
        }
        _ => "at this traffic it cannot be".to_owned(),
    };
    format!(
        "Not enough data: {traffic}; {} not yet proved less than {bound}× worse, and {more}.",
        listed(&names)
    )
}

/// How far the evidence is while nothing is decided.
pub fn watching(accounts: &[Account<'_>], needed: f64) -> String {
    let found = evidence_of(accounts).min(needed);
    let (found, needed) = (short(found), short(needed));
    format!("Still watching: evidence {found} of {needed} needed.")
}

/// What this rollout can see at all: of errors, where stable's rate is `rate` (0–1) and `needed`
/// nats take back (see [`preflight::needed`]).
pub fn can_see(stretches: &[Stretch], rate: f64, needed: f64) -> String {
    let requests: f64 = stretches.iter().map(|it| it.requests * it.share).sum();
    let of = format!(
        "{} requests of the new version",
        thousands(requests.max(0.0).round() as u64)
    );
    if !(rate > 0.0 && rate < 1.0) {
        return format!("With {of} and no error of stable's known yet, nothing can be promised.");
    }
    match preflight::smallest_ratio(stretches, rate, needed) {
        None => format!("With {of}, not even one that fails altogether would be noticed for sure."),
        Some(ratio) => format!(
            "With {of}, errors are noticed from about {} on ({}), in half of all releases; stable has {}.",
            percent(rate * ratio),
            times(ratio),
            percent(rate)
        ),
    }
}

/// `errors are 2.1× worse (between 1.2× and 3.8×)`
fn worse(account: &Account<'_>) -> String {
    let (event, seen) = (&account.event, account.stream.seen());
    let best = account.stream.likelihood().best();
    let observed = seen.canary.rate().zip(seen.stable.rate());
    let ratio = best.or_else(|| observed.map(|(canary, stable)| canary / stable));
    let how_much = match ratio {
        Some(ratio) if ratio < 1e5 => format!("{} worse", times(ratio)),
        _ => "far worse".to_owned(),
    };
    match range(account) {
        Some((least, most)) if most.is_finite() && most < 1e4 => {
            format!(
                "{event} are {how_much} (between {} and {})",
                times(least),
                times(most)
            )
        }
        Some((least, _)) => format!("{event} are {how_much} (at least {})", times(least)),
        None => format!("{event} are {how_much}"),
    }
}

fn range(account: &Account<'_>) -> Option<(f64, f64)> {
    account.stream.likelihood().range()
}

/// Both sides' counts in the same seconds.
fn compared(account: &Account<'_>) -> String {
    let seen = account.stream.seen();
    let side = |count: Count| {
        let rate = count.rate().map_or("none".to_owned(), percent);
        format!(
            "{} of {} ({rate})",
            thousands(count.events),
            thousands(count.requests)
        )
    };
    let (canary, stable) = (side(seen.canary), side(seen.stable));
    format!("New version {canary}; stable {stable} in the same seconds.")
}

/// How often chance alone would look like this.
fn promise(evidence: f64, needed: f64) -> String {
    let (seldom, limit) = (
        thousands(rounded_down(evidence)),
        thousands(rounded_down(needed)),
    );
    format!(
        "If the new version were no worse, a gap this big would show up, at any moment of the \
         rollout, in fewer than 1 good release in {seldom} (your limit: 1 in {limit})."
    )
}

/// What finding out has cost, by the errors if they are counted.
fn cost(accounts: &[Account<'_>]) -> String {
    let errors = accounts.iter().find(|it| it.event == Event::Errors);
    let Some(account) = errors else {
        return String::new();
    };
    let (canary, stable) = (account.stream.seen().canary, account.stream.seen().stable);
    let usual = canary.requests as f64 * stable.rate().unwrap_or_default();
    let extra = (canary.events as f64 - usual).max(0.0).round() as u64;
    let failures = match extra {
        0 => "no extra failure".to_owned(),
        1 => "about 1 extra failure".to_owned(),
        _ => format!("about {} extra failures", thousands(extra)),
    };
    format!(
        "Cost: {} requests served, {failures}.",
        thousands(canary.requests)
    )
}

/// What the other streams show.
fn others(accounts: &[Account<'_>], worst: &Account<'_>) -> String {
    let mut others = accounts
        .iter()
        .filter(|it| it.event != worst.event)
        .peekable();
    if others.peek().is_none() {
        return String::new();
    }
    let signs: Vec<String> = others
        .filter(|it| it.stream.own_evidence() >= SIGN)
        .map(worse)
        .collect();
    match signs.is_empty() {
        true => "Nothing else shows a sign of change.".to_owned(),
        false => format!("Also: {}.", signs.join("; ")),
    }
}

fn evidence_of(accounts: &[Account<'_>]) -> f64 {
    accounts.iter().map(|it| it.stream.evidence()).sum()
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors => f.write_str("errors"),
            Self::Slower(bound) => write!(f, "answers slower than {bound} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scrape;
    use super::super::{Circumstances, Scrape};
    use super::*;

    fn stream(weight: f64, rows: &[Scrape]) -> Stream {
        let mut stream = Stream::new(weight, 1.15);
        let now = Circumstances {
            tolerated: 1.0,
            canary_pods: 1,
            stable_pods: 9,
            seconds: 15.0,
            interval: 15.0,
            invested: 0.5 / 60.0,
            bound: 2.0,
        };
        for row in rows {
            stream.count(row, &now);
        }
        stream
    }

    fn errors(stream: &Stream) -> Account<'_> {
        let event = Event::Errors;
        Account { event, stream }
    }

    fn slower(stream: &Stream) -> Account<'_> {
        let event = Event::Slower("0.25".to_owned());
        Account { event, stream }
    }

    fn worse_rows() -> [Scrape; 3] {
        [
            scrape(1500, 9, 13_500, 41),
            scrape(3750, 22, 11_250, 33),
            scrape(3760, 25, 11_240, 31),
        ]
    }

    #[test]
    fn a_rollback_says_how_much_worse_how_sure_and_at_what_cost() {
        let latency = [scrape(9010, 540, 35_990, 2160)];
        let (failed, slow) = (stream(0.5, &worse_rows()), stream(0.5, &latency));
        assert_eq!(
            rolled_back(Some(25.0), &[errors(&failed), slower(&slow)], 100.0),
            "Rolled back at 25 %: errors are 2.1× worse (between 1.2× and 3.8×). New version 56 of \
             9,010 (0.62 %); stable 105 of 35,990 (0.29 %) in the same seconds. If the new version \
             were no worse, a gap this big would show up, at any moment of the rollout, in fewer \
             than 1 good release in 1,000 (your limit: 1 in 100). Cost: 9,010 requests served, about \
             30 extra failures. Nothing else shows a sign of change."
        );
    }

    #[test]
    fn one_that_fails_altogether_is_told_without_a_bound_that_nobody_knows() {
        let failed = stream(
            1.0,
            &[
                scrape(2, 2, 13, 0),
                scrape(1, 1, 14, 0),
                scrape(2, 2, 12, 0),
            ],
        );
        let text = rolled_back(Some(10.0), &[errors(&failed)], 100.0);
        assert!(
            text.starts_with("Rolled back at 10 %: errors are far worse (at least "),
            "{text}"
        );
        assert!(
            text.contains("New version 5 of 5 (100 %); stable 0 of 39 (0 %)"),
            "{text}"
        );
        assert!(
            text.ends_with("Cost: 5 requests served, about 5 extra failures."),
            "{text}"
        );
    }

    #[test]
    fn what_else_is_worse_is_said_too() {
        let slow = stream(0.5, &[scrape(3000, 900, 9000, 600)]);
        let failed = stream(0.5, &worse_rows());
        let text = rolled_back(Some(25.0), &[errors(&failed), slower(&slow)], 100.0);
        assert!(
            text.contains(": answers slower than 0.25 s are 4.5× worse"),
            "{text}"
        );
        assert!(
            text.contains("fewer than 1 good release in 1,000,000"),
            "{text}"
        );
        assert!(text.contains("Also: errors are 2.1× worse"), "{text}");
    }

    #[test]
    fn a_promotion_says_what_was_proved() {
        let good = [
            scrape(1500, 4, 13_500, 41),
            scrape(3750, 10, 11_250, 33),
            scrape(7500, 24, 7500, 22),
        ];
        let failed = stream(1.0, &good);
        assert_eq!(
            promoted(&[errors(&failed)], &JudgePlan::default()),
            "Promoted: proved less than 2× worse. Errors (best guess 0.99×, at most 1.9×)."
        );
        assert_eq!(
            watching(&[errors(&failed)], 100.0),
            "Still watching: evidence 0.5 of 100 needed."
        );
    }

    #[test]
    fn what_never_fails_is_good_enough_without_a_ratio() {
        let failed = stream(1.0, &[scrape(12_000, 0, 36_000, 0)]);
        assert_eq!(
            promoted(&[errors(&failed)], &JudgePlan::default()),
            "Promoted: proved less than 2× worse. Errors (0 of 12,000, surely fewer than 0.10 %)."
        );
    }

    #[test]
    fn what_is_not_known_yet_is_said_with_the_time_that_it_takes() {
        let plan = JudgePlan::default();
        let (failed, slow) = (
            stream(0.5, &[scrape(75, 0, 675, 2)]),
            stream(0.5, &[scrape(75, 5, 675, 41)]),
        );
        let minutes = Duration::from_secs(300);
        assert_eq!(
            not_enough(&[errors(&failed), slower(&slow)], minutes, &plan),
            "Not enough data: 15 requests of the new version a minute; errors and answers slower \
             than 0.25 s are not yet proved less than 2× worse, and that takes about 4 h more at \
             this traffic."
        );
        let none = stream(1.0, &[scrape(0, 0, 675, 2)]);
        let text = not_enough(&[errors(&none)], minutes, &plan);
        assert!(
            text.ends_with("and at this traffic it cannot be."),
            "{text}"
        );
    }

    #[test]
    fn what_cannot_be_seen_is_said_beforehand() {
        let ramp = |rate: f64| {
            let requests = rate * 300.0;
            [0.1, 0.25, 0.5].map(|share| Stretch { requests, share })
        };
        let needed = preflight::needed(0.01, 0.5);
        assert_eq!(
            can_see(&ramp(1.0), 0.003, needed),
            "With 255 requests of the new version, errors are noticed from about 4.5 % on (15×), in \
             half of all releases; stable has 0.30 %."
        );
        let nothing = can_see(&ramp(0.001), 0.003, needed);
        assert!(
            nothing.contains("not even one that fails altogether"),
            "{nothing}"
        );
        for rate in [0.0, f64::NAN, 1.0, -1.0] {
            let text = can_see(&ramp(100.0), rate, needed);
            assert!(text.contains("nothing can be promised"), "{text}");
        }
    }

    #[test]
    fn nothing_counted_is_no_panic() {
        let empty = Stream::new(1.0, 1.3);
        assert_eq!(rolled_back(None, &[], 100.0), "Rolled back.");
        for text in [
            rolled_back(Some(10.0), &[errors(&empty)], 100.0),
            promoted(&[errors(&empty)], &JudgePlan::default()),
            not_enough(&[], Duration::ZERO, &JudgePlan::default()),
            not_enough(&[errors(&empty)], Duration::MAX, &JudgePlan::default()),
            watching(&[], 100.0),
        ] {
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}
