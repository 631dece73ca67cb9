//! A workload that keeps every rule, and one for each way of breaking one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::{PortError, Workload};
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::{RevisionSeen, Trouble, TroubleKind, WorkloadSeen};

use super::{Bench, all};
use crate::testing::{Bell, block_on, pause};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Adds,
    WritesAgain,
    ScalesBoth,
    TakesOlder,
    ChecksThenWrites,
    BearsNoStamp,
    CountsWhatIsAsked,
    MoreReadyThanPods,
    NewNumberWithPods,
    MakesWhatIsNotThere,
    UndoesToNobody,
    SilentTrouble,
    RestartsYoungOnes,
    RestartsAllAtOnce,
    RestartsNone,
    ForgetsUndo,
    TellsNobody,
}

#[derive(Clone, Default)]
struct Side {
    desired: u32,
    stamp: Stamp,
    pods: Vec<Timestamp>,
    ready: usize,
    trouble: Option<String>,
}

struct World {
    sides: BTreeMap<&'static str, Side>,
    wanted: String,
    now: Timestamp,
    writes: u64,
    bells: Vec<Arc<Bell>>,
}

struct Fake {
    bell: Arc<Bell>,
    world: Arc<Mutex<World>>,
    fault: Option<Fault>,
    scales: bool,
}

fn error<T>(kind: FaultKind) -> Result<T, PortError> {
    Err(PortError::new(kind, "the fake says no"))
}

impl World {
    fn settle(&mut self) {
        self.now = self.now + Duration::from_secs(5);
        for side in self.sides.values_mut() {
            let count = side.desired as usize;
            side.pods.resize(count, self.now);
            side.ready = if side.trouble.is_some() { 0 } else { count };
        }
    }
}

impl Fake {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn seen(&self, id: &str, number: u64, side: &Side) -> RevisionSeen {
        let more = if self.has(Fault::NewNumberWithPods) {
            side.pods.len() as u64
        } else {
            0
        };
        let count = |length: usize| u32::try_from(length).unwrap();
        let mut seen = RevisionSeen::new(id, number + more, Timestamp::ZERO);
        (seen.desired, seen.pods) = (side.desired, count(side.pods.len()));
        (seen.ready, seen.available) = (count(side.ready), count(side.ready));
        if self.has(Fault::CountsWhatIsAsked) {
            (seen.pods, seen.ready, seen.available) = (side.desired, side.desired, side.desired);
        }
        if self.has(Fault::MoreReadyThanPods) {
            seen.ready += 1;
        }
        seen.stamp = Some(side.stamp).filter(|_| !self.has(Fault::BearsNoStamp));
        seen.oldest_pod = side.pods.iter().copied().min();
        if let Some(text) = side
            .trouble
            .clone()
            .filter(|_| !self.has(Fault::SilentTrouble))
        {
            seen.trouble.push(Trouble {
                kind: TroubleKind::PodRefused,
                pods: side.desired,
                text,
                since: Timestamp::ZERO,
            });
        }
        seen
    }
}

#[async_trait]
impl Workload for Fake {
    fn is_fenced(&self) -> bool {
        true
    }

    fn is_watched(&self) -> bool {
        true
    }

    async fn changed(&self) {
        self.bell.rung().await;
    }

    async fn observe(&self) -> Result<WorkloadSeen, PortError> {
        let world = self.world.lock().unwrap();
        let sides = world.sides.iter().zip(1..);
        let revisions = sides
            .map(|((id, side), number)| self.seen(id, number, side))
            .collect();
        let mut seen = WorkloadSeen::new(world.wanted.clone(), 2, revisions);
        seen.scales = self.scales;
        Ok(seen)
    }

    async fn scale(&self, id: &RevisionId, count: u32, stamp: Stamp) -> Result<(), PortError> {
        let seen = {
            let world = self.world.lock().unwrap();
            world.sides.get(id.as_str()).map(|side| side.stamp)
        };
        let Some(newest) = seen else {
            return if self.has(Fault::MakesWhatIsNotThere) {
                Ok(())
            } else {
                error(FaultKind::NotFound)
            };
        };
        if stamp < newest && !self.has(Fault::TakesOlder) {
            return error(FaultKind::Fenced);
        }
        if self.has(Fault::ChecksThenWrites) {
            pause().await;
        }
        let mut world = self.world.lock().unwrap();
        if self.has(Fault::ScalesBoth) {
            world
                .sides
                .values_mut()
                .for_each(|side| side.desired = count);
        }
        let side = world.sides.get_mut(id.as_str()).unwrap();
        let changes = (side.desired, side.stamp) != (count, stamp);
        side.desired = if self.has(Fault::Adds) {
            side.desired + count
        } else {
            count
        };
        side.stamp = stamp;
        if !self.has(Fault::TellsNobody) {
            world.bells.iter().for_each(|bell| bell.ring());
        }
        world.writes += u64::from(changes || self.has(Fault::WritesAgain));
        Ok(())
    }

