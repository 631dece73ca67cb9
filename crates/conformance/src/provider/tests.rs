//! A provider that keeps every rule, and one for each way of breaking one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::fault::{FaultKind, Retry};
use gradatim_core::measurement::{Ask, MeasurementId, Outcome, Reading, Sample, Series};
use gradatim_core::port::{MetricProvider, PortError};
use serde_json::{Value, json};

use super::{Answer, Bench, SECRET, all};
use crate::testing::{block_on, pause};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    AnswersTheLastAsk,
    AnswersForNow,
    ZeroForNothing,
    ErrorForNothing,
    ZeroForNan,
    NumberForGarbage,
    GarbageIsUnreachable,
    WrongQueryMayHelp,
    WrongQueryIsNothing,
    DoesTwice,
    DoesOnceForAll,
    TellsTheSecretInItsQuery,
    TellsTheSecretInItsError,
    TellsTheSecretInItsCause,
    SwallowsTheFailure,
    LosesLabels,
    LosesTimes,
    LongHandle,
    StartsAgain,
    EndsNothing,
    UnknownIsAnError,
}

#[derive(Default)]
struct World {
    answers: Vec<Answer>,
    done: Vec<MeasurementId>,
    deeds: u64,
    running: BTreeMap<String, ()>,
    last: usize,
}

struct Fake {
    world: Arc<Mutex<World>>,
    fault: Option<Fault>,
}

fn number(value: f64) -> Result<Outcome, PortError> {
    Ok(Outcome::number(value))
}

impl Fake {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn malformed(&self) -> Result<Outcome, PortError> {
        if self.has(Fault::NumberForGarbage) {
            return number(0.0);
        }
        let kind = if self.has(Fault::GarbageIsUnreachable) {
            FaultKind::Unreachable
        } else {
            FaultKind::Malformed
        };
        Err(PortError::new(kind, "no JSON"))
    }

    fn wrong(&self) -> Result<Outcome, PortError> {
        let mut error = PortError::new(FaultKind::Invalid, "parse error at 1:4");
        if self.has(Fault::WrongQueryMayHelp) {
            error.retry = Retry::Soon;
        }
        if self.has(Fault::WrongQueryIsNothing) {
            return Ok(Outcome::done(Reading::Series(Vec::new())));
        }
        Err(error)
    }

    fn secret(&self, fails: bool) -> Result<Outcome, PortError> {
        if fails && !self.has(Fault::SwallowsTheFailure) {
            let mut error = PortError::new(FaultKind::Forbidden, "401");
            if self.has(Fault::TellsTheSecretInItsError) {
                error.text = format!("401: Bearer {SECRET}");
            }
            if self.has(Fault::TellsTheSecretInItsCause) {
                error = error.caused_by(format!("sent {SECRET}"));
            }
            return Err(error);
        }
        let mut outcome = Outcome::number(1.0);
        if let Outcome::Done { notes, .. } = &mut outcome {
            let shown = if self.has(Fault::TellsTheSecretInItsQuery) {
                SECRET
            } else {
                "***"
            };
            notes.query = Some(format!("token={shown}"));
        }
        Ok(outcome)
    }

    fn labelled(&self, series: &[Series]) -> Result<Outcome, PortError> {
        let mut series = series.to_vec();
        for one in &mut series {
            if self.has(Fault::LosesLabels) {
                one.labels.remove("zone");
            }
            if self.has(Fault::LosesTimes) {
                one.samples = one
                    .samples
                    .iter()
                    .map(|s| Sample {
                        at: Default::default(),
                        ..*s
                    })
                    .collect();
            }
        }
        series.reverse();
        Ok(Outcome::done(Reading::Series(series)))
    }

    fn deed(&self, world: &mut World, id: &MeasurementId) -> Result<Outcome, PortError> {
        let known =
            world.done.contains(id) || (self.has(Fault::DoesOnceForAll) && !world.done.is_empty());
        if !known || self.has(Fault::DoesTwice) {
            world.deeds += 1;
            world.done.push(id.clone());
        }
        number(1.0)
    }

    fn endless(&self, world: &mut World, ask: &Ask) -> Result<Outcome, PortError> {
        let mut handle = ask.id.to_string();
        if self.has(Fault::LongHandle) {
            handle = handle.repeat(20);
        }
        if self.has(Fault::StartsAgain) {
            handle = format!("{handle}-{}", world.running.len());
        }
        world.running.insert(handle.clone(), ());
        Ok(Outcome::Running {
            handle,
            ask_again_at: ask.at + Duration::from_secs(5),
        })
    }
}

