//! The world: users, versions with their pods, routers; it goes on by itself as time passes.

mod echo;
mod flow;
mod ledger;
mod passing;
mod revision;
mod route;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gradatim_core::event::Event;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::{RevisionId, RolloutId};
use gradatim_core::plan::Plan;
use gradatim_core::port::PortError;
use gradatim_core::route::Split;
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::WorkloadSeen;

pub use self::ledger::Tally;
pub(crate) use self::ledger::{Ledger, at_most, latencies, quantile};
pub use self::revision::Revision;
pub(crate) use self::route::{Parts, RouterState};
pub use self::writes::{Write, WriteKind};
use crate::fault::{Fault, Faults};
use crate::measure::{Measure, Measures};
use crate::rng::Rng;
use crate::traffic::Traffic;
use crate::version::Version;

/// Everything outside of a driver: what runs, who asks for it, and which way it is sent.
///
/// It goes on by itself as virtual time passes. What a test reads here is what is so, whatever
/// any port says of it.
#[derive(Debug)]
pub struct World {
    pub(crate) now: Timestamp,
    /// When the simulation began: what comes before is how the first version came to be.
    pub(crate) origin: Timestamp,
    pub(crate) plan: Arc<Plan>,
    pub(crate) replicas: u32,
    pub(crate) paused: bool,
    pub(crate) restart_at: Option<Timestamp>,
    pub(crate) scales: bool,
    pub(crate) min_ready: Duration,
    /// How many pods may exist at once.
    pub(crate) room: Option<u32>,
    pub(crate) autoscaler: Option<Autoscaler>,
    pub(crate) wanted: RevisionId,
    /// The last revision that carried everything while it was wanted.
    pub(crate) trusted: RevisionId,
    pub(crate) recorded_stable: Option<RevisionId>,
    pub(crate) undone: Option<Stamp>,
    pub(crate) restarted: Option<Stamp>,
    pub(crate) revisions: Vec<Revision>,
    pub(crate) routers: Vec<RouterState>,
    pub(crate) traffic: Traffic,
    /// Requests that reached no revision at all.
    pub(crate) nowhere: Ledger,
    pub(crate) measures: Measures,
    pub(crate) faults: Faults,
    pub(crate) writes: Vec<Write>,
    pub(crate) rng: Rng,
    pub(crate) flows: flow::Flows,
    /// Who got which share of the users' requests, and since when.
    pub(crate) share_log: Vec<(Timestamp, Vec<f64>)>,
    /// Writes that will take effect once more.
    pub(crate) echoes: Vec<echo::Echo>,
    /// What the workload was, for those who are shown the past.
    pub(crate) past: Vec<(Timestamp, WorkloadSeen)>,
    /// Events that the notifier was told.
    pub(crate) told: Vec<(RolloutId, Event)>,
    /// The drivers by their holder's names, and whether each is alive.
    pub(crate) drivers: Vec<(String, bool)>,
    /// Whether anything that a port can show has changed since the last look.
    pub(crate) changed: bool,
}

/// Moves the replica count with the traffic, as a horizontal autoscaler does.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoscaler {
    /// How many requests a second one pod is meant to serve.
    pub per_pod: f64,
    /// The fewest replicas.
    pub least: u32,
    /// The most replicas.
    pub most: u32,
    /// How often it looks.
    pub every: Duration,
}

impl World {
    pub(crate) fn new(
        plan: Arc<Plan>,
        replicas: u32,
        first: &str,
        version: Version,
        now: Timestamp,
    ) -> Self {
        let first = RevisionId::new(first);
        let mut revision = Revision::new(first.clone(), 1, now, version);
        revision.desired = replicas;
        Self {
            now,
            origin: now,
            plan,
            replicas,
            paused: false,
            restart_at: None,
            scales: true,
            min_ready: Duration::ZERO,
            room: None,
            autoscaler: None,
            wanted: first.clone(),
            trusted: first,
            recorded_stable: None,
            undone: None,
            restarted: None,
            revisions: vec![revision],
            routers: Vec::new(),
            traffic: Traffic::default(),
            nowhere: Ledger::default(),
            measures: Measures::default(),
            faults: Faults::default(),
            writes: Vec::new(),
            rng: Rng::new(0),
            flows: flow::Flows::default(),
            share_log: Vec::new(),
            echoes: Vec::new(),
            past: Vec::new(),
            told: Vec::new(),
            drivers: Vec::new(),
            changed: true,
        }
    }

    /// The world's time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The time since the start of the simulation.
    pub fn elapsed(&self) -> Duration {
        self.now.since(self.origin)
    }

