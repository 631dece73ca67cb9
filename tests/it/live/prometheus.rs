//! A real Prometheus on known data, and on a process that it scrapes.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::{CounterKind, Outcome, Reading, Side};
use gradatim_core::port::{MetricProvider, PortError};
use gradatim_core::time::Timestamp;
use gradatim_http::Endpoint;
use gradatim_prometheus::{Config, Counters, Prometheus};
use serde_json::{Value, json};

use super::no_secrets;
use super::server::{Server, find, free_port};
use crate::providers::ask;

/// A Prometheus in a folder of its own.
pub(super) struct Live {
    pub(super) address: String,
    server: Server,
    dir: tempfile::TempDir,
    port: u16,
}

impl Live {
    /// One that knows these samples, in OpenMetrics text, and scrapes `targets` every second.
    pub(super) async fn start(samples: &str, targets: &[String]) -> Option<Self> {
        let (program, tool) = (find("prometheus")?, find("promtool")?);
        let dir = tempfile::tempdir().unwrap();
        if !samples.is_empty() {
            import(&tool, samples, dir.path());
        }
        let targets = serde_json::to_string(targets).unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 900ms}}\n\
             scrape_configs:\n- job_name: shop\n  static_configs: [{{targets: {targets}}}]\n"
        );
        std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
        let port = free_port();
        let mut server = Server::start(&program, &arguments(port), dir.path());
        let address = format!("http://127.0.0.1:{port}");
        server.ready(&format!("{address}/-/ready")).await;
        Some(Self {
            address,
            server,
            dir,
            port,
        })
    }

    pub(super) fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again on the data that it had.
    pub(super) async fn start_again(&mut self) {
        let program = find("prometheus").expect("it was there a moment ago");
        self.server = Server::start(&program, &arguments(self.port), self.dir.path());
        self.server
            .ready(&format!("{}/-/ready", self.address))
            .await;
    }

    /// Waits until a query has an answer.
    pub(super) async fn until_there_is(&self, query: &str) {
        for _ in 0..300 {
            let ask = ask(json!({"query": query}), gradatim_http::now());
            let answer = self.provider().measure(&ask).await;
            if let Ok(Outcome::Done {
                reading: Reading::Series(series),
                ..
            }) = answer
                && !series.is_empty()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{query} has no answer");
    }

    fn provider(&self) -> Arc<dyn MetricProvider> {
        let config = Config::with_address(&self.address);
        Arc::new(Prometheus::new(config, no_secrets()).unwrap())
    }
}

fn arguments(port: u16) -> Vec<String> {
    vec![
        "--config.file=prometheus.yml".to_owned(),
        "--storage.tsdb.path=data".to_owned(),
        "--storage.tsdb.retention.time=3650d".to_owned(),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ]
}

