//! Webhook gates: open, closed, and silent.

use std::sync::Arc;

use gradatim_core::measurement::{GateState, Outcome, Reading};
use gradatim_core::port::MetricProvider;
use gradatim_core::time::Timestamp;
use gradatim_web::Webhook;
use serde_json::{Value, json};

use super::{ask, keys};
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
