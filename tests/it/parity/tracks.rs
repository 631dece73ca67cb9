//! A recording as what can be compared: values and how long each stood, track by track.

use std::collections::{BTreeMap, BTreeSet};

use super::recording::{Facts, Head, Recording, shown};

/// Longer than any play.
const END: f64 = 1e9;
/// A value that stood so many seconds must be found on the other side too.
const SETTLED: f64 = 0.6;
/// One that stood so long …
const LONG: f64 = 1.5;
/// … must have stood so long there.
const SHORT: f64 = 0.2;

/// The share of the traffic that each revision is given by the router, in percent; nothing where
/// no router says so.
pub(super) fn shares(head: &Head, facts: &Facts) -> BTreeMap<String, f64> {
    let strategy = |field: &str| {
        head.strategy
            .pointer(field)
            .and_then(|value| value.as_str())
    };
    let service = |name: Option<&str>| match name {
        Some(name) => facts
            .get(&format!("svc.{name}"))
            .map_or("any".to_owned(), |value| shown(Some(value))),
        None => "any".to_owned(),
    };
    if let Some(active) = strategy("/blueGreen/activeService") {
        let active = service(Some(active));
        return if active == "any" {
            BTreeMap::new()
        } else {
            BTreeMap::from([(active, 100.0)])
        };
    }
    let stable = service(strategy("/canary/stableService"));
    let canary = service(strategy("/canary/canaryService"));
    let parts = match head.router.as_str() {
        "nginx" => {
            let weight = canary_weight(facts);
            vec![(canary, weight), (stable, 100.0 - weight)]
        }
        "istio-host" | "istio-subset" => destinations(facts),
        _ => Vec::new(),
    };
    let mut shares = BTreeMap::new();
    for (revision, share) in parts {
        if share != 0.0 && revision != "any" && !revision.starts_with("flaps") {
            *shares.entry(revision).or_default() += share;
        }
    }
    shares
}

fn canary_weight(facts: &Facts) -> f64 {
    let texts = facts
        .iter()
        .filter(|(name, _)| name.starts_with("ingress."));
    let texts = texts.map(|(_, value)| shown(Some(value)));
    let mut weight = texts.filter_map(|text| {
        let words = text.split(" to ").next()?.split(' ');
        let number = |key: &str| {
            words
                .clone()
                .find_map(|word| word.strip_prefix(key)?.parse::<f64>().ok())
        };
        let total = number("canary-weight-total=").unwrap_or(100.0);
        Some(100.0 * number("canary-weight=")? / total)
    });
    weight.next_back().unwrap_or(0.0)
}

fn destinations(facts: &Facts) -> Vec<(String, f64)> {
    let subsets = facts.iter().filter(|(name, _)| name.starts_with("dr."));
    let subsets: BTreeMap<String, String> = subsets
        .flat_map(|(_, value)| {
            let text = shown(Some(value));
            let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
            pairs
                .map(|(name, revision)| (name.to_owned(), revision.to_owned()))
                .collect::<Vec<_>>()
        })
        .collect();
    let route = shown(facts.get("vs.app.primary"));
    let sides = route.split(' ').map_while(|word| {
        let (side, weight) = word.split_once('=')?;
        let weight = weight.parse::<f64>().ok()?;
        let revision = match side.split_once('/') {
            Some((_, subset)) => subsets.get(subset).cloned().unwrap_or("any".to_owned()),
            None => shown(facts.get(&format!("svc.{side}"))),
        };
        Some((revision, weight))
    });
    sides.collect()
}

/// Shares as a text.
pub(super) fn told(shares: &BTreeMap<String, f64>) -> String {
    let words = shares
        .iter()
        .map(|(revision, share)| format!("{revision}={share}"));
    words.collect::<Vec<_>>().join(" ")
}