#[async_trait]
impl MetricProvider for Fake {
    fn has_history(&self) -> bool {
        true
    }

    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let mut index = ask.query["answer"].as_u64().unwrap() as usize;
        self.world.lock().unwrap().last = index;
        pause().await;
        let mut world = self.world.lock().unwrap();
        if self.has(Fault::AnswersTheLastAsk) {
            index = world.last;
        }
        match world.answers[index].clone() {
            Answer::Number(value) if value.is_nan() && self.has(Fault::ZeroForNan) => number(0.0),
            Answer::Number(value) => number(value.get()),
            Answer::Turning { at, before, after } => {
                let late = ask.at >= at || self.has(Fault::AnswersForNow);
                number(if late { after } else { before }.get())
            }
            Answer::Nothing if self.has(Fault::ZeroForNothing) => number(0.0),
            Answer::Nothing if self.has(Fault::ErrorForNothing) => self.malformed(),
            Answer::Nothing => Ok(Outcome::done(Reading::Series(Vec::new()))),
            Answer::Series(series) => self.labelled(&series),
            Answer::Garbage | Answer::Word => self.malformed(),
            Answer::WrongQuery => self.wrong(),
            Answer::Secret { fails } => self.secret(fails),
            Answer::Deed => self.deed(&mut world, &ask.id),
            Answer::Endless => self.endless(&mut world, ask),
        }
    }

    async fn terminate(&self, _: &MeasurementId, handle: &str) -> Result<(), PortError> {
        if self.has(Fault::EndsNothing) {
            return Ok(());
        }
        let known = self.world.lock().unwrap().running.remove(handle).is_some();
        if !known && self.has(Fault::UnknownIsAnError) {
            return Err(PortError::new(FaultKind::NotFound, "no such job"));
        }
        Ok(())
    }
}

struct FakeBench(Option<Fault>);

impl Bench for FakeBench {
    type World = Arc<Mutex<World>>;

    async fn world(&self) -> Self::World {
        Arc::default()
    }

    async fn provider(&self, world: &Self::World) -> Arc<dyn MetricProvider> {
        Arc::new(Fake {
            world: Arc::clone(world),
            fault: self.0,
        })
    }

    async fn query(&self, world: &Self::World, answer: &Answer) -> Option<Value> {
        let mut world = world.lock().unwrap();
        world.answers.push(answer.clone());
        Some(json!({ "answer": world.answers.len() - 1 }))
    }

    async fn deeds(&self, world: &Self::World) -> u64 {
        world.lock().unwrap().deeds
    }

    async fn running(&self, world: &Self::World) -> u64 {
        world.lock().unwrap().running.len() as u64
    }
}

#[test]
fn a_provider_that_keeps_the_rules_is_clean_and_nothing_is_skipped() {
    let report = block_on(all(&FakeBench(None)));
    report.assert_clean();
    assert_eq!(report.skipped, []);
    assert_eq!(report.kept.len(), 9);
}

#[test]
fn each_way_of_breaking_a_rule_is_caught_under_its_number() {
    let faults: [(Fault, u8); 21] = [
        (Fault::AnswersTheLastAsk, 1),
        (Fault::AnswersForNow, 1),
        (Fault::ZeroForNothing, 2),
        (Fault::ErrorForNothing, 2),
        (Fault::ZeroForNan, 3),
        (Fault::NumberForGarbage, 4),
        (Fault::GarbageIsUnreachable, 4),
        (Fault::WrongQueryMayHelp, 5),
        (Fault::WrongQueryIsNothing, 5),
        (Fault::DoesTwice, 6),
        (Fault::DoesOnceForAll, 6),
        (Fault::TellsTheSecretInItsQuery, 7),
        (Fault::TellsTheSecretInItsError, 7),
        (Fault::TellsTheSecretInItsCause, 7),
        (Fault::SwallowsTheFailure, 7),
        (Fault::LosesLabels, 8),
        (Fault::LosesTimes, 8),
        (Fault::LongHandle, 9),
        (Fault::StartsAgain, 9),
        (Fault::EndsNothing, 9),
        (Fault::UnknownIsAnError, 9),
    ];
    for (fault, rule) in faults {
        let report = block_on(all(&FakeBench(Some(fault))));
        assert_eq!(report.broken(), [rule], "{fault:?}\n{report}");
    }
}

/// Has no query for anything.
struct NoQueries;

impl Bench for NoQueries {
    type World = Arc<Mutex<World>>;

    async fn world(&self) -> Self::World {
        FakeBench(None).world().await
    }

    async fn provider(&self, world: &Self::World) -> Arc<dyn MetricProvider> {
        FakeBench(None).provider(world).await
    }

    async fn query(&self, _: &Self::World, _: &Answer) -> Option<Value> {
        None
    }
}

#[test]
fn what_a_bench_cannot_ask_is_skipped_by_name() {
    let report = block_on(all(&NoQueries));
    report.assert_clean();
    assert_eq!(report.skipped.len(), 9, "{report}");
    let text = report.to_string();
    assert!(
        text.contains("rule 2 skipped: the bench has no query for nothing"),
        "{text}"
    );
}
