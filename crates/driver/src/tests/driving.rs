use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::decision::{Decision, Phase, Saved};
use gradatim_core::event::{Event, EventId, EventKind};
use gradatim_core::fault::FaultKind;
use gradatim_core::id::{RevisionId, RolloutId};
use gradatim_core::observation::Observation;
use gradatim_core::order::{Acknowledgement, Expects, OrderKind};
use gradatim_core::plan::{Plan, RouterPlan};
use gradatim_core::policy::Policy;
use gradatim_core::port::mock::MockNotifier;
use gradatim_core::port::{MailboxOrder, PortError, Store, Workload};
use gradatim_core::reason::Reason;
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::WorkloadSeen;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::log::DecisionLog;
use crate::metrics::Metrics;
use crate::store::MemoryStore;
use crate::testing::{Script, flight, rest, seen_workload};
use crate::{Driver, Outcome, Ports, Release, StartError, Turn, TurnError, Witness};

/// A workload whose wanted version a test moves.
#[derive(Default)]
struct Servers {
    wanted: Mutex<Option<RevisionId>>,
    bell: Notify,
    /// Whether it says "changed" without end.
    noisy: bool,
    watched: bool,
}

impl Servers {
    fn want(&self, revision: &str) {
        *self.wanted.lock().unwrap() = Some(RevisionId::new(revision));
        self.bell.notify_one();
    }
}

#[async_trait]
impl Workload for Servers {
    async fn observe(&self) -> Result<WorkloadSeen, PortError> {
        let mut seen = seen_workload();
        if let Some(wanted) = self.wanted.lock().unwrap().clone() {
            seen.wanted = wanted;
        }
        Ok(seen)
    }
    async fn scale(&self, _: &RevisionId, _: u32, _: Stamp) -> Result<(), PortError> {
        Ok(())
    }
    async fn restart(&self, _: Timestamp, _: u32, _: Stamp) -> Result<(), PortError> {
        Ok(())
    }
    async fn undo(&self, _: &RevisionId, _: Stamp) -> Result<(), PortError> {
        Ok(())
    }
    fn is_watched(&self) -> bool {
        self.watched
    }
    async fn changed(&self) {
        if !self.noisy {
            self.bell.notified().await;
        }
    }
}

/// Promotes whatever is wanted, aborts on any order, and counts its rounds.
#[derive(Clone, Default)]
struct Simple {
    rounds: Arc<Mutex<Vec<Timestamp>>>,
}

impl Simple {
    fn rounds(&self) -> usize {
        self.rounds.lock().unwrap().len()
    }
}

impl Policy for Simple {
    fn decide(&self, _: &Plan, _: &Saved, seen: &Observation, now: Timestamp) -> Decision {
        self.rounds.lock().unwrap().push(now);
        let wanted = seen.workload.seen().map(|workload| workload.wanted.clone());
        let mut decision = rest();
        decision.summary.latest.clone_from(&wanted);
        let acknowledge = |order: &gradatim_core::order::Order| Acknowledgement {
            source: order.source.clone(),
            sequence: order.sequence,
            refused: None,
        };
        decision.acknowledged = seen.orders.iter().map(acknowledge).collect();
        if seen
            .orders
            .iter()
            .any(|order| order.kind == OrderKind::Abort)
        {
            decision.phase = Phase::Degraded;
            let message = "an operator".to_owned();
            decision.waiting.reason = Reason::Aborted { message };
        } else if wanted == Some(RevisionId::new("stuck")) {
            decision.phase = Phase::Progressing;
            decision.waiting.reason = Reason::Clearing;
        } else {
            decision.summary.stable = wanted;
        }
        decision
    }
}

fn ports(servers: &Arc<Servers>, policy: impl Policy + 'static) -> Ports {
    ports_on(servers, policy, &MemoryStore::new())
}

fn ports_on(servers: &Arc<Servers>, policy: impl Policy + 'static, store: &MemoryStore) -> Ports {
    let workload = Arc::clone(servers) as Arc<dyn Workload>;
    Ports::new(workload, Arc::new(store.clone())).policy(Arc::new(policy))
}

fn plan() -> Plan {
    Plan::rolling_update("shop")
}

