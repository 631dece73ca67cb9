//! A `Workload`: its pods are servers inside of this process.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gradatim::driver::clock::Clock;
use gradatim::fault::FaultKind;
use gradatim::id::RevisionId;
use gradatim::port::{PortError, Workload};
use gradatim::stamp::Stamp;
use gradatim::time::Timestamp;
use gradatim::workload::{RevisionSeen, Trouble, TroubleKind, WorkloadSeen};
use gradatim_examples::demo_service::{Behaviour, Service};
use tokio::sync::Notify;

use crate::http;
use crate::pace::Pace;

/// How often a pod is asked whether it is ready.
const PROBE_EVERY: Duration = Duration::from_millis(20);
/// By the manifest's time: how long after a pod could not start it is started again.
const RESTART_AFTER: Duration = Duration::from_secs(10);

/// The versions of the shop. Clones share what they hold.
#[derive(Clone)]
pub(crate) struct Pods {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<Pace>,
    replicas: u32,
    held: Mutex<Held>,
    changed: Notify,
}

struct Held {
    wanted: RevisionId,
    versions: Vec<Version>,
    next_pod: u64,
}

struct Version {
    behaviour: Behaviour,
    seen: RevisionSeen,
    pods: Vec<Pod>,
}

struct Pod {
    number: u64,
    started: Timestamp,
    /// None until it is ready.
    service: Option<Service>,
}

impl Pods {
    /// A workload that wants so many pods of a first version, and has none yet.
    pub(crate) fn new(clock: Arc<Pace>, replicas: u32, first: Behaviour) -> Self {
        let held = Held {
            wanted: RevisionId::new(&first.version),
            versions: Vec::new(),
            next_pod: 0,
        };
        let shared = Shared {
            clock,
            replicas,
            held: Mutex::new(held),
            changed: Notify::new(),
        };
        let pods = Self {
            shared: Arc::new(shared),
        };
        pods.want(first);
        pods
    }

    /// What a push of a new image does: another version is wanted from now on.
    pub(crate) fn want(&self, behaviour: Behaviour) {
        let mut held = self.held();
        held.wanted = RevisionId::new(&behaviour.version);
        let number = held.versions.len() as u64 + 1;
        let seen = RevisionSeen::new(&*behaviour.version, number, self.shared.clock.now());
        held.versions.push(Version {
            behaviour,
            seen,
            pods: Vec::new(),
        });
        self.shared.changed.notify_one();
    }

    /// Where the ready pods of a version listen: what a Kubernetes Service would know.
    pub(crate) fn endpoints(&self, id: &RevisionId) -> Vec<SocketAddr> {
        let held = self.held();
        let pods = held
            .versions
            .iter()
            .filter(|version| version.seen.id == *id);
        let services = pods.flat_map(|version| &version.pods);
        services
            .filter_map(|pod| Some(pod.service.as_ref()?.address()))
            .collect()
    }

    /// One pod of a version crashes, and is started again.
    pub(crate) fn crash_one(&self, id: &RevisionId) {
        let now = self.shared.clock.now();
        let mut held = self.held();
        let Ok(version) = held.version(id) else {
            return;
        };
        if let Some(pod) = version.pods.iter_mut().find(|pod| pod.service.is_some()) {
            self.replace(id, pod, now);
        }
    }

    /// Takes a pod's service away at once and brings another one up in its place.
    fn replace(&self, id: &RevisionId, pod: &mut Pod, now: Timestamp) {
        (pod.service, pod.started) = (None, now);
        tokio::spawn(self.clone().bring_up(id.clone(), pod.number));
        self.shared.changed.notify_one();
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        let held = self.shared.held.lock();
        held.unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a pod's server and waits until it says that it is ready; again until it is.
    async fn bring_up(self, id: RevisionId, pod: u64) {
        loop {
            let behaviour = self.held().version(&id).map(|it| it.behaviour.clone());
            let Ok(behaviour) = behaviour else { return };
            match start(behaviour).await {
                Ok(service) => return self.is_up(&id, pod, service),
                Err(error) => self.is_in_trouble(&id, error.to_string()),
            }
            let again = self.shared.clock.now() + RESTART_AFTER;
            self.shared.clock.sleep_until(again).await;
        }
    }

    fn is_up(&self, id: &RevisionId, pod: u64, service: Service) {
        let mut held = self.held();
        let Ok(version) = held.version(id) else {
            return;
        };
        version.seen.trouble.clear();
        // One that nobody wants any more is dropped here.
        if let Some(pod) = version.pods.iter_mut().find(|it| it.number == pod) {
            pod.service = Some(service);
        }
        self.shared.changed.notify_one();
    }

    fn is_in_trouble(&self, id: &RevisionId, text: String) {
        let since = self.shared.clock.now();
        if let Ok(version) = self.held().version(id) {
            let kind = TroubleKind::CrashLoop;
            let trouble = Trouble {
                kind,
                pods: 1,
                text,
                since,
            };
            version.seen.trouble = vec![trouble];
        }
        self.shared.changed.notify_one();
    }
}

/// A server that is ready.
async fn start(behaviour: Behaviour) -> std::io::Result<Service> {
    let service = Service::start(http::LOOPBACK, behaviour).await?;
    let client = http::client();
    let is_ready = async || {
        let status = http::get(&client, service.address(), "/ready").await;
        status.is_some_and(|status| status.is_success())
    };
    while !is_ready().await {
        tokio::time::sleep(PROBE_EVERY).await;
    }
    Ok(service)
}

impl Held {
    fn version(&mut self, id: &RevisionId) -> Result<&mut Version, PortError> {
        let found = self.versions.iter_mut().find(|it| it.seen.id == *id);
        found
            .ok_or_else(|| PortError::new(FaultKind::NotFound, format!("there is no version {id}")))
    }
}

impl Version {
    /// The fence: a driver that was replaced, or a late repetition, is refused.
    fn refuse_if(&self, is_older: impl Fn(Stamp) -> bool) -> Result<(), PortError> {
        match self.seen.stamp.filter(|there| is_older(*there)) {
            None => Ok(()),
            Some(newer) => {
                let text = format!("{} was scaled under the newer stamp {newer}", self.seen.id);
                Err(PortError::new(FaultKind::Fenced, text))
            }
        }
    }

