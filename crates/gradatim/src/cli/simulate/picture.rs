//! From a report to what is drawn.

use std::collections::BTreeMap;
use std::time::Duration;

use gradatim_core::capability::Part;
use gradatim_core::condition::Condition;
use gradatim_core::id::RevisionId;
use gradatim_core::plan::{Plan, StrategyKind};
use gradatim_core::route::Slot;
use gradatim_sim::script::{
    Change, Line, Measures, Scenario, Signal, Told, Tone as Sense, Transcript, Window,
};
use gradatim_sim::{Interval, Report, What};

use super::super::svg::{Band, Mark, Points, Tone};
use super::svg::{Picture, Side};

/// From how many stretches of time shares and rates are drawn at most; none is shorter than a second.
const STRETCHES: u32 = 1200;
/// The longest label beside a mark, in characters.
const MOST: usize = 60;

pub(super) fn picture(scenario: &Scenario, plan: &Plan, report: &Report) -> Picture {
    let transcript = Transcript::of(scenario, plan, report);
    let (stable, later) = names(report);
    let deployed = deployed(scenario, report);
    let versions = match later.is_empty() {
        true => stable.clone(),
        false => format!("{stable} → {later}"),
    };
    Picture {
        title: format!("{} · {versions}", plan.name),
        subtitle: subtitle(plan, report),
        verdict: match report.holds() {
            true => transcript.verdict.clone(),
            false => format!(
                "{} {}",
                transcript.verdict,
                transcript.ending.last().cloned().unwrap_or_default()
            ),
        },
        tone: tone(transcript.tone),
        end: report.lasted,
        weight_wanted: wanted(plan, report, &deployed),
        weight_seen: got(report, &deployed),
        stable: side(report, stable, true),
        canary: side(report, later, false),
        bounds: bounds(scenario, plan, report),
        marks: transcript.lines.iter().map(mark).collect(),
        bands: scenario
            .told
            .iter()
            .filter_map(|told| band(told, report))
            .collect(),
    }
}

/// The first version, and all that came after it.
fn names(report: &Report) -> (String, String) {
    let mut names = report
        .versions
        .iter()
        .map(|version| version.revision.to_string());
    let first = names.next().unwrap_or_default();
    (first, names.collect::<Vec<_>>().join(", "))
}

fn subtitle(plan: &Plan, report: &Report) -> String {
    let strategy = match plan.strategy {
        StrategyKind::Canary => "canary",
        StrategyKind::BlueGreen => "blue-green",
        StrategyKind::RollingUpdate => "rolling update",
    };
    let start = report.facts.iter().find_map(|fact| match &fact.what {
        What::Start {
            replicas,
            per_second,
            ..
        } => Some(format!(" · {replicas} pods · {per_second} requests/s")),
        _ => None,
    });
    format!(
        "{strategy}{} · seed {}",
        start.unwrap_or_default(),
        report.seed
    )
}

fn tone(sense: Sense) -> Tone {
    match sense {
        Sense::Good => Tone::Good,
        Sense::Bad => Tone::Bad,
        _ => Tone::Plain,
    }
}

/// When a version was deployed, and which one was called stable then.
type Deployed = (Duration, Option<RevisionId>);

/// The deployments of a scenario, that of its start first.
fn deployed(scenario: &Scenario, report: &Report) -> Vec<Deployed> {
    let first = scenario.stable.as_deref().map(RevisionId::new);
    let stable_at = |at: Duration| {
        let before = report.facts.iter().rev().filter(|fact| fact.at < at);
        let mut stable = before.filter_map(|fact| match &fact.what {
            What::Stable { revision } => Some(revision.clone()),
            _ => None,
        });
        stable.next().or_else(|| first.clone())
    };
    let changes = scenario.changes.iter();
    let later = changes.filter(|one| matches!(one.change, Change::Deploy(_) | Change::Undo(_)));
    let later = later.map(|one| (one.at, stable_at(one.at)));
    [(Duration::ZERO, first.clone())]
        .into_iter()
        .chain(later)
        .collect()
}

