//! The smallest program: v2 takes the place of v1 on your servers, step by step.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gradatim::driver::store::MemoryStore;
use gradatim::id::RevisionId;
use gradatim::port::{PortError, Workload};
use gradatim::registry::Registry;
use gradatim::spec::{CanarySpec, RolloutSpec, StepSpec};
use gradatim::stamp::Stamp;
use gradatim::time::Timestamp;
use gradatim::workload::{RevisionSeen, WorkloadSeen};
use gradatim::{Driver, Outcome, Ports, compile};
use tokio::sync::Notify;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let canary = CanarySpec::new([
        StepSpec::set_weight(25),
        StepSpec::pause_for(Duration::from_secs(1)),
        StepSpec::set_weight(50),
        StepSpec::pause_for(Duration::from_secs(1)),
    ]);
    let spec = RolloutSpec::new("shop", canary).with_replicas(4);
    let plan = compile(&spec, &[], &Registry::new())?.plan;

    let servers = Arc::new(Servers {
        counts: [AtomicU32::new(4), AtomicU32::new(0)],
        changed: Notify::new(),
    });
    let ports = Ports::new(servers, Arc::new(MemoryStore::new()));
    let driver = Driver::new();
    let release = driver.start("shop", plan, ports).await?;
    match release.outcome().await {
        Outcome::Promoted { revision } => println!("{revision} serves everyone"),
        Outcome::RolledBack { revision, why } => println!("{revision} was taken back: {why}"),
        other => println!("{other:?}"),
    }
    Ok(())
}

/// Servers of v1 and v2 that are only counted; yours are started and stopped.
struct Servers {
    counts: [AtomicU32; 2],
    changed: Notify,
}

const VERSIONS: [&str; 2] = ["v1", "v2"];

#[async_trait]
impl Workload for Servers {
    async fn observe(&self) -> Result<WorkloadSeen, PortError> {
        let versions = VERSIONS.iter().zip(&self.counts).zip(1..);
        let seen = versions.map(|((name, count), number)| {
            let count = count.load(Ordering::SeqCst);
            RevisionSeen::new(*name, number, Timestamp::ZERO).serving(count)
        });
        Ok(WorkloadSeen::new("v2", 4, seen.collect()))
    }

    async fn scale(&self, version: &RevisionId, to: u32, _: Stamp) -> Result<(), PortError> {
        println!("{version}: {to} running");
        let place = usize::from(version.as_str() == "v2");
        self.counts[place].store(to, Ordering::SeqCst);
        self.changed.notify_one();
        Ok(())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }
}
