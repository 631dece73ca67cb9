//! The simulation's own ports keep the rules that every backend keeps.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use gradatim_conformance::provider::Answer;
use gradatim_conformance::{notifier, provider, router, store, workload};
use gradatim_core::capability::{Capabilities, Part};
use gradatim_core::decision::Saved;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::measurement::{Ask, Outcome, Reading};
use gradatim_core::plan::{Plan, RouterPlan};
use gradatim_core::port::{MetricProvider, Notifier, PortError, Store, TrafficRouter, Workload};
use gradatim_core::route::{Confidence, Split};
use gradatim_core::time::Timestamp;
use gradatim_driver::store::MemoryStore;
use serde_json::{Value, json};

use super::secs;
use crate::clock::SimClock;
use crate::notifier::SimNotifier;
use crate::provider::SimProvider;
use crate::router::SimRouter;
use crate::site::{Shared, Site};
use crate::store::SimStore;
use crate::workload::SimWorkload;
use crate::world::{RouterState, World};
use crate::{Fault, Measure, Mishap, Target, Version};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const LAG: Duration = Duration::from_secs(2);

fn world() -> Shared {
    let plan = Arc::new(Plan::rolling_update("shop"));
    let mut world = World::new(plan, 2, "v1", Version::healthy(), START);
    world.deploy("v2", Version::healthy());
    Shared::new(world)
}

fn pass(world: &Shared, time: Duration) {
    let mut world = world.world();
    let to = world.now + time;
    world.pass(to);
}

fn writes(world: &Shared) -> Option<u64> {
    let world = world.world();
    let changed = world.writes.iter().filter(|write| write.changed);
    u64::try_from(changed.count()).ok()
}

struct Routers(Capabilities);

impl router::Bench for Routers {
    type World = Shared;

    async fn world(&self) -> Shared {
        let world = world();
        let plan = RouterPlan {
            name: "toy".to_owned(),
            part: Value::Null,
            capabilities: self.0.clone(),
        };
        world.world().routers = vec![RouterState::new(&plan, LAG)];
        world
    }

    async fn router(&self, world: &Shared) -> Arc<dyn TrafficRouter> {
        let site = Site::new(world.clone(), 0);
        Arc::new(SimRouter { site, place: 0 })
    }

    async fn settle(&self, world: &Shared) {
        pass(world, LAG);
    }

    async fn pass(&self, world: &Shared, time: Duration) -> bool {
        pass(world, time);
        true
    }

    async fn meddle(&self, world: &Shared, split: &Split) -> bool {
        world.world().edit_split(0, split.clone());
        pass(world, LAG);
        true
    }

    async fn writes(&self, world: &Shared) -> Option<u64> {
        writes(world)
    }
}

fn routers() -> Vec<Capabilities> {
    let coarse = Capabilities {
        grain: 3,
        confidence: Confidence::Config,
        ..Capabilities::all()
    };
    let unfenced = Capabilities {
        fenced: false,
        ..Capabilities::default()
    };
    let mut bind_only = Capabilities::all();
    bind_only.parts = [Part::Bind].into();
    vec![
        Capabilities::all(),
        Capabilities::default(),
        coarse,
        unfenced,
        bind_only,
    ]
}

#[test]
fn the_router_keeps_the_rules_whatever_it_is_said_to_be_capable_of() {
    for capabilities in routers() {
        let report = router::all(&Routers(capabilities.clone()))
            .now_or_never()
            .unwrap();
        assert!(report.is_clean(), "{capabilities:?}\n{report}");
    }
    let report = router::all(&Routers(Capabilities::all()))
        .now_or_never()
        .unwrap();
    // It has one object, which cannot go missing, and its driver looks by itself.
    assert_eq!(report.unchecked(), [8, 10, 11], "{report}");
}

struct Workloads;

impl workload::Bench for Workloads {
    type World = Shared;

    async fn world(&self) -> Shared {
        world()
    }

    async fn workload(&self, world: &Shared) -> Arc<dyn Workload> {
        let site = Site::new(world.clone(), 0);
        Arc::new(SimWorkload { site })
    }

    async fn settle(&self, world: &Shared) {
        pass(world, secs(20));
    }

    async fn now(&self, world: &Shared) -> Option<Timestamp> {
        Some(world.world().now)
    }

    async fn writes(&self, world: &Shared) -> Option<u64> {
        writes(world)
    }

    async fn trouble(&self, world: &Shared, revision: &RevisionId, words: &str) -> bool {
        let refused = Version::refused(words);
        world.world().change(revision.as_str(), refused);
        true
    }
}

