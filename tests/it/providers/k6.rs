//! k6 gates a release: by what it recorded (`tests/k6`: version 1.8.1, `--summary-export`), read
//! over HTTP and from its own output, and by its exit code.

use std::path::{Path, PathBuf};

use gradatim_core::analysis::{AnalysisPhase, MetricPlan, judge};
use gradatim_core::condition::Condition;
use gradatim_core::measurement::{Outcome, Reading, WorkPhase};
use gradatim_core::port::MetricProvider;
use gradatim_core::time::Timestamp;
use gradatim_web::{Commands, Web};
use serde_json::{Value, json};

use super::{ask, keys};
use crate::stub::{Reply, Stub};

fn recorded(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("k6");
    root.join(name)
}

async fn reading(provider: &dyn MetricProvider, query: Value) -> Reading {
    match provider.measure(&ask(query, Timestamp::ZERO)).await {
        Ok(Outcome::Done { reading, .. }) => reading,
        other => panic!("{other:?}"),
    }
}

fn phase(condition: &str, reading: &Reading) -> AnalysisPhase {
    let mut metric = MetricPlan::new("load-test", "web", json!({}));
    metric.success = Some(Condition::parse(condition).unwrap());
    judge(&metric, reading).phase
}

/// What is asked of a summary, with the verdict on the run that was good and on the one in which
/// every third request failed.
const ASKED: [(&str, &str, AnalysisPhase); 5] = [
    (
        "{$.metrics.http_req_failed.value}",
        "result < 0.01",
        AnalysisPhase::Failed,
    ),
    (
        "{$.metrics.checks.value}",
        "result == 1",
        AnalysisPhase::Failed,
    ),
    // Of a threshold k6 exports whether it was crossed, not whether it held.
    (
        "{$.metrics.http_req_failed.thresholds['rate<0.01']}",
        "result == false",
        AnalysisPhase::Failed,
    ),
    (
        "{$.metrics.http_req_duration['p(95)']}",
        "result < 500",
        AnalysisPhase::Successful,
    ),
    (
        "{$.metrics.http_reqs.count}",
        "result >= 60",
        AnalysisPhase::Successful,
    ),
];

#[tokio::test]
async fn a_summary_is_judged_where_it_is_served() {
    let web = Web::new(keys()).unwrap();
    for (name, is_good) in [("good.json", true), ("bad.json", false)] {
        let summary = std::fs::read_to_string(recorded(name)).unwrap();
        let stub = Stub::new(move |_| Reply::json(summary.clone())).await;
        for (path, condition, on_bad) in ASKED {
            let query = json!({"url": stub.address, "jsonPath": path});
            let found = phase(condition, &reading(&web, query).await);
            let wanted = if is_good {
                AnalysisPhase::Successful
            } else {
                on_bad
            };
            assert_eq!(found, wanted, "{name}: {path} {condition}");
        }
    }
}

#[tokio::test]
async fn a_summary_is_judged_as_the_program_prints_it() {
    let commands = Commands::new(keys());
    for (name, wanted) in [
        ("good.json", AnalysisPhase::Successful),
        ("bad.json", AnalysisPhase::Failed),
    ] {
        // As `k6 run --summary-export=/dev/stdout … || true` would.
        let query = json!({"command": ["cat", recorded(name)], "result": "json"});
        let found = reading(&commands, query).await;
        let condition = "result.metrics.http_req_failed.value < 0.01";
        assert_eq!(phase(condition, &found), wanted, "{name}");
    }
}

#[tokio::test]
async fn the_exit_code_is_the_verdict_and_the_last_line_says_why() {
    let commands = Commands::new(keys());
    for (name, code, wanted, says) in [
        ("good.out", 0, WorkPhase::Successful, ""),
        (
            "bad.out",
            99,
            WorkPhase::Failed,
            "'http_req_failed' have been crossed",
        ),
    ] {
        let script = format!("cat \"$1\" >&2; exit {code}");
        let command = json!(["sh", "-c", script, "k6", recorded(name)]);
        let Reading::Work { phase, text } = reading(&commands, json!({"command": command})).await
        else {
            panic!("{name}");
        };
        assert_eq!(phase, wanted, "{name}: {text}");
        assert!(text.contains(says), "{text}");
    }
}
