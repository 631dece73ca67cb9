//! Reading the world: every port at once, none longer than its deadline.

use std::future::Future;
use std::time::Duration;

use futures::future::{join, join_all, join3};
use gradatim_core::fault::Fault;
use gradatim_core::observation::Read;
use gradatim_core::order::Order;
use gradatim_core::port::PortError;
use gradatim_core::route::RouteSeen;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::WorkloadSeen;
use tracing::warn;

use crate::deadline::{Backoff, within};
use crate::ports::Ports;

/// The longest pause between two tries at a port that cannot be read.
const SLOWEST: Duration = Duration::from_secs(10);

/// What was read in one round.
pub(crate) struct Sight {
    pub(crate) workload: Read<WorkloadSeen>,
    pub(crate) routes: Vec<Read<RouteSeen>>,
    pub(crate) mailbox: Vec<Order>,
}

/// Remembers which ports could not be read, so that a hanging one does not slow every round.
#[derive(Default)]
pub(crate) struct Eyes {
    workload: Eye,
    routers: Vec<Eye>,
    mailbox: Eye,
}

#[derive(Clone, Default)]
struct Eye {
    failure: Option<(Fault, Backoff)>,
}

impl Eyes {
    pub(crate) async fn observe(&mut self, ports: &Ports) -> Sight {
        self.routers.resize_with(ports.routers.len(), Eye::default);
        let workload = self
            .workload
            .read(ports, "the workload", || ports.workload.observe());
        let routers = self.routers.iter_mut().zip(&ports.routers);
        let routes =
            join_all(routers.map(|(eye, router)| eye.read(ports, "a router", || router.observe())));
        let mailbox = self
            .mailbox
            .read(ports, "the mailbox", || ports.store.pending());
        let (workload, routes, mailbox) = join3(workload, routes, mailbox).await;
        let mailbox = match mailbox {
            Read::Seen(orders) => orders,
            Read::Failed(_) => Vec::new(),
        };
        Sight {
            workload,
            routes,
            mailbox,
        }
    }

    /// The first instant at which a port that failed is worth another try.
    pub(crate) fn retry_at(&self) -> Option<Timestamp> {
        let eyes = self.routers.iter().chain([&self.workload, &self.mailbox]);
        eyes.filter_map(|eye| eye.failure.as_ref()?.1.not_before())
            .min()
    }
}

impl Eye {
    async fn read<T, F>(&mut self, ports: &Ports, what: &str, call: impl FnOnce() -> F) -> Read<T>
    where
        F: Future<Output = Result<T, PortError>>,
    {
        let clock = ports.clock.as_ref();
        if let Some((fault, backoff)) = &self.failure
            && !backoff.is_over(clock.now())
        {
            return Read::Failed(fault.clone());
        }
        match within(clock, ports.deadlines.call, what, call()).await {
            Ok(seen) => {
                self.failure = None;
                Read::Seen(seen)
            }
            Err(error) => {
                let fault = error.to_fault();
                warn!(%error, "{what} cannot be read");
                let mut backoff = self.failure.take().map(|(_, b)| b).unwrap_or_default();
                backoff.failed(&fault, SLOWEST, clock.now());
                self.failure = Some((fault.clone(), backoff));
                Read::Failed(fault)
            }
        }
    }
}

/// The highest epoch under which anything of a rollout was written; what cannot be read counts
/// as nothing, because a router that fails must not keep a driver from taking the way back.
pub(crate) async fn highest_epoch(ports: &Ports) -> u64 {
    let (clock, limit) = (ports.clock.as_ref(), ports.deadlines.call);
    let routers = join_all(
        ports
            .routers
            .iter()
            .map(|router| within(clock, limit, "a router", router.highest_stamp())),
    );
    let workload = within(clock, limit, "the workload", ports.workload.observe());
    let (routers, workload) = join(routers, workload).await;
    let written = routers.into_iter().filter_map(Result::ok).flatten();
    let scaled = workload.into_iter().flat_map(|seen| seen.revisions);
    written
        .chain(scaled.filter_map(|revision| revision.stamp))
        .map(|stamp| stamp.epoch)
        .max()
        .unwrap_or(0)
}
