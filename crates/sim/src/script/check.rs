//! What no single line can tell: names that nothing else knows, and times that never come.

use super::line::{Wrong, list};
use super::scenario::{Change, Named, Scenario};

/// What is wrong between the lines.
pub(super) fn check(scenario: &Scenario) -> Vec<Wrong> {
    let mut wrongs = unknown_versions(scenario);
    wrongs.extend(never_reached(scenario));
    wrongs
}

fn unknown_versions(scenario: &Scenario) -> Vec<Wrong> {
    let known = scenario.version_names();
    let named = scenario
        .traits
        .iter()
        .filter_map(|one| one.version.as_ref());
    let touched = scenario.changes.iter().filter_map(|one| match &one.change {
        Change::Kill { version, .. } | Change::Undo(version) => Some(version),
        _ => None,
    });
    let unknown = |version: &&Named| !known.contains(version.name.as_str());
    let names: Vec<&str> = known.iter().copied().collect();
    named
        .chain(touched)
        .filter(unknown)
        .map(|version| {
            let message = format!("nothing deploys {}", version.name);
            let help = format!(
                "the versions are {}; another one comes by: at 6:00 deploy {}",
                list(&names),
                version.name
            );
            Wrong::new(version.place, message).help(help)
        })
        .collect()
}

fn never_reached(scenario: &Scenario) -> Vec<Wrong> {
    let Some(end) = scenario.end else {
        return Vec::new();
    };
    let late = scenario.changes.iter().filter(|one| one.at >= end);
    late.map(|one| {
        Wrong::new(one.place, "this lies at the scenario's end or after it")
            .help("move it, or the end")
    })
    .collect()
}