    /// How many pods the whole workload shall have.
    pub fn replicas(&self) -> u32 {
        self.replicas
    }

    /// The revision that the user's template asks for.
    pub fn wanted(&self) -> &RevisionId {
        &self.wanted
    }

    /// The last revision that carried everything while it was wanted: what a canary is measured
    /// against.
    pub fn trusted(&self) -> &RevisionId {
        &self.trusted
    }

    /// Every revision, oldest first.
    pub fn revisions(&self) -> &[Revision] {
        &self.revisions
    }

    /// A revision by its name.
    pub fn revision(&self, name: &str) -> Option<&Revision> {
        self.revisions
            .iter()
            .find(|revision| revision.id.as_str() == name)
    }

    /// The share of the users' requests that goes to a revision at this moment, 0 to 1.
    pub fn share(&self, name: &str) -> f64 {
        let shares = self.shares();
        let mut named = self.revisions.iter().zip(&shares.parts);
        named
            .find(|(revision, _)| revision.id.as_str() == name)
            .map_or(0.0, |(_, share)| *share)
    }

    /// What was asked of a revision since the start of the simulation, and what became of it.
    pub fn tally(&self, name: &str) -> Tally {
        let revision = self.revision(name);
        revision.map_or_else(Tally::default, |revision| {
            revision.ledger.between(self.origin, self.now)
        })
    }

    /// What all users asked for since the start, and what became of it.
    pub fn users(&self) -> Tally {
        let mut all = self.nowhere.between(self.origin, self.now);
        for revision in &self.revisions {
            all.add(revision.ledger.between(self.origin, self.now));
        }
        all
    }

    /// What a router's data plane does with the traffic; none before its first route.
    pub fn split(&self, router: usize) -> Option<Split> {
        let split = self.routers.get(router)?.plane.split.as_ref()?;
        Some(split.value.clone())
    }

    /// Every write that a driver made, in their order.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Wants another version; a name that exists already wants that revision again.
    pub fn deploy(&mut self, name: &str, version: Version) {
        let id = RevisionId::new(name);
        self.judge_trust();
        let number = self
            .revisions
            .iter()
            .map(|revision| revision.number)
            .max()
            .unwrap_or(0)
            + 1;
        match self.revisions.iter_mut().find(|revision| revision.id == id) {
            Some(known) => known.number = number,
            None => {
                let revision = Revision::new(id.clone(), number, self.now, version);
                self.revisions.push(revision);
            }
        }
        self.wanted = id;
        self.touch();
    }

    /// Makes a version behave like another one from now on.
    pub fn change(&mut self, name: &str, version: Version) {
        if let Some(revision) = self
            .revisions
            .iter_mut()
            .find(|revision| revision.id.as_str() == name)
        {
            revision.version = version;
        }
        self.touch();
    }

    /// Wants another number of pods for the whole workload.
    pub fn scale_to(&mut self, replicas: u32) {
        self.replicas = replicas;
        self.touch();
    }

