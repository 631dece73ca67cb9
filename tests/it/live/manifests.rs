//! Every metric of `examples/manifests` against the real servers: each query is understood, and
//! gives a number of what it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use gradatim_core::analysis::{LateArg, MetricPlan, RunPlan, fill};
use gradatim_core::measurement::{CounterKind, Outcome, Reading, Side, WorkPhase};
use gradatim_core::port::MetricProvider;
use gradatim_core::time::Timestamp;
use gradatim_prometheus::{Config, Prometheus};
use gradatim_web::Commands;
use serde_json::{Value, json};

use super::loki::Live as Loki;
use super::no_secrets;
use super::prometheus::{BEGIN, Live};
use crate::manifests::examples::{every_metric, sets, unused_metrics, written_metrics};
use crate::manifests::repository;
use crate::providers::ask;

/// The revision that is judged, and the one that it is compared with.
const HASH: &str = "91bc";
const STABLE: &str = "77aa";

/// A question of some manifest, its arguments filled in.
struct Question {
    set: String,
    metric: MetricPlan,
    query: Value,
    evidence: Option<Value>,
}

impl Question {
    /// Where it stands, for people.
    fn place(&self) -> String {
        format!("{}: {}", self.set, self.metric.name)
    }

    /// The query at another server than the one that the manifest names.
    fn at(&self, address: &str) -> Value {
        elsewhere(self.query.clone(), address)
    }
}

/// What all manifests ask.
fn questions() -> Vec<Question> {
    let mut questions = Vec::new();
    for set in sets().keys() {
        for (run, metric) in every_metric(set).into_iter().chain(unused_metrics(set)) {
            let args = late(&run);
            let evidence = metric.evidence.as_ref().map(|part| fill(part, &args));
            let query = fill(&metric.query, &args);
            questions.push(Question {
                set: set.clone(),
                metric,
                query,
                evidence,
            });
        }
    }
    questions
}

