use std::sync::{Arc, Mutex};

use futures::FutureExt;
use gradatim_core::decision::{Decision, Saved};
use gradatim_core::event::{Event, EventId, EventKind};
use gradatim_core::fault::FaultKind;
use gradatim_core::order::{Acknowledgement, Expects, OrderKind};
use gradatim_core::plan::Plan;
use gradatim_core::port::mock::MockNotifier;
use gradatim_core::port::{MailboxOrder, PortError, Store};
use gradatim_core::time::Timestamp;

use crate::store::MemoryStore;
use crate::testing::{Script, flight, state, workload};
use crate::{OrderError, Ports, Round};

fn round(script: &Script, store: &MemoryStore) -> Round {
    let ports = ports(script, store);
    Round::new("shop", Plan::rolling_update("shop"), ports).holder("me")
}

fn ports(script: &Script, store: &MemoryStore) -> Ports {
    Ports::new(Arc::new(workload()), Arc::new(store.clone())).policy(Arc::new(script.clone()))
}

fn taking(source: &str, sequence: u64, refused: Option<&str>) -> Decision {
    Decision {
        state: Some(state(sequence)),
        acknowledged: vec![Acknowledgement {
            source: source.to_owned(),
            sequence,
            refused: refused.map(str::to_owned),
        }],
        ..flight()
    }
}

fn abort() -> MailboxOrder {
    MailboxOrder {
        kind: OrderKind::Abort,
        expects: Expects::default(),
        by: None,
    }
}

#[tokio::test]
async fn an_order_is_answered_only_after_its_save() {
    let store = MemoryStore::new();
    let script = Script::new([flight(), taking("handle", 1, None)]);
    let mut round = round(&script, &store);
    round.turn().await.unwrap();
    let ticket = round.order(OrderKind::Abort, Expects::default());
    // Somebody saves in between, so that this round's save is a conflict.
    store.put(Saved::State(state(7)));
    round.turn().await.unwrap();
    let mut answer = Box::pin(ticket.answer());
    assert!(answer.as_mut().now_or_never().is_none());
    round.turn().await.unwrap();
    assert_eq!(answer.await, Ok(()));
    let orders = script.seen().into_iter().map(|seen| seen.orders.len());
    assert_eq!(orders.collect::<Vec<_>>(), [0, 1, 1]);
}

#[tokio::test]
async fn a_refused_order_says_why_and_a_dropped_round_that_it_is_gone() {
    let script = Script::new([taking("handle", 1, Some("there is nothing to abort"))]);
    let mut round = round(&script, &MemoryStore::new());
    let ticket = round.order(OrderKind::Abort, Expects::default());
    round.turn().await.unwrap();
    let why = "there is nothing to abort".to_owned();
    assert_eq!(ticket.answer().await, Err(OrderError::Refused(why)));
    let late = round.order(OrderKind::Retry, Expects::default());
    drop(round);
    assert_eq!(late.answer().await, Err(OrderError::Gone));
}

#[tokio::test]
async fn orders_are_numbered_above_those_that_the_state_has_taken() {
    let store = MemoryStore::new();
    let mut saved = state(1);
    saved.orders.insert("handle".to_owned(), 6);
    store.put(Saved::State(saved));
    let script = Script::new([flight()]);
    let mut round = round(&script, &store);
    let _ticket = round.order(OrderKind::Pause, Expects::default());
    round.turn().await.unwrap();
    assert_eq!(script.seen()[0].orders[0].sequence, 7);
}

#[tokio::test]
async fn an_order_stays_in_the_mailbox_until_its_effect_is_saved() {
    let store = MemoryStore::new();
    store.leave(&abort()).await.unwrap();
    let script = Script::new([flight(), taking("mailbox", 1, None)]);
    let mut round = round(&script, &store);
    round.turn().await.unwrap();
    store.put(Saved::State(state(7)));
    round.turn().await.unwrap();
    assert_eq!(store.pending().await.unwrap().len(), 1);
    round.turn().await.unwrap();
    assert_eq!(store.pending().await.unwrap(), []);
}

fn event(number: u64) -> Event {
    Event {
        id: EventId {
            incarnation: 1,
            number,
        },
        at: Timestamp::ZERO,
        kind: EventKind::RolloutAborted,
        text: String::new(),
        evidence: Vec::new(),
    }
}

fn telling(numbers: &[u64]) -> Decision {
    Decision {
        events: numbers.iter().copied().map(event).collect(),
        ..flight()
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_told_once_in_order_and_confirmed_until_it_is_forgotten() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (mut first, mut second) = (MockNotifier::new(), MockNotifier::new());
    let heard = Arc::clone(&told);
    first.expect_tell().returning(move |_, event| {
        heard.lock().unwrap().push(event.id.number);
        Ok(())
    });
    // One notifier fails at first; the other must not hear it twice for that.
    let mut answers = vec![Err(FaultKind::Unreachable)].into_iter();
    second.expect_tell().returning(move |_, _| {
        let answer: Result<(), FaultKind> = answers.next().unwrap_or(Ok(()));
        answer.map_err(|kind| PortError::new(kind, "no"))
    });
    let script = Script::new([
        telling(&[1, 2]),
        telling(&[1, 2, 3]),
        telling(&[3]),
        flight(),
    ]);
    let ports = ports(&script, &MemoryStore::new())
        .notifier(Arc::new(first))
        .notifier(Arc::new(second));
    let mut round = Round::new("shop", Plan::rolling_update("shop"), ports);
    for _ in 0..4 {
        round.turn().await.unwrap();
        round.finish().await;
    }
    assert_eq!(*told.lock().unwrap(), [1, 2, 3]);
    let ids = |numbers: &[u64]| numbers.iter().map(|n| event(*n).id).collect::<Vec<_>>();
    let delivered: Vec<_> = script
        .seen()
        .into_iter()
        .map(|seen| seen.delivered)
        .collect();
    assert_eq!(
        delivered,
        [ids(&[]), ids(&[1, 2]), ids(&[1, 2, 3]), ids(&[3])]
    );
}

#[tokio::test]
async fn events_of_a_decision_that_was_not_saved_are_not_told() {
    let store = MemoryStore::new();
    let mut notifier = MockNotifier::new();
    notifier.expect_tell().never();
    let unsaved = Decision {
        state: Some(state(1)),
        ..telling(&[1])
    };
    let script = Script::new([flight(), unsaved]);
    let ports = ports(&script, &store).notifier(Arc::new(notifier));
    let mut round = Round::new("shop", Plan::rolling_update("shop"), ports);
    round.turn().await.unwrap();
    store.put(Saved::State(state(7)));
    round.turn().await.unwrap();
    round.finish().await;
}
