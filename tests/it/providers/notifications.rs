//! Notifications by webhook: each event once, whatever stands in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use gradatim_conformance::notifier::{self, Bench};
use gradatim_core::event::{Event, EventId, EventKind};
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RolloutId;
use gradatim_core::port::Notifier;
use gradatim_core::time::Timestamp;
use gradatim_web::{JSON, SLACK, WebhookNotifier};
use serde_json::{Value, json};

use super::keys;
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
            heard
                .lock()
                .unwrap()
                .push(body["text"].as_str().unwrap().to_owned());
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
    assert_eq!(body(&stub), json!({"text": format!("*shop* {text}")}));
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
            "at": "2027-01-15T08:00:00Z", "id": "1-7",
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