/// What was wanted for the new version. Once it is stable it gets everything, though not as the
/// canary.
fn wanted(plan: &Plan, report: &Report, deployed: &[Deployed]) -> Points {
    let percent = |part: u32, total: u32| 100.0 * f64::from(part) / f64::from(total.max(1));
    let mut points: Points = Vec::new();
    let mut deployed = deployed.iter().map(|(at, _)| *at).peekable();
    let mut stable_since = None;
    for fact in &report.facts {
        while let Some(at) = deployed.next_if(|at| *at <= fact.at) {
            stable_since = None;
            points.push((at, Some(0.0)));
        }
        let weight = match &fact.what {
            What::Stable { .. } => {
                stable_since = Some(fact.at);
                100.0
            }
            What::Weight { weight: 0, .. } if stable_since == Some(fact.at) => continue,
            What::Weight { weight, total, .. } => percent(*weight, *total),
            // A driver that died has told nobody what it wanted when it wrote this.
            What::Route { router, split, .. } if stable_since.is_none() => {
                let router = plan.routers.get(*router);
                if !router.is_some_and(|router| router.capabilities.carries(Part::Split)) {
                    continue;
                }
                percent(split.part(Slot::Canary), split.total())
            }
            _ => continue,
        };
        points.push((fact.at, Some(weight)));
    }
    points
}

/// What part of the users' requests did not go to the version that was stable at the deployment.
fn got(report: &Report, deployed: &[Deployed]) -> Points {
    let part = |interval: &Interval| {
        let stable = deployed.iter().rfind(|(at, _)| *at <= interval.from);
        let stable = stable.and_then(|(_, stable)| stable.as_ref());
        let requests = |only_new: bool| {
            let shares = interval.versions.iter();
            let shares = shares.filter(move |share| !only_new || Some(&share.revision) != stable);
            shares.map(|share| share.tally.requests).sum::<f64>()
        };
        let all = requests(false) + interval.nowhere.requests;
        (all > 0.0).then(|| 100.0 * requests(true) / all)
    };
    over_time(report, part)
}

/// A value of every stretch of time, where it is another than before.
fn over_time(report: &Report, value: impl Fn(&Interval) -> Option<f64>) -> Points {
    let stretches = report.intervals.every(report.lasted / STRETCHES);
    let mut points: Points = Vec::new();
    for stretch in &stretches {
        // Sums of parts differ in their last digits.
        let value = value(stretch).map(|value| (value * 1e6).round() / 1e6);
        if points.last().is_none_or(|(_, last)| *last != value) {
            points.push((stretch.from, value));
        }
    }
    points
}

/// The first version, or all others together.
fn side(report: &Report, name: String, first: bool) -> Side {
    let of_side: Vec<_> = match first {
        true => report.versions.iter().take(1).collect(),
        false => report.versions.iter().skip(1).collect(),
    };
    let is_of_side = |revision: &_| of_side.iter().any(|version| version.revision == *revision);
    let (mut wanted, mut available) = (Vec::new(), Vec::new());
    let mut pods: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for fact in &report.facts {
        let (revision, counts) = match &fact.what {
            What::Start {
                stable, replicas, ..
            } => (stable, (*replicas, *replicas)),
            What::Pods {
                revision,
                desired,
                available,
                ..
            } => (revision, (*desired, *available)),
            _ => continue,
        };
        if is_of_side(revision) {
            pods.insert(revision.to_string(), counts);
            let sums = pods
                .values()
                .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            wanted.push((fact.at, Some(f64::from(sums.0))));
            available.push((fact.at, Some(f64::from(sums.1))));
        }
    }
    Side {
        name,
        errors: errors(report, &is_of_side),
        pods_wanted: wanted,
        pods_available: available,
    }
}

