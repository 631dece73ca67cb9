//! Every metric of `examples/manifests` against the real servers: each query is understood, and
//! gives a number of what it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use gradatim_core::analysis::{MetricPlan, RunPlan, fill};
use gradatim_core::measurement::{Outcome, Reading};
use gradatim_core::port::MetricProvider;
use gradatim_core::time::Timestamp;
use gradatim_prometheus::{Config, Prometheus};
use serde_json::{Value, json};

use super::loki::Live as Loki;
use super::no_secrets;
use super::prometheus::{BEGIN, Live};
use crate::manifests::examples::{every_metric, sets};
use crate::providers::ask;

/// The revision that is judged.
const HASH: &str = "91bc";

/// A question of some manifest, its arguments filled in.
struct Question {
    /// Where it stands, for people.
    place: String,
    metric: MetricPlan,
    query: Value,
    evidence: Option<Value>,
}

/// What all manifests ask.
fn questions() -> Vec<Question> {
    let mut questions = Vec::new();
    for set in sets().keys() {
        for (run, metric) in every_metric(set) {
            let place = format!("{set}: {}", metric.name);
            let args = late(&run);
            let evidence = metric.evidence.as_ref().map(|part| fill(part, &args));
            let query = fill(&metric.query, &args);
            questions.push(Question {
                place,
                metric,
                query,
                evidence,
            });
        }
    }
    questions
}

fn late(run: &RunPlan) -> BTreeMap<String, String> {
    let names = run.late_args.keys();
    names.map(|name| (name.clone(), HASH.to_owned())).collect()
}

/// The services that the queries name.
fn services(questions: &[Question]) -> BTreeSet<String> {
    let queries = questions.iter().map(|it| it.query.to_string());
    let named = |query: String| -> Vec<String> {
        let parts = query.split("service=\\\"").skip(1);
        parts
            .filter_map(|part| Some(part.split("\\\"").next()?.to_owned()))
            .collect()
    };
    queries.flat_map(named).collect()
}

/// Ten minutes of everything that an exporter, a mesh, a kubelet and kube-state-metrics say of
/// these services and of the pods that are judged.
fn samples(services: &BTreeSet<String>) -> String {
    let mut series: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut add = |name, labels: String| series.entry(name).or_default().insert(labels);
    for service in services {
        for status in ["200", "500"] {
            let labels = format!("service=\"{service}\",status=\"{status}\"");
            add("http_requests_total", labels);
        }
        for le in ["0.1", "0.5", "+Inf"] {
            let labels = format!("service=\"{service}\",le=\"{le}\"");
            add("http_request_duration_seconds_bucket", labels);
        }
    }
    let mesh = format!("reporter=\"destination\",rollouts_pod_template_hash=\"{HASH}\"");
    for code in ["200", "302", "500"] {
        add(
            "istio_requests_total",
            format!("{mesh},response_code=\"{code}\""),
        );
    }
    for le in ["100", "500", "+Inf"] {
        let labels = format!("{mesh},le=\"{le}\"");
        add("istio_request_duration_milliseconds_bucket", labels);
    }
    for (pod, container) in [
        (format!("web-{HASH}-x"), "web"),
        (format!("backend-{HASH}-x"), "backend"),
        ("backend-canary-x".to_owned(), "backend"),
    ] {
        let labels = format!("pod=\"{pod}\",container=\"{container}\"");
        add("container_cpu_usage_seconds_total", labels.clone());
        add("container_memory_working_set_bytes", labels.clone());
        for resource in ["cpu", "memory"] {
            let labels = format!("{labels},resource=\"{resource}\"");
            add("kube_pod_container_resource_limits", labels);
        }
        for condition in ["true", "false"] {
            let labels = format!("pod=\"{pod}\",condition=\"{condition}\"");
            add("kube_pod_status_ready", labels);
        }
    }
    let mut text = String::new();
    for (name, all) in series {
        match name.strip_suffix("_total") {
            Some(family) => writeln!(text, "# TYPE {family} counter").unwrap(),
            None => writeln!(text, "# TYPE {name} unknown").unwrap(),
        }
        for labels in all {
            for second in (0..=600).step_by(15) {
                let at = BEGIN + second;
                writeln!(text, "{name}{{{labels}}} {} {at}", second + 15).unwrap();
            }
        }
    }
    text + "# EOF\n"
}

