use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::action::Action;
use gradatim_core::capability::Capabilities;
use gradatim_core::decision::{Decision, Saved};
use gradatim_core::fault::FaultKind;
use gradatim_core::plan::Plan;
use gradatim_core::port::mock::{MockStore, MockTrafficRouter};
use gradatim_core::port::{Loaded, Ownership, PortError, Store, Token, TrafficRouter};
use gradatim_core::route::{BoundSlot, Confidence, Route, RouteSeen, Seen, Slot};
use gradatim_core::time::Timestamp;

use crate::clock::{Clock, SystemClock};
use crate::store::MemoryStore;
use crate::testing::{Script, StillClock, flight, route, stamp, state, workload};
use crate::{Persisted, Ports, Round, Turn};

type Journal = Arc<Mutex<Vec<String>>>;

fn wanting(actions: Vec<Action>) -> Decision {
    Decision {
        state: Some(state(1)),
        actions,
        ..flight()
    }
}

fn router() -> MockTrafficRouter {
    let mut router = MockTrafficRouter::new();
    router.expect_highest_stamp().returning(|| Ok(None));
    router
        .expect_observe()
        .returning(|| Ok(RouteSeen::default()));
    router
        .expect_capabilities()
        .returning(Capabilities::default);
    router
}

fn written(router: &mut MockTrafficRouter, journal: &Journal, name: &'static str) {
    let journal = Arc::clone(journal);
    router.expect_apply().returning(move |_| {
        journal.lock().unwrap().push(name.to_owned());
        Ok(())
    });
}

fn store(save: impl Fn() -> Result<Token, PortError> + Send + 'static) -> MockStore {
    let mut store = MockStore::new();
    let owner = || Ownership {
        holder: "me".to_owned(),
        epoch: 1,
    };
    store.expect_take().returning(move |_, _, _| Ok(owner()));
    store.expect_owner().returning(move || Ok(Some(owner())));
    store.expect_pending().returning(|| Ok(Vec::new()));
    store.expect_load().returning(|| {
        Ok(Loaded {
            saved: Saved::Nothing { incarnation: 1 },
            token: Token("0".to_owned()),
        })
    });
    store.expect_save().returning(move |_, _, _| save());
    store
}

fn refuses(kind: FaultKind) -> MockStore {
    store(move || Err(PortError::new(kind, "no")))
}

fn round(script: &Script, store: impl Store + 'static, routers: Vec<MockTrafficRouter>) -> Round {
    let ports = Ports::new(Arc::new(workload()), Arc::new(store)).policy(Arc::new(script.clone()));
    let add = |ports: Ports, router| ports.router(Arc::new(router));
    let ports = routers.into_iter().fold(ports, add);
    Round::new("shop", Plan::rolling_update("shop"), ports)
}

/// A round with one router, whose clock stands still.
fn still(script: &Script, clock: &Arc<StillClock>, router: MockTrafficRouter) -> Round {
    let ports = Ports::new(Arc::new(workload()), Arc::new(MemoryStore::new()))
        .policy(Arc::new(script.clone()))
        .clock(Arc::<StillClock>::clone(clock))
        .router(Arc::new(router));
    Round::new("shop", Plan::rolling_update("shop"), ports)
}

async fn turn(round: &mut Round) -> Turn {
    round.turn().await.unwrap()
}

#[tokio::test]
async fn a_decision_is_saved_before_anything_is_performed() {
    let journal = Journal::default();
    let saved = Arc::clone(&journal);
    let store = store(move || {
        saved.lock().unwrap().push("save".to_owned());
        Ok(Token("1".to_owned()))
    });
    let mut router = router();
    written(&mut router, &journal, "apply");
    let script = Script::new([wanting(vec![route(20, 1, false)])]);
    let turned = turn(&mut round(&script, store, vec![router])).await;
    assert_eq!(turned.persisted, Persisted::Saved);
    assert_eq!(*journal.lock().unwrap(), ["save", "apply"]);
}

#[tokio::test]
async fn a_conflict_performs_no_raise_and_observes_again_at_once() {
    let mut raised = router();
    raised.expect_apply().never();
    let script = Script::new([wanting(vec![route(20, 1, false)])]);
    let turned = turn(&mut round(
        &script,
        refuses(FaultKind::Conflict),
        vec![raised],
    ))
    .await;
    assert!(matches!(turned.persisted, Persisted::Failed(_)));
    assert!(turned.come_back <= SystemClock::new().now());
}

