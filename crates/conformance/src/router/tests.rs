//! A router that keeps every rule, and one for each way of breaking one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::capability::{Capabilities, Part};
use gradatim_core::fault::FaultKind;
use gradatim_core::port::{Missing, PortError, TrafficRouter};
use gradatim_core::route::{BoundSlot, Confidence, Route, RouteSeen, Seen, Slot, Split, Stamped};
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;

use super::{Bench, all};
use crate::testing::{Bell, block_on, pause};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    TouchesWhatIsNotItsOwn,
    ForgetsHeaders,
    WritesAgain,
    AnswersFromMemory,
    ShowsWhatItDoesNotCarry,
    HidesWhatItCarries,
    OneStampForAll,
    LosesLabels,
    TakesAnythingOlder,
    TakesAnOlderLowering,
    ChecksThenWrites,
    SaysThatARetryHelps,
    Rounds,
    WritesHalfARaise,
    LowersAllOrNothing,
    NewestOfDifferingStamps,
    SinceIsNow,
    SinceNeverMoves,
    EmptyForMissing,
    ProbesNothing,
    ProbeWrites,
    TellsNobody,
}

#[derive(Clone)]
struct Object {
    route: Route,
    since: [Timestamp; 4],
    jammed: bool,
}

#[derive(Default)]
struct World {
    objects: Vec<Option<Object>>,
    writes: u64,
    now: Timestamp,
    stranger: u64,
    bells: Vec<Arc<Bell>>,
}

#[derive(Clone)]
struct Fake {
    bell: Arc<Bell>,
    world: Arc<Mutex<World>>,
    fault: Option<Fault>,
    carries: BTreeSet<Part>,
    memory: Arc<Mutex<Option<Route>>>,
}

fn error(kind: FaultKind) -> PortError {
    PortError::new(kind, "the fake says no")
}

impl World {
    fn fresh() -> Self {
        let route = Route {
            bind: Stamped::new(BTreeMap::new(), Stamp::default()),
            split: Stamped::new(Split::all(Slot::Stable, 100), Stamp::default()),
            headers: Stamped::new(Vec::new(), Stamp::default()),
            mirrors: Stamped::new(Vec::new(), Stamp::default()),
        };
        let object = Object {
            route,
            since: [Timestamp::ZERO; 4],
            jammed: false,
        };
        Self {
            objects: vec![Some(object.clone()), Some(object)],
            ..Self::default()
        }
    }
}

impl Fake {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn refuses(&self, route: &Route, object: &Object) -> bool {
        let lowers = route.split.value.part(Slot::Canary) == 0;
        route.newest() < object.route.newest()
            && !self.has(Fault::TakesAnythingOlder)
            && !(self.has(Fault::TakesAnOlderLowering) && lowers)
    }

    fn write(&self, object: &mut Object, route: &Route, now: Timestamp) -> bool {
        let mut route = route.clone();
        if self.has(Fault::ForgetsHeaders) {
            route.headers.value.clear();
        }
        if self.has(Fault::OneStampForAll) {
            let newest = route.newest();
            (route.bind.stamp, route.split.stamp) = (newest, newest);
            (route.headers.stamp, route.mirrors.stamp) = (newest, newest);
        }
        if self.has(Fault::LosesLabels) {
            route.split.stamp.generation = 0;
        }
        let old = &object.route;
        let changed = [
            old.bind != route.bind,
            old.split != route.split,
            old.headers != route.headers,
            old.mirrors != route.mirrors,
        ];
        for (since, changed) in object.since.iter_mut().zip(changed) {
            if changed && !self.has(Fault::SinceNeverMoves) {
                *since = now;
            }
        }
        object.route = route;
        changed.contains(&true) || self.has(Fault::WritesAgain)
    }

