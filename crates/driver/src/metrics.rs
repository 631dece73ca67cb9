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
use gradatim_core::plan::StrategyKind;
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
    phase: Phase,
    summary: Summary,
    replicas: Option<Replicas>,
    rounds: u64,
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
            phase: turn.decision.phase,
            summary: turn.decision.summary.clone(),
            replicas: None,
            rounds: 0,
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
        self.rounds += 1;
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
