//! Notifications by webhook: each event once, whatever stands in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gradatim::Ports;
use gradatim::decision::{Phase, Saved};
use gradatim::driver::store::FileStore;
use gradatim::order::OrderKind;
use gradatim_conformance::notifier::{self, Bench};
use gradatim_core::event::{Event, EventId, EventKind};
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RolloutId;
use gradatim_core::port::{Notifier, Store};
use gradatim_core::time::Timestamp;
use gradatim_web::{JSON, SLACK, WebhookNotifier};
use serde_json::{Value, json};

use super::keys;
use crate::cli::world::{deliver_plan, plan, stop};
use crate::stub::{Reply, Stub};

fn event(number: u64, text: &str) -> Event {
    Event {
        id: EventId {
            incarnation: 1,
            number,
        },
        at: Timestamp::from_secs(1_800_000_000),
        kind: EventKind::RolloutAborted,
        text: text.to_owned(),
        evidence: Vec::new(),
    }
}

fn body(stub: &Stub) -> Value {
    let request = stub.requests().pop().unwrap();
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

struct WebhookBench;

struct Channel {
    stub: Stub,
    fails: Arc<AtomicBool>,
    told: Arc<Mutex<Vec<String>>>,
}

impl Bench for WebhookBench {
    type World = Channel;

    async fn world(&self) -> Channel {
        let fails: Arc<AtomicBool> = Arc::default();
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let (broken, heard) = (Arc::clone(&fails), Arc::clone(&told));
        let stub = Stub::new(move |request| {
            if broken.load(Ordering::Relaxed) {
                return Reply::text(500, "no");
            }
            let body: Value =
                serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
            // As Slack shows it.
            let text = body["text"].as_str().unwrap().replace("&lt;", "<");
            let text = text.replace("&gt;", ">").replace("&amp;", "&");
            heard.lock().unwrap().push(text);
            Reply::text(200, "ok")
        });
        Channel {
            stub: stub.await,
            fails,
            told,
        }
    }

    async fn notifier(&self, world: &Channel) -> Arc<dyn Notifier> {
        Arc::new(WebhookNotifier::new(&world.stub.address, SLACK, keys()).unwrap())
    }

    async fn told(&self, world: &Channel) -> Vec<String> {
        world.told.lock().unwrap().clone()
    }

    async fn fail(&self, world: &Channel, fails: bool) -> bool {
        world.fails.store(fails, Ordering::Relaxed);
        true
    }
}

#[tokio::test]
async fn the_webhook_keeps_the_rules_of_a_notifier() {
    notifier::all(&WebhookBench).await.assert_clean();
}

#[tokio::test]
async fn slack_is_told_once_whatever_the_text_holds() {
    let stub = Stub::new(|_| Reply::text(200, "ok")).await;
    let notifier = WebhookNotifier::new(&stub.address, SLACK, keys()).unwrap();
    let shop = RolloutId::new("shop");
    let text = "rolled back: \"5xx\" \\ <b>\n{{ rollout }}";
    for _ in 0..2 {
        notifier.tell(&shop, &event(7, text)).await.unwrap();
    }
    assert_eq!(stub.requests().len(), 1);
    let escaped = "rolled back: \"5xx\" \\ &lt;b&gt;\n{{ rollout }}";
    assert_eq!(body(&stub), json!({"text": format!("*shop* {escaped}")}));
    notifier
        .tell(&RolloutId::new("cart"), &event(7, text))
        .await
        .unwrap();
    assert_eq!(
        stub.requests().len(),
        2,
        "another rollout's event of that number is another one"
    );
}

#[tokio::test]
async fn the_lines_that_say_why_stand_below_the_text_and_call_nobody() {
    let mut failed = event(7, "Metric \"errors\" failed");
    failed.evidence = vec![
        "errors: <!channel> \"x\" > 3".to_owned(),
        "errors: b".to_owned(),
    ];
    for (template, wanted) in [
        (
            SLACK,
            json!({"text": "*shop* Metric \"errors\" failed\n> errors: &lt;!channel&gt; \"x\" &gt; 3\n> errors: b"}),
        ),
        (JSON, json!(failed.evidence)),
    ] {
        let stub = Stub::new(|_| Reply::text(200, "ok")).await;
        let notifier = WebhookNotifier::new(&stub.address, template, keys()).unwrap();
        notifier
            .tell(&RolloutId::new("shop"), &failed)
            .await
            .unwrap();
        let body = body(&stub);
        let told = body.get("evidence").unwrap_or(&body);
        assert_eq!(*told, wanted);
    }
}

#[tokio::test]
async fn everything_of_an_event_can_be_told_and_secrets_go_into_headers() {
    let stub = Stub::new(|_| Reply::text(200, "ok")).await;
    let notifier = WebhookNotifier::new(&stub.address, JSON, keys()).unwrap();
    let notifier = notifier.header("Authorization", "Bearer {{secret:vault:key}}");
    notifier
        .tell(&RolloutId::new("shop"), &event(7, "why"))
        .await
        .unwrap();
    assert_eq!(
        body(&stub),
        json!({
            "rollout": "shop", "kind": "RolloutAborted", "text": "why",
            "at": "2027-01-15T08:00:00Z", "id": "1-7", "evidence": [],
        })
    );
    assert!(stub.requests()[0].contains("Bearer s3same-opens"));
}

#[tokio::test]
async fn kinds_that_nobody_wants_are_not_told_and_a_wrong_template_is_refused() {
    let stub = Stub::new(|_| Reply::text(200, "ok")).await;
    let notifier = WebhookNotifier::new(&stub.address, SLACK, keys()).unwrap();
    let notifier = notifier.only([EventKind::RolloutCompleted]);
    notifier
        .tell(&RolloutId::new("shop"), &event(7, "why"))
        .await
        .unwrap();
    assert!(stub.requests().is_empty());
    let error = WebhookNotifier::new(&stub.address, "{{ text", keys()).unwrap_err();
    assert_eq!(error.kind, FaultKind::Invalid);
    let endless =
        "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}";
    let notifier = WebhookNotifier::new(&stub.address, endless, keys()).unwrap();
    let told = notifier
        .tell(&RolloutId::new("shop"), &event(8, "why"))
        .await;
    assert_eq!(told.unwrap_err().kind, FaultKind::Invalid);
}

/// The ids that a webhook was told, in order.
fn ids(stub: &Stub) -> Vec<String> {
    let requests = stub.requests();
    let bodies = requests
        .iter()
        .map(|it| it.split_once("\r\n\r\n").unwrap().1);
    let id = |body: &str| -> Option<String> {
        let body: Value = serde_json::from_str(body).unwrap();
        Some(body["id"].as_str()?.to_owned())
    };
    bodies.filter_map(id).collect()
}

/// A release up to its first pause, and the driver that brought it there.
async fn paused(dir: &std::path::Path, address: &str) -> (gradatim::Driver, gradatim::Release) {
    let notifier = WebhookNotifier::new(address, JSON, keys()).unwrap();
    let more = |ports: Ports| ports.notifier(Arc::new(notifier));
    let (driver, release) = deliver_plan(dir, plan(), more).await;
    let mut status = release.watch();
    let stands = status.wait_for(|status| status.decision.phase == Phase::Paused);
    let waited = tokio::time::timeout(Duration::from_secs(60), stands).await;
    waited.expect("it never came to that").unwrap();
    (driver, release)
}

async fn until_told(stub: &Stub, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
    for _ in 0..600 {
        let ids = ids(stub);
        if wanted(&ids) {
            return ids;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("told: {:?}", ids(stub));
}

/// Waits until the store holds no event that nobody has taken.
async fn until_confirmed(dir: &std::path::Path) {
    let rollout = FileStore::open(dir.join("releases")).unwrap();
    let rollout = rollout.rollout("shop");
    for _ in 0..600 {
        if let Saved::State(state) = rollout.load().await.unwrap().saved
            && state.events.is_empty()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("an event is never confirmed");
}

#[tokio::test]
async fn an_event_is_told_once_across_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let stub = Stub::new(|_| Reply::text(200, "ok")).await;
    let (driver, _) = paused(dir.path(), &stub.address).await;
    let before = until_told(&stub, |ids| !ids.is_empty()).await;
    until_confirmed(dir.path()).await;
    stop(driver, dir.path()).await;
    let (driver, release) = paused(dir.path(), &stub.address).await;
    release.order(OrderKind::Abort).await.unwrap();
    let all = until_told(&stub, |ids| ids.len() > before.len()).await;
    let mut once = all.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), all.len(), "{all:?}");
    stop(driver, dir.path()).await;
}

#[tokio::test]
async fn an_event_that_nobody_took_is_told_after_the_restart() {
    let dir = tempfile::tempdir().unwrap();
    let broken = Stub::new(|_| Reply::text(500, "no")).await;
    let (driver, _) = paused(dir.path(), &broken.address).await;
    let untold = until_told(&broken, |ids| !ids.is_empty()).await;
    stop(driver, dir.path()).await;
    let stub = Stub::new(|_| Reply::text(200, "ok")).await;
    let (driver, _) = paused(dir.path(), &stub.address).await;
    let told = until_told(&stub, |ids| untold.iter().all(|id| ids.contains(id))).await;
    let count = |id: &String| told.iter().filter(|it| *it == id).count();
    assert!(untold.iter().all(|id| count(id) == 1), "{told:?}");
    stop(driver, dir.path()).await;
}
