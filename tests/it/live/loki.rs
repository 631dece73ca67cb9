//! A real Loki, fed by this test.

use std::sync::Arc;
use std::time::Duration;

use gradatim::cli::Exit;
use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::{Outcome, Reading};
use gradatim_core::port::{MetricProvider, PortError};
use gradatim_core::time::Timestamp;
use gradatim_http::{Body, HttpClient, Request};
use gradatim_loki::{Config, Loki};
use serde_json::{Value, json};

use super::gate::gate;
use super::no_secrets;
use super::server::{Server, example, find, free_port};
use crate::providers::ask;

pub(super) struct Live {
    pub(super) address: String,
    pub(super) provider: Arc<dyn MetricProvider>,
    client: HttpClient,
    _server: Server,
    _dir: tempfile::TempDir,
}

impl Live {
    pub(super) async fn start() -> Option<Self> {
        let program = find("loki")?;
        let dir = tempfile::tempdir().unwrap();
        let (http, grpc) = (free_port(), free_port());
        std::fs::write(dir.path().join("loki.yaml"), configuration(http, grpc)).unwrap();
        let arguments = ["-config.file=loki.yaml", "-target=all"].map(str::to_owned);
        let mut server = Server::start(&program, &arguments, dir.path());
        let address = format!("http://127.0.0.1:{http}");
        server.ready(&format!("{address}/ready")).await;
        let config = Config::with_address(&address);
        let live = Self {
            provider: Arc::new(Loki::new(config, no_secrets()).unwrap()),
            client: HttpClient::new(no_secrets()).unwrap(),
            address,
            _server: server,
            _dir: dir,
        };
        Some(live)
    }

    /// Pushes lines of one version, a second apart, the last one at `last`.
    async fn push(&self, version: &str, lines: &[String], last: Timestamp) {
        let labels = json!({"app": "web", "version": version});
        self.push_to(labels, lines, last).await;
    }

    /// The same under labels of one's own.
    pub(super) async fn push_to(&self, labels: Value, lines: &[String], last: Timestamp) {
        let ages = (0..lines.len() as u64).rev();
        let values: Vec<Value> = lines
            .iter()
            .zip(ages)
            .map(|(line, age)| {
                let at = (last - Duration::from_secs(age)).as_millis();
                json!([format!("{at}000000"), line])
            })
            .collect();
        let stream = json!({"stream": labels, "values": values});
        let url = format!("{}/loki/api/v1/push", self.address);
        let request = Request::post(url, Body::Json(json!({"streams": [stream]})));
        self.client.send(&request).await.unwrap().ok().unwrap();
    }

    async fn measure(&self, query: &str, at: Timestamp) -> Result<Outcome, PortError> {
        self.provider
            .measure(&ask(json!({"query": query}), at))
            .await
    }

