//! The driver's own metrics, in Prometheus' text format.
//!
//! Names are Argo Rollouts' where it has one; its dashboards read them. A rollout called
//! `namespace/name` has that namespace, any other the empty one.

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gradatim_core::analysis::AnalysisPhase;
use gradatim_core::decision::{Phase, Saved, Summary};
use gradatim_core::event::{EventId, EventKind};
use gradatim_core::id::RolloutId;
use gradatim_core::measurement::RunKey;
use gradatim_core::plan::{Plan, StrategyKind};
use gradatim_core::state::State;
use gradatim_core::workload::WorkloadSeen;

use crate::turn::{Persisted, Turn};
use crate::witness::Witness;

/// What every rollout of a driver is doing; a [`Witness`] that renders itself.
#[derive(Debug, Default)]
pub struct Metrics {
    rows: Mutex<BTreeMap<RolloutId, Row>>,
}

#[derive(Debug)]
struct Row {
    strategy: StrategyKind,
    routers: String,
    phase: Phase,
    summary: Summary,
    replicas: Option<Replicas>,
    took: Took,
    troubled_rounds: u64,
    late: Duration,
    latest: Duration,
    failed_saves: u64,
    failing_actions: usize,
    events: BTreeMap<EventKind, u64>,
    told: BTreeSet<EventId>,
    verdicts: BTreeMap<(String, AnalysisPhase), u64>,
    judged: BTreeMap<(RunKey, String), AnalysisPhase>,
}

#[derive(Clone, Copy, Debug)]
struct Replicas {
    desired: u32,
    available: u32,
    updated: u32,
}

impl Metrics {
    /// No rollout yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        text::render(&rows)
    }
}

impl Witness for Metrics {
    fn turned(&self, rollout: &RolloutId, turn: &Turn) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        match rows.get_mut(rollout) {
            Some(row) => row.follow(turn),
            None => {
                let mut row = Row::new(turn);
                row.follow(turn);
                rows.insert(rollout.clone(), row);
            }
        }
    }

    fn left(&self, rollout: &RolloutId) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.remove(rollout);
    }
}

impl Row {
    fn new(turn: &Turn) -> Self {
        Self {
            strategy: turn.plan.strategy,
            routers: String::new(),
            phase: turn.decision.phase,
            summary: turn.decision.summary.clone(),
            replicas: None,
            took: Took::default(),
            troubled_rounds: 0,
            late: Duration::ZERO,
            latest: Duration::ZERO,
            failed_saves: 0,
            failing_actions: 0,
            events: BTreeMap::new(),
            told: BTreeSet::new(),
            verdicts: BTreeMap::new(),
            judged: BTreeMap::new(),
        }
    }

    fn follow(&mut self, turn: &Turn) {
        let (decision, observation) = (&turn.decision, &turn.observation);
        (self.strategy, self.phase) = (turn.plan.strategy, decision.phase);
        self.summary.clone_from(&decision.summary);
        if let Some(workload) = observation.workload.seen() {
            self.replicas = Some(replicas(workload));
        }
        self.routers = routers(&turn.plan);
        self.took.note(turn.took);
        self.troubled_rounds += u64::from(is_troubled(turn));
        self.late += turn.late;
        self.latest = self.latest.max(turn.late);
        self.failing_actions = observation.faults.len();
        if matches!(turn.persisted, Persisted::Failed(_)) {
            // What is not saved has not happened.
            self.failed_saves += 1;
            return;
        }
        self.count_events(turn);
        self.count_verdicts(turn);
    }

    fn count_events(&mut self, turn: &Turn) {
        for event in &turn.decision.events {
            if self.told.insert(event.id) {
                *self.events.entry(event.kind).or_default() += 1;
            }
        }
        let held = |id: &EventId| turn.decision.events.iter().any(|event| event.id == *id);
        self.told.retain(held);
    }

    fn count_verdicts(&mut self, turn: &Turn) {
        let Some(state) = state_after(turn) else {
            return;
        };
        let mut judged = BTreeMap::new();
        for run in &state.runs {
            for metric in run.metrics.iter().filter(|metric| metric.phase.is_final()) {
                let (name, phase) = (metric.name.to_string(), metric.phase);
                let key = (run.key, name.clone());
                if self.judged.get(&key) != Some(&phase) {
                    *self.verdicts.entry((name, phase)).or_default() += 1;
                }
                judged.insert(key, phase);
            }
        }
        self.judged = judged;
    }
}

/// How long rounds took: a histogram with the bounds of Argo's.
#[derive(Clone, Copy, Debug, Default)]
struct Took {
    /// How many took at most as long as each bound; not cumulative.
    counts: [u64; Self::BOUNDS.len()],
    all: u64,
    sum: Duration,
}

impl Took {
    /// In milliseconds.
    const BOUNDS: [u64; 5] = [10, 150, 250, 500, 1000];

    fn note(&mut self, took: Duration) {
        let millis = took.as_millis();
        let place = Self::BOUNDS
            .iter()
            .position(|bound| millis <= u128::from(*bound));
        if let Some(count) = place.and_then(|place| self.counts.get_mut(place)) {
            *count += 1;
        }
        self.all += 1;
        self.sum += took;
    }
}

fn routers(plan: &Plan) -> String {
    let names: Vec<&str> = plan
        .routers
        .iter()
        .map(|router| router.name.as_str())
        .collect();
    names.join(",")
}

/// Whether something could not be read, saved or done.
fn is_troubled(turn: &Turn) -> bool {
    let seen = &turn.observation;
    matches!(turn.persisted, Persisted::Failed(_))
        || seen.workload.fault().is_some()
        || seen.routes.iter().any(|route| route.fault().is_some())
        || !seen.faults.is_empty()
}

fn state_after(turn: &Turn) -> Option<&State> {
    let before = match turn.saved.as_ref() {
        Saved::State(state) => Some(state.as_ref()),
        _ => None,
    };
    turn.decision.state.as_deref().or(before)
}

fn replicas(workload: &WorkloadSeen) -> Replicas {
    let updated = workload.revision(&workload.wanted);
    Replicas {
        desired: workload.replicas,
        available: workload.revisions.iter().map(|r| r.available).sum(),
        updated: updated.map_or(0, |revision| revision.pods),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_under_the_first_bound_that_holds_it_and_always_in_all() {
        let mut took = Took::default();
        for millis in [0, 10, 11, 1000, 1001] {
            took.note(Duration::from_millis(millis));
        }
        assert_eq!((took.counts, took.all), ([2, 1, 0, 0, 1], 5));
        assert_eq!(took.sum, Duration::from_millis(2022));
    }
}