    async fn restart(&self, before: Timestamp, at_most: u32, _: Stamp) -> Result<(), PortError> {
        let mut world = self.world.lock().unwrap();
        let young = self.has(Fault::RestartsYoungOnes);
        let most = if self.has(Fault::RestartsAllAtOnce) {
            9
        } else {
            at_most as usize
        };
        for side in world
            .sides
            .values_mut()
            .filter(|_| !self.has(Fault::RestartsNone))
        {
            let mut down = side.pods.len() - side.ready;
            side.pods.retain(|started| {
                let goes = (*started < before || young) && down < most;
                down += usize::from(goes);
                !goes
            });
            side.ready = side.ready.min(side.pods.len());
        }
        Ok(())
    }

    async fn undo(&self, to: &RevisionId, _: Stamp) -> Result<(), PortError> {
        let mut world = self.world.lock().unwrap();
        if !world.sides.contains_key(to.as_str()) && !self.has(Fault::UndoesToNobody) {
            return error(FaultKind::NotFound);
        }
        if !self.has(Fault::ForgetsUndo) {
            world.wanted = to.to_string();
        }
        Ok(())
    }
}

struct FakeBench {
    fault: Option<Fault>,
    scales: bool,
}

impl Bench for FakeBench {
    type World = Arc<Mutex<World>>;

    async fn world(&self) -> Self::World {
        Arc::new(Mutex::new(World {
            sides: BTreeMap::from([("v1", Side::default()), ("v2", Side::default())]),
            wanted: "v2".to_owned(),
            now: Timestamp::from_secs(100),
            writes: 0,
            bells: Vec::new(),
        }))
    }

    async fn workload(&self, world: &Self::World) -> Arc<dyn Workload> {
        let bell = Arc::new(Bell::default());
        world.lock().unwrap().bells.push(Arc::clone(&bell));
        Arc::new(Fake {
            bell,
            world: Arc::clone(world),
            fault: self.fault,
            scales: self.scales,
        })
    }

    async fn settle(&self, world: &Self::World) {
        world.lock().unwrap().settle();
    }

    async fn now(&self, world: &Self::World) -> Option<Timestamp> {
        Some(world.lock().unwrap().now)
    }

    async fn writes(&self, world: &Self::World) -> Option<u64> {
        Some(world.lock().unwrap().writes)
    }

    async fn trouble(&self, world: &Self::World, revision: &RevisionId, words: &str) -> bool {
        let mut world = world.lock().unwrap();
        let side = world.sides.get_mut(revision.as_str()).unwrap();
        side.trouble = Some(words.to_owned());
        true
    }
}

fn report(fault: Option<Fault>, scales: bool) -> crate::Report {
    block_on(all(&FakeBench { fault, scales }))
}

#[test]
fn a_workload_that_keeps_the_rules_is_clean_and_nothing_is_skipped() {
    let report = report(None, true);
    report.assert_clean();
    assert_eq!(report.skipped, []);
    assert_eq!(report.kept.len(), 9);
}

#[test]
fn fixed_servers_are_not_asked_to_scale() {
    let report = report(None, false);
    report.assert_clean();
    assert_eq!(report.unchecked(), [1, 2, 3, 5, 6, 7, 9]);
}

#[test]
fn each_way_of_breaking_a_rule_is_caught_under_its_number() {
    let faults: [(Fault, &[u8]); 17] = [
        (Fault::Adds, &[1, 2, 3]),
        (Fault::WritesAgain, &[1]),
        (Fault::ScalesBoth, &[1]),
        (Fault::TakesOlder, &[2]),
        (Fault::ChecksThenWrites, &[2]),
        (Fault::BearsNoStamp, &[2]),
        (Fault::CountsWhatIsAsked, &[6]),
        (Fault::MoreReadyThanPods, &[3]),
        (Fault::NewNumberWithPods, &[4]),
        (Fault::MakesWhatIsNotThere, &[5]),
        (Fault::UndoesToNobody, &[5]),
        (Fault::SilentTrouble, &[6]),
        (Fault::RestartsYoungOnes, &[7]),
        (Fault::RestartsAllAtOnce, &[7]),
        (Fault::RestartsNone, &[7]),
        (Fault::ForgetsUndo, &[8]),
        (Fault::TellsNobody, &[9]),
    ];
    for (fault, rules) in faults {
        let report = report(Some(fault), true);
        assert_eq!(report.broken(), rules, "{fault:?}\n{report}");
    }
}
