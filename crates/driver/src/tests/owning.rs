use std::sync::Arc;

use gradatim_core::action::Action;
use gradatim_core::capability::Capabilities;
use gradatim_core::decision::{Decision, Saved};
use gradatim_core::fault::FaultKind;
use gradatim_core::plan::Plan;
use gradatim_core::port::mock::MockTrafficRouter;
use gradatim_core::port::{PortError, Store};
use gradatim_core::route::RouteSeen;
use gradatim_core::stamp::Stamp;

use crate::store::MemoryStore;
use crate::testing::{Script, flight, rest, route, state, workload};
use crate::{Ports, Round, TurnError};

fn ports(script: &Script, store: &MemoryStore) -> Ports {
    Ports::new(Arc::new(workload()), Arc::new(store.clone())).policy(Arc::new(script.clone()))
}

fn round(ports: Ports, holder: &str) -> Round {
    Round::new("shop", Plan::rolling_update("shop"), ports).holder(holder)
}

fn moving(sequence: u64) -> Decision {
    Decision {
        state: Some(state(sequence)),
        ..flight()
    }
}

#[tokio::test]
async fn the_first_round_knows_that_it_took_over_and_the_next_one_does_not() {
    let (script, store) = (Script::new([moving(1)]), MemoryStore::new());
    let mut round = round(ports(&script, &store), "one");
    round.turn().await.unwrap();
    round.turn().await.unwrap();
    let taken: Vec<bool> = script.seen().iter().map(|seen| seen.taken_over).collect();
    assert_eq!(taken, [true, false]);
}

#[tokio::test]
async fn an_epoch_is_above_every_stamp_on_a_router() {
    let mut router = MockTrafficRouter::new();
    router.expect_highest_stamp().returning(|| {
        Ok(Some(Stamp {
            epoch: 41,
            ..Stamp::default()
        }))
    });
    router
        .expect_observe()
        .returning(|| Ok(RouteSeen::default()));
    let (script, store) = (Script::default(), MemoryStore::new());
    let ports = ports(&script, &store).router(Arc::new(router));
    round(ports, "one").turn().await.unwrap();
    assert_eq!(script.seen()[0].epoch, 42);
}

#[tokio::test]
async fn a_driver_that_was_replaced_stops_acting_and_says_so() {
    let store = MemoryStore::new();
    // The mock of the workload panics when it is scaled.
    let scale = Action::Scale {
        revision: "v2".into(),
        replicas: 5,
        stamp: Stamp::default(),
    };
    let late = Decision {
        actions: vec![scale],
        ..moving(2)
    };
    let script = Script::new([moving(1), late]);
    let mut old = round(ports(&script, &store), "old");
    old.turn().await.unwrap();
    let mut new = round(ports(&Script::new([moving(3)]), &store), "new").take_over(true);
    new.turn().await.unwrap();
    assert!(matches!(old.turn().await, Err(TurnError::Lost(_))));
    assert!(matches!(old.turn().await, Err(TurnError::Lost(_))));
    assert_eq!(store.saved(), Some(Saved::State(state(3))));
}

#[tokio::test]
async fn a_rollout_of_a_living_driver_is_not_taken_without_force() {
    let store = MemoryStore::new();
    store.take("other", 0, false).await.unwrap();
    let mut round = round(ports(&Script::default(), &store), "me");
    let error = round.turn().await.unwrap_err();
    assert!(matches!(error, TurnError::NotTaken(error) if error.kind == FaultKind::Forbidden));
}

#[tokio::test]
async fn an_owner_whose_epoch_is_too_low_takes_a_higher_one() {
    let mut router = MockTrafficRouter::new();
    let mut stamps = vec![None, Some(9)].into_iter();
    router.expect_highest_stamp().returning(move || {
        let epoch = stamps.next().flatten();
        Ok(epoch.map(|epoch| Stamp {
            epoch,
            ..Stamp::default()
        }))
    });
    router
        .expect_capabilities()
        .returning(Capabilities::default);
    router
        .expect_observe()
        .returning(|| Ok(RouteSeen::default()));
    router
        .expect_apply()
        .returning(|_| Err(PortError::new(FaultKind::Fenced, "newer")));
    let acting = Decision {
        actions: vec![route(20, 1, false)],
        ..moving(1)
    };
    let (script, store) = (Script::new([acting, rest()]), MemoryStore::new());
    let mut round = round(ports(&script, &store).router(Arc::new(router)), "me");
    let first = round.turn().await.unwrap();
    assert!(first.come_back <= first.now);
    round.turn().await.unwrap();
    let seen = script.seen();
    assert_eq!([seen[0].epoch, seen[1].epoch], [1, 10]);
    assert!(seen[1].taken_over);
}

#[tokio::test]
async fn a_router_without_a_fence_is_not_written_by_a_driver_that_was_replaced() {
    let mut router = MockTrafficRouter::new();
    router.expect_highest_stamp().returning(|| Ok(None));
    router.expect_capabilities().returning(|| Capabilities {
        fenced: false,
        ..Capabilities::default()
    });
    router
        .expect_observe()
        .returning(|| Ok(RouteSeen::default()));
    router.expect_apply().never();
    let raise = Decision {
        actions: vec![route(20, 1, false)],
        ..flight()
    };
    let (script, store) = (Script::new([flight(), raise]), MemoryStore::new());
    let mut old = round(ports(&script, &store).router(Arc::new(router)), "old");
    old.turn().await.unwrap();
    store.take("new", 0, true).await.unwrap();
    assert!(matches!(old.turn().await, Err(TurnError::Lost(_))));
}

#[tokio::test]
async fn a_workload_without_a_fence_is_not_scaled_by_a_driver_that_was_replaced() {
    // The mock of the workload panics when it is scaled, and says that it is not fenced.
    let scale = Decision {
        actions: vec![Action::Scale {
            revision: "v2".into(),
            replicas: 5,
            stamp: Stamp::default(),
        }],
        ..flight()
    };
    let (script, store) = (Script::new([flight(), scale]), MemoryStore::new());
    let mut old = round(ports(&script, &store), "old");
    old.turn().await.unwrap();
    store.take("new", 0, true).await.unwrap();
    assert!(matches!(old.turn().await, Err(TurnError::Lost(_))));
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_an_unreadable_state_and_not_a_silence() {
    let mut store = gradatim_core::port::mock::MockStore::new();
    store.expect_take().returning(|holder, _, _| {
        let holder = holder.to_owned();
        Ok(gradatim_core::port::Ownership { holder, epoch: 1 })
    });
    store.expect_pending().returning(|| Ok(Vec::new()));
    store
        .expect_load()
        .returning(|| Err(PortError::new(FaultKind::Unreachable, "disk gone")));
    let script = Script::default();
    let ports = Ports::new(Arc::new(workload()), Arc::new(store)).policy(Arc::new(script.clone()));
    round(ports, "me").turn().await.unwrap();
    let message = "the store cannot be read: disk gone".to_owned();
    assert_eq!(script.saved(), [Saved::Unreadable { message }]);
}
