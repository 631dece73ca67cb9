//! A service in a process of its own, with users, scraped by a real Prometheus: what `gradatim gate`
//! says of it.

use std::time::Duration;

use gradatim::cli::Exit;
use tokio::task::JoinHandle;

use super::gate::gate;
use super::prometheus::Live;
use super::server::{Server, example, free_port};

/// How far back the gate looks.
const WINDOW: &str = "5s";

/// One version of the demo service, and whoever uses it.
struct Demo {
    target: String,
    server: Server,
    users: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Demo {
    /// A version that serves; it has users unless it is told otherwise.
    async fn start(version: &str, more: &[&str], has_users: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port().to_string();
        let arguments = ["--port", &port, "--version", version];
        let arguments = arguments.iter().chain(more);
        let arguments: Vec<String> = arguments.map(ToString::to_string).collect();
        let mut server = Server::start(&example("demo_service", ""), &arguments, dir.path());
        let target = format!("127.0.0.1:{port}");
        server.ready(&format!("http://{target}/ready")).await;
        let users = tokio::spawn(use_it(
            has_users.then(|| format!("http://{target}/api/data")),
        ));
        Self {
            target,
            server,
            users,
            _dir: dir,
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.users.abort();
    }
}

async fn use_it(address: Option<String>) {
    let client = reqwest::Client::new();
    while let Some(address) = &address {
        // Whether it answers is what Prometheus is asked about.
        let _ = client.get(address).send().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn manifest() -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: success-rate}}
spec:
  args: [{{name: version}}]
  metrics:
  - name: success-rate
    interval: 1s
    count: 3
    successCondition: result[0] >= 0.95
    onNaN: inconclusive
    consecutiveErrorLimit: 0
    provider:
      prometheus:
        preset:
          {{measure: success-rate, workload: shop, version: '{{{{args.version}}}}', window: {WINDOW},
           labels: {{workload: job}}}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_in_a_process_of_its_own_gets_the_verdict_that_it_deserves() {
    if super::server::find("prometheus").is_none() {
        return;
    }
    let good = Demo::start("good", &[], true).await;
    let bad = Demo::start("bad", &["--fail-one-in", "3"], true).await;
    let unused = Demo::start("unused", &[], false).await;
    let left = Demo::start("left", &[], true).await;
    let mut gone = Demo::start("gone", &[], true).await;
    let all = [&good, &bad, &unused, &left, &gone].map(|demo| demo.target.clone());
    let Some(live) = Live::start("", &all).await else {
        return;
    };
    let rate = |version| format!("rate(http_requests_total{{version=\"{version}\"}}[{WINDOW}])");
    for version in ["good", "bad", "left", "gone"] {
        live.until_there_is(&format!("{} > 0", rate(version))).await;
    }
    left.users.abort();
    gone.server.kill();
    live.until_there_is(&format!("{} == 0", rate("left"))).await;
    live.until_there_is(&format!("absent({})", rate("gone")))
        .await;

    for (version, wanted, words) in [
        ("good", Exit::Good, "passed"),
        ("bad", Exit::Bad, "failed"),
        // Nobody has ever used it, nobody uses it any more, and it does not run any more.
        ("unused", Exit::Undecided, "no data"),
        ("left", Exit::Undecided, "NaN"),
        ("gone", Exit::Undecided, "no data"),
    ] {
        let argument = format!("version={version}");
        let arguments = ["--prometheus", &live.address, "--arg", &argument];
        let (exit, out, err) = tokio::task::block_in_place(|| gate(&manifest(), &arguments));
        assert_eq!(exit, wanted, "{version}: {out}{err}");
        assert!(out.contains(words), "{version}: {out}");
        let warned = err.contains("warning");
        assert!(!warned, "there is something to measure: {err}");
    }
    a_metric_without_series_is_named_first(&live);
}

fn a_metric_without_series_is_named_first(live: &Live) {
    let arguments = ["--prometheus", &live.address, "--arg", "version=good"];
    for (wrong, words) in [
        (
            ("workload: shop", "workload: shoq"),
            "Prometheus has no series http_requests_total",
        ),
        (
            ("{workload: job}", "{workload: job, version: track}"),
            "has the label track, which tells the sides apart",
        ),
    ] {
        let manifest = manifest().replace(wrong.0, wrong.1);
        let (exit, out, err) = tokio::task::block_in_place(|| gate(&manifest, &arguments));
        assert_eq!(exit, Exit::Undecided, "{out}{err}");
        let first = err.lines().next().unwrap_or_default();
        assert!(first.starts_with("warning: success-rate: "), "{err}");
        let advice = err.split("  = ").next().unwrap_or_default();
        let advice = advice.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(advice.contains(words), "{advice}");
        assert!(err.contains("  = "), "what to do about it: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_that_nobody_has_started_decides_nothing() {
    let address = format!("http://127.0.0.1:{}", free_port());
    let arguments = ["--prometheus", &address, "--arg", "version=good"];
    let (exit, out, err) = tokio::task::block_in_place(|| gate(&manifest(), &arguments));
    assert_eq!(exit, Exit::Undecided, "{out}{err}");
    assert!(out.contains("could not be measured"), "{out}");
    assert!(out.contains("cannot be reached"), "{out}");
}
