//! A driver on a file store, over two servers of each version and a router in memory.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gradatim::capability::Capabilities;
use gradatim::compile;
use gradatim::driver::log::DecisionLog;
use gradatim::driver::store::FileStore;
use gradatim::id::RevisionId;
use gradatim::plan::Plan;
use gradatim::port::{PortError, TrafficRouter, Workload};
use gradatim::registry::Registry;
use gradatim::route::{BoundSlot, Confidence, Route, RouteSeen, Seen, Stamped};
use gradatim::spec::{CanarySpec, RolloutSpec, StepSpec, TrafficRouting};
use gradatim::stamp::Stamp;
use gradatim::time::Timestamp;
use gradatim::workload::{RevisionSeen, WorkloadSeen};
use gradatim::{Driver, Ports, Release};

struct Servers;

#[async_trait]
impl Workload for Servers {
    async fn observe(&self) -> Result<WorkloadSeen, PortError> {
        let version = |id, number| RevisionSeen::new(id, number, Timestamp::ZERO).serving(2);
        let mut seen = WorkloadSeen::new("v2", 2, vec![version("v1", 1), version("v2", 2)]);
        seen.recorded_stable = Some("v1".into());
        seen.scales = false;
        Ok(seen)
    }
    async fn scale(&self, _: &RevisionId, _: u32, _: Stamp) -> Result<(), PortError> {
        unreachable!("fixed servers are not scaled")
    }
}

#[derive(Default)]
struct Memory(Mutex<Option<Route>>);

pub(crate) fn capabilities() -> Capabilities {
    Capabilities {
        confidence: Confidence::Proxy,
        settle: Duration::ZERO,
        ..Capabilities::default()
    }
}

#[async_trait]
impl TrafficRouter for Memory {
    fn capabilities(&self) -> Capabilities {
        capabilities()
    }
    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        *self.0.lock().unwrap() = Some(route.clone());
        Ok(())
    }
    async fn observe(&self) -> Result<RouteSeen, PortError> {
        let Some(route) = self.0.lock().unwrap().clone() else {
            return Ok(RouteSeen::default());
        };
        let bound = |id: &RevisionId| BoundSlot {
            revision: Some(id.clone()),
            ready_endpoints: None,
        };
        let slots = route
            .bind
            .value
            .iter()
            .map(|(slot, id)| (*slot, bound(id)))
            .collect();
        Ok(RouteSeen {
            bind: Some(seen(Stamped::new(slots, route.bind.stamp))),
            split: Some(seen(route.split)),
            headers: None,
            mirrors: None,
        })
    }
}

fn seen<T: PartialEq>(part: Stamped<T>) -> Seen<T> {
    Seen::agreed(
        part.value,
        Some(part.stamp),
        Confidence::Proxy,
        Timestamp::ZERO,
    )
}

/// 20 %, a pause without end, 60 %, another one.
pub(crate) fn plan() -> Plan {
    let steps = [20, 60].map(|weight| [StepSpec::set_weight(weight), StepSpec::pause()]);
    let routing = TrafficRouting::new("memory", serde_json::Value::Null);
    let canary = CanarySpec::new(steps.into_iter().flatten()).with_traffic_routing(routing);
    let registry = Registry::new().with_router("memory", |_, _| Ok(capabilities()));
    let spec = RolloutSpec::new("shop", canary).with_replicas(2);
    compile(&spec, &[], &registry).unwrap().plan
}

const HOLDER: &str = "test";

/// Stops a driver, and says so to those who look at its store.
pub(crate) async fn stop(driver: Driver, dir: &Path) {
    driver.shut_down().await;
    let store = FileStore::open(dir.join("releases")).unwrap();
    store.retire(HOLDER).unwrap();
}

/// A driver that delivers v2 of "shop", and writes a decision log beside the store.
pub(super) async fn deliver(dir: &Path) -> (Driver, Release) {
    deliver_plan(dir, plan(), |ports| ports).await
}

/// The same by a plan of one's own, with more ports.
pub(crate) async fn deliver_plan(
    dir: &Path,
    mut plan: Plan,
    more: impl FnOnce(Ports) -> Ports,
) -> (Driver, Release) {
    plan.drain_delay = Duration::ZERO;
    let store = FileStore::open(dir.join("releases")).unwrap();
    let log = DecisionLog::append(dir.join("decisions.jsonl")).unwrap();
    let ports = Ports::new(Arc::new(Servers), Arc::new(store.rollout("shop")));
    let driver = Driver::builder()
        .holder(HOLDER)
        .witness(Arc::new(store))
        .witness(Arc::new(log))
        .build();
    let ports = more(ports.router(Arc::new(Memory::default())));
    let release = driver.start("shop", plan.sealed(), ports).await.unwrap();
    (driver, release)
}
