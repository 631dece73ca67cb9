//! Webhook gates: open, closed, and silent.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gradatim::compile;
use gradatim::decision::Phase;
use gradatim::driver::{Release, Status};
use gradatim_core::measurement::{GateState, Outcome, Reading};
use gradatim_core::port::MetricProvider;
use gradatim_core::registry::Registry;
use gradatim_core::time::Timestamp;
use gradatim_core::yaml::read;
use gradatim_web::{FLAGGER, Web, Webhook, WebhookNotifier};
use serde_json::{Value, json};

use super::{ask, keys};
use crate::cli::world::{capabilities, deliver_plan, stop};
use crate::stub::{Reply, Stub};

async fn state(query: Value) -> GateState {
    let gate: Arc<dyn MetricProvider> = Arc::new(Webhook::new(keys()).unwrap());
    match gate.measure(&ask(query, Timestamp::ZERO)).await.unwrap() {
        Outcome::Done {
            reading: Reading::Gate(state),
            ..
        } => state,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_success_opens_any_other_answer_closes_and_silence_is_unknown() {
    for (status, wanted) in [
        (200, GateState::Open),
        (202, GateState::Open),
        (204, GateState::Open),
        (403, GateState::Closed),
        (404, GateState::Closed),
        (500, GateState::Closed),
        (503, GateState::Unknown),
        (429, GateState::Unknown),
    ] {
        let stub = Stub::new(move |_| Reply::text(status, "")).await;
        assert_eq!(
            state(json!({"url": stub.address})).await,
            wanted,
            "{status}"
        );
    }
    let stub = Stub::new(|_| Reply::Hang).await;
    let silent = json!({"url": stub.address, "timeoutSeconds": 1});
    assert_eq!(state(silent).await, GateState::Unknown);
    assert_eq!(
        state(json!({"url": "http://127.0.0.1:9/"})).await,
        GateState::Unknown
    );
}

#[tokio::test]
async fn a_gate_is_told_what_flagger_s_gates_are_told() {
    let stub = Stub::new(|_| Reply::text(200, "")).await;
    let query = json!({
        "url": format!("{}/gate/halt", stub.address),
        "name": "shop", "namespace": "prod", "metadata": {"team": "a"},
    });
    state(query).await;
    let request = stub.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /gate/halt HTTP/1.1"), "{head}");
    assert!(
        head.to_lowercase().contains("idempotency-key: 1/v2/1/"),
        "{head}"
    );
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["name"], "shop");
    assert_eq!(body["namespace"], "prod");
    assert_eq!(body["phase"], "Progressing");
    assert_eq!(body["checksum"], "v2");
    assert_eq!(body["metadata"], json!({"team": "a"}));
}

/// A desk that opens the gates that it is told to, by Flagger's names.
struct Desk {
    stub: Stub,
    open: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Desk {
    async fn new() -> Self {
        let open: Arc<Mutex<BTreeSet<&str>>> = Arc::default();
        let known = Arc::clone(&open);
        let stub = Stub::new(move |request| {
            let path = request.split(' ').nth(1).unwrap_or_default();
            let is_open = known.lock().unwrap().contains(path.trim_start_matches('/'));
            Reply::text(if is_open { 200 } else { 403 }, "")
        });
        Self {
            stub: stub.await,
            open,
        }
    }

    fn opens(&self, gate: &'static str) {
        self.open.lock().unwrap().insert(gate);
    }

    fn closes(&self, gate: &'static str) {
        self.open.lock().unwrap().remove(gate);
    }

    /// Waits until a gate has been asked for twice more.
    async fn is_asked(&self, gate: &str) {
        let path = format!(" /{gate} ");
        let count = || {
            let requests = self.stub.requests();
            requests.iter().filter(|it| it.contains(&path)).count()
        };
        let wanted = count() + 2;
        for _ in 0..600 {
            if count() >= wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nobody asks for {gate}");
    }
}

/// A rollout whose gates are Flagger's webhooks.
fn gated(address: &str) -> String {
    let points = [
        ("beforeStart", "confirm-rollout"),
        ("beforeRaise", "confirm-traffic-increase"),
        ("beforePromotion", "confirm-promotion"),
        ("afterPromotion", "post-rollout"),
        ("rollback", "rollback"),
    ];
    let gates = points.map(|(point, gate)| {
        let provider = format!("{{webhook: {{url: '{address}/{gate}', name: shop}}}}");
        format!("    {point}: [{{name: {gate}, interval: 1s, provider: {provider}}}]\n")
    });
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: shop}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: shop}}}}
  template: {{metadata: {{labels: {{app: shop}}}}, spec: {{containers: [{{name: shop, image: 'shop:2'}}]}}}}
  gates:
{}  strategy:
    canary:
      canaryService: shop-canary
      stableService: shop
      trafficRouting: {{plugins: {{memory: {{}}}}}}
      analysis: {{templates: [{{templateName: rollout}}]}}
      steps:
      - setCanaryScale: {{replicas: 1}}
      - gate: {{name: pre-rollout, interval: 1s, provider: {{webhook: {{url: '{address}/pre-rollout'}}}}}}
      - setWeight: 20
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: rollout}}
spec:
  metrics:
  - name: rollout
    interval: 1s
    consecutiveErrorLimit: 1
    provider: {{web: {{url: '{address}/rollout', method: POST, jsonBody: {{name: shop}}}}}}
",
        gates.concat()
    )
}

