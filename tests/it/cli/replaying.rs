//! `gradatim replay` on logs as they were written, changed, torn, and on what is none.

use std::sync::Arc;
use std::time::Duration;

use gradatim::cli::Exit;
use gradatim::compile;
use gradatim::driver::log::DecisionLog;
use gradatim::sim::{Simulation, Version, registry};
use gradatim::spec::{CanarySpec, RolloutSpec, StepSpec, TrafficRouting};
use serde_json::{Value, json};

use super::{gradatim, on};

/// The decision log of a release.
fn log() -> String {
    let steps = [
        StepSpec::set_weight(20),
        StepSpec::pause_for(Duration::from_secs(60)),
    ];
    let canary =
        CanarySpec::new(steps).with_traffic_routing(TrafficRouting::new("proxy", json!({})));
    let spec = RolloutSpec::new("shop", canary).with_replicas(2);
    let plan = compile(&spec, &[], &registry()).unwrap().plan;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("decisions.jsonl");
    let log = DecisionLog::append(&path).unwrap();
    let simulation = Simulation::new(plan)
        .like(&spec)
        .version("v2", Version::healthy());
    let report = simulation.wants("v2").witness(Arc::new(log)).run();
    assert!(report.outcome.is_promoted(), "{}", report.outcome);
    std::fs::read_to_string(path).unwrap()
}

/// The log with its rounds' decisions changed, from some round on.
fn changed(from: usize, edit: impl Fn(&mut Value)) -> String {
    let line = |(at, line): (usize, &str)| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if at >= from && line.get("round").is_some() {
            edit(&mut line["round"]["decision"]);
        }
        format!("{line}\n")
    };
    log().lines().enumerate().map(line).collect()
}

#[test]
fn a_log_as_it_was_written_is_decided_the_same() {
    let ran = on(&["replay"], log());
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Good, ""), "{ran:?}");
    assert!(ran.out.contains("of 1 rollout under 1 plan"), "{}", ran.out);
    assert!(
        ran.out.ends_with("All are decided the same.\n"),
        "{}",
        ran.out
    );
}

#[test]
fn a_decision_that_was_another_is_shown_field_by_field() {
    let log = changed(3, |decision| decision["phase"] = "Degraded".into());
    let ran = on(&["replay"], &log);
    assert_eq!(ran.exit, Exit::Bad, "{ran:?}");
    let (first, rest) = ran.out.split_once('\n').unwrap();
    assert!(first.starts_with("line 4, shop, "), "{first}");
    assert!(
        rest.starts_with("  phase\n    was \"Degraded\"\n    is  \"Progressing\"\n\n"),
        "{rest}"
    );
    assert!(rest.contains("are decided otherwise."), "{rest}");

    let ran = gradatim(&["replay", "--json", "-"], log.as_bytes());
    assert_eq!(ran.exit, Exit::Bad);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let field = &report["differences"][0]["fields"][0];
    assert_eq!(
        (&field["path"], &field["recorded"]),
        (&"phase".into(), &"Degraded".into())
    );
}

#[test]
fn a_torn_end_is_left_out_and_a_broken_line_is_wrong_input() {
    let log = log();
    let torn = &log[..log.len() - 20];
    let ran = on(&["replay"], torn);
    assert_eq!(ran.exit, Exit::Good, "{ran:?}");
    assert!(
        ran.out.contains("The last line was cut short"),
        "{}",
        ran.out
    );

    let ran = on(&["replay"], format!("{{\"none\": 1}}\n{log}"));
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::WrongInput, ""));
    assert!(
        ran.err.contains("line 1 is none of a decision log"),
        "{}",
        ran.err
    );

    let rounds: String = log
        .lines()
        .skip(1)
        .map(|line| format!("{line}\n"))
        .collect();
    let ran = on(&["replay"], rounds);
    assert_eq!(ran.exit, Exit::WrongInput, "{ran:?}");
    assert!(ran.err.contains("follows plan"), "{}", ran.err);

    let ran = gradatim(&["replay", "no/such.jsonl"], b"");
    assert_eq!(ran.exit, Exit::WrongInput);
    let ran = on(&["replay"], "");
    assert!(ran.out.contains("0 rounds"), "{}", ran.out);
}
