//! A release through them: the manifest, two versions on fixed servers, and the driver.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use gradatim::driver::Status;
use gradatim::driver::secrets::FirstOf;
use gradatim::driver::store::MemoryStore;
use gradatim::fault::FaultKind;
use gradatim::id::RevisionId;
use gradatim::port::{PortError, Secrets, Workload};
use gradatim::stamp::Stamp;
use gradatim::time::Timestamp;
use gradatim::workload::{RevisionSeen, WorkloadSeen};
use gradatim::{Driver, Outcome, Ports, compile, yaml};
use tokio::sync::watch;

use crate::{Gateway, registry};

const MANIFEST: &str = include_str!("shop.yaml");

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
        let text = "these servers are what they are";
        Err(PortError::new(FaultKind::Invalid, text))
    }
}

/// From the manifest to the end of a release, judged by a gauge of this value.
pub(crate) async fn deliver(success_rate: f64) -> Result<Outcome, Box<dyn Error>> {
    let gateway = Arc::new(Gateway::default());
    gateway
        .gauges()
        .insert("success_rate".to_owned(), success_rate);
    let registry = registry(&gateway);
    let manifests = yaml::read(&[("shop.yaml", MANIFEST)]).into_result();
    let manifests = manifests.map_err(|errors| format!("{errors:?}"))?;
    let compiled = compile(&manifests.rollouts[0], &manifests.templates, &registry)?;
    let secrets: Arc<dyn Secrets> = Arc::new(FirstOf::new());
    let ports = Ports::new(Arc::new(Servers), Arc::new(MemoryStore::new()))
        .backends(&compiled, &registry, &secrets)?;
    let driver = Driver::new();
    let release = driver.start("shop", compiled.plan, ports).await?;
    let shown = tokio::spawn(show(release.watch()));
    let end = release.outcome().await;
    driver.shut_down().await;
    shown.await?;
    Ok(end)
}

/// A line whenever it says something new.
async fn show(mut status: watch::Receiver<Status>) {
    let mut last = String::new();
    while status.changed().await.is_ok() {
        let decision = Arc::clone(&status.borrow_and_update().decision);
        let weight = decision.summary.weight_seen.unwrap_or(0);
        let line = format!("{weight:>3} % to the canary: {}", decision.waiting.reason);
        if line != last {
            println!("{line}");
            last = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_good_release_is_promoted_and_a_bad_one_taken_back() {
        let revision: RevisionId = "v2".into();
        assert_eq!(deliver(0.99).await.unwrap(), Outcome::Promoted { revision });
        let taken_back = deliver(0.5).await.unwrap();
        assert!(
            matches!(taken_back, Outcome::RolledBack { .. }),
            "{taken_back:?}"
        );
    }

    #[test]
    fn a_part_that_makes_no_sense_is_found_before_anything_runs() {
        let manifest = MANIFEST.replace("gauge: success_rate", "gage: success_rate");
        let manifests = yaml::read(&[("shop.yaml", manifest)])
            .into_result()
            .unwrap();
        let registry = registry(&Arc::default());
        let errors = compile(&manifests.rollouts[0], &manifests.templates, &registry).unwrap_err();
        assert!(errors.to_string().contains("mygateway.gauge"), "{errors}");
    }
}