async fn start(driver: &Driver, ports: Ports) -> Release {
    driver.start("shop", plan(), ports).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_outcome_speaks_of_the_version_that_is_wanted_now() {
    let (driver, servers) = (Driver::new(), Arc::new(Servers::default()));
    let release = start(&driver, ports(&servers, Simple::default())).await;
    servers.want("v2");
    let revision = RevisionId::new("v2");
    assert_eq!(release.outcome().await, Outcome::Promoted { revision });
}

#[tokio::test(start_paused = true)]
async fn an_order_reaches_the_next_round_and_ends_the_release() {
    let (driver, servers) = (Driver::new(), Arc::new(Servers::default()));
    servers.want("stuck");
    let release = start(&driver, ports(&servers, Simple::default())).await;
    assert_eq!(release.status().outcome(), None);
    assert_eq!(release.order(OrderKind::Abort).await, Ok(()));
    let outcome = release.status().outcome();
    assert!(matches!(outcome, Some(Outcome::RolledBack { why, .. }) if why == "an operator"));
}

#[tokio::test(start_paused = true)]
async fn an_order_left_in_the_store_is_heard_at_once() {
    let (driver, servers) = (Driver::new(), Arc::new(Servers::default()));
    servers.want("stuck");
    let store = MemoryStore::new();
    let workload = Arc::clone(&servers) as Arc<dyn Workload>;
    let ports = Ports::new(workload, Arc::new(store.clone())).policy(Arc::new(Simple::default()));
    let release = start(&driver, ports).await;
    let (kind, expects) = (OrderKind::Abort, Expects::default());
    store
        .leave(&MailboxOrder {
            kind,
            expects,
            by: None,
        })
        .await
        .unwrap();
    let mut status = release.watch();
    let ended = status.wait_for(|status| status.outcome().is_some());
    timeout(Duration::from_secs(1), ended)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(store.pending().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_looked_at_for_safety_unless_every_port_is_watched() {
    for (watched, rounds) in [(false, 7), (true, 1)] {
        let driver = Driver::new();
        let servers = Arc::new(Servers {
            watched,
            ..Servers::default()
        });
        servers.want("stuck");
        let policy = Simple::default();
        let _release = start(&driver, ports(&servers, policy.clone())).await;
        sleep(Duration::from_secs(65)).await;
        assert_eq!(policy.rounds(), rounds, "watched: {watched}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_workload_is_answered_at_once_and_rest_is_quiet() {
    let (driver, servers) = (Driver::new(), Arc::new(Servers::default()));
    let policy = Simple::default();
    let release = start(&driver, ports(&servers, policy.clone())).await;
    sleep(Duration::from_secs(290)).await;
    assert_eq!(policy.rounds(), 1);
    servers.want("v2");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(policy.rounds(), 2);
    let latest = release.status().decision.summary.latest.clone();
    assert_eq!(latest, Some(RevisionId::new("v2")));
}

#[tokio::test(start_paused = true)]
async fn in_flight_it_looks_every_ten_seconds() {
    let (driver, servers) = (Driver::new(), Arc::new(Servers::default()));
    servers.want("stuck");
    let policy = Simple::default();
    let _release = start(&driver, ports(&servers, policy.clone())).await;
    sleep(Duration::from_secs(61)).await;
    let rounds = policy.rounds();
    assert!((7..=8).contains(&rounds), "{rounds}");
}

#[tokio::test(start_paused = true)]
async fn a_decision_wakes_the_loop_at_its_instant() {
    let (driver, servers) = (Driver::new(), Arc::new(Servers::default()));
    let clock = crate::clock::SystemClock::new();
    let wake = crate::clock::Clock::now(&clock) + Duration::from_secs(3);
    let waking = Decision {
        wake: Some(wake),
        ..flight()
    };
    let script = Script::new([waking, flight()]);
    let _release = start(&driver, ports(&servers, script.clone())).await;
    sleep(Duration::from_millis(2900)).await;
    assert_eq!(script.seen().len(), 1);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(script.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_port_that_always_changes_cannot_spin_the_loop() {
    let servers = Servers {
        noisy: true,
        ..Servers::default()
    };
    let (driver, policy) = (Driver::new(), Simple::default());
    let _release = start(&driver, ports(&Arc::new(servers), policy.clone())).await;
    sleep(Duration::from_secs(1)).await;
    let rounds = policy.rounds();
    assert!((5..=25).contains(&rounds), "{rounds}");
}

#[tokio::test(start_paused = true)]
async fn stopping_leaves_the_route_and_aborting_on_exit_takes_it_back_first() {
    let (driver, servers) = (Driver::new(), Arc::new(Servers::default()));
    servers.want("stuck");
    let left = start(&driver, ports(&servers, Simple::default())).await;
    left.stop().await;
    assert_eq!(left.outcome().await, Outcome::Stopped);
    assert_eq!(left.status().decision.phase, Phase::Progressing);

    let aborted = start(&driver, ports(&servers, Simple::default())).await;
    aborted.abort_on_exit(true);
    driver.shut_down().await;
    assert_eq!(aborted.status().decision.phase, Phase::Degraded);
    assert_eq!(
        aborted.order(OrderKind::Pause).await,
        Err(crate::OrderError::Gone)
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_in_good_order_the_next_driver_takes_at_once() {
    let servers = Arc::new(Servers::default());
    servers.want("stuck");
    // In this store an owner is alive for ever.
    let store = MemoryStore::new();
    let ports = || ports_on(&servers, Simple::default(), &store);
    let first = Driver::builder().holder("first").build();
    let _held = first.start("shop", plan(), ports()).await.unwrap();
    let second = Driver::builder().holder("second").build();
    let refused = second.start("shop", plan(), ports()).await.unwrap_err();
    let is_held = matches!(&refused, StartError::Turn(TurnError::NotTaken(_)));
    assert!(is_held, "{refused}");
    first.shut_down().await;
    assert_eq!(store.owner().await.unwrap(), None);
    let taken = second.start("shop", plan(), ports()).await.unwrap();
    assert_eq!(store.owner().await.unwrap().unwrap().epoch, 2);
    taken.stop().await;
    assert_eq!(
        store.owner().await.unwrap(),
        None,
        "one that is stopped alone, as well"
    );

    // A crash hands nothing over.
    drop(second.start("shop", plan(), ports()).await.unwrap());
    drop(second);
    let third = Driver::builder().holder("third").build();
    assert!(third.start("shop", plan(), ports()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn stopping_takes_no_round_that_could_move_traffic_unwatched() {
    let (driver, servers) = (Driver::new(), Arc::new(Servers::default()));
    servers.want("stuck");
    let policy = Simple::default();
    let left = start(&driver, ports(&servers, policy.clone())).await;
    left.stop().await;
    let other = start(&driver, ports(&servers, policy.clone())).await;
    driver.shut_down().await;
    assert_eq!(other.outcome().await, Outcome::Stopped);
    assert_eq!(policy.rounds(), 2);
}

#[tokio::test(start_paused = true)]
async fn another_driver_taking_over_ends_a_release_as_lost() {
    let (old, new) = (
        Driver::new(),
        Driver::builder().holder("new").take_over(true).build(),
    );
    let servers = Arc::new(Servers::default());
    servers.want("stuck");
    let saving = Decision {
        state: Some(crate::testing::state(1)),
        ..flight()
    };
    let store = MemoryStore::new();
    let ports = || {
        let workload = Arc::clone(&servers) as Arc<dyn Workload>;
        let policy = Arc::new(Script::new([saving.clone()]));
        Ports::new(workload, Arc::new(store.clone())).policy(policy)
    };
    let lost = start(&old, ports()).await;
    let refused = Driver::new().start("shop", plan(), ports()).await;
    assert!(matches!(
        refused,
        Err(StartError::Turn(TurnError::NotTaken(error))) if error.kind == FaultKind::Forbidden
    ));
    let _taken = start(&new, ports()).await;
    assert!(matches!(lost.outcome().await, Outcome::Lost { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_panics_breaks_its_own_rollout_and_no_other() {
    struct Panics(Mutex<u32>);
    impl Policy for Panics {
        fn decide(&self, _: &Plan, _: &Saved, _: &Observation, _: Timestamp) -> Decision {
            let mut rounds = self.0.lock().unwrap_or_else(|broken| broken.into_inner());
            *rounds += 1;
            assert!(*rounds < 2, "on purpose");
            flight()
        }
    }
    let (driver, servers) = (Driver::new(), Arc::new(Servers::default()));
    let broken = start(&driver, ports(&servers, Panics(Mutex::new(0)))).await;
    let whole = start(&driver, ports(&servers, Simple::default())).await;
    assert_eq!(broken.outcome().await, Outcome::Broken);
    assert!(matches!(whole.outcome().await, Outcome::Promoted { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_witness_that_panics_breaks_its_own_rollout_and_no_other() {
    struct Panics;
    impl Witness for Panics {
        fn turned(&self, rollout: &RolloutId, _: &Turn) {
            assert_ne!(rollout.as_str(), "broken", "on purpose");
        }
        fn left(&self, rollout: &RolloutId) {
            assert_ne!(rollout.as_str(), "broken", "on purpose");
        }
    }
    let driver = Driver::builder().witness(Arc::new(Panics)).build();
    let servers = Arc::new(Servers::default());
    let ports = || ports(&servers, Simple::default());
    let broken = driver.start("broken", plan(), ports()).await.unwrap();
    let whole = driver.start("whole", plan(), ports()).await.unwrap();
    assert_eq!(broken.outcome().await, Outcome::Broken);
    assert!(matches!(whole.outcome().await, Outcome::Promoted { .. }));
}

#[tokio::test]
async fn a_plan_that_needs_more_than_the_ports_is_refused() {
    let mut needy = plan();
    needy.routers.push(RouterPlan {
        name: "nginx".to_owned(),
        part: serde_json::Value::Null,
        capabilities: gradatim_core::capability::Capabilities::default(),
    });
    let ports = || ports(&Arc::new(Servers::default()), Simple::default());
    let driver = Driver::new();
    let refused = driver.start("shop", needy.clone(), ports()).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("1 routers (nginx)"), "{error}");

    let release = driver.start("shop", plan(), ports()).await.unwrap();
    let refused = release.set_plan(needy);
    assert!(matches!(refused, Err(StartError::Lacking(_))));
    assert!(matches!(release.outcome().await, Outcome::Promoted { .. }));
    assert!(release.status().plan.routers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn witnesses_hear_of_every_round_and_events_are_told_beside_the_loop() {
    let (metrics, log) = (
        Arc::new(Metrics::new()),
        Arc::new(DecisionLog::new(Vec::new())),
    );
    let driver = Driver::builder()
        .witness(Arc::clone(&metrics) as _)
        .witness(Arc::clone(&log) as _)
        .build();
    let event = Event {
        id: EventId {
            incarnation: 1,
            number: 1,
        },
        at: Timestamp::ZERO,
        kind: EventKind::RolloutUpdated,
        text: String::new(),
        evidence: Vec::new(),
    };
    let telling = Decision {
        events: vec![event],
        ..flight()
    };
    let mut notifier = MockNotifier::new();
    notifier.expect_tell().times(1).returning(|_, _| Ok(()));
    let script = Script::new([telling, flight()]);
    let servers = Arc::new(Servers::default());
    let ports = ports(&servers, script.clone()).notifier(Arc::new(notifier));
    let release = start(&driver, ports).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(script.seen().len(), 2);
    assert_eq!(script.seen()[1].delivered.len(), 1);
    let page = metrics.render();
    assert!(
        page.contains(
            r#"rollout_events_total{namespace="",name="shop",reason="RolloutUpdated"} 1"#
        )
    );
    assert!(
        page.contains(r#"rollout_reconcile_bucket{namespace="",name="shop",le="0.01"} 2"#),
        "{page}"
    );
    assert!(
        page.contains(r#"rollout_reconcile_count{namespace="",name="shop"} 2"#),
        "{page}"
    );
    release.stop().await;
    assert!(!metrics.render().contains("shop"));
    drop(driver);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_quiet_rollouts_share_one_loop() {
    let (driver, policy) = (Driver::new(), Simple::default());
    let mut releases = Vec::new();
    for index in 0..2000 {
        let servers = Arc::new(Servers::default());
        let id = format!("shop-{index}");
        let started = driver
            .start(id, plan(), ports(&servers, policy.clone()))
            .await;
        releases.push((started.unwrap(), servers));
    }
    let began = Instant::now();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(policy.rounds(), 2000);
    let (release, servers) = &releases[777];
    servers.want("v2");
    assert!(matches!(release.outcome().await, Outcome::Promoted { .. }));
    // The change and the outcome's own look may be one round or two.
    assert!((2001..=2002).contains(&policy.rounds()));
    assert!(began.elapsed() < Duration::from_secs(62));
}
