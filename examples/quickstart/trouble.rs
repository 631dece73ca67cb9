//! What goes wrong around a flaky release, which is no fault of the version's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gradatim::Release;
use gradatim::driver::clock::Clock;
use gradatim::fault::FaultKind;
use gradatim::id::RevisionId;
use gradatim::measurement::{Ask, Outcome};
use gradatim::port::{MetricProvider, PortError};

use crate::pace::Pace;
use crate::pods::Pods;
use crate::tally::Tally;

/// One question in so many has no answer.
const FAILS_ONE_IN: u32 = 5;
/// The weight at which a pod restarts.
const RESTARTS_AT: u32 = 50;

/// A provider that fails now and then.
pub(crate) struct Unsteady {
    tally: Arc<Tally>,
    asked: AtomicU32,
}

impl Unsteady {
    pub(crate) fn new(tally: Arc<Tally>) -> Self {
        Self {
            tally,
            asked: AtomicU32::new(1),
        }
    }
}

#[async_trait]
impl MetricProvider for Unsteady {
    fn has_history(&self) -> bool {
        true
    }

    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if asked.is_multiple_of(FAILS_ONE_IN) {
            let text = "the metrics answer 503 Service Unavailable";
            return Err(PortError::new(FaultKind::Unreachable, text));
        }
        self.tally.measure(ask).await
    }
}

/// Crashes a pod of a version a while after it has half of the traffic.
pub(crate) async fn crash_a_pod(
    clock: Arc<Pace>,
    pods: Pods,
    release: Release,
    version: RevisionId,
) {
    let reached = |status: &gradatim::driver::Status| {
        let summary = &status.decision.summary;
        let ours = summary.latest.as_ref() == Some(&version);
        ours && summary.weight_seen == Some(RESTARTS_AT)
    };
    // An error means that nobody drives it any more.
    if release.watch().wait_for(reached).await.is_ok() {
        clock
            .sleep_until(clock.now() + Duration::from_secs(20))
            .await;
        pods.crash_one(&version);
    }
}
