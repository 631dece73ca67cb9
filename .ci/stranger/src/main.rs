//! What someone writes who knows only the published crate: a rollout of their own servers.

use std::error::Error;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gradatim::driver::store::MemoryStore;
use gradatim::fault::FaultKind;
use gradatim::id::RevisionId;
use gradatim::port::{PortError, Workload};
use gradatim::registry::Registry;
use gradatim::stamp::Stamp;
use gradatim::time::Timestamp;
use gradatim::workload::{RevisionSeen, WorkloadSeen};
use gradatim::{Driver, Outcome, Ports, compile, yaml};

const MANIFEST: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  replicas: 4
  strategy:
    canary:
      steps:
      - setWeight: 25
      - pause: {duration: 1s}
      - setWeight: 50
";

/// Servers that start and stop at once.
struct Servers(Mutex<WorkloadSeen>);

#[async_trait]
impl Workload for Servers {
    async fn observe(&self) -> Result<WorkloadSeen, PortError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn scale(&self, id: &RevisionId, replicas: u32, stamp: Stamp) -> Result<(), PortError> {
        println!("{id}: {replicas}");
        let mut seen = self.0.lock().unwrap();
        let Some(revision) = seen.revisions.iter_mut().find(|one| one.id == *id) else {
            return Err(PortError::new(
                FaultKind::NotFound,
                format!("no revision {id}"),
            ));
        };
        *revision = revision.clone().serving(replicas);
        revision.stamp = Some(stamp);
        Ok(())
    }

    async fn restart(&self, _: Timestamp, _: u32, _: Stamp) -> Result<(), PortError> {
        Ok(())
    }

    async fn undo(&self, to: &RevisionId, _: Stamp) -> Result<(), PortError> {
        self.0.lock().unwrap().wanted = to.clone();
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let manifests = yaml::read(&[("shop.yaml", MANIFEST)]).into_result();
    let manifests = manifests.map_err(|errors| format!("{errors:?}"))?;
    let plan = compile(
        &manifests.rollouts[0],
        &manifests.templates,
        &Registry::new(),
    )?
    .plan;

    let old = RevisionSeen::new("v1", 1, Timestamp::ZERO).serving(4);
    let mut seen = WorkloadSeen::new("v1", 4, vec![old]);
    seen.revisions
        .push(RevisionSeen::new("v2", 2, Timestamp::ZERO));
    seen.recorded_stable = Some("v1".into());
    seen.wanted = "v2".into();

    let driver = Driver::new();
    let servers = Arc::new(Servers(Mutex::new(seen)));
    let ports = Ports::new(servers, Arc::new(MemoryStore::new()));
    let outcome = driver.start("shop", plan, ports).await?.outcome().await;
    println!("{outcome:?}");
    match outcome {
        Outcome::Promoted { .. } => Ok(()),
        other => Err(format!("expected the new version to be promoted, got {other:?}").into()),
    }
}