/// Delivers it with its hooks, told to `events`.
async fn deliver(desk: &Desk, events: &Stub, dir: &std::path::Path) -> (gradatim::Driver, Release) {
    let manifests = read(&[("shop.yaml", gated(&desk.stub.address))]);
    let manifests = manifests.into_result().unwrap();
    let registry = Registry::new().with_router("memory", |_, _| Ok(capabilities()));
    let registry = gradatim_web::register(registry);
    let compiled = compile(&manifests.rollouts[0], &manifests.templates, &registry);
    let gate: Arc<dyn MetricProvider> = Arc::new(Webhook::new(keys()).unwrap());
    let hook: Arc<dyn MetricProvider> = Arc::new(Web::new(keys()).unwrap());
    let notifier = WebhookNotifier::new(&events.address, FLAGGER, keys()).unwrap();
    let more = |ports: gradatim::Ports| {
        let ports = ports.provider("webhook", gate).provider("web", hook);
        ports.notifier(Arc::new(notifier))
    };
    deliver_plan(dir, compiled.unwrap().plan, more).await
}

async fn until(release: &Release, stands: impl Fn(&Status) -> bool) {
    let mut status = release.watch();
    let stands = status.wait_for(|status| stands(status));
    let waited = tokio::time::timeout(Duration::from_secs(60), stands).await;
    waited.expect("it never came to that").unwrap();
}

/// Who hears of `event`.
async fn listener() -> Stub {
    Stub::new(|_| Reply::text(200, "")).await
}

/// What was heard, as Flagger would have said it.
fn heard(events: &Stub) -> Vec<Value> {
    let requests = events.requests();
    let bodies = requests
        .iter()
        .map(|it| it.split_once("\r\n\r\n").unwrap().1);
    bodies
        .map(|body| serde_json::from_str(body).unwrap())
        .collect()
}

async fn until_heard(events: &Stub, phase: &str) -> Value {
    for _ in 0..600 {
        if let Some(event) = heard(events).into_iter().find(|it| it["phase"] == phase) {
            return event;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody was told {phase}: {:?}", heard(events));
}

#[tokio::test]
async fn each_kind_of_flagger_s_gates_holds_where_flagger_s_holds() {
    let (desk, dir) = (Desk::new().await, tempfile::tempdir().unwrap());
    let events = listener().await;
    desk.opens("rollout");
    let (driver, release) = deliver(&desk, &events, dir.path()).await;
    let weight = |status: &Status| status.decision.summary.weight_seen.unwrap_or(0);
    for gate in ["confirm-rollout", "pre-rollout", "confirm-traffic-increase"] {
        desk.is_asked(gate).await;
        assert_eq!(weight(&release.status()), 0, "{gate} is closed");
        desk.opens(gate);
    }
    until(&release, |status| weight(status) == 20).await;
    desk.is_asked("rollout").await;
    for gate in ["confirm-promotion", "post-rollout"] {
        desk.is_asked(gate).await;
        let status = release.status();
        assert_ne!(status.decision.phase, Phase::Healthy, "{gate} is closed");
        let stable = status.decision.summary.stable.clone();
        let promoted = stable == Some("v2".into());
        assert_eq!(promoted, gate == "post-rollout", "{gate}: {stable:?}");
        desk.opens(gate);
    }
    until(&release, |status| status.decision.phase == Phase::Healthy).await;
    let event = until_heard(&events, "Succeeded").await;
    assert_eq!(
        (&event["name"], &event["namespace"]),
        (&json!("shop"), &json!(""))
    );
    assert_eq!(event["metadata"]["eventType"], "Normal");
    stop(driver, dir.path()).await;
}

/// A release at its first weight, every gate before it open.
async fn at_its_first_weight(
    desk: &Desk,
    events: &Stub,
    dir: &std::path::Path,
) -> (gradatim::Driver, Release) {
    for gate in [
        "confirm-rollout",
        "pre-rollout",
        "confirm-traffic-increase",
        "rollout",
    ] {
        desk.opens(gate);
    }
    let (driver, release) = deliver(desk, events, dir).await;
    until(&release, |status| {
        status.decision.summary.weight_seen == Some(20)
    })
    .await;
    (driver, release)
}

async fn until_it_is_back(release: &Release) {
    until(release, |status| {
        let weight = status.decision.summary.weight_seen;
        status.decision.phase == Phase::Degraded && weight == Some(0)
    })
    .await;
}

#[tokio::test]
async fn flagger_s_rollback_gate_takes_the_traffic_back_when_it_opens() {
    let (desk, dir) = (Desk::new().await, tempfile::tempdir().unwrap());
    let events = listener().await;
    let (driver, release) = at_its_first_weight(&desk, &events, dir.path()).await;
    desk.is_asked("rollback").await;
    let weight = release.status().decision.summary.weight_seen;
    assert_ne!(weight, Some(0), "closed means nothing");
    desk.opens("rollback");
    until_it_is_back(&release).await;
    stop(driver, dir.path()).await;
}

#[tokio::test]
async fn flagger_s_rollout_hook_takes_the_traffic_back_when_it_fails() {
    let (desk, dir) = (Desk::new().await, tempfile::tempdir().unwrap());
    let events = listener().await;
    let (driver, release) = at_its_first_weight(&desk, &events, dir.path()).await;
    desk.closes("rollout");
    until_it_is_back(&release).await;
    let event = until_heard(&events, "Failed").await;
    assert_eq!(event["metadata"]["eventType"], "Warning", "{event}");
    stop(driver, dir.path()).await;
}
