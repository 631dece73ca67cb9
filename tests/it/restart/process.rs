//! A driver in a process of its own: this test binary, started once more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::capability::Capabilities;
use gradatim_core::compile;
use gradatim_core::id::RevisionId;
use gradatim_core::plan::Plan;
use gradatim_core::port::{PortError, TrafficRouter, Workload};
use gradatim_core::registry::Registry;
use gradatim_core::route::{Route, RouteSeen, Slot};
use gradatim_core::spec::{CanarySpec, RolloutSpec, StepSpec, TrafficRouting};
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::{RevisionSeen, WorkloadSeen};
use gradatim_driver::store::FileStore;
use gradatim_driver::{Driver, Outcome, Ports};

use super::board::{BoardRouter, capabilities};
use crate::signal::signal;

/// A file that is there once the process has come to its halt.
const HALTED: &str = "halted";
/// A file without which it does not go on.
const GOES_ON: &str = "goes-on";

/// Where the process finds its world.
const DIR: &str = "GRADATIM_TEST_WORLD";
/// Before which weight it comes to a halt, after the save and before the write.
const HALTS_AT: &str = "GRADATIM_TEST_HALTS_AT";
/// The weight at which the plan pauses without end.
const HOLDS_AT: &str = "GRADATIM_TEST_HOLDS_AT";
/// The name of its driver.
const HOLDER: &str = "GRADATIM_TEST_HOLDER";

/// Two servers of each version, which nobody scales.
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

/// Comes to a halt before it writes a weight: there the process is stopped from outside.
struct Halts {
    inner: BoardRouter,
    at: Option<u32>,
}

#[async_trait]
impl TrafficRouter for Halts {
    fn capabilities(&self) -> Capabilities {
        capabilities()
    }
    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        if self.at == Some(route.split.value.part(Slot::Canary)) {
            fs::write(self.inner.0.join(HALTED), "").unwrap();
            // A stop may take a while to reach this thread, which must not go on before.
            until(|| self.inner.0.join(GOES_ON).exists());
        }
        self.inner.apply(route).await
    }
    async fn observe(&self) -> Result<RouteSeen, PortError> {
        self.inner.observe().await
    }
}

/// 20, 40, 60 and 80 % with short pauses between, and one without end at `hold`.
pub(super) fn plan(hold: Option<u32>) -> Plan {
    let pause = |weight| match hold {
        Some(at) if at == weight => StepSpec::pause(),
        _ => StepSpec::pause_for(Duration::from_millis(100)),
    };
    let steps = [20, 40, 60, 80].map(|weight| [StepSpec::set_weight(weight), pause(weight)]);
    let routing = TrafficRouting::new("board", serde_json::Value::Null);
    let canary = CanarySpec::new(steps.into_iter().flatten()).with_traffic_routing(routing);
    let registry = Registry::new().with_router("board", |_, _| Ok(capabilities()));
    let spec = RolloutSpec::new("shop", canary).with_replicas(2);
    let mut plan = compile(&spec, &[], &registry).unwrap().plan;
    plan.drain_delay = Duration::ZERO;
    plan.sealed()
}

pub(super) fn store(dir: &Path) -> FileStore {
    FileStore::open(dir.join("store")).unwrap()
}

/// A driver of this name takes the rollout, by force where it must, and sees it to its end.
pub(super) async fn deliver(
    dir: &Path,
    holder: &str,
    plan: Plan,
    halts_at: Option<u32>,
) -> Outcome {
    let (store, inner) = (store(dir), BoardRouter(dir.to_owned()));
    let ports =
        Ports::new(Arc::new(Servers), Arc::new(store.rollout("shop"))).router(Arc::new(Halts {
            inner,
            at: halts_at,
        }));
    let driver = Driver::builder()
        .holder(holder)
        .take_over(true)
        .witness(Arc::new(store))
        .build();
    let release = driver.start("shop", plan, ports).await.unwrap();
    let outcome = release.outcome().await;
    driver.shut_down().await;
    outcome
}

/// The other process: it does nothing unless [`start`] has started it.
#[test]
fn driver() {
    let Ok(dir) = std::env::var(DIR) else {
        return;
    };
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let (dir, holder) = (PathBuf::from(dir), std::env::var(HOLDER).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let delivering = deliver(&dir, &holder, plan(number(HOLDS_AT)), number(HALTS_AT));
    let outcome = runtime.block_on(delivering);
    fs::write(
        dir.join(format!("{holder}.outcome")),
        format!("{outcome:?}"),
    )
    .unwrap();
}

/// What a process shall do.
#[derive(Clone, Copy, Default)]
pub(super) struct Orders {
    /// The weight at which the plan pauses without end.
    pub(super) holds_at: Option<u32>,
    /// The weight before whose write the process comes to a halt.
    pub(super) halts_at: Option<u32>,
}

/// Starts a driver in a process of its own; it is killed when it is dropped.
pub(super) fn start(dir: &Path, holder: &str, orders: Orders) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["restart::process::driver", "--exact"])
        .env(DIR, dir)
        .env(HOLDER, holder)
        .stdout(Stdio::null());
    for (name, weight) in [(HOLDS_AT, orders.holds_at), (HALTS_AT, orders.halts_at)] {
        match weight {
            Some(weight) => command.env(name, weight.to_string()),
            None => command.env_remove(name),
        };
    }
    Process(command.spawn().unwrap())
}

pub(super) struct Process(Child);

impl Process {
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL, wherever it stands.
    pub(super) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub(super) fn is_over(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    pub(super) fn wait(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }

    /// Waits for its halt and stops it there, as a machine that is suspended does.
    pub(super) fn stop_at_its_halt(&self, dir: &Path) {
        until(|| dir.join(HALTED).exists());
        self.signal("STOP");
        let stat = format!("/proc/{}/stat", self.id());
        until(|| {
            let text = fs::read_to_string(&stat).unwrap();
            let (_, rest) = text.rsplit_once(") ").unwrap();
            rest.starts_with('T')
        });
        fs::write(dir.join(GOES_ON), "").unwrap();
    }

    pub(super) fn wake(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        signal(&self.0, name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so; a test that waits in vain fails after a minute.
pub(super) fn until(mut so: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if so() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("it did not come to be");
}
