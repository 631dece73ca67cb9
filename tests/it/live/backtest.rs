//! `gradatim backtest` on known history.

use gradatim::cli::{Exit, Io, run};
use serde_json::Value;

use super::gate::{at, template};
use super::prometheus::{Live, shop};

fn backtest(manifest: &str, arguments: &[&str]) -> (Exit, String, String) {
    let (mut input, mut out, mut err) = (manifest.as_bytes(), Vec::new(), Vec::new());
    let mut io = Io::plain(&mut input, &mut out, &mut err);
    let all = ["gradatim", "backtest", "-"]
        .iter()
        .chain(arguments)
        .copied();
    let exit = run(all, &mut io);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(out), text(err))
}

/// A start every ten minutes, five seconds past: v2 fails every tenth request from 2:00 to 3:00,
/// and a start is taken back at its second measurement below 0.95.
#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_starts_in_the_bad_hour_are_taken_back() {
    let Some(live) = Live::start(&shop(), &[]).await else {
        return;
    };
    let (from, to) = (at(605), at(13_805));
    let dir = tempfile::tempdir().unwrap();
    let picture = dir.path().join("backtest.svg").display().to_string();
    let of = |version: &str, json: bool| {
        let version = format!("version={version}");
        let mut arguments = vec![
            "--prometheus",
            &live.address,
            "--arg",
            &version,
            "--from",
            &from,
            "--to",
            &to,
            "--every",
            "10m",
            "--svg",
            &picture,
        ];
        arguments.extend(json.then_some("--json"));
        let manifest = template("30s", 10, "1m");
        let (exit, out, err) = tokio::task::block_in_place(|| backtest(&manifest, &arguments));
        assert_eq!(exit, Exit::Good, "{err}");
        out
    };
    let report: Value = serde_json::from_str(&of("v2", true)).unwrap();
    let starts = report["starts"].as_array().unwrap();
    let back: Vec<&str> = starts
        .iter()
        .filter(|start| start["verdict"] == "Failed")
        .map(|start| start["at"].as_str().unwrap())
        .collect();
    let wanted = [7205, 7805, 8405, 9005, 9605, 10_205].map(at);
    assert_eq!(
        (starts.len(), back),
        (23, wanted.iter().map(String::as_str).collect())
    );
    let first = starts
        .iter()
        .find(|start| start["verdict"] == "Failed")
        .unwrap();
    let why = first["why"]["success-rate"].as_str().unwrap();
    assert!(
        why.starts_with("result[0] = 0.") && why.ends_with("wanted >= 0.95"),
        "{why}"
    );

    let svg = std::fs::read_to_string(&picture).unwrap();
    assert_eq!(svg.matches(": rolled back after").count(), 6);
    assert_eq!(svg.matches(": promoted after").count(), 17);
    assert!(svg.contains("result[0] &gt;= 0.95"), "{svg}");

    let text = of("v2", false);
    assert!(text.contains("promoted         17  73.9 %"), "{text}");
    assert!(
        text.contains("rolled back       6  26.1 %   success-rate 6"),
        "{text}"
    );
    assert!(text.contains("about one good release in 4"), "{text}");
    assert!(of("v1", false).contains("none would have been taken back"));
    assert!(
        of("v3", false).contains("undecided        23  100.0 %"),
        "{}",
        of("v3", false)
    );
}

/// The judge sees the same hour. Before and after it nothing fails at all, and ten minutes at one
/// request a second prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_judge_takes_back_the_starts_in_the_bad_hour_by_evidence() {
    let Some(live) = Live::start(&shop(), &[]).await else {
        return;
    };
    let (from, to) = (at(605), at(13_805));
    let of = |not_enough: &str, json: bool| {
        let manifest = format!(
            "apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: compare}}
spec:
  judge:
    notEnoughData: {not_enough}
    provider:
      prometheus:
        counters: {{source: http, workload: shop, stable: v1, canary: v2}}
"
        );
        let dir = tempfile::tempdir().unwrap();
        let picture = dir.path().join("backtest.svg").display().to_string();
        let mut arguments = vec!["--prometheus", &live.address, "--from", &from, "--to", &to];
        arguments.extend(["--every", "10m", "--svg", &picture]);
        arguments.extend(json.then_some("--json"));
        let (exit, out, err) = tokio::task::block_in_place(|| backtest(&manifest, &arguments));
        assert_eq!(exit, Exit::Good, "{err}");
        let svg = std::fs::read_to_string(&picture).unwrap();
        assert!(svg.contains("the evidence at each scrape"), "{svg}");
        (out, err)
    };
    let (out, err) = of("extend 10m", true);
    assert_eq!(err, "");
    let report: Value = serde_json::from_str(&out).unwrap();
    let starts = report["starts"].as_array().unwrap();
    let back = starts.iter().filter(|start| start["verdict"] == "Failed");
    let back: Vec<_> = back.map(|start| start["at"].as_str().unwrap()).collect();
    let wanted = [7205, 7805, 8405, 9005, 9605, 10_205].map(at);
    assert_eq!(
        back,
        wanted.iter().map(String::as_str).collect::<Vec<_>>(),
        "{report:#}"
    );
    assert_eq!(report["undecided"], 17, "{report:#}");
    let (out, err) = of("hold", false);
    assert!(
        err.contains("judge waits without end (notEnoughData: hold)"),
        "{err}"
    );
    let said = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("judge: Errors are far worse (at least "),
        "{out}"
    );
    assert!(
        said.contains("judge: Not enough data: 60 requests of the new version"),
        "{out}"
    );
    println!("{out}");
}

#[test]
fn what_cannot_be_tried_is_refused() {
    let manifest = template("30s", 10, "1m");
    let at = "2026-10-01T00:00:00Z";
    for arguments in [
        &[
            "--arg",
            "version=v2",
            "--from",
            "2026-10-02T00:00:00Z",
            "--to",
            at,
        ][..],
        &[
            "--arg",
            "version=v2",
            "--from",
            at,
            "--to",
            at,
            "--every",
            "0s",
        ],
        &[
            "--arg",
            "version=v2",
            "--from",
            "1990-01-01T00:00:00Z",
            "--to",
            at,
            "--every",
            "1s",
        ],
        &["--arg", "version=v2", "--from", "yesterday", "--to", at],
        &["--from", at, "--to", at],
    ] {
        let (exit, out, err) = backtest(&manifest, arguments);
        assert_eq!(
            (exit, out.as_str()),
            (Exit::WrongInput, ""),
            "{arguments:?}: {err}"
        );
    }
    let web = "apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: tests}
spec:
  metrics:
  - name: smoke
    provider: {web: {url: 'http://127.0.0.1:1/'}}
";
    let (exit, _, err) = backtest(web, &["--from", at, "--to", at]);
    assert_eq!(exit, Exit::WrongInput, "{err}");
    assert!(
        err.contains("smoke is left out: web has no history"),
        "{err}"
    );
}