/// What an observer from outside cares about.
fn tracks(head: &Head, facts: &Facts) -> BTreeMap<String, String> {
    let fact = |name: &str| shown(facts.get(name));
    let wanted = facts.iter().filter_map(|(name, value)| {
        let revision = name.strip_prefix("rs.")?.strip_suffix(".want")?;
        (value.as_u64() != Some(0)).then(|| format!("{revision}={}", shown(Some(value))))
    });
    let mut found = BTreeMap::from([
        (
            "phase".to_owned(),
            format!("{} {}", fact("rollout.phase"), fact("rollout.message")),
        ),
        ("step".to_owned(), fact("rollout.step")),
        ("stable".to_owned(), fact("rollout.stable")),
        ("traffic".to_owned(), told(&shares(head, facts))),
        ("status weight".to_owned(), fact("rollout.weight")),
        ("scale".to_owned(), wanted.collect::<Vec<_>>().join(" ")),
    ]);
    for (name, value) in facts {
        match name.split('.').next() {
            Some("svc" | "ingress" | "vs" | "dr") => found.insert(name.clone(), shown(Some(value))),
            Some("analysis") => found.insert(name.clone(), verdict(name, &shown(Some(value)))),
            _ => None,
        };
    }
    found
}

/// Counts matter when a metric is through; those of a background run depend on when it ends.
fn verdict(name: &str, value: &str) -> String {
    let words: Vec<_> = value.split_whitespace().collect();
    let open = name.starts_with("analysis.background")
        || words.contains(&"Running")
        || words.contains(&"Pending");
    let is_count = |word: &&str| {
        let digits = word.get(1..).unwrap_or_default();
        "nsfie".contains(&word[..1])
            && !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let kept = words.iter().filter(|word| !(open && is_count(word)));
    kept.copied().collect::<Vec<_>>().join(" ")
}

/// What an AnalysisRun says of itself and no decision does: the words on one metric, the order to
/// end.
fn is_of_an_object_of_its_own(track: &str) -> bool {
    let run = track.strip_prefix("analysis.");
    let run = run.map(|rest| rest.split('.').collect::<Vec<_>>());
    run.is_some_and(|words| matches!(words[..], [_, _, _, "message"] | [_, _, "terminate"]))
}

type Stood = Vec<(String, f64)>;

/// For each track its values in order, with the seconds that each stood. The track `rest` holds
/// whole states in which the rollout does not progress, and the orders between them: it ties the
/// others together.
fn timeline(recording: &Recording, ignore: &[String]) -> BTreeMap<String, Stood> {
    let mut found: BTreeMap<String, Stood> = BTreeMap::from([("rest".to_owned(), Vec::new())]);
    let mut current: BTreeMap<String, (String, f64)> = BTreeMap::new();
    let mut latest = String::new();
    fn close(
        found: &mut BTreeMap<String, Stood>,
        current: &mut BTreeMap<String, (String, f64)>,
        track: &str,
        at: f64,
    ) {
        let Some((value, born)) = current.remove(track) else {
            return;
        };
        let moves = track == "rest" && (value.starts_with("Progressing") || value.starts_with('-'));
        let values = found.entry(track.to_owned()).or_default();
        if !value.is_empty() && !moves {
            values.push((value, at - born));
        }
    }
    for (line, facts) in recording.states() {
        if let Some(order) = &line.order {
            close(&mut found, &mut current, "rest", line.t);
            found.entry("rest".to_owned()).or_default().push((
                format!("> {}", order.replace(": ", ":").replace(", ", ",")),
                END,
            ));
            continue;
        }
        let mut values = tracks(&recording.head, &facts);
        let rest = ["phase", "step", "traffic", "scale"].map(|track| values[track].clone());
        let [phase, step, traffic, scale] = rest;
        let rest = [phase, format!("step {step}"), traffic, scale].join(" | ");
        values.insert("rest".to_owned(), rest.clone());
        let all: BTreeSet<String> = current.keys().chain(values.keys()).cloned().collect();
        for track in all {
            let sort = track.split('.').next().unwrap_or_default();
            let ignored = |name: &str| {
                ignore.iter().any(|one| one == name) || is_of_an_object_of_its_own(name)
            };
            if ignored(&track) || ignored(sort) || (track == "rest" && ignored("scale")) {
                continue;
            }
            let value = values.get(&track).cloned().unwrap_or("gone".to_owned());
            if current
                .get(&track)
                .is_some_and(|(stands, _)| *stands != value)
            {
                close(&mut found, &mut current, &track, line.t);
            }
            if track != "rest" || value != latest {
                current.entry(track).or_insert((value, line.t));
            }
        }
        latest = rest;
    }
    let open: Vec<String> = current.keys().cloned().collect();
    open.iter()
        .for_each(|track| close(&mut found, &mut current, track, END));
    found
}

/// A track in which the two sides differ: what stood on each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) track: String,
    /// Values of theirs with `-`, of ours with `+`, of both with two spaces.
    pub(super) lines: Vec<String>,
}