fn late(run: &RunPlan) -> BTreeMap<String, String> {
    let hash = |arg: &LateArg| match arg {
        LateArg::StableHash => STABLE.to_owned(),
        _ => HASH.to_owned(),
    };
    let args = run.late_args.iter();
    args.map(|(name, arg)| (name.clone(), hash(arg))).collect()
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
    for hash in [STABLE, HASH] {
        let pod = format!("rollouts_pod_template_hash=\"{hash}\",pod=\"shop-{hash}\"");
        let sidecar = format!("reporter=\"destination\",destination_app=\"shop\",{pod}");
        let own = format!("app=\"shop\",{pod}");
        for code in ["200", "500"] {
            add(
                "istio_requests_total",
                format!("{sidecar},response_code=\"{code}\""),
            );
            add("http_requests_total", format!("{own},code=\"{code}\""));
        }
        for le in ["100", "500", "+Inf"] {
            let sidecar = format!("{sidecar},le=\"{le}\"");
            add("istio_request_duration_milliseconds_bucket", sidecar);
        }
        for le in ["0.1", "0.5", "+Inf"] {
            let own = format!("{own},le=\"{le}\"");
            add("http_request_duration_seconds_bucket", own);
        }
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

/// The real servers, each with something of everything that is asked for.
struct Servers {
    prometheus: Live,
    loki: Loki,
    k6: K6,
}

impl Servers {
    async fn start(questions: &[Question]) -> Option<Self> {
        let prometheus = Live::start(&samples(&services(questions)), &[]).await?;
        let loki = Loki::start().await?;
        let labels = json!({"app": "web", "rollouts_pod_template_hash": HASH});
        let lines = (0..20).map(|line| format!("ERROR checkout {line}"));
        let lines: Vec<String> = lines.collect();
        loki.push_to(labels, &lines, gradatim_http::now()).await;
        let k6 = K6::new();
        Some(Self {
            prometheus,
            loki,
            k6,
        })
    }

    /// Measures a metric where its provider does; whoever adds a provider adds it here.
    async fn run(&self, question: &Question) {
        let place = question.place();
        assert!(!question.query.to_string().contains("{{"), "{place}");
        match question.metric.provider.as_str() {
            "prometheus" if question.metric.judge.is_some() => {
                self.ask_counters(question, &place).await;
            }
            "prometheus" => self.ask_prometheus(question, &place).await,
            "loki" => self.ask_loki(question, &place).await,
            "job" => self.k6.run(question, &place).await,
            other => panic!("{place}: nobody here measures with {other}"),
        }
        if let Some(evidence) = &question.evidence {
            self.read_evidence(&evidence["loki"], &place).await;
        }
    }

    async fn ask_prometheus(&self, question: &Question, place: &str) {
        let provider = Prometheus::new(Config::default(), no_secrets()).unwrap();
        let query = question.at(&self.prometheus.address);
        let at = Timestamp::from_secs(BEGIN + 590);
        let outcome = provider.measure(&ask(query.clone(), at)).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(numbers(&outcome), 1, "{place}: {outcome:?}");
        // And of what nobody has, it is no data: neither an error nor a number out of nothing.
        let before = Timestamp::from_secs(BEGIN - 3600);
        let nothing = provider.measure(&ask(query, before)).await.unwrap();
        assert_eq!(numbers(&nothing), 0, "{place}: {nothing:?}");
    }

    /// A judge reads requests, failures and buckets of both sides.
    async fn ask_counters(&self, question: &Question, place: &str) {
        let provider = Prometheus::new(Config::default(), no_secrets()).unwrap();
        let query = question.at(&self.prometheus.address);
        let ask = ask(query, Timestamp::from_secs(BEGIN + 590));
        let Ok(Outcome::Done {
            reading: Reading::Counters(counters),
            ..
        }) = provider.measure(&ask).await
        else {
            panic!("{place}: no counters");
        };
        for side in [Side::Stable, Side::Canary] {
            let of_side = counters.iter().filter(|counter| counter.side == side);
            let kinds: BTreeSet<&CounterKind> = of_side.map(|counter| &counter.kind).collect();
            let bucket = |it: &&&CounterKind| matches!(it, CounterKind::Bucket(_));
            assert!(kinds.contains(&CounterKind::Requests), "{place}: {kinds:?}");
            assert!(kinds.contains(&CounterKind::Errors), "{place}: {kinds:?}");
            assert_eq!(kinds.iter().filter(bucket).count(), 3, "{place}: {kinds:?}");
        }
    }

    async fn ask_loki(&self, question: &Question, place: &str) {
        let query = question.at(&self.loki.address);
        let there = |outcome: &Outcome| numbers(outcome) == 1;
        let outcome = self.loki.until(&query, there).await;
        assert!(there(&outcome), "{place}: {outcome:?}");
    }

    async fn read_evidence(&self, part: &Value, place: &str) {
        let query = elsewhere(part.clone(), &self.loki.address);
        let (now, window) = (gradatim_http::now(), Duration::from_secs(60));
        let lines = self.loki.provider.evidence(&query, now, window, 5);
        let lines = lines.await.unwrap();
        assert_eq!(lines.len(), 5, "{place}: {lines:?}");
        assert_eq!(lines[0], "ERROR checkout 19", "{place}");
    }
}

/// What stands for k6: a program of that name that notes what it was told, prints what k6 has
/// printed (`tests/k6`) and ends as it ended.
struct K6 {
    dir: tempfile::TempDir,
    commands: Commands,
}

impl K6 {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let recordings = repository().join("tests/k6");
        let program = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" > {noted}\ncat {recordings}/$RUN.out >&2\nexit $CODE\n",
            noted = dir.path().join("noted").display(),
            recordings = recordings.display(),
        );
        let path = dir.path().join("k6");
        std::fs::write(&path, program).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let commands = Commands::new(no_secrets());
        Self { dir, commands }
    }

    /// Runs the container of a Job as a command, once for each way in which k6 has ended.
    async fn run(&self, question: &Question, place: &str) {
        let containers = &question.query["spec"]["template"]["spec"]["containers"];
        let arguments = containers[0]["args"].as_array();
        let arguments = arguments.unwrap_or_else(|| panic!("{place}: {containers}"));
        assert_eq!(containers[0]["name"], "k6", "{place}: {containers}");
        let mut command = vec![json!(self.dir.path().join("k6"))];
        command.extend(arguments.iter().cloned());
        for (run, code, wanted) in [
            ("good", "0", WorkPhase::Successful),
            ("bad", "99", WorkPhase::Failed),
        ] {
            let env = [("RUN", run), ("CODE", code)];
            let env = env.map(|(name, value)| json!({"name": name, "value": value}));
            let query = json!({"command": command, "env": env});
            let now = gradatim_http::now();
            let outcome = self.commands.measure(&ask(query, now)).await;
            match outcome {
                Ok(Outcome::Done {
                    reading: Reading::Work { phase, .. },
                    ..
                }) => assert_eq!(phase, wanted, "{place}: {run}"),
                other => panic!("{place}: {other:?}"),
            }
        }
        let noted = std::fs::read_to_string(self.dir.path().join("noted")).unwrap();
        let told: Vec<&str> = noted.lines().collect();
        assert_eq!(json!(told), json!(arguments), "{place}");
    }
}

#[tokio::test]
async fn every_metric_of_the_examples_runs_against_the_real_servers() {
    let questions = questions();
    let Some(servers) = Servers::start(&questions).await else {
        return;
    };
    let mut left: BTreeSet<String> = BTreeSet::new();
    for set in sets().keys() {
        let written = written_metrics(set).into_iter();
        left.extend(written.map(|metric| format!("{set}: {metric}")));
    }
    let judges = questions.iter().filter(|it| it.metric.judge.is_some());
    left.extend(judges.map(Question::place));
    assert!(left.len() >= 22, "{left:?}");
    for question in &questions {
        servers.run(question).await;
        left.remove(&question.place());
    }
    assert_eq!(left, BTreeSet::new(), "these were not run");
}
