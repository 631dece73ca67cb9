//! A judge on a real Prometheus: two versions that are scraped while they serve, compared by
//! `gradatim gate`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gradatim::cli::{Exit, Io, run};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::gate::gate;
use super::prometheus::Live;

/// A pod of one version that serves so many requests from one scrape to the next.
struct Pod {
    target: String,
    task: JoinHandle<()>,
}

impl Pod {
    /// `failing` and `slow` are how many of 1,000 requests are.
    async fn start(name: String, version: &'static str, each: u64, failing: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let served = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let served = served.fetch_add(each, Ordering::Relaxed) + each;
                let body = counters(&name, version, served, failing);
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close";
                let length = body.len();
                let answer = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { target, task }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a pod says at `/metrics`; one request in ten takes longer than 0.1 s.
fn counters(pod: &str, version: &str, served: u64, failing: u64) -> String {
    let labels = format!("app=\"shop\",version=\"{version}\",pod=\"{pod}\"");
    let failed = served * failing / 1000;
    let mut body = String::new();
    for (code, count) in [("200", served - failed), ("500", failed)] {
        body += &format!("http_requests_total{{{labels},code=\"{code}\"}} {count}\n");
    }
    for (le, count) in [
        ("0.1", served - served / 10),
        ("0.5", served),
        ("+Inf", served),
    ] {
        body += &format!("http_request_duration_seconds_bucket{{{labels},le=\"{le}\"}} {count}\n");
    }
    body
}

/// Four pods of v1 and two of v2 that a Prometheus scrapes every second.
struct Shop {
    live: Live,
    _pods: Vec<Pod>,
}

impl Shop {
    /// v1 fails 50 of 1,000 requests; each of v2's pods serves half as many as one of v1's.
    async fn start(each: u64, failing: u64) -> Option<Self> {
        let mut pods = Vec::new();
        for pod in 0..4 {
            pods.push(Pod::start(format!("old-{pod}"), "v1", each, 50).await);
        }
        for pod in 0..2 {
            pods.push(Pod::start(format!("new-{pod}"), "v2", each / 2, failing).await);
        }
        let targets: Vec<String> = pods.iter().map(|pod| pod.target.clone()).collect();
        let live = Live::start("", &targets).await?;
        let seen = "count(rate(http_requests_total{code=\"200\"}[10s])) == 6";
        live.until_there_is(seen).await;
        Some(Self { live, _pods: pods })
    }

    async fn gate(
        &self,
        not_enough: &str,
        more: &'static [&'static str],
    ) -> (Exit, String, String) {
        let (manifest, address) = (template(not_enough), self.live.address.clone());
        let ran = tokio::task::spawn_blocking(move || {
            let arguments = [
                "--prometheus",
                &address,
                "--arg",
                "old=v1",
                "--arg",
                "new=v2",
            ];
            gate(&manifest, &[&arguments, more].concat())
        });
        ran.await.unwrap()
    }
}

fn template(not_enough: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: compare}}
spec:
  args: [{{name: old}}, {{name: new}}]
  judge:
    interval: 2s
    warmup: none
    notEnoughData: {not_enough}
    provider:
      prometheus:
        counters: {{source: http, workload: shop, stable: '{{{{args.old}}}}', canary: '{{{{args.new}}}}'}}
"
    )
}

