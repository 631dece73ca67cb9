//! The rules of a [`Notifier`].

use std::sync::Arc;

use gradatim_core::event::{Event, EventId, EventKind};
use gradatim_core::id::RolloutId;
use gradatim_core::port::Notifier;
use gradatim_core::time::Timestamp;

use crate::report::{Check, Report, done, ensure, same, skipped};

const PORT: &str = "Notifier";

/// What the author of a notifier supplies so that it can be checked.
pub trait Bench: Sync {
    /// Where events are told: a stub of a server, a file.
    type World: Send + Sync;

    /// A fresh world, in which nothing was told yet.
    fn world(&self) -> impl Future<Output = Self::World> + Send;

    /// A notifier on a world.
    fn notifier(&self, world: &Self::World) -> impl Future<Output = Arc<dyn Notifier>> + Send;

    /// What was told, a text for each time, in order. Each contains the event's text.
    fn told(&self, world: &Self::World) -> impl Future<Output = Vec<String>> + Send;

    /// Makes telling fail (true), or work again (false); answers false when the bench cannot.
    fn fail(&self, world: &Self::World, fails: bool) -> impl Future<Output = bool> + Send {
        let _ = (world, fails);
        async { false }
    }
}

/// Checks every rule, each in a world of its own.
pub async fn all<B: Bench>(bench: &B) -> Report {
    let mut report = Report::default();
    report.note(PORT, 1, an_event_is_told_once(bench).await);
    report.note(PORT, 2, what_failed_is_told_by_the_next_call(bench).await);
    report
}

fn event(incarnation: u64, number: u64) -> Event {
    Event {
        id: EventId {
            incarnation,
            number,
        },
        at: Timestamp::from_secs(1_800_000_000),
        kind: EventKind::RolloutAborted,
        text: format!("checked {incarnation}-{number}: taken back, \"quoted\" & \u{e9}"),
        evidence: Vec::new(),
    }
}

/// Rule 1: an event is told once for its id; telling it again is no error and changes nothing.
pub async fn an_event_is_told_once<B: Bench>(bench: &B) -> Check {
    let world = bench.world().await;
    let notifier = bench.notifier(&world).await;
    let (shop, cart) = (RolloutId::new("ns/shop"), RolloutId::new("ns/cart"));
    let told = [
        (&shop, event(1, 1)),
        (&shop, event(1, 2)),
        (&shop, event(2, 1)),
        (&cart, event(1, 1)),
    ];
    for (rollout, event) in &told {
        done(notifier.tell(rollout, event).await, "`tell`")?;
        done(
            notifier.tell(rollout, event).await,
            "`tell` of the same event again",
        )?;
    }
    done(
        notifier.tell(&shop, &event(1, 1)).await,
        "`tell` of an old event again",
    )?;
    let found = bench.told(&world).await;
    same(
        found.len(),
        told.len(),
        "the events that were told, of which each was told twice",
    )?;
    let whole = told
        .iter()
        .zip(&found)
        .all(|((_, event), text)| text.contains(&event.text));
    ensure(whole, || {
        format!("what was told lacks the events' texts: {found:?}")
    })
}

/// Rule 2: a call that fails has told nothing that the next call would not tell.
pub async fn what_failed_is_told_by_the_next_call<B: Bench>(bench: &B) -> Check {
    let world = bench.world().await;
    let notifier = bench.notifier(&world).await;
    if !bench.fail(&world, true).await {
        return skipped("the bench cannot make telling fail");
    }
    let (shop, event) = (RolloutId::new("shop"), event(1, 1));
    let answer = notifier.tell(&shop, &event).await;
    ensure(answer.is_err(), || {
        "nothing can be told, but `tell` succeeds".to_owned()
    })?;
    bench.fail(&world, false).await;
    done(notifier.tell(&shop, &event).await, "`tell` after a failure")?;
    let found = bench.told(&world).await;
    let whole = found.last().is_some_and(|text| text.contains(&event.text));
    ensure(whole && found.len() == 1, || {
        format!("after one failure and one success {found:?} was told, wanted one event")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use gradatim_core::fault::FaultKind;
    use gradatim_core::port::PortError;

    use super::*;
    use crate::testing::block_on;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Fault {
        TellsTwice,
        MixesUpRollouts,
        MixesUpLives,
        LosesTheText,
        SwallowsErrors,
        TellsAndFails,
        CountsFailuresAsTold,
    }

    #[derive(Default)]
    struct World {
        told: Vec<String>,
        fails: bool,
    }

    struct Fake {
        world: Arc<Mutex<World>>,
        known: Mutex<BTreeSet<(RolloutId, EventId)>>,
        fault: Option<Fault>,
    }

    #[async_trait]
    impl Notifier for Fake {
        async fn tell(&self, rollout: &RolloutId, event: &Event) -> Result<(), PortError> {
            let has = |fault| self.fault == Some(fault);
            let (mut key, mut world) = ((rollout.clone(), event.id), self.world.lock().unwrap());
            if has(Fault::MixesUpRollouts) {
                key.0 = RolloutId::new("");
            }
            if has(Fault::MixesUpLives) {
                key.1.incarnation = 0;
            }
            let mut known = self.known.lock().unwrap();
            if known.contains(&key) && !has(Fault::TellsTwice) {
                return Ok(());
            }
            if world.fails && has(Fault::CountsFailuresAsTold) {
                known.insert(key.clone());
            }
            let text = if has(Fault::LosesTheText) {
                ""
            } else {
                &event.text
            };
            if !world.fails || has(Fault::TellsAndFails) {
                world.told.push(text.to_owned());
            }
            if world.fails && !has(Fault::SwallowsErrors) {
                return Err(PortError::new(FaultKind::Unreachable, "down"));
            }
            known.insert(key);
            Ok(())
        }
    }

    struct FakeBench(Option<Fault>);

    impl Bench for FakeBench {
        type World = Arc<Mutex<World>>;

        async fn world(&self) -> Self::World {
            Arc::default()
        }

        async fn notifier(&self, world: &Self::World) -> Arc<dyn Notifier> {
            Arc::new(Fake {
                world: Arc::clone(world),
                known: Mutex::default(),
                fault: self.0,
            })
        }

        async fn told(&self, world: &Self::World) -> Vec<String> {
            world.lock().unwrap().told.clone()
        }

        async fn fail(&self, world: &Self::World, fails: bool) -> bool {
            world.lock().unwrap().fails = fails;
            true
        }
    }

    #[test]
    fn each_way_of_breaking_a_rule_is_caught_under_its_number() {
        let faults: [(Option<Fault>, &[u8]); 8] = [
            (None, &[]),
            (Some(Fault::TellsTwice), &[1]),
            (Some(Fault::MixesUpRollouts), &[1]),
            (Some(Fault::MixesUpLives), &[1]),
            (Some(Fault::LosesTheText), &[1, 2]),
            (Some(Fault::SwallowsErrors), &[2]),
            (Some(Fault::TellsAndFails), &[2]),
            (Some(Fault::CountsFailuresAsTold), &[2]),
        ];
        for (fault, rules) in faults {
            let report = block_on(all(&FakeBench(fault)));
            assert_eq!(report.broken(), rules, "{fault:?}\n{report}");
            assert_eq!(report.skipped, []);
        }
    }
}