    fn observe(&self) -> RevisionSeen {
        let ready = self.pods.iter().filter(|pod| pod.service.is_some());
        let ready = u32::try_from(ready.count()).unwrap_or(u32::MAX);
        RevisionSeen {
            pods: u32::try_from(self.pods.len()).unwrap_or(u32::MAX),
            ready,
            available: ready,
            oldest_pod: self.pods.iter().map(|pod| pod.started).min(),
            ..self.seen.clone()
        }
    }
}

#[async_trait]
impl Workload for Pods {
    async fn observe(&self) -> Result<WorkloadSeen, PortError> {
        let held = self.held();
        let versions = held.versions.iter().map(Version::observe).collect();
        let wanted = held.wanted.clone();
        Ok(WorkloadSeen::new(wanted, self.shared.replicas, versions))
    }

    async fn scale(&self, id: &RevisionId, replicas: u32, stamp: Stamp) -> Result<(), PortError> {
        let now = self.shared.clock.now();
        let mut held = self.held();
        let mut next = held.next_pod;
        let version = held.version(id)?;
        version.refuse_if(|there| stamp < there)?;
        (version.seen.desired, version.seen.stamp) = (replicas, Some(stamp));
        let wanted = usize::try_from(replicas).unwrap_or(usize::MAX);
        while version.pods.len() < wanted {
            let (number, started) = (next, now);
            next += 1;
            version.pods.push(Pod {
                number,
                started,
                service: None,
            });
            tokio::spawn(self.clone().bring_up(id.clone(), number));
        }
        version.pods.sort_by_key(|pod| pod.service.is_none());
        let surplus = version.pods.split_off(wanted);
        held.next_pod = next;
        for service in surplus.into_iter().filter_map(|pod| pod.service) {
            tokio::spawn(service.stop());
        }
        self.shared.changed.notify_one();
        Ok(())
    }

    async fn restart(
        &self,
        before: Timestamp,
        at_most: u32,
        stamp: Stamp,
    ) -> Result<(), PortError> {
        let now = self.shared.clock.now();
        let mut held = self.held();
        let pods = held.versions.iter().flat_map(|version| &version.pods);
        let down = pods.filter(|pod| pod.service.is_none()).count();
        let mut left = usize::try_from(at_most)
            .unwrap_or(usize::MAX)
            .saturating_sub(down);
        for version in &mut held.versions {
            version.refuse_if(|there| stamp.epoch < there.epoch)?;
            let id = version.seen.id.clone();
            let old = version.pods.iter_mut().filter(|pod| pod.started < before);
            for pod in old.filter(|pod| pod.service.is_some()).take(left) {
                self.replace(&id, pod, now);
                left -= 1;
            }
        }
        Ok(())
    }

    async fn undo(&self, to: &RevisionId, stamp: Stamp) -> Result<(), PortError> {
        let mut held = self.held();
        let version = held.version(to)?;
        version.refuse_if(|there| stamp.epoch < there.epoch)?;
        held.wanted = to.clone();
        self.shared.changed.notify_one();
        Ok(())
    }

    async fn changed(&self) {
        self.shared.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use gradatim_conformance::workload::{self, Bench};

    use super::*;

    struct PodsBench;

    impl Bench for PodsBench {
        type World = Pods;

        async fn world(&self) -> Pods {
            let clock = Arc::new(Pace::new(1.0));
            let pods = Pods::new(clock, 4, Behaviour::good("v1"));
            pods.want(Behaviour::good("v2"));
            pods
        }

        async fn workload(&self, world: &Pods) -> Arc<dyn Workload> {
            Arc::new(world.clone())
        }

        async fn settle(&self, world: &Pods) {
            let settled = |seen: &RevisionSeen| seen.desired == seen.ready;
            while !world.observe().await.unwrap().revisions.iter().all(settled) {
                world.changed().await;
            }
        }

        async fn now(&self, world: &Pods) -> Option<Timestamp> {
            Some(world.shared.clock.now())
        }
    }

    #[tokio::test]
    async fn the_pods_keep_the_rules_of_a_workload() {
        let report = workload::all(&PodsBench).await;
        eprintln!("{report}");
        report.assert_clean();
    }

    #[tokio::test]
    async fn a_pod_that_crashes_comes_back() {
        let (pods, v2) = (PodsBench.world().await, RevisionId::new("v2"));
        pods.scale(&v2, 2, Stamp::default()).await.unwrap();
        PodsBench.settle(&pods).await;
        let before = pods.endpoints(&v2);
        pods.crash_one(&v2);
        assert_eq!(pods.endpoints(&v2).len(), 1);
        PodsBench.settle(&pods).await;
        assert_ne!(pods.endpoints(&v2), before);
    }
}