    fn seen<T: Clone + PartialEq>(
        &self,
        part: Part,
        index: usize,
        of: impl Fn(&Route) -> Stamped<T>,
    ) -> Option<Seen<T>> {
        let world = self.world.lock().unwrap();
        let objects: Vec<&Object> = world.objects.iter().flatten().collect();
        let hidden = part == Part::Mirrors && self.has(Fault::HidesWhatItCarries);
        if !self.carries.contains(&part) && !self.has(Fault::ShowsWhatItDoesNotCarry) || hidden {
            return None;
        }
        let remembered = self.memory.lock().unwrap().clone();
        let mut parts: Vec<Stamped<T>> = objects.iter().map(|object| of(&object.route)).collect();
        if let Some(route) = remembered.filter(|_| self.has(Fault::AnswersFromMemory)) {
            parts = vec![of(&route)];
        }
        let mut values: Vec<T> = Vec::new();
        for part in &parts {
            if !values.contains(&part.value) {
                values.push(part.value.clone());
            }
        }
        let stamps = parts.iter().map(|part| part.stamp);
        let stamp = if self.has(Fault::NewestOfDifferingStamps) {
            stamps.max()
        } else {
            stamps.min()
        };
        let since = objects.iter().map(|object| object.since[index]).max()?;
        let since = if self.has(Fault::SinceIsNow) {
            world.now
        } else {
            since
        };
        Some(Seen {
            values,
            stamp,
            confidence: Confidence::Config,
            since,
        })
    }
}

#[async_trait]
impl TrafficRouter for Fake {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            parts: self.carries.clone(),
            grain: 100,
            ..Capabilities::all()
        }
    }

    fn is_watched(&self) -> bool {
        true
    }

    async fn changed(&self) {
        self.bell.rung().await;
    }

    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        let split = &route.split.value;
        let expressed = split.total() == 100;
        if !expressed && !self.has(Fault::Rounds) {
            return Err(error(FaultKind::Invalid));
        }
        let before = self.world.lock().unwrap().objects.clone();
        if before
            .iter()
            .flatten()
            .any(|object| self.refuses(route, object))
        {
            let mut error = error(FaultKind::Fenced);
            if self.has(Fault::SaysThatARetryHelps) {
                error.retry = gradatim_core::fault::Retry::Soon;
            }
            return Err(error);
        }
        if self.has(Fault::ChecksThenWrites) {
            pause().await;
        }
        let mut guard = self.world.lock().unwrap();
        let world = &mut *guard;
        if self.has(Fault::TouchesWhatIsNotItsOwn) {
            world.stranger += 1;
        }
        let seen = world.objects.iter().flatten();
        let highest = seen
            .clone()
            .map(|o| o.route.split.value.part(Slot::Canary))
            .max();
        let jammed = seen.clone().any(|object| object.jammed);
        let raises = highest < Some(split.part(Slot::Canary));
        let whole = raises && !self.has(Fault::WritesHalfARaise)
            || !raises && self.has(Fault::LowersAllOrNothing);
        if jammed && whole {
            return Err(error(FaultKind::Unreachable));
        }
        for object in world
            .objects
            .iter_mut()
            .flatten()
            .filter(|object| !object.jammed)
        {
            world.writes += u64::from(self.write(object, route, world.now));
        }
        if !self.has(Fault::TellsNobody) {
            world.bells.iter().for_each(|bell| bell.ring());
        }
        *self.memory.lock().unwrap() = Some(route.clone());
        if jammed {
            Err(error(FaultKind::Unreachable))
        } else {
            Ok(())
        }
    }

    async fn observe(&self) -> Result<RouteSeen, PortError> {
        let missing = self
            .world
            .lock()
            .unwrap()
            .objects
            .iter()
            .any(Option::is_none);
        if missing && !self.has(Fault::EmptyForMissing) {
            return Err(error(FaultKind::NotFound));
        }
        let bound = |revision: &gradatim_core::id::RevisionId| BoundSlot {
            revision: Some(revision.clone()),
            ready_endpoints: None,
        };
        let bind = self.seen(Part::Bind, 0, |route| {
            let slots = route.bind.value.iter();
            let slots = slots
                .map(|(slot, revision)| (*slot, bound(revision)))
                .collect();
            Stamped::new(slots, route.bind.stamp)
        });
        Ok(RouteSeen {
            bind,
            split: self.seen(Part::Split, 1, |route| route.split.clone()),
            headers: self.seen(Part::Headers, 2, |route| route.headers.clone()),
            mirrors: self.seen(Part::Mirrors, 3, |route| route.mirrors.clone()),
        })
    }

    async fn probe(&self) -> Result<Vec<Missing>, PortError> {
        let mut world = self.world.lock().unwrap();
        world.writes += u64::from(self.has(Fault::ProbeWrites));
        let gone = world
            .objects
            .iter()
            .filter(|object| object.is_none())
            .count();
        let missing = Missing {
            what: "an object".to_owned(),
            help: "make it".to_owned(),
        };
        let named = if self.has(Fault::ProbesNothing) {
            0
        } else {
            gone
        };
        Ok(vec![missing; named])
    }
}

