//! What Argo Rollouts was seen to do, and what we do in the same situations.
//!
//! `tests/parity/scenarios` holds short plays: a rollout, how its pods behave, what its metrics
//! say, an operator's orders. `tests/parity/recordings` holds what Argo Rollouts 1.10.1 wrote when
//! each was played against a real API server, as facts in the order in which the server took
//! them. Here the same plays are given in the simulation, and what comes of them is told in the
//! same facts.
//!
//! A fact that stood long enough on one side must be found on the other, in order. Where we
//! differ, `tests/parity/differences/NAME.txt` holds the difference and names the row of
//! `docs/differences.md` that says why; any other difference fails. `GRADATIM_UPDATE=1` writes
//! those files anew and leaves a `?` where nothing says why yet. And no state of ours may be one
//! that is unsafe for users, whatever Argo did there.

mod analyses;
mod check;
mod differences;
mod facts;
mod metrics;
mod play;
mod recording;
mod routers;
mod scenario;
mod tracks;

use std::fs;
use std::path::PathBuf;

use self::recording::Recording;
use self::scenario::Scenario;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("parity")
        .join(name)
}

/// Every scenario, by name.
fn scenarios() -> Vec<Scenario> {
    let entries = fs::read_dir(folder("scenarios")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| Scenario::read(file)).collect()
}

fn argo(name: &str) -> Recording {
    let file = folder("recordings").join(format!("{name}.jsonl"));
    Recording::read(&fs::read_to_string(file).unwrap())
}

#[test]
fn in_each_scenario_we_do_as_argo_does_or_say_why_not() {
    let scenarios = scenarios();
    assert_eq!(scenarios.len(), 34);
    let mut wrong = Vec::new();
    for scenario in &scenarios {
        let ours = play::play(scenario);
        if std::env::var_os("GRADATIM_SHOW").is_some_and(|name| name == *scenario.name) {
            eprintln!("{ours}");
        }
        let found = tracks::differences(&argo(&scenario.name), &ours, &scenario.ignore);
        wrong.extend(differences::unexplained(&scenario.name, &found));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_state_of_ours_is_unsafe_for_users() {
    let mut wrong = Vec::new();
    for scenario in &scenarios() {
        let ours = play::play(scenario);
        let found = check::violations(&ours);
        wrong.extend(
            found
                .iter()
                .map(|line| format!("{}: {line}", scenario.name)),
        );
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The check itself can fail: this is what it finds in what Argo did.
#[test]
fn the_check_finds_what_argo_did_to_users() {
    let mut found = String::new();
    for scenario in &scenarios() {
        for line in check::violations(&argo(&scenario.name)) {
            found += &format!("{}: {}\n", scenario.name, line.trim_start());
        }
    }
    let file = folder("recordings").join("unsafe.txt");
    if std::env::var_os("GRADATIM_UPDATE").is_some() {
        fs::write(&file, &found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(file).unwrap());
}