/// Every track in which ours does not tell the same story as theirs.
pub(super) fn differences(
    theirs: &Recording,
    ours: &Recording,
    ignore: &[String],
) -> Vec<Difference> {
    let (a, b) = (timeline(theirs, ignore), timeline(ours, ignore));
    let steady = |side: &BTreeMap<String, Stood>, track: &str| -> Stood {
        let all = side.get(track).into_iter().flatten();
        all.filter(|(value, _)| !value.starts_with("flaps"))
            .cloned()
            .collect()
    };
    let mut found = Vec::new();
    for track in a.keys().chain(b.keys()).cloned().collect::<BTreeSet<_>>() {
        let (left, right) = (steady(&a, &track), steady(&b, &track));
        if lacks(&left, &right) || lacks(&right, &left) {
            let lines = aligned(&left, &right);
            found.push(Difference { track, lines });
        }
    }
    if theirs.head.end != ours.head.end {
        let end = |recording: &Recording| vec![(recording.head.end.clone(), END)];
        found.push(Difference {
            track: "end".to_owned(),
            lines: aligned(&end(theirs), &end(ours)),
        });
    }
    found
}

/// Whether a value that stood long enough has no counterpart, in order, on the other side.
fn lacks(ours: &Stood, theirs: &Stood) -> bool {
    let mut rest = theirs.iter();
    ours.iter()
        .any(|one| one.1 >= SETTLED && !rest.any(|other| answers(other, one)))
}

/// Whether a value on one side is found in one on the other.
fn answers(other: &(String, f64), one: &(String, f64)) -> bool {
    let least = if one.1 >= LONG { SHORT } else { 0.0 };
    other.0 == one.0 && other.1 >= least
}

/// Two lists side by side, along what they have in common; what stood briefly on one side alone
/// is left out.
fn aligned(left: &Stood, right: &Stood) -> Vec<String> {
    let same =
        |one: &(String, f64), other: &(String, f64)| answers(one, other) && answers(other, one);
    let (rows, columns) = (left.len(), right.len());
    let mut common = vec![vec![0_usize; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            common[row][column] = match same(&left[row], &right[column]) {
                true => common[row + 1][column + 1] + 1,
                false => common[row + 1][column].max(common[row][column + 1]),
            };
        }
    }
    let (mut row, mut column, mut lines) = (0, 0, Vec::new());
    let mut tell = |mark: char, one: &(String, f64), other: f64| {
        if one.1.max(other) >= SETTLED {
            lines.push(format!("{mark} {}", one.0));
        }
    };
    while row < rows || column < columns {
        if row < rows && column < columns && same(&left[row], &right[column]) {
            tell(' ', &left[row], right[column].1);
            (row, column) = (row + 1, column + 1);
        } else if column >= columns
            || (row < rows && common[row + 1][column] >= common[row][column + 1])
        {
            tell('-', &left[row], 0.0);
            row += 1;
        } else {
            tell('+', &right[column], 0.0);
            column += 1;
        }
    }
    lines
}