/// How many numbers an answer holds, each of them one to judge.
fn numbers(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Done {
            reading: Reading::Number(number),
            ..
        } => usize::from(number.get().is_finite()),
        Outcome::Done {
            reading: Reading::Series(series),
            ..
        } => {
            let samples = series.iter().flat_map(|series| &series.samples);
            samples.filter(|it| it.value.get().is_finite()).count()
        }
        _ => 0,
    }
}

fn elsewhere(mut query: Value, address: &str) -> Value {
    query["address"] = json!(address);
    query
}

#[tokio::test]
async fn every_promql_query_of_the_examples_gives_a_number() {
    let questions = questions();
    let asked = |it: &&Question| it.metric.provider == "prometheus";
    assert!(questions.iter().filter(asked).count() >= 25);
    let Some(live) = Live::start(&samples(&services(&questions)), &[]).await else {
        return;
    };
    let provider = Prometheus::new(Config::default(), no_secrets()).unwrap();
    let at = Timestamp::from_secs(BEGIN + 590);
    for question in questions.iter().filter(asked) {
        let query = elsewhere(question.query.clone(), &live.address);
        assert!(
            !query.to_string().contains("{{"),
            "{}: {query}",
            question.place
        );
        match provider.measure(&ask(query, at)).await {
            Ok(outcome) => {
                let numbers = numbers(&outcome);
                assert_eq!(numbers, 1, "{}: {outcome:?}", question.place);
            }
            Err(error) => panic!("{}: {error}", question.place),
        }
        // And of what nobody has, it is no data: neither an error nor a number out of nothing.
        let query = elsewhere(question.query.clone(), &live.address);
        let before = Timestamp::from_secs(BEGIN - 3600);
        let nothing = provider.measure(&ask(query, before)).await.unwrap();
        assert_eq!(numbers(&nothing), 0, "{}: {nothing:?}", question.place);
    }
}

#[tokio::test]
async fn every_logql_query_of_the_examples_gives_a_number_and_its_evidence_lines() {
    let questions = questions();
    let Some(live) = Loki::start().await else {
        return;
    };
    let now = gradatim_http::now();
    let labels = json!({"app": "web", "rollouts_pod_template_hash": HASH});
    let lines: Vec<String> = (0..20)
        .map(|line| format!("ERROR checkout {line}"))
        .collect();
    live.push_to(labels, &lines, now).await;
    let mut asked = 0;
    for question in questions.iter().filter(|it| it.metric.provider == "loki") {
        let query = elsewhere(question.query.clone(), &live.address);
        let outcome = live.until(&query, |outcome| numbers(outcome) == 1).await;
        assert_eq!(numbers(&outcome), 1, "{}: {outcome:?}", question.place);
        asked += 1;
    }
    for question in &questions {
        let Some(part) = question.evidence.as_ref().map(|it| &it["loki"]) else {
            continue;
        };
        let query = elsewhere(part.clone(), &live.address);
        let window = std::time::Duration::from_secs(60);
        let lines = live
            .provider
            .evidence(&query, now, window, 5)
            .await
            .unwrap();
        assert_eq!(lines.len(), 5, "{}: {lines:?}", question.place);
        assert_eq!(lines[0], "ERROR checkout 19", "{}", question.place);
        asked += 1;
    }
    assert!(asked >= 2, "{asked}");
}

#[test]
fn no_metric_of_the_examples_has_a_provider_that_is_not_looked_at() {
    let known = ["prometheus", "loki", "web", "job"];
    for question in questions() {
        let provider = question.metric.provider.as_str();
        assert!(known.contains(&provider), "{}: {provider}", question.place);
    }
}
