//! Questions to the outside world, and their answers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::id::{Digest, MetricName, RevisionId};
use crate::number::Number;
use crate::time::Timestamp;

/// Where in a plan a gate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum GatePoint {
    /// Before anything of the new version gets traffic or pods.
    BeforeStart,
    /// Before each raise of the weight.
    BeforeRaise,
    /// Before the new version is called stable.
    BeforePromotion,
    /// After it: holds back Healthy only.
    AfterPromotion,
    /// A trigger: open means take the traffic back.
    Rollback,
}

/// Which run of a rollout a measurement belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunKey {
    /// The run beside all steps.
    Background,
    /// The run of one step, by the step's index in the plan.
    Step(u32),
    /// A gate; `pass` counts how often this point was reached.
    Gate {
        /// Which point.
        point: GatePoint,
        /// The step whose raise it guards, or 0.
        pass: u32,
    },
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Background => f.write_str("background"),
            Self::Step(index) => write!(f, "step{index}"),
            Self::Gate { point, pass } => write!(f, "gate-{point:?}-{pass}"),
        }
    }
}

/// Names one try of one measurement for ever: the idempotency key of what is not a pure read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeasurementId {
    /// The life of the rollout, granted by its store.
    pub incarnation: u64,
    /// The revision on trial.
    pub revision: RevisionId,
    /// The attempt at it.
    pub attempt: u32,
    /// The run.
    pub run: RunKey,
    /// The metric.
    pub metric: MetricName,
    /// The digest of the metric's plan.
    pub digest: Digest,
    /// The index on the grid of due times.
    pub tick: u32,
    /// Counts the tries after errors.
    pub retry: u32,
}

impl fmt::Display for MeasurementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            incarnation,
            revision,
            attempt,
            run,
            metric,
            digest,
            tick,
            retry,
        } = self;
        write!(
            f,
            "{incarnation}/{revision}/{attempt}/{run}/{metric}@{digest}/{tick}.{retry}"
        )
    }
}

/// One measurement that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ask {
    /// Its name.
    pub id: MeasurementId,
    /// The provider, by the name a manifest calls it by.
    pub provider: String,
    /// The provider's own part, with its arguments filled in; secrets stay placeholders.
    pub query: serde_json::Value,
    /// How far back a query over a window reaches.
    pub window: Duration,
    /// The instant that the measurement speaks of.
    pub at: Timestamp,
    /// What a running measurement is known by on the other side.
    pub handle: Option<String>,
}

/// One labelled series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its samples, oldest first.
    pub samples: Vec<Sample>,
}

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// What.
    pub value: Number,
}

/// Which side of a release a counter speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The version that users have trusted so far.
    Stable,
    /// The version on trial.
    Canary,
}

/// What a raw counter counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CounterKind {
    /// All requests.
    Requests,
    /// Failed requests.
    Errors,
    /// Requests at most as slow as this bound, in seconds; `+Inf` is the last one.
    Bucket(String),
}

/// A raw counter of one pod: never a rate, resets and all.
///
/// Holds the last sample at or before the window's start and every later one up to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Which side.
    pub side: Side,
    /// Which pod.
    pub pod: String,
    /// What it counts.
    pub kind: CounterKind,
    /// Its samples, oldest first.
    pub samples: Vec<Sample>,
}

/// How a piece of work that is not a number ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WorkPhase {
    /// It succeeded.
    Successful,
    /// It failed.
    Failed,
    /// It says nothing either way.
    Inconclusive,
}

/// What a gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GateState {
    /// Go on.
    Open,
    /// Wait.
    Closed,
    /// It cannot tell; wait.
    Unknown,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Reading {
    /// One number.
    Number(Number),
    /// Labelled series; a condition sees the list of all their values, series by series.
    Series(Vec<Series>),
    /// Any JSON.
    Json(serde_json::Value),
    /// Raw counters of both sides.
    Counters(Vec<Counter>),
    /// The end of a job or a command, with its text.
    Work {
        /// How it ended.
        phase: WorkPhase,
        /// Its text.
        text: String,
    },
    /// A gate.
    Gate(GateState),
}

/// What a provider says beside the reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// The other side's warnings, such as a partial answer.
    pub warnings: Vec<String>,
    /// The query as it was asked, secrets struck out.
    pub query: Option<String>,
    /// Lines that explain a failure, newest first.
    pub evidence: Vec<String>,
}

/// What came of one ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// An answer.
    Done {
        /// What was measured.
        reading: Reading,
        /// What the provider says beside it.
        #[serde(default)]
        notes: Notes,
    },
    /// It takes longer; ask again with the handle.
    Running {
        /// What it is known by on the other side, at most 256 bytes.
        handle: String,
        /// When to ask again.
        ask_again_at: Timestamp,
    },
    /// No answer.
    Failed(Fault),
}

impl Outcome {
    /// An answer without notes.
    pub fn done(reading: Reading) -> Self {
        Self::Done {
            reading,
            notes: Notes::default(),
        }
    }

    /// One number, without notes.
    pub fn number(value: f64) -> Self {
        Self::done(Reading::Number(Number::new(value)))
    }
}

/// An answer that has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// Which ask it answers.
    pub id: MeasurementId,
    /// What came of it.
    pub outcome: Outcome,
    /// When the answer arrived.
    pub at: Timestamp,
}