fn import(tool: &Path, samples: &str, dir: &Path) {
    std::fs::write(dir.join("samples.om"), samples).unwrap();
    let made = Command::new(tool)
        .args([
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            "samples.om",
            "data",
        ])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// When the known data begins: 2026-10-01T00:00:00Z.
pub(super) const BEGIN: i64 = 1_790_812_800;
/// How long it goes on, in seconds.
const LENGTH: i64 = 4 * 3600;

/// A counter's value after so many seconds, so many of them bad.
type Total = fn(i64, i64) -> i64;

/// Four hours of a shop, scraped every 15 s: v1 answers 9 requests a second and fails none; v2
/// answers one, and fails every tenth during the third hour. Its fast bucket holds nine in ten.
pub(super) fn shop() -> String {
    let bad = |t: i64| (t - 2 * 3600).clamp(0, 3600);
    let series: [(&str, &str, Total); 5] = [
        (
            "http_requests_total",
            r#"version="v1",code="200""#,
            |t, _| 9 * t,
        ),
        (
            "http_requests_total",
            r#"version="v2",code="200""#,
            |t, bad| t - bad / 10,
        ),
        (
            "http_requests_total",
            r#"version="v2",code="500""#,
            |_, bad| bad / 10,
        ),
        (
            "http_request_duration_seconds_bucket",
            r#"version="v2",le="0.1""#,
            |t, _| t * 9 / 10,
        ),
        (
            "http_request_duration_seconds_bucket",
            r#"version="v2",le="+Inf""#,
            |t, _| t,
        ),
    ];
    let mut text = String::new();
    let mut family = "";
    for (name, labels, value) in series {
        if name != family {
            let of = name.trim_end_matches("_total").trim_end_matches("_bucket");
            let kind = if name.ends_with("_bucket") {
                "unknown"
            } else {
                "counter"
            };
            let of = if kind == "unknown" { name } else { of };
            writeln!(text, "# TYPE {of} {kind}").unwrap();
            family = name;
        }
        for t in (0..=LENGTH).step_by(15) {
            let (value, at) = (value(t, bad(t)), BEGIN + t);
            writeln!(
                text,
                "{name}{{app=\"shop\",pod=\"p-1\",{labels}}} {value} {at}"
            )
            .unwrap();
        }
    }
    text + "# EOF\n"
}

async fn measure(live: &Live, query: Value, seconds: i64) -> Result<Outcome, PortError> {
    let at = Timestamp::from_secs(BEGIN + seconds);
    live.provider().measure(&ask(query, at)).await
}

async fn reading(live: &Live, query: Value, seconds: i64) -> Reading {
    match measure(live, query, seconds).await {
        Ok(Outcome::Done { reading, .. }) => reading,
        other => panic!("{other:?}"),
    }
}

/// The one value that a query gives.
async fn value(live: &Live, query: Value, seconds: i64) -> f64 {
    match reading(live, query, seconds).await {
        Reading::Number(number) => number.get(),
        Reading::Series(series) => match series.as_slice() {
            [only] => only.samples[0].value.get(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn close(found: f64, wanted: f64) {
    assert!(
        (found - wanted).abs() < 1e-6,
        "{found} where {wanted} is wanted"
    );
}

#[tokio::test]
async fn each_shape_of_an_answer_arrives_as_what_it_is() {
    let Some(live) = Live::start(&shop(), &[]).await else {
        return;
    };
    close(
        value(&live, json!({"query": "scalar(vector(2))"}), 3600).await,
        2.0,
    );
    assert!(
        value(&live, json!({"query": "scalar(nothing)"}), 3600)
            .await
            .is_nan()
    );
    assert!(
        value(&live, json!({"query": "vector(0)/vector(0)"}), 3600)
            .await
            .is_nan()
    );
    let nothing = reading(&live, json!({"query": "sum(nothing) / sum(nothing)"}), 3600).await;
    assert_eq!(nothing, Reading::Series(Vec::new()));
    let wrong = measure(&live, json!({"query": "sum(("}), 3600)
        .await
        .unwrap_err();
    assert_eq!(wrong.kind, FaultKind::Invalid, "{wrong}");
    assert!(wrong.text.contains("parse error"), "{wrong}");
    let text = measure(&live, json!({"query": "\"a string\""}), 3600)
        .await
        .unwrap_err();
    assert_eq!(text.kind, FaultKind::Malformed, "{text}");
    let Reading::Series(series) =
        reading(&live, json!({"query": "http_requests_total"}), 3600).await
    else {
        panic!()
    };
    assert_eq!(series.len(), 3);
    assert!(series.iter().all(|one| one.labels["app"] == "shop"));
    assert_eq!(series[0].samples[0].at, Timestamp::from_secs(BEGIN + 3600));
    let range = json!({"query": "rate(http_requests_total{version=\"v1\"}[1m])", "rangeQuery": {
        "start": "now() - duration(\"10m\")", "end": "now()", "step": "5m",
    }});
    let Reading::Series(series) = reading(&live, range, 3600).await else {
        panic!()
    };
    let values: Vec<f64> = series[0]
        .samples
        .iter()
        .map(|sample| sample.value.get())
        .collect();
    assert_eq!(values.len(), 3);
    values.into_iter().for_each(|found| close(found, 9.0));
}

#[tokio::test]
async fn ready_made_queries_give_what_the_known_data_holds() {
    let Some(live) = Live::start(&shop(), &[]).await else {
        return;
    };
    let preset = |measure: &str, version: &str| {
        json!({"preset": {
            "measure": measure, "workload": "shop", "version": version, "window": "5m",
            "objective": 0.99,
        }})
    };
    let (good, bad) = (3600, 2 * 3600 + 1800);
    for (measure, version, at, wanted) in [
        ("success-rate", "v1", good, 1.0),
        ("success-rate", "v2", good, 1.0),
        ("success-rate", "v2", bad, 0.9),
        ("error-rate", "v2", bad, 0.1),
        ("request-rate", "v1", good, 9.0),
        ("request-rate", "v2", bad, 1.0),
        ("burn-rate", "v2", bad, 10.0),
        ("error-budget", "v2", bad, -9.0),
        ("firing-alerts", "v2", bad, 0.0),
    ] {
        let found = value(&live, preset(measure, version), at).await;
        assert!(
            (found - wanted).abs() < 1e-6,
            "{measure} of {version}: {found}, not {wanted}"
        );
    }
    let p90 = json!({"preset": {
        "measure": "latency", "workload": "shop", "version": "v2", "quantile": 0.9,
    }});
    close(value(&live, p90, good).await, 0.1);
    let absent = reading(&live, preset("success-rate", "v3"), good).await;
    assert_eq!(
        absent,
        Reading::Series(Vec::new()),
        "a version without requests has no data"
    );
}

#[tokio::test]
async fn raw_counters_of_both_sides_are_samples_as_they_were_scraped() {
    let Some(live) = Live::start(&shop(), &[]).await else {
        return;
    };
    let query = json!({"counters": {
        "source": "http", "workload": "shop", "stable": "v1", "canary": "v2",
    }});
    let answer = measure(&live, query, 2 * 3600 + 600).await.unwrap();
    let Outcome::Done {
        reading: Reading::Counters(counters),
        notes,
    } = answer
    else {
        panic!("{answer:?}")
    };
    let asked = notes.query.unwrap();
    assert_eq!(asked.lines().count(), 1, "one request for all: {asked}");
    let of = |side: Side, kind: CounterKind| -> Vec<Vec<(i64, f64)>> {
        let found = counters
            .iter()
            .filter(|it| it.side == side && it.kind == kind);
        let samples = found.map(|counter| {
            let sample = |sample: &gradatim_core::measurement::Sample| {
                (sample.at.as_millis() / 1000 - BEGIN, sample.value.get())
            };
            counter.samples.iter().map(sample).collect()
        });
        samples.collect()
    };
    // The window is one minute: the sample at its start, and the four after it.
    let times = [7740, 7755, 7770, 7785, 7800];
    let stable = of(Side::Stable, CounterKind::Requests);
    assert_eq!(stable, [times.map(|t| (t, 9.0 * t as f64)).to_vec()]);
    assert_eq!(
        of(Side::Canary, CounterKind::Requests).len(),
        2,
        "each code is a series"
    );
    let errors = of(Side::Canary, CounterKind::Errors);
    assert_eq!(
        errors,
        [times.map(|t| (t, ((t - 7200) / 10) as f64)).to_vec()]
    );
    assert_eq!(
        of(Side::Canary, CounterKind::Bucket("0.1".to_owned())).len(),
        1
    );
    assert!(of(Side::Stable, CounterKind::Errors).is_empty());

    // A program asks with selectors of its own, and gets the same.
    let http = "http_requests_total{app=\"shop\"}";
    let own = Counters::new(http, "version", "v1", "v2")
        .with_errors("http_requests_total{app=\"shop\",code=~\"5..\"}")
        .with_buckets("http_request_duration_seconds_bucket{app=\"shop\"}");
    let endpoint = Endpoint {
        address: Some(live.address.clone()),
        ..Endpoint::default()
    };
    let prometheus = Prometheus::new(Config::default(), no_secrets()).unwrap();
    let at = Timestamp::from_secs(BEGIN + 2 * 3600 + 600);
    let found = prometheus.counters(&endpoint, &own, at, Duration::from_secs(60));
    let (found, notes) = found.await.unwrap();
    assert_eq!(found, counters);
    assert_eq!(notes.query.unwrap(), asked);
}

#[tokio::test]
async fn a_probe_names_what_has_no_series_and_no_label_to_tell_sides_apart() {
    let service = super::gate::Service::start(|_| (10, 0)).await;
    let Some(live) = Live::start("", std::slice::from_ref(&service.target)).await else {
        return;
    };
    let provider = live.provider();
    let mut scraped = Vec::new();
    for _ in 0..100 {
        scraped = provider
            .probe(&json!({"query": "http_requests_total"}))
            .await
            .unwrap();
        if scraped.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(scraped, [], "it is scraped");
    let query = "sum(rate(http_requests_total[1m])) / sum(rate(htpp_requests_total{a=\"b\"}[1m]))";
    let missing = provider.probe(&json!({"query": query})).await.unwrap();
    let named: Vec<&str> = missing
        .iter()
        .map(|missing| missing.what.as_str())
        .collect();
    assert_eq!(
        named,
        ["Prometheus has no series htpp_requests_total{a=\"b\"}"]
    );
    // Before the release starts nothing bears its name; its label must be there.
    let late = |label: &str| {
        json!({"query": format!(
            "sum(rate(http_requests_total{{app=\"shop\",{label}=\"{{{{args.canary-hash}}}}\"}}[1m]))"
        )})
    };
    assert_eq!(provider.probe(&late("version")).await.unwrap(), []);
    let missing = provider.probe(&late("track")).await.unwrap();
    assert_eq!(
        missing[0].what,
        "no series http_requests_total{app=\"shop\"} has the label track, which tells the sides apart"
    );
    let preset = |label: &str| {
        json!({"preset": {
            "measure": "success-rate", "workload": "shop", "version": "v1",
            "labels": {"version": label},
        }})
    };
    assert_eq!(provider.probe(&preset("version")).await.unwrap(), []);
    let missing = provider.probe(&preset("track")).await.unwrap();
    assert!(
        missing[0].what.contains("has the label track"),
        "{missing:?}"
    );
}

#[tokio::test]
async fn a_real_server_understands_every_ready_made_query_of_every_source() {
    let Some(live) = Live::start(&shop(), &[]).await else {
        return;
    };
    let mut asked = 0;
    for source in ["http", "istio", "nginx"] {
        for measure in [
            "success-rate",
            "error-rate",
            "latency",
            "request-rate",
            "cpu",
            "memory",
            "ready-ratio",
            "restarts",
            "error-budget",
            "burn-rate",
            "firing-alerts",
        ] {
            let query = json!({"preset": {
                "measure": measure, "source": source, "workload": "shop", "namespace": "prod",
                "version": "v2", "quantile": 0.95, "objective": 0.99,
            }});
            // What a source does not count is refused before anything is asked.
            if gradatim_prometheus::Asking::parse(&query).is_err() {
                continue;
            }
            let answer = self::measure(&live, query, 3600).await;
            assert!(answer.is_ok(), "{measure} of {source}: {answer:?}");
            asked += 1;
        }
    }
    assert!(asked >= 25, "{asked}");
}
