use gradatim_core::id::{Digest, MetricName, RevisionId};
use gradatim_core::measurement::RunKey;
use gradatim_core::time::Timestamp;
use serde_json::json;

use super::*;

struct Keys;

#[async_trait]
impl Secrets for Keys {
    async fn get(&self, _: &str, _: &str) -> Result<Secret, PortError> {
        Ok(Secret::new("s3same"))
    }
}

fn ask(query: Value) -> Ask {
    Ask {
        id: MeasurementId {
            incarnation: 1,
            revision: RevisionId::new("v2"),
            attempt: 0,
            run: RunKey::Background,
            metric: MetricName::new("test"),
            digest: Digest::default(),
            tick: 0,
            retry: 0,
        },
        provider: "command".to_owned(),
        query,
        window: Duration::ZERO,
        at: Timestamp::ZERO,
        handle: None,
    }
}

fn shell(script: &str) -> Value {
    json!({"command": ["sh", "-c", script], "timeout": "20s"})
}

async fn run(query: Value) -> Result<Outcome, PortError> {
    Commands::new(Arc::new(Keys)).measure(&ask(query)).await
}

fn reading(outcome: Result<Outcome, PortError>) -> Reading {
    match outcome {
        Ok(Outcome::Done { reading, .. }) => reading,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_exit_code_is_a_verdict_with_the_last_line_as_its_reason() {
    let good = reading(run(shell("echo one; echo all well")).await);
    assert_eq!(good, work(WorkPhase::Successful, "all well"));
    let bad = reading(run(shell("echo fine; echo 3 thresholds crossed >&2; exit 99")).await);
    assert_eq!(
        bad,
        work(WorkPhase::Failed, "sh exits with 99: 3 thresholds crossed")
    );
}

#[tokio::test]
async fn json_on_standard_output_is_a_result() {
    let mut query = shell("echo '{\"p95\": 0.2}'");
    query["result"] = json!("json");
    assert_eq!(
        reading(run(query.clone()).await),
        Reading::Json(json!({"p95": 0.2}))
    );
    query["command"][2] = json!("echo no json");
    assert_eq!(run(query).await.unwrap_err().kind, FaultKind::Malformed);
}

#[tokio::test]
async fn secrets_reach_the_environment_and_arguments_reach_no_shell() {
    let query = json!({
        "command": ["sh", "-c", "test \"$TOKEN\" = s3same && test \"$1\" = '$(id); x'", "sh", "$(id); x"],
        "env": [{"name": "TOKEN", "value": "{{secret:a:b}}"}],
    });
    assert_eq!(reading(run(query).await), work(WorkPhase::Successful, ""));
}

#[tokio::test]
async fn a_secret_that_a_program_prints_is_struck_out() {
    let mut query = shell("echo \"token is $TOKEN\"; exit 1");
    query["env"] = json!([{"name": "TOKEN", "value": "{{secret:a:b}}"}]);
    let wanted = work(WorkPhase::Failed, "sh exits with 1: token is [secret]");
    assert_eq!(reading(run(query).await), wanted);
}

#[tokio::test]
async fn what_runs_on_is_asked_for_again_and_starts_once() {
    let commands = Commands::new(Arc::new(Keys));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("starts");
    let script = format!("echo x >> {}; sleep 3; exit 4", file.display());
    let mut ask = ask(shell(&script));
    let Ok(Outcome::Running { handle, .. }) = commands.measure(&ask).await else {
        panic!("it runs on");
    };
    ask.handle = Some(handle);
    let end = loop {
        match commands.measure(&ask).await.unwrap() {
            Outcome::Running { .. } => {}
            end => break end,
        }
    };
    assert!(matches!(
        reading(Ok(end)),
        Reading::Work {
            phase: WorkPhase::Failed,
            ..
        }
    ));
    assert_eq!(std::fs::read_to_string(file).unwrap(), "x\n");
}

#[tokio::test]
async fn a_command_that_was_lost_is_an_error_and_is_not_started_again() {
    let mut lost = ask(shell("exit 0"));
    lost.handle = Some("pid 1".to_owned());
    let error = Commands::new(Arc::new(Keys))
        .measure(&lost)
        .await
        .unwrap_err();
    assert_eq!(error.kind, FaultKind::NotFound, "{error}");
}

/// Whether a process group has anybody left: `kill -0` of procps and busybox alike.
fn alive(pid: &str) -> bool {
    let status = std::process::Command::new("kill")
        .args(["-0", "--", pid])
        .status();
    status.unwrap().success()
}

async fn gone(pid: &str) -> bool {
    for _ in 0..100 {
        if !alive(pid) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test]
async fn a_command_is_killed_with_its_children_when_its_time_is_over_or_nobody_wants_it() {
    let dir = tempfile::tempdir().unwrap();
    for terminated in [false, true] {
        let file = dir.path().join(format!("pid-{terminated}"));
        let script = format!("sleep 60 & echo $! > {}; wait", file.display());
        let mut ask = ask(shell(&script));
        ask.query["timeout"] = json!(if terminated { "60s" } else { "1s" });
        let commands = Commands::new(Arc::new(Keys));
        let outcome = commands.measure(&ask).await;
        let grandchild = std::fs::read_to_string(file).unwrap();
        if terminated {
            assert!(matches!(outcome, Ok(Outcome::Running { .. })));
            commands.terminate(&ask.id, "").await.unwrap();
        } else {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind, FaultKind::Timeout, "{error}");
        }
        assert!(gone(grandchild.trim()).await, "the grandchild lives");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let error = run(json!({"command": ["no-such-program"]}))
        .await
        .unwrap_err();
    assert_eq!(error.kind, FaultKind::NotFound);
    assert!(
        error.text.starts_with("no-such-program cannot be started"),
        "{error}"
    );
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let value = json!({"command": "k6 run", "timeout": "5", "result": "text", "shell": true});
    let errors = Command::parse(&value).unwrap_err();
    let paths: Vec<String> = errors.iter().map(|error| error.path.to_string()).collect();
    assert_eq!(paths, ["command", "command", "timeout", "result", "shell"]);
}