#[tokio::test]
async fn what_only_lowers_the_canary_goes_out_although_the_save_failed() {
    let mut lowered = router();
    lowered.expect_apply().times(1).returning(|_| Ok(()));
    let scale = Action::Scale {
        revision: "v2".into(),
        replicas: 5,
        stamp: stamp(2),
    };
    // The mock of the workload panics when it is scaled.
    let script = Script::new([wanting(vec![route(0, 1, true), scale])]);
    let store = refuses(FaultKind::Unreachable);
    let turned = turn(&mut round(&script, store, vec![lowered])).await;
    assert!(matches!(turned.persisted, Persisted::Failed(_)));
}

#[tokio::test]
async fn a_raise_writes_no_router_while_one_cannot_be_read() {
    let mut first = router();
    first.expect_apply().never();
    let mut second = MockTrafficRouter::new();
    second.expect_highest_stamp().returning(|| Ok(None));
    second
        .expect_observe()
        .returning(|| Err(PortError::new(FaultKind::Unreachable, "gone")));
    second.expect_apply().never();
    let script = Script::new([wanting(vec![route(20, 1, false)])]);
    turn(&mut round(&script, MemoryStore::new(), vec![first, second])).await;
    assert!(script.seen()[0].routes[1].fault().is_some());
}

#[tokio::test]
async fn a_lowering_writes_every_router_it_can_and_tries_the_others_again() {
    let journal = Journal::default();
    let mut broken = router();
    let tries = Arc::clone(&journal);
    broken.expect_apply().returning(move |_| {
        tries.lock().unwrap().push("broken".to_owned());
        Err(PortError::new(FaultKind::Unreachable, "gone"))
    });
    let mut whole = router();
    written(&mut whole, &journal, "whole");
    let script = Script::new([wanting(vec![route(0, 1, true)])]);
    let mut round = round(&script, MemoryStore::new(), vec![broken, whole]);
    let first = turn(&mut round).await;
    assert_eq!(*journal.lock().unwrap(), ["broken", "whole"]);
    assert!(first.come_back.since(first.now) <= Duration::from_secs(5));
    turn(&mut round).await;
    let faults = &script.seen()[1].faults;
    assert_eq!(faults[0].stamp, stamp(1));
    assert_eq!(faults[0].fault.kind, FaultKind::Unreachable);
}

#[tokio::test]
async fn a_route_that_was_written_is_not_written_again_because_pods_come_and_go() {
    let ready = Arc::new(AtomicU32::new(0));
    let mut router = MockTrafficRouter::new();
    router.expect_highest_stamp().returning(|| Ok(None));
    router
        .expect_capabilities()
        .returning(Capabilities::default);
    let counted = Arc::clone(&ready);
    router.expect_observe().returning(move || {
        let bound = BoundSlot {
            revision: Some("v1".into()),
            ready_endpoints: Some(counted.fetch_add(1, Ordering::Relaxed)),
        };
        let slots = BTreeMap::from([(Slot::Stable, bound)]);
        let since = Timestamp::ZERO;
        let bind = Some(Seen::agreed(slots, None, Confidence::Config, since));
        Ok(RouteSeen {
            bind,
            ..RouteSeen::default()
        })
    });
    router.expect_apply().times(1).returning(|_| Ok(()));
    let script = Script::new([wanting(vec![route(20, 1, false)])]);
    let mut round = round(&script, MemoryStore::new(), vec![router]);
    turn(&mut round).await;
    turn(&mut round).await;
}

#[tokio::test]
async fn a_route_that_was_written_is_not_written_again_because_it_could_not_be_read_once() {
    let looks = AtomicU32::new(0);
    let mut router = MockTrafficRouter::new();
    router.expect_highest_stamp().returning(|| Ok(None));
    router
        .expect_capabilities()
        .returning(Capabilities::default);
    router.expect_observe().returning(move || {
        match looks.fetch_add(1, Ordering::Relaxed) {
            // A conflict is looked at again at once.
            1 => Err(PortError::new(FaultKind::Conflict, "409")),
            _ => Ok(RouteSeen::default()),
        }
    });
    router.expect_apply().times(1).returning(|_| Ok(()));
    let wanted = || wanting(vec![route(20, 1, false)]);
    let script = Script::new([wanted(), wanting(Vec::new()), wanted()]);
    let mut round = round(&script, MemoryStore::new(), vec![router]);
    for _ in 0..3 {
        turn(&mut round).await;
    }
}