/// One line, whatever the width was.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worse_version_fails_a_gate_by_evidence() {
    let Some(shop) = Shop::start(50, 200).await else {
        return;
    };
    let (exit, out, err) = shop.gate("hold", &[]).await;
    assert_eq!(exit, Exit::Bad, "{out}{err}");
    assert!(
        err.contains("notEnoughData: extend 30m would end it"),
        "{err}"
    );
    let said = flat(&out);
    assert!(said.contains("100 of 100"), "{out}");
    assert!(said.contains("failed: errors are"), "{out}");
    assert!(said.contains("× worse (between"), "{out}");
    assert!(
        said.contains("in the same seconds. If the new version were no worse"),
        "{out}"
    );
    assert!(said.contains("(your limit: 1 in 100). Cost: "), "{out}");
    assert!(
        !said.contains("Rolled back"),
        "a gate takes nothing back: {out}"
    );
    let (exit, out, _) = shop.gate("hold", &["--json"]).await;
    assert_eq!(exit, Exit::Bad, "{out}");
    let lines: Vec<Value> = out
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    let [.., last, verdict] = lines.as_slice() else {
        panic!("{out}")
    };
    assert!(last["judge"]["evidence"].as_f64() >= Some(100.0), "{last}");
    assert_eq!(last["judge"]["needed"], 100.0, "{last}");
    let of = |side: &str, what: &str| last["judge"][side][what].as_u64().unwrap();
    assert!(
        of("canary", "requests") > 0 && of("stable", "requests") > 0,
        "{last}"
    );
    assert!(
        of("canary", "failed") * 5 <= of("canary", "requests") + 10,
        "{last}"
    );
    assert_eq!(verdict["verdict"], "Failed", "{verdict}");
    let why = verdict["message"].as_str().unwrap();
    assert!(why.starts_with("Errors are"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_as_good_passes_a_gate_once_that_is_proved() {
    let Some(shop) = Shop::start(100, 50).await else {
        return;
    };
    let (exit, out, err) = shop.gate("extend 5m", &[]).await;
    assert_eq!(exit, Exit::Good, "{out}{err}");
    let said = flat(&out);
    assert!(said.contains("passed: proved less than 2× worse"), "{out}");
    assert!(said.contains("Errors (best guess "), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_traffic_leaves_a_gate_undecided_and_says_what_it_would_take() {
    let Some(shop) = Shop::start(2, 50).await else {
        return;
    };
    let (exit, out, err) = shop.gate("extend 20s", &[]).await;
    assert_eq!(exit, Exit::Undecided, "{out}{err}");
    let said = flat(&out);
    assert!(said.contains("undecided: not enough data"), "{out}");
    assert!(err.contains("failed, stable "), "{err}");
    assert!(
        said.contains("not yet proved less than 2× worse, and "),
        "{out}"
    );
    assert!(said.contains("more at this traffic."), "{out}");
    let (exit, out, err) = shop.gate("extend 10s, then proceed", &[]).await;
    assert_eq!(exit, Exit::Good, "{out}{err}");
    assert!(
        flat(&out).contains("passed: not enough data passed in"),
        "{out}"
    );
    let (exit, out, err) = shop.gate("roll back", &[]).await;
    assert_eq!(exit, Exit::Bad, "{out}{err}");
    assert!(flat(&out).contains("failed: not enough data"), "{out}");
}

const ROLLOUT: &str = "---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  replicas: 10
  strategy:
    canary:
      canaryService: shop-canary
      stableService: shop
      trafficRouting: {nginx: {stableIngress: shop}}
      analysis:
        templates: [{templateName: compare}]
        args:
        - {name: old, valueFrom: {podTemplateHashValue: Stable}}
        - {name: new, valueFrom: {podTemplateHashValue: Latest}}
      steps:
      - setWeight: 10
      - pause: {duration: 5m}
";

fn explain(arguments: &[&str]) -> (Exit, String, String) {
    let manifest = template("extend 30m, then proceed") + ROLLOUT;
    let (mut input, mut out, mut err) = (manifest.as_bytes(), Vec::new(), Vec::new());
    let all = [&["gradatim", "explain"], arguments, &["-"]].concat();
    let exit = run(all, &mut Io::plain(&mut input, &mut out, &mut err));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(out), text(err))
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_finds_the_traffic_in_prometheus_and_says_what_could_be_noticed() {
    let Some(shop) = Shop::start(50, 50).await else {
        return;
    };
    let address = shop.live.address.as_str();
    let on = |arguments: &[&str]| {
        let all = [&["--prometheus", address][..], arguments].concat();
        tokio::task::block_in_place(|| explain(&all))
    };
    let (exit, out, err) = on(&["--arg", "old=v1"]);
    assert_eq!(exit, Exit::Good, "{out}{err}");
    let said = flat(&out);
    assert!(said.contains("What judge does beside the steps"), "{out}");
    assert!(said.contains("at most 1 is taken back by chance"), "{out}");
    assert!(
        said.contains("it counts 30m longer; then the release goes on"),
        "{out}"
    );
    assert!(said.contains("of them failed, counted over "), "{out}");
    assert_eq!(
        said.matches(" times as many failures (").count(),
        1,
        "{out}"
    );
    let (_, out, _) = on(&["--arg", "old=v1", "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    let found = &report["rollouts"][0]["traffic"];
    let failing = found["errorRate"].as_f64().unwrap();
    assert!((0.03..0.07).contains(&failing), "{found}");
    let rate = found["requestsPerSecond"].as_f64().unwrap();
    assert!(
        (50.0..500.0).contains(&rate),
        "4 pods at 50 a second: {found}"
    );
    for (arguments, why) in [
        (&["--arg", "old=v9"][..], "stable served no request"),
        (&[], "add --arg old=…"),
    ] {
        let (exit, out, err) = on(arguments);
        assert_eq!(exit, Exit::Good, "{err}");
        assert!(err.contains(why), "{err}");
        assert!(!out.contains("would notice"), "{out}");
    }
}

#[test]
fn explain_goes_on_without_a_prometheus_that_answers() {
    let address = format!("http://127.0.0.1:{}", super::server::free_port());
    let (exit, out, err) = explain(&["--prometheus", &address, "--arg", "old=v1"]);
    assert_eq!(exit, Exit::Good, "{out}{err}");
    assert!(err.contains("the traffic of shop is not known: "), "{err}");
    assert!(out.contains("What judge does beside the steps"), "{out}");
}