struct FakeBench {
    fault: Option<Fault>,
    carries: BTreeSet<Part>,
}

impl FakeBench {
    fn new(fault: Option<Fault>) -> Self {
        let carries = Capabilities::all().parts;
        Self { fault, carries }
    }
}

impl Bench for FakeBench {
    type World = Arc<Mutex<World>>;

    async fn world(&self) -> Self::World {
        Arc::new(Mutex::new(World::fresh()))
    }

    async fn router(&self, world: &Self::World) -> Arc<dyn TrafficRouter> {
        let bell = Arc::new(Bell::default());
        world.lock().unwrap().bells.push(Arc::clone(&bell));
        Arc::new(Fake {
            bell,
            world: Arc::clone(world),
            fault: self.fault,
            carries: self.carries.clone(),
            memory: Arc::default(),
        })
    }

    async fn pass(&self, world: &Self::World, time: Duration) -> bool {
        let mut world = world.lock().unwrap();
        world.now = world.now + time;
        true
    }

    async fn meddle(&self, world: &Self::World, split: &Split) -> bool {
        for object in world.lock().unwrap().objects.iter_mut().flatten() {
            object.route.split.value = split.clone();
        }
        true
    }

    async fn writes(&self, world: &Self::World) -> Option<u64> {
        Some(world.lock().unwrap().writes)
    }

    async fn others(&self, world: &Self::World) -> Option<String> {
        Some(world.lock().unwrap().stranger.to_string())
    }

    async fn jam(&self, world: &Self::World) -> bool {
        world.lock().unwrap().objects[1].as_mut().unwrap().jammed = true;
        true
    }

    async fn free(&self, world: &Self::World) {
        world.lock().unwrap().objects[1].as_mut().unwrap().jammed = false;
    }

    async fn remove(&self, world: &Self::World) -> bool {
        world.lock().unwrap().objects[0] = None;
        true
    }
}

#[test]
fn a_router_that_keeps_the_rules_is_clean_and_nothing_is_skipped() {
    let report = block_on(all(&FakeBench::new(None)));
    report.assert_clean();
    assert_eq!(report.skipped, []);
    assert_eq!(report.kept.len(), 11);
}

#[test]
fn each_way_of_breaking_a_rule_is_caught_under_its_number() {
    let faults: [(Fault, &[u8]); 22] = [
        (Fault::TouchesWhatIsNotItsOwn, &[1]),
        (Fault::ForgetsHeaders, &[1]),
        (Fault::WritesAgain, &[2]),
        (Fault::AnswersFromMemory, &[3, 6, 8]),
        (Fault::ShowsWhatItDoesNotCarry, &[4]),
        (Fault::HidesWhatItCarries, &[4]),
        (Fault::OneStampForAll, &[5]),
        (Fault::LosesLabels, &[5]),
        (Fault::TakesAnythingOlder, &[6]),
        (Fault::TakesAnOlderLowering, &[6]),
        (Fault::ChecksThenWrites, &[6]),
        (Fault::SaysThatARetryHelps, &[6]),
        (Fault::Rounds, &[7]),
        (Fault::WritesHalfARaise, &[8]),
        (Fault::LowersAllOrNothing, &[8]),
        (Fault::NewestOfDifferingStamps, &[8]),
        (Fault::SinceIsNow, &[2, 9]),
        (Fault::SinceNeverMoves, &[9]),
        (Fault::EmptyForMissing, &[10]),
        (Fault::ProbesNothing, &[10]),
        (Fault::ProbeWrites, &[10]),
        (Fault::TellsNobody, &[11]),
    ];
    for (fault, rules) in faults {
        let mut bench = FakeBench::new(Some(fault));
        if fault == Fault::ShowsWhatItDoesNotCarry {
            bench.carries.remove(&Part::Mirrors);
        }
        let report = block_on(all(&bench));
        assert_eq!(report.broken(), rules, "{fault:?}\n{report}");
    }
}

#[test]
fn what_a_router_does_not_carry_is_skipped_by_name() {
    let mut bench = FakeBench::new(None);
    bench.carries.remove(&Part::Split);
    let report = block_on(all(&bench));
    report.assert_clean();
    let skipped: Vec<String> = report.skipped.iter().map(ToString::to_string).collect();
    let why = "the router does not carry Split";
    assert_eq!(
        skipped,
        [3, 7, 8].map(|number| format!("TrafficRouter rule {number} skipped: {why}"))
    );
}