    /// Sets or clears the user's pause (`spec.paused`).
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.touch();
    }

    /// Takes so many of a revision's pods away; as many are made anew.
    pub fn lose_pods(&mut self, name: &str, count: u32) {
        if let Some(revision) = self
            .revisions
            .iter_mut()
            .find(|revision| revision.id.as_str() == name)
        {
            let left = revision.pods.len().saturating_sub(count as usize);
            let lost = revision.pods.len() - left;
            revision.pods.drain(..lost);
        }
        self.touch();
    }

    /// Sends other traffic from now on.
    pub fn set_traffic(&mut self, traffic: Traffic) {
        self.traffic = traffic;
        self.touch();
    }

    /// Changes a router's split as a stranger does, who leaves our stamp where it is.
    pub fn edit_split(&mut self, router: usize, split: Split) {
        let now = self.now;
        if let Some(router) = self.routers.get_mut(router) {
            let mut parts = Parts::clone(&router.object);
            if let Some(held) = &mut parts.split {
                held.value = split;
            }
            router.put(parts, now);
            router.follow(now);
        }
        self.touch();
    }

    /// Empties a router's objects as somebody does who makes them anew.
    pub fn wipe_router(&mut self, router: usize) {
        let now = self.now;
        if let Some(router) = self.routers.get_mut(router) {
            router.put(Parts::default(), now);
            router.follow(now);
        }
        self.touch();
    }

    /// Breaks something.
    pub fn break_with(&mut self, fault: Fault) {
        self.faults.arm(fault);
        self.changed = true;
    }

    /// Makes everything work again that was broken.
    pub fn repair(&mut self) {
        self.faults.repair();
        self.changed = true;
    }

    /// Says what a metric measures from now on.
    pub fn set_metric(&mut self, name: impl Into<String>, measure: Measure) {
        self.measures.name(name, measure);
    }

    /// Lets so many pods exist at once; as many as wanted when absent. Those that exist stay.
    pub fn make_room(&mut self, room: Option<u32>) {
        self.room = room;
        self.touch();
    }

    /// How often each kind of fault was met, by its name.
    pub fn faults_met(&self) -> &BTreeMap<&'static str, u32> {
        self.faults.met()
    }

    pub(crate) fn workload(&self) -> WorkloadSeen {
        let revisions = self.revisions.iter().map(Revision::seen).collect();
        WorkloadSeen {
            paused: self.paused,
            restart_at: self.restart_at,
            scales: self.scales,
            recorded_stable: self.recorded_stable.clone(),
            ..WorkloadSeen::new(self.wanted.clone(), self.replicas, revisions)
        }
    }

    pub(crate) fn scale(
        &mut self,
        id: &RevisionId,
        replicas: u32,
        stamp: Stamp,
    ) -> Result<bool, PortError> {
        if !self.scales {
            let text = "this workload is made of fixed servers";
            return Err(PortError::new(FaultKind::Invalid, text));
        }
        let Some(revision) = self
            .revisions
            .iter_mut()
            .find(|revision| revision.id == *id)
        else {
            return Err(PortError::new(
                FaultKind::NotFound,
                format!("no revision is called {id}"),
            ));
        };
        admit(revision.stamp, stamp)?;
        let changed = revision.desired != replicas || revision.stamp != Some(stamp);
        (revision.desired, revision.stamp) = (replicas, Some(stamp));
        self.touch();
        Ok(changed)
    }

    pub(crate) fn undo(&mut self, to: &RevisionId, stamp: Stamp) -> Result<bool, PortError> {
        if self.revision(to.as_str()).is_none() {
            return Err(PortError::new(
                FaultKind::NotFound,
                format!("no revision is called {to}"),
            ));
        }
        admit(self.undone, stamp)?;
        self.undone = Some(stamp);
        let changed = self.wanted != *to;
        if changed {
            self.deploy(to.as_str(), Version::healthy());
        }
        Ok(changed)
    }

    /// Replaces pods that started before an instant, at most so many down at once.
    pub(crate) fn restart(
        &mut self,
        before: Timestamp,
        at_most: u32,
        stamp: Stamp,
    ) -> Result<bool, PortError> {
        admit(self.restarted, stamp)?;
        self.restarted = Some(stamp);
        let available: u32 = self
            .revisions
            .iter()
            .map(|revision| revision.available)
            .sum();
        let desired: u32 = self.revisions.iter().map(|revision| revision.desired).sum();
        let down = desired.saturating_sub(available);
        let mut left = at_most.saturating_sub(down) as usize;
        let mut changed = false;
        for revision in &mut self.revisions {
            let old = revision
                .pods
                .iter()
                .filter(|pod| **pod < before)
                .count()
                .min(left);
            left -= old;
            changed |= old > 0;
            // The oldest stand first.
            revision.pods.drain(..old);
        }
        self.touch();
        Ok(changed)
    }

    /// The workload as it was so long ago.
    pub(crate) fn workload_before(&self, age: Duration) -> WorkloadSeen {
        let then = self.now - age;
        let past = self.past.iter().rev().find(|(since, _)| *since <= then);
        past.or(self.past.first())
            .map_or_else(|| self.workload(), |(_, seen)| seen.clone())
    }

    /// The holders' names of the drivers that say that they are alive.
    pub(crate) fn living_drivers(&self) -> Vec<String> {
        let living = self.drivers.iter().filter(|(_, alive)| *alive);
        living.map(|(holder, _)| holder.clone()).collect()
    }

    /// Something has changed: pods are counted anew, the traffic flows another way.
    pub(crate) fn touch(&mut self) {
        self.settle_pods();
        self.note_change();
    }

    fn note_change(&mut self) {
        self.flows.dirty = true;
        self.changed = true;
        if self.faults.look_back() {
            let seen = self.workload();
            self.past.push((self.now, seen));
        }
    }
}

/// Refuses a stamp that is older than the one that is there.
fn admit(there: Option<Stamp>, stamp: Stamp) -> Result<(), PortError> {
    match there {
        Some(there) if stamp < there => {
            let text = format!("{stamp} is older than {there}, which is there");
            Err(PortError::new(FaultKind::Fenced, text))
        }
        _ => Ok(()),
    }
}