#[tokio::test]
async fn an_action_that_succeeded_is_held_back_until_something_else_is_seen() {
    let shown = Arc::new(AtomicU32::new(0));
    let applied = Arc::new(AtomicU32::new(0));
    let mut router = MockTrafficRouter::new();
    router.expect_highest_stamp().returning(|| Ok(None));
    router
        .expect_capabilities()
        .returning(Capabilities::default);
    let (show, count) = (Arc::clone(&shown), Arc::clone(&applied));
    router.expect_observe().returning(move || {
        let mut seen = RouteSeen::default();
        if show.load(Ordering::Relaxed) > 0 {
            let since = Timestamp::ZERO;
            seen.headers = Some(Seen::agreed(Vec::new(), None, Confidence::Config, since));
        }
        Ok(seen)
    });
    router.expect_apply().returning(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let script = Script::new([wanting(vec![route(20, 1, false)])]);
    let mut round = round(&script, MemoryStore::new(), vec![router]);
    turn(&mut round).await;
    turn(&mut round).await;
    assert_eq!(applied.load(Ordering::Relaxed), 1);
    shown.store(1, Ordering::Relaxed);
    turn(&mut round).await;
    assert_eq!(applied.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_conflict_of_a_write_is_answered_by_looking_again_at_once_and_then_with_patience() {
    let mut router = router();
    router
        .expect_apply()
        .returning(|_| Err(PortError::new(FaultKind::Conflict, "409")));
    let script = Script::new([wanting(vec![route(20, 1, false)])]);
    let mut round = still(&script, &Arc::default(), router);
    let first = turn(&mut round).await;
    assert_eq!(first.come_back, first.now);
    let second = turn(&mut round).await;
    let patience = second.come_back.since(second.now);
    assert_eq!(patience, Duration::from_secs(2));
}

#[tokio::test]
async fn a_write_is_looked_after_soon_and_then_ever_later() {
    let mut router = router();
    router.expect_apply().times(1).returning(|_| Ok(()));
    let script = Script::new([wanting(vec![route(20, 1, false)])]);
    let clock = Arc::new(StillClock::default());
    let mut round = still(&script, &clock, router);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let turned = turn(&mut round).await;
        pauses.push(turned.come_back.since(turned.now).as_millis());
        clock.set(turned.come_back);
    }
    assert_eq!(pauses, [250, 250, 500, 1000, 2000, 4000, 8000]);
}

/// Answers nothing, ever.
struct Hanging;

#[async_trait]
impl TrafficRouter for Hanging {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
    async fn apply(&self, _: &Route) -> Result<(), PortError> {
        std::future::pending().await
    }
    async fn observe(&self) -> Result<RouteSeen, PortError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_router_costs_no_more_than_its_deadlines_and_keeps_nobody_else_waiting() {
    let journal = Journal::default();
    let mut whole = router();
    written(&mut whole, &journal, "whole");
    let clock = Arc::new(SystemClock::new());
    let script = Script::new([wanting(vec![route(0, 1, true)])]);
    let ports = Ports::new(Arc::new(workload()), Arc::new(MemoryStore::new()))
        .policy(Arc::new(script.clone()))
        .clock(clock.clone())
        .router(Arc::new(Hanging))
        .router(Arc::new(whole));
    let mut round = Round::new("shop", Plan::rolling_update("shop"), ports);
    let start = clock.now();
    turn(&mut round).await;
    let took = clock.now().since(start);
    // The highest stamp, the observation and the write: 10 s each.
    assert!(took <= Duration::from_secs(32), "{took:?}");
    assert_eq!(*journal.lock().unwrap(), ["whole"]);
    let start = clock.now();
    turn(&mut round).await;
    let took = clock.now().since(start);
    assert!(took <= Duration::from_secs(22), "{took:?}");
    assert_eq!(
        script.seen()[0].routes[0].fault().unwrap().kind,
        FaultKind::Timeout
    );
}
