//! One world with a provider on it, and readings looked into.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gradatim_core::fault::{Fault, FaultKind};
use gradatim_core::id::Digest;
use gradatim_core::measurement::{Ask, MeasurementId, Outcome, Reading, RunKey, Sample, Series};
use gradatim_core::number::Number;
use gradatim_core::port::{MetricProvider, PortError};
use serde_json::Value;

use super::{Answer, Bench};
use crate::report::{Unkept, broken, done, skipped, told};

pub(super) struct Scene<'a, B: Bench> {
    bench: &'a B,
    pub(super) world: B::World,
    pub(super) provider: Arc<dyn MetricProvider>,
    asked: u32,
}

impl<'a, B: Bench> Scene<'a, B> {
    pub(super) async fn set(bench: &'a B) -> Self {
        let world = bench.world().await;
        let provider = bench.provider(&world).await;
        Self {
            bench,
            world,
            provider,
            asked: 0,
        }
    }

    /// An ask that gets this answer; skips the rule where the provider knows no such answer.
    pub(super) async fn ask(&mut self, answer: &Answer) -> Result<Ask, Unkept> {
        match self.bench.query(&self.world, answer).await {
            Some(query) => Ok(self.ask_for(query)),
            None => skipped(format!("the bench has no query for {}", kind(answer))),
        }
    }

    pub(super) fn ask_for(&mut self, query: Value) -> Ask {
        self.asked += 1;
        Ask {
            id: MeasurementId {
                incarnation: 1,
                revision: "v2".into(),
                attempt: 1,
                run: RunKey::Background,
                metric: "checked".into(),
                digest: Digest::of(&query),
                tick: self.asked,
                retry: 0,
            },
            provider: "checked".to_owned(),
            query,
            window: Duration::from_secs(60),
            at: self.bench.at(),
            handle: None,
        }
    }

    /// What comes of an ask, which may not fail.
    pub(super) async fn measure(&self, ask: &Ask) -> Result<Outcome, Unkept> {
        let answer = self.provider.measure(ask).await;
        match done(answer, &format!("`measure` of {}", ask.query))? {
            Outcome::Failed(fault) => broken(format!("`measure` of {} fails: {fault}", ask.query)),
            outcome => Ok(outcome),
        }
    }

    /// What an ask measures at once.
    pub(super) async fn reading(&self, ask: &Ask) -> Result<Reading, Unkept> {
        match self.measure(ask).await? {
            Outcome::Done { reading, .. } => Ok(reading),
            other => broken(format!("`measure` of {} is not over: {other:?}", ask.query)),
        }
    }

    /// The fault of an ask that must fail.
    pub(super) async fn fails(
        &self,
        ask: &Ask,
        kind: FaultKind,
        what: &str,
    ) -> Result<Fault, Unkept> {
        let answer = self.provider.measure(ask).await;
        match fault(&answer) {
            Some(fault) if fault.kind == kind => Ok(fault),
            Some(fault) => broken(format!(
                "{what} is an error of kind {:?}, wanted {kind:?}: {fault}",
                fault.kind
            )),
            None => broken(format!("{what} is answered with {answer:?}")),
        }
    }

    /// Series as they are told apart by labels alone, each with its own time.
    pub(super) fn labelled(&self) -> Vec<Series> {
        let series = |pod: &str, value: f64, age: u64| Series {
            labels: BTreeMap::from([
                ("pod".to_owned(), pod.to_owned()),
                ("zone".to_owned(), "a \"b\", c".to_owned()),
            ]),
            samples: vec![Sample {
                at: self.bench.at() - Duration::from_secs(age),
                value: Number::new(value),
            }],
        };
        vec![series("one", 0.25, 0), series("two", 3.0, 15)]
    }
}

/// What an answer is, in a word or two.
fn kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Number(_) => "a number",
        Answer::Turning { .. } => "a number that turns",
        Answer::Nothing => "nothing",
        Answer::Series(_) => "labelled series",
        Answer::Garbage => "garbage",
        Answer::Word => "a word where a number should stand",
        Answer::WrongQuery => "a wrong query",
        Answer::Secret { .. } => "a secret",
        Answer::Deed => "a deed",
        Answer::Endless => "what takes longer",
    }
}

/// The last numbers that a reading holds.
pub(super) fn numbers(reading: &Reading) -> Vec<Number> {
    match reading {
        Reading::Number(number) => vec![*number],
        Reading::Series(series) => {
            let last = series.iter().filter_map(|series| series.samples.last());
            last.map(|sample| sample.value).collect()
        }
        Reading::Json(Value::Number(number)) => {
            number.as_f64().map(Number::new).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Whether there is nothing in a reading.
pub(super) fn is_empty(reading: &Reading) -> bool {
    match reading {
        Reading::Series(series) => series.iter().all(|series| series.samples.is_empty()),
        Reading::Counters(counters) => counters.iter().all(|counter| counter.samples.is_empty()),
        Reading::Json(Value::Null) => true,
        Reading::Json(Value::Array(values)) => values.is_empty(),
        Reading::Json(Value::Object(fields)) => fields.is_empty(),
        _ => false,
    }
}

pub(super) fn series(reading: &Reading) -> Option<Vec<Series>> {
    match reading {
        Reading::Series(series) => Some(series.clone()),
        _ => None,
    }
}

/// The fault of an answer, whichever way it is told.
pub(super) fn fault(answer: &Result<Outcome, PortError>) -> Option<Fault> {
    match answer {
        Ok(Outcome::Failed(fault)) => Some(fault.clone()),
        Ok(_) => None,
        Err(error) => Some(error.to_fault()),
    }
}

/// Where an answer tells a secret, if it does.
pub(super) fn leaks(answer: &Result<Outcome, PortError>, secret: &str) -> Option<&'static str> {
    let (place, text) = match answer {
        Err(error) => ("an error", format!("{} {error:?}", told(error))),
        Ok(Outcome::Done { notes, .. }) => ("a note", format!("{notes:?}")),
        Ok(other) => ("an outcome", format!("{other:?}")),
    };
    text.contains(secret).then_some(place)
}