#[test]
fn the_workload_keeps_the_rules() {
    let report = workload::all(&Workloads).now_or_never().unwrap();
    report.assert_clean();
    assert_eq!(
        report.unchecked(),
        [9],
        "its driver looks by itself: {report}"
    );
}

struct Stores;

impl store::Bench for Stores {
    type World = (Shared, SimClock, MemoryStore);

    async fn world(&self) -> Self::World {
        let clock = SimClock::new(START);
        let inner = MemoryStore::with_clock(Arc::new(clock.clone()));
        (world(), clock, inner)
    }

    async fn store(&self, (world, _, inner): &Self::World) -> Arc<dyn Store> {
        let (site, inner) = (Site::new(world.clone(), 0), inner.clone());
        Arc::new(SimStore { site, inner })
    }

    async fn expire(&self, (_, clock, _): &Self::World, _: &str) -> bool {
        clock.advance(clock.world_now() + secs(31));
        true
    }

    async fn spoil(&self, (_, _, inner): &Self::World) -> bool {
        let message = "spoilt".to_owned();
        inner.put(Saved::Unreadable { message });
        true
    }
}

#[test]
fn the_store_keeps_the_rules() {
    let report = store::all(&Stores).now_or_never().unwrap();
    report.assert_clean();
    assert_eq!(report.skipped, []);
}

struct Notifiers;

impl notifier::Bench for Notifiers {
    type World = Shared;

    async fn world(&self) -> Shared {
        world()
    }

    async fn notifier(&self, world: &Shared) -> Arc<dyn Notifier> {
        let site = Site::new(world.clone(), 0);
        Arc::new(SimNotifier { site })
    }

    async fn told(&self, world: &Shared) -> Vec<String> {
        let world = world.world();
        let told = world.told.iter();
        told.map(|(_, event)| event.text.clone()).collect()
    }

    async fn fail(&self, world: &Shared, fails: bool) -> bool {
        let mut world = world.world();
        if fails {
            let broken = Mishap::Error(FaultKind::Unreachable);
            world.break_with(Fault::new(Target::Notifier, broken));
        } else {
            world.repair();
        }
        true
    }
}

#[test]
fn the_notifier_keeps_the_rules() {
    let report = notifier::all(&Notifiers).now_or_never().unwrap();
    report.assert_clean();
    assert_eq!(report.skipped, []);
}

type Answers = Arc<Mutex<Vec<Answer>>>;

fn answer(answers: &Answers, ask: &Ask) -> Result<Outcome, PortError> {
    let place = ask.query["answer"].as_u64().unwrap();
    let answers = answers.lock().unwrap();
    match &answers[usize::try_from(place).unwrap()] {
        Answer::Number(number) => Ok(Outcome::number(number.get())),
        Answer::Turning { at, before, after } => {
            let number = if ask.at < *at { before } else { after };
            Ok(Outcome::number(number.get()))
        }
        Answer::Series(series) => Ok(Outcome::done(Reading::Series(series.clone()))),
        other => unreachable!("{other:?} is nothing that a function says"),
    }
}

struct Providers;

impl provider::Bench for Providers {
    type World = (Shared, Answers);

    async fn world(&self) -> Self::World {
        let (world, answers) = (world(), Answers::default());
        let known = Arc::clone(&answers);
        let measure = Measure::with(move |_, ask| answer(&known, ask));
        world.world().set_metric("checked", measure);
        (world, answers)
    }

    async fn provider(&self, (world, _): &Self::World) -> Arc<dyn MetricProvider> {
        let (site, clock) = (Site::new(world.clone(), 0), SimClock::new(START));
        Arc::new(SimProvider { site, clock })
    }

    async fn query(&self, (world, answers): &Self::World, answer: &Answer) -> Option<Value> {
        let failing = |kind| Measure::failing(kind, "as the world says");
        let measure = match answer {
            Answer::Number(_) | Answer::Turning { .. } | Answer::Series(_) => None,
            Answer::Nothing => Some(Measure::no_data()),
            Answer::Garbage | Answer::Word => Some(failing(FaultKind::Malformed)),
            Answer::WrongQuery => Some(failing(FaultKind::Invalid)),
            _ => return None,
        };
        let mut world = world.world();
        measure
            .into_iter()
            .for_each(|measure| world.set_metric("checked", measure));
        let mut answers = answers.lock().unwrap();
        answers.push(answer.clone());
        Some(json!({ "answer": answers.len() - 1 }))
    }
}

#[test]
fn the_provider_keeps_the_rules() {
    let report = provider::all(&Providers).now_or_never().unwrap();
    report.assert_clean();
    // It does nothing, keeps no secrets, and is never still at work.
    assert_eq!(report.unchecked(), [6, 7, 9], "{report}");
}