fn errors(report: &Report, is_of_side: &dyn Fn(&RevisionId) -> bool) -> Points {
    let rate = |interval: &Interval| {
        let shares = interval
            .versions
            .iter()
            .filter(|share| is_of_side(&share.revision));
        let sum = shares.fold((0.0, 0.0), |sum, share| {
            (sum.0 + share.tally.requests, sum.1 + share.tally.failed)
        });
        (sum.0 > 0.0).then(|| 100.0 * sum.1 / sum.0)
    };
    over_time(report, rate)
}

/// Bounds that metrics set on the part of the answers that fails, in percent.
fn bounds(scenario: &Scenario, plan: &Plan, report: &Report) -> Vec<(f64, String)> {
    let mut bounds: Vec<(f64, String)> = Vec::new();
    for metric in plan.metrics() {
        let Some((is_success, factor)) = rate(scenario, report, metric.name.as_str()) else {
            continue;
        };
        for condition in metric.success.iter().chain(&metric.failure) {
            let Some(bound) = limit(condition, is_success, factor) else {
                continue;
            };
            let label = format!("{}: {}", metric.name, condition.source());
            if !bounds.iter().any(|(_, other)| *other == label) {
                bounds.push((bound, label));
            }
        }
    }
    bounds
}

/// Whether a metric is the part of the answers that succeeds, or fails; and what one is in it.
fn rate(scenario: &Scenario, report: &Report, name: &str) -> Option<(bool, f64)> {
    let said = scenario
        .metrics
        .iter()
        .filter(|metric| metric.name.name == name);
    let mut said = said.filter_map(|metric| match metric.measures {
        Measures::Requests { what, factor, .. } => match what {
            Signal::SuccessRate => Some((true, factor)),
            Signal::ErrorRate => Some((false, factor)),
            _ => None,
        },
        _ => None,
    });
    let guess = report.guesses.iter().find(|guess| guess.metric == name);
    let guessed = guess.and_then(|guess| {
        let factor = if guess.measure.ends_with("in percent") {
            100.0
        } else {
            1.0
        };
        let is_success = guess.measure.starts_with("success rate");
        let is_rate = is_success || guess.measure.starts_with("error rate");
        is_rate.then_some((is_success, factor))
    });
    said.next_back().or(guessed)
}

/// The error rate, in percent, at which a condition turns.
fn limit(condition: &Condition, is_success: bool, factor: f64) -> Option<f64> {
    let bound = condition.bounds()?;
    let share = 100.0 * bound.value / factor;
    Some(if is_success { 100.0 - share } else { share })
}

fn mark(line: &Line) -> Mark {
    let sentence = format!("{} {}", line.word, line.text);
    Mark {
        at: line.at,
        label: line.matters.then(|| label(line)),
        sentence: sentence.split_whitespace().collect::<Vec<_>>().join(" "),
        tone: tone(line.tone),
        ends: matches!(
            line.word,
            "ABORT" | "promoted" | "reverted" | "overdue" | "VIOLATION"
        ),
    }
}

/// What it is and how it came out; why is in the sentence.
fn label(line: &Line) -> String {
    let parts: Vec<&str> = line.text.split("    ").take(2).collect();
    let short = format!("{} {}", line.word, parts.join(" "));
    let mut label: String = short.chars().take(MOST).collect();
    if label.len() < short.len() {
        label = format!("{}…", label.trim_end());
    }
    label
}

/// What is wrong from some time on, or for some time.
fn band(told: &Told, report: &Report) -> Option<Band> {
    let happens = matches!(told.word, "order" | "edit" | "driver") || told.window == Window::ALWAYS;
    let to = told.window.to.unwrap_or(report.lasted).min(report.lasted);
    let from = told.window.from;
    (!happens && from < to).then(|| Band {
        from,
        to,
        label: told.text.clone(),
    })
}
