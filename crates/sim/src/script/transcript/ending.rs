//! How it ended and what it cost.

use std::collections::BTreeSet;
use std::time::Duration;

use gradatim_core::decision::Phase;
use gradatim_core::event::EventKind;
use gradatim_core::id::RevisionId;

use super::Tone;
use super::value::{clock, count, span};
use crate::fact::{Fact, What};
use crate::report::{Outcome, Report, VersionReport};

/// How it ended, in one line.
pub(super) fn verdict(report: &Report) -> String {
    match &report.outcome {
        Outcome::Promoted { revision } => {
            let word = if reverted(report, revision) {
                "reverted"
            } else {
                "promoted"
            };
            format!(
                "{word} at {}: {revision} serves everyone.",
                clock(report.took)
            )
        }
        Outcome::RolledBack { why, .. } => {
            let why = cause(why);
            let why = why.trim_end_matches('.');
            format!("rolled back at {}: {why}.", clock(ended_at(report)))
        }
        Outcome::Undecided { phase, why } => {
            let phase = phase.map_or_else(|| "unknown".to_owned(), |phase| phase.to_string());
            format!("still {phase} at {}, the end: {why}.", clock(report.lasted))
        }
    }
}

/// When it ended for its users: a version that was taken back still has its pods for a while.
pub(super) fn ended_at(report: &Report) -> Duration {
    let aborted = |fact: &&Fact| {
        let kind = EventKind::RolloutAborted;
        matches!(&fact.what, What::Event { kind: told, .. } if *told == kind)
    };
    let abort = report.facts.iter().rfind(aborted).map(|fact| fact.at);
    let Some(abort) = abort.filter(|_| report.outcome.is_rolled_back()) else {
        return report.took;
    };
    let gone = |fact: &&Fact| fact.at >= abort && matches!(fact.what, What::Seen { weight: 0, .. });
    let had_weight = |fact: &Fact| matches!(fact.what, What::Weight { weight: 1.., .. });
    match report.facts.iter().rfind(gone) {
        Some(fact) => fact.at,
        // Without a router nothing is read of a weight: it is gone when its pods are.
        None if report.facts.iter().any(had_weight) => report.took,
        None => abort,
    }
}

/// Whether nothing else than this version was ever called stable.
fn reverted(report: &Report, revision: &RevisionId) -> bool {
    let was = |what: &What| matches!(what, What::Start { stable, .. } if stable == revision);
    let changed = |what: &What| matches!(what, What::Stable { .. });
    let whats = || report.facts.iter().map(|fact| &fact.what);
    whats().any(was) && !whats().any(changed)
}

/// Why it was aborted, without the words that say that it was.
pub(super) fn cause(message: &str) -> String {
    let Some(rest) = message.strip_prefix("Rollout aborted update to revision") else {
        return message.to_owned();
    };
    match rest.split_once(": ") {
        None => "an operator ordered it".to_owned(),
        Some((_, cause)) => assessed(cause).unwrap_or_else(|| cause.to_owned()),
    }
}

/// `… Metric "x" assessed Failed due to failed (2) > failureLimit (1)` as `x: failed (2) > …`.
pub(super) fn assessed(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("Metric \"")?;
    let (metric, rest) = rest.split_once("\" assessed ")?;
    let (_, why) = rest.split_once(" due to ")?;
    Some(format!("{metric}: {why}"))
}

pub(super) fn tone(report: &Report) -> Tone {
    match &report.outcome {
        _ if !report.holds() => Tone::Bad,
        Outcome::Promoted { .. } => Tone::Good,
        Outcome::RolledBack { .. } => Tone::Bad,
        Outcome::Undecided { phase, .. } if *phase == Some(Phase::Degraded) => Tone::Bad,
        Outcome::Undecided { .. } => Tone::Waiting,
    }
}

/// What it cost, and whether the invariants held.
pub(super) fn ending(report: &Report) -> Vec<String> {
    let mut ending = costs(report);
    ending.extend(nowhere(report));
    ending.extend(invariants(report));
    ending
}

/// What each version but the first one cost its users.
fn costs(report: &Report) -> Vec<String> {
    let later = report.versions.iter().skip(1);
    let reached = later.filter(|version| version.tally.all() >= 0.5);
    reached
        .flat_map(|version| [Some(answers(version)), harm(version)])
        .flatten()
        .collect()
}

fn answers(version: &VersionReport) -> String {
    let tally = &version.tally;
    let mut line = format!(
        "{} answered {} requests",
        version.revision,
        count(tally.requests)
    );
    if tally.mirrored >= 0.5 {
        line.push_str(&format!(" and {} copies", count(tally.mirrored)));
    }
    let failed = match tally.failed.round() {
        0.0 => ", none of them failed".to_owned(),
        failed if failed == tally.failed_beyond.round() => {
            format!(
                ", {} of them failed that stable would have answered",
                count(failed)
            )
        }
        failed => format!(
            ", {} of them failed, {} of these that stable would have answered",
            count(failed),
            count(tally.failed_beyond)
        ),
    };
    line + &failed + "."
}

fn harm(version: &VersionReport) -> Option<String> {
    let harm = version
        .harm
        .filter(|_| version.tally.failed_beyond >= 0.5)?;
    let text = format!(
        "{} from its first failure until no user reached it.",
        span(harm)
    );
    Some(text)
}

fn nowhere(report: &Report) -> Option<String> {
    let reached: f64 = report.versions.iter().map(|one| one.tally.requests).sum();
    let lost = (report.users.requests - reached).round();
    (lost >= 1.0).then(|| format!("{} requests reached no pod at all.", count(lost)))
}

fn invariants(report: &Report) -> Vec<String> {
    if report.holds() {
        return vec![format!("Invariants held in {} rounds.", report.checked)];
    }
    // Each has its line above.
    let broken: BTreeSet<String> = report
        .violations
        .iter()
        .map(|violation| violation.invariant.to_string())
        .collect();
    let broken: Vec<String> = broken.into_iter().collect();
    vec![format!(
        "INVARIANTS BROKEN in {} rounds: {} (see VIOLATION above).",
        report.checked,
        broken.join(", ")
    )]
}