    /// The answer to a query once it is as wanted: a line is seen a moment after it was pushed.
    pub(super) async fn until(&self, query: &Value, wanted: fn(&Outcome) -> bool) -> Outcome {
        let mut left = 100;
        loop {
            let ask = ask(query.clone(), gradatim_http::now());
            let outcome = self.provider.measure(&ask).await.unwrap();
            left -= 1;
            if wanted(&outcome) || left == 0 {
                return outcome;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn reading(&self, query: &str, at: Timestamp) -> Reading {
        match self.measure(query, at).await {
            Ok(Outcome::Done { reading, .. }) => reading,
            other => panic!("{query}: {other:?}"),
        }
    }
}

fn configuration(http: u16, grpc: u16) -> String {
    format!(
        "auth_enabled: false
analytics: {{reporting_enabled: false}}
server:
  http_listen_address: 127.0.0.1
  http_listen_port: {http}
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: {grpc}
  log_level: warn
common:
  instance_addr: 127.0.0.1
  path_prefix: data
  replication_factor: 1
  storage: {{filesystem: {{chunks_directory: data/chunks, rules_directory: data/rules}}}}
  ring: {{kvstore: {{store: inmemory}}, instance_addr: 127.0.0.1}}
schema_config:
  configs:
  - {{from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {{prefix: index_, period: 24h}}}}
ingester: {{lifecycler: {{min_ready_duration: 0s, final_sleep: 0s}}}}
query_range: {{cache_results: false}}
limits_config: {{allow_structured_metadata: true, reject_old_samples: false}}
frontend: {{scheduler_dns_lookup_period: 500ms}}
"
    )
}

fn values(reading: &Reading) -> Vec<f64> {
    match reading {
        Reading::Number(number) => vec![number.get()],
        Reading::Series(series) => {
            let samples = series.iter().flat_map(|series| &series.samples);
            samples.map(|sample| sample.value.get()).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn errors(count: usize) -> Vec<String> {
    (1..=count)
        .map(|at| format!("\u{1b}[31mERROR\u{1b}[0m checkout: pool empty, try {at}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_judge_a_release_and_say_why_it_failed() {
    let Some(live) = Live::start().await else {
        return;
    };
    let now = gradatim_http::now();
    live.push("v1", &["all well".to_owned(), "all well".to_owned()], now)
        .await;
    live.push("v2", &errors(20), now).await;

    let count = |version: &str, minutes: u32| {
        format!(
            "sum(count_over_time({{app=\"web\", version=\"{version}\"}} |= \"ERROR\" [{minutes}m]))"
        )
    };
    assert_eq!(values(&live.reading(&count("v2", 5), now).await), [20.0]);
    let by_version = live
        .reading("sum by (version) (count_over_time({app=\"web\"}[5m]))", now)
        .await;
    let Reading::Series(series) = &by_version else {
        panic!("{by_version:?}")
    };
    assert_eq!(series.len(), 2);
    assert!(series.iter().any(|one| one.labels["version"] == "v2"));

    // A query that gives lines counts them over its window: the last ten seconds hold eleven.
    let lines = json!({"query": "{app=\"web\", version=\"v2\"} |= \"ERROR\"", "window": "10s"});
    let counted = live
        .provider
        .measure(&ask(lines.clone(), now))
        .await
        .unwrap();
    let Outcome::Done { reading, notes } = counted else {
        panic!()
    };
    let found = values(&reading);
    assert!(found == [10.0] || found == [11.0], "{found:?}");
    assert!(notes.query.unwrap().starts_with("sum(count_over_time("));

    // Nothing is no zero, unless the query says so.
    assert_eq!(
        values(&live.reading(&count("v1", 5), now).await),
        Vec::<f64>::new()
    );
    let zero = format!("{} or vector(0)", count("v1", 5));
    assert_eq!(values(&live.reading(&zero, now).await), [0.0]);

    // Evidence: newest first, as a terminal may show it.
    let minute = Duration::from_secs(60);
    let evidence = live
        .provider
        .evidence(&json!({"query": lines["query"]}), now, minute, 2)
        .await;
    let wanted = [
        "ERROR checkout: pool empty, try 20",
        "ERROR checkout: pool empty, try 19",
    ];
    assert_eq!(evidence.unwrap(), wanted);

    the_shapes_of_answers(&live, now).await;
    the_verdict_of_a_gate(&live).await;
    the_verdict_of_the_example(&live).await;
}

/// `gate_on_loki`, the program of the examples.
async fn the_verdict_of_the_example(live: &Live) {
    let program = example("gate_on_loki", "loki");
    let now = gradatim_http::now();
    live.push("v3", &["all well".to_owned()], now).await;
    live.push("v4", &errors(20), now).await;
    for (version, code, words) in [("v4", 1, "Failed"), ("v3", 0, "Successful")] {
        let query = format!("{{app=\"web\", version=\"{version}\"}} |= \"ERROR\"");
        let mut gate = tokio::process::Command::new(&program);
        let ended = gate.args([&live.address, &query]).output().await.unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert_eq!(ended.status.code(), Some(code), "{version}: {ended:?}");
        let verdict = said.lines().last().unwrap_or_default();
        assert!(verdict.starts_with(words), "{version}: {said}");
    }
}

async fn the_shapes_of_answers(live: &Live, now: Timestamp) {
    assert_eq!(values(&live.reading("1+1", now).await), [2.0]);
    assert!(values(&live.reading("vector(0)/vector(0)", now).await)[0].is_nan());
    for query in [
        "sum(count_over_time({app=\"web\"}[5m))",
        "sum(count_over_time({app=~\".*\"}[5m]))",
        "sum(count_over_time({app=\"web\"} | json [5m])) by",
    ] {
        let error = live.measure(query, now).await.unwrap_err();
        assert_eq!(error.kind, FaultKind::Invalid, "{query}: {error}");
        assert!(error.text.len() > 30, "it says why: {error}");
    }
    let range = json!({
        "query": "sum(count_over_time({app=\"web\"}[10s]))", "window": "30s", "step": "10s",
    });
    let answer = live.provider.measure(&ask(range, now)).await.unwrap();
    let Outcome::Done { reading, .. } = answer else {
        panic!()
    };
    assert!(values(&reading).len() >= 2, "{reading:?}");
    let nothing = json!({"query": "{app=\"nope\"}"});
    let missing = live.provider.probe(&nothing).await.unwrap();
    assert!(missing[0].help.contains("onNoData"), "{missing:?}");
    // No line that fails is how it should be, as long as there are lines.
    for (label, lacks) in [("version", false), ("track", true)] {
        let stream = format!("{{app=\"web\", {label}=\"{{{{args.canary-hash}}}}\"}}");
        let query = format!("sum(rate({stream} |= \"no such line\" [1m]))");
        let missing = live.provider.probe(&json!({"query": query})).await.unwrap();
        assert_eq!(missing.len(), usize::from(lacks), "{missing:?}");
    }
}

async fn the_verdict_of_a_gate(live: &Live) {
    let manifest = "apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: errors}
spec:
  args: [{name: version}]
  metrics:
  - name: error-lines
    interval: 1s
    count: 2
    successCondition: len(result) == 0 || result[0] <= 10
    provider:
      loki:
        query: sum(count_over_time({app=\"web\", version=\"{{args.version}}\"} |= \"ERROR\" [10m]))
";
    for (version, wanted) in [("v1", Exit::Good), ("v2", Exit::Bad)] {
        let version = format!("version={version}");
        let arguments = ["--loki", &live.address, "--arg", &version];
        let (exit, out, err) = tokio::task::block_in_place(|| gate(manifest, &arguments));
        assert_eq!(exit, wanted, "{version}: {out}{err}");
    }
}
