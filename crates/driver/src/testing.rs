//! What the unit tests share: a policy that reads from a script, and values to feed it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gradatim_core::action::Action;
use gradatim_core::decision::{Decision, Phase, Saved, Summary};
use gradatim_core::id::{Digest, RevisionId};
use gradatim_core::measurement::{Ask, MeasurementId, RunKey};
use gradatim_core::observation::Observation;
use gradatim_core::plan::Plan;
use gradatim_core::policy::Policy;
use gradatim_core::port::mock::MockWorkload;
use gradatim_core::reason::{Reason, Waiting};
use gradatim_core::route::{Bindings, Route, Slot, Split, Stamped};
use gradatim_core::stamp::Stamp;
use gradatim_core::state::State;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::{RevisionSeen, WorkloadSeen};

use crate::clock::Clock;

/// Decides what it is told to, the last line for ever, and remembers what it was shown.
#[derive(Clone, Default)]
pub(crate) struct Script {
    lines: Arc<Mutex<VecDeque<Decision>>>,
    seen: Arc<Mutex<Vec<(Saved, Observation)>>>,
}

impl Script {
    pub(crate) fn new(lines: impl IntoIterator<Item = Decision>) -> Self {
        let script = Self::default();
        script.lines.lock().unwrap().extend(lines);
        script
    }

    /// The observations so far.
    pub(crate) fn seen(&self) -> Vec<Observation> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .map(|(_, observation)| observation.clone())
            .collect()
    }

    /// What was saved before each round.
    pub(crate) fn saved(&self) -> Vec<Saved> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|(saved, _)| saved.clone()).collect()
    }
}

impl Policy for Script {
    fn decide(&self, _: &Plan, saved: &Saved, observation: &Observation, _: Timestamp) -> Decision {
        let mut seen = self.seen.lock().unwrap();
        seen.push((saved.clone(), observation.clone()));
        let mut lines = self.lines.lock().unwrap();
        if lines.len() > 1 {
            lines.pop_front().unwrap()
        } else {
            lines.front().cloned().unwrap_or_else(rest)
        }
    }
}

/// A clock that stands still until it is set.
#[derive(Default)]
pub(crate) struct StillClock(Mutex<Timestamp>);

impl StillClock {
    pub(crate) fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap() = now;
    }
}

#[async_trait]
impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep_until(&self, _: Timestamp) {
        std::future::pending().await
    }
}

/// A decision that wants nothing.
pub(crate) fn rest() -> Decision {
    Decision {
        state: None,
        actions: Vec::new(),
        wanted: Vec::new(),
        events: Vec::new(),
        acknowledged: Vec::new(),
        wake: None,
        waiting: Waiting {
            reason: Reason::Resting,
            until: None,
        },
        phase: Phase::Healthy,
        message: String::new(),
        summary: Summary {
            stable: Some(RevisionId::new("v1")),
            latest: Some(RevisionId::new("v1")),
            step: 0,
            steps: 0,
            weight: 0,
            weight_seen: None,
            total: 100,
            attempt: 1,
            judge: None,
        },
    }
}

/// A decision in flight.
pub(crate) fn flight() -> Decision {
    Decision {
        phase: Phase::Progressing,
        waiting: Waiting {
            reason: Reason::Clearing,
            until: None,
        },
        ..rest()
    }
}

/// A state with this sequence.
pub(crate) fn state(sequence: u64) -> Box<State> {
    let mut state = State::new(1, RevisionId::new("v2"), Timestamp::from_secs(1));
    (state.epoch, state.sequence) = (1, sequence);
    (state.generation, state.attempt) = (1, 1);
    state.stable = Some(RevisionId::new("v1"));
    Box::new(state)
}

pub(crate) fn stamp(sequence: u64) -> Stamp {
    Stamp {
        epoch: 1,
        sequence,
        generation: 1,
        attempt: 1,
    }
}

/// A route with the canary at a weight of 100.
pub(crate) fn route(weight: u32, sequence: u64, lowers: bool) -> Action {
    let bind = Bindings::from([(Slot::Stable, "v1".into()), (Slot::Canary, "v2".into())]);
    let stamp = stamp(sequence);
    let route = Route {
        bind: Stamped::new(bind, stamp),
        split: Stamped::new(Split::canary(weight, 100), stamp),
        headers: Stamped::new(Vec::new(), stamp),
        mirrors: Stamped::new(Vec::new(), stamp),
    };
    Action::Route { route, lowers }
}

pub(crate) fn ask(tick: u32, handle: Option<&str>) -> Ask {
    Ask {
        id: MeasurementId {
            incarnation: 1,
            revision: "v2".into(),
            attempt: 1,
            run: RunKey::Background,
            metric: "errors".into(),
            digest: Digest::default(),
            tick,
            retry: 0,
        },
        provider: "fake".to_owned(),
        query: serde_json::Value::Null,
        window: std::time::Duration::ZERO,
        at: Timestamp::ZERO,
        handle: handle.map(str::to_owned),
    }
}

pub(crate) fn seen_workload() -> WorkloadSeen {
    let revision = RevisionSeen::new("v1", 1, Timestamp::ZERO).serving(2);
    WorkloadSeen::new("v1", 2, vec![revision])
}

/// A workload that is there and never changes.
pub(crate) fn workload() -> MockWorkload {
    let mut workload = MockWorkload::new();
    workload.expect_observe().returning(|| Ok(seen_workload()));
    workload
}
