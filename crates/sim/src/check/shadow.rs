//! What the checks remember from round to round: what was written, said and measured.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gradatim_core::action::Action;
use gradatim_core::analysis::{AnalysisPhase, MetricPlan};
use gradatim_core::decision::Phase;
use gradatim_core::id::{Digest, MetricName, RevisionId};
use gradatim_core::measurement::{GateState, Measurement, MeasurementId, Outcome, Reading, RunKey};
use gradatim_core::observation::Read;
use gradatim_core::order::{Order, OrderKind};
use gradatim_core::reason::Reason;
use gradatim_core::route::Route;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::WorkloadSeen;
use gradatim_driver::{Persisted, Turn};

use super::Scene;
use super::reading::{Height, heights};
use crate::verdict::{is_proof, phase};
use crate::world::{Write, WriteKind};

/// What heights depend on: the plan, the fewest and the most replicas, and the servers where
/// nothing is scaled.
type Climb = (Digest, (u32, u32), Option<u32>);

fn has_counters(reading: &Reading) -> bool {
    matches!(reading, Reading::Counters(counters) if !counters.is_empty())
}

/// What was measured of a metric in one run of one attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) failed_in_a_row: u32,
    /// Passed with something measured, or by a condition that names the case of nothing.
    pub(crate) proven: u32,
    /// The instant that the newest one speaks of.
    pub(crate) newest: Option<Timestamp>,
}

/// One attempt at a version.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) revision: RevisionId,
    pub(crate) number: u32,
    pub(crate) began: Timestamp,
    pub(crate) steps: Digest,
    /// The fewest and the most replicas that were wanted since.
    pub(crate) replicas: (u32, u32),
    /// The share that it had when it began.
    pub(crate) base: u32,
    /// The largest share that was written for it.
    pub(crate) highest: u32,
    /// The orders that took effect in it.
    pub(crate) orders: Vec<OrderKind>,
    /// Since when its traffic is taken back.
    pub(crate) aborted: Option<Timestamp>,
    pub(crate) verdicts: BTreeMap<(RunKey, MetricName), Verdicts>,
    pub(crate) gates: BTreeSet<RunKey>,
}

/// What the checks remember.
#[derive(Debug, Default)]
pub(crate) struct Shadow {
    /// The round before this one.
    pub(crate) before: Option<Turn>,
    pub(crate) attempt: Option<Attempt>,
    /// The version that is called stable.
    pub(crate) stable: Option<RevisionId>,
    /// The route that was written last, router by router.
    pub(crate) routes: BTreeMap<usize, Route>,
    /// The replica targets that were written last.
    pub(crate) scales: BTreeMap<RevisionId, u32>,
    /// Whether stable was scaled below the whole and is not yet back.
    pub(crate) reduced: bool,
    /// Which orders took effect.
    taken: BTreeSet<(String, u64)>,
    /// How many new versions, plans and orders may each have begun an attempt.
    pub(crate) causes: u32,
    pub(crate) first_attempt: Option<u32>,
    /// The stable version whose rest was seen on every router.
    pub(crate) rested: Option<RevisionId>,
    /// The version that was taken back last.
    pub(crate) taken_back: Option<RevisionId>,
    /// When the last round was taken, saved or not.
    pub(crate) last: Option<Timestamp>,
    /// An attempt, and when it was first spoken of.
    heard: Option<(RevisionId, u32, Timestamp)>,
    plan: Option<Digest>,
    wanted: Option<RevisionId>,
    measured: BTreeSet<MeasurementId>,
    climb: Option<Climb>,
    /// The heights that the canary may stand at.
    pub(crate) heights: Vec<Height>,
    /// What is known since this round alone.
    pub(crate) fresh: Fresh,
}

/// What one round brought.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    pub(crate) began: bool,
    pub(crate) aborted: bool,
    pub(crate) orders: Vec<(Order, Option<String>)>,
    /// A metric that has failed more often than it may, with this round's measurements.
    pub(crate) failing: Option<String>,
    pub(crate) stable_was: Option<RevisionId>,
    pub(crate) promoted: bool,
}

impl Shadow {
    /// Takes in what a round says and saw, before it is checked.
    pub(crate) fn see(&mut self, scene: &Scene<'_>) {
        self.fresh = Fresh::default();
        let Some(turn) = scene.turn else {
            return;
        };
        self.count_causes(turn);
        // Who cannot read what is saved speaks of nothing that he knows.
        if matches!(turn.decision.waiting.reason, Reason::StateUnreadable { .. }) {
            return;
        }
        self.hear(turn);
        // What was decided and not saved was not decided.
        if !is_saved(turn) {
            return;
        }
        self.see_orders(turn);
        self.see_attempt(scene, turn);
        self.see_heights(turn);
        self.see_measurements(turn);
        self.see_abort(turn);
        let stable = turn.decision.summary.stable.clone();
        self.fresh.stable_was = self.stable.clone();
        self.fresh.promoted = self.stable.is_some() && stable.is_some() && stable != self.stable;
        self.stable = stable.or(self.stable.take());
        self.see_reduction(turn);
    }

    /// Notes when an attempt was first spoken of, saved or not.
    fn hear(&mut self, turn: &Turn) {
        let summary = &turn.decision.summary;
        let Some(latest) = &summary.latest else {
            return;
        };
        let known = |(revision, number, _): &(RevisionId, u32, Timestamp)| {
            revision == latest && *number == summary.attempt
        };
        if !self.heard.as_ref().is_some_and(known) {
            self.heard = Some((latest.clone(), summary.attempt, turn.now));
        }
    }

    fn count_causes(&mut self, turn: &Turn) {
        let plan = self.plan.replace(turn.plan.digest);
        self.causes += u32::from(plan.is_some_and(|plan| plan != turn.plan.digest));
        if let Some(seen) = workload(turn) {
            let wanted = self.wanted.replace(seen.wanted.clone());
            self.causes += u32::from(wanted.is_some_and(|wanted| wanted != seen.wanted));
        }
    }

    fn see_orders(&mut self, turn: &Turn) {
        for done in &turn.decision.acknowledged {
            let same =
                |order: &&Order| order.source == done.source && order.sequence == done.sequence;
            let Some(order) = turn.observation.orders.iter().find(same) else {
                continue;
            };
            let key = (done.source.clone(), done.sequence);
            // One that is answered again after a crash has no effect any more.
            if self.taken.contains(&key) {
                continue;
            }
            if done.refused.is_none() {
                self.taken.insert(key);
                let begins = matches!(order.kind, OrderKind::Retry | OrderKind::PromoteFull);
                self.causes += u32::from(begins);
                if let Some(attempt) = &mut self.attempt {
                    attempt.orders.push(order.kind.clone());
                }
            }
            self.fresh
                .orders
                .push((order.clone(), done.refused.clone()));
        }
    }

    fn see_attempt(&mut self, scene: &Scene<'_>, turn: &Turn) {
        let summary = &turn.decision.summary;
        let Some(latest) = &summary.latest else {
            return;
        };
        let replicas = scene.world.replicas();
        let goes_on = self.attempt.as_ref().is_some_and(|attempt| {
            attempt.revision == *latest
                && attempt.number == summary.attempt
                && attempt.steps == turn.plan.steps_digest
        });
        if let Some(attempt) = &mut self.attempt
            && goes_on
        {
            let (least, most) = attempt.replicas;
            attempt.replicas = (least.min(replicas), most.max(replicas));
            return;
        }
        let orders = self.fresh.orders.iter();
        let taken = orders.filter(|(_, refused)| refused.is_none());
        let base = self.share_written(latest);
        self.first_attempt.get_or_insert(summary.attempt);
        self.fresh.began = self.attempt.is_some();
        self.attempt = Some(Attempt {
            revision: latest.clone(),
            number: summary.attempt,
            began: self.heard.as_ref().map_or(turn.now, |(_, _, at)| *at),
            steps: turn.plan.steps_digest,
            replicas: (replicas, replicas),
            base,
            highest: base,
            orders: taken.map(|(order, _)| order.kind.clone()).collect(),
            aborted: None,
            verdicts: BTreeMap::new(),
            gates: BTreeSet::new(),
        });
    }

    /// The largest share of a revision by what was written to any router.
    pub(crate) fn share_written(&self, revision: &RevisionId) -> u32 {
        self.routes
            .values()
            .map(|route| route.share(revision))
            .max()
            .unwrap_or(0)
    }

    fn see_measurements(&mut self, turn: &Turn) {
        for measurement in &turn.observation.measurements {
            let running = matches!(measurement.outcome, Outcome::Running { .. });
            if !running && self.measured.insert(measurement.id.clone()) {
                self.see_measurement(turn, measurement);
            }
        }
    }

    fn see_measurement(&mut self, turn: &Turn, measurement: &Measurement) {
        let (id, plan) = (&measurement.id, &turn.plan);
        let known = |metric: &&MetricPlan| metric.name == id.metric && metric.digest == id.digest;
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        if id.attempt != attempt.number || id.revision != attempt.revision {
            return;
        }
        let (Outcome::Done { reading, .. }, Some(metric)) =
            (&measurement.outcome, plan.metrics().find(known))
        else {
            return;
        };
        if let Reading::Gate(state) = reading {
            if *state == GateState::Open {
                attempt.gates.insert(id.run);
            }
            return;
        }
        let verdicts = attempt
            .verdicts
            .entry((id.run, id.metric.clone()))
            .or_default();
        verdicts.newest = Some(measurement.at);
        if metric.judge.is_some() {
            // The first reading is of the time before: nothing is compared yet.
            verdicts.proven += u32::from(verdicts.passed > 0);
            verdicts.passed += u32::from(has_counters(reading));
            return;
        }
        match phase(metric, reading) {
            AnalysisPhase::Successful => {
                (verdicts.passed, verdicts.failed_in_a_row) = (verdicts.passed + 1, 0);
                verdicts.proven += u32::from(is_proof(metric, reading));
            }
            AnalysisPhase::Failed => {
                verdicts.failed += 1;
                verdicts.failed_in_a_row += 1;
            }
            _ => {}
        }
        if is_failing(metric, verdicts) {
            self.fresh.failing = Some(id.metric.to_string());
        }
    }

    fn see_abort(&mut self, turn: &Turn) {
        let decision = &turn.decision;
        let aborted = matches!(decision.waiting.reason, Reason::Aborted { .. })
            || decision.message.starts_with("RolloutAborted");
        if let Some(attempt) = &mut self.attempt
            && aborted
            && attempt.aborted.is_none()
        {
            attempt.aborted = Some(turn.now);
            self.taken_back = Some(attempt.revision.clone());
            self.fresh.aborted = true;
        }
    }

    fn see_reduction(&mut self, turn: &Turn) {
        let (Some(stable), Some(seen)) = (&self.stable, workload(turn)) else {
            return;
        };
        let available = seen
            .revision(stable)
            .map_or(0, |revision| revision.available);
        if available >= seen.replicas {
            self.reduced = false;
        }
    }

    /// Takes in what was written, once it was checked.
    pub(crate) fn remember(&mut self, scene: &Scene<'_>) {
        for write in scene.writes.iter().filter(|write| write.refused.is_none()) {
            self.remember_write(scene, write);
        }
        if let Some(turn) = scene.turn {
            self.last = Some(turn.now);
            self.see_rest(turn);
            if is_saved(turn) {
                self.before = Some(turn.clone());
            }
        }
    }

    fn see_rest(&mut self, turn: &Turn) {
        let summary = &turn.decision.summary;
        let read = turn
            .observation
            .routes
            .iter()
            .all(|read| read.seen().is_some());
        if summary.stable != summary.latest {
            self.rested = None;
        } else if turn.decision.phase == Phase::Healthy && read {
            self.rested.clone_from(&summary.stable);
        }
    }

    fn remember_write(&mut self, scene: &Scene<'_>, write: &Write) {
        match &write.kind {
            WriteKind::Route { router, route } => {
                self.routes.insert(*router, Route::clone(route));
                if let Some(attempt) = &mut self.attempt {
                    attempt.highest = attempt.highest.max(route.share(&attempt.revision));
                }
            }
            WriteKind::Scale {
                revision, replicas, ..
            } => {
                self.scales.insert(revision.clone(), *replicas);
                let stable = self.stable.as_ref() == Some(revision);
                self.reduced |= stable && *replicas < scene.world.replicas();
            }
            _ => {}
        }
    }

    /// The heights that the canary may stand at: for the fewest replicas wanted since its
    /// beginning, because a height keeps its count until the next one is available, and for the
    /// most.
    fn see_heights(&mut self, turn: &Turn) {
        let (Some(seen), Some(attempt)) = (workload(turn), &self.attempt) else {
            return;
        };
        let servers = (!seen.scales).then(|| {
            let latest = seen.revision(&attempt.revision);
            latest.map_or(1, |revision| revision.pods.max(1))
        });
        let climb = (turn.plan.digest, attempt.replicas, servers);
        if self.climb == Some(climb) {
            return;
        }
        let (least, most) = attempt.replicas;
        self.heights = heights(&turn.plan, least, servers);
        if most != least {
            self.heights.extend(heights(&turn.plan, most, servers));
        }
        self.climb = Some(climb);
    }
}

/// Whether what a round decided is saved.
pub(crate) fn is_saved(turn: &Turn) -> bool {
    !matches!(turn.persisted, Persisted::Failed(_))
}

/// What a round saw of the workload.
pub(crate) fn workload(turn: &Turn) -> Option<&WorkloadSeen> {
    match &turn.observation.workload {
        Read::Seen(seen) => Some(seen),
        Read::Failed(_) => None,
    }
}

/// The routes that a round decided on or wrote.
pub(crate) fn routes<'a>(scene: &Scene<'a>) -> impl Iterator<Item = &'a Route> {
    let written = scene.writes.iter().filter_map(|write| match &write.kind {
        WriteKind::Route { route, .. } if write.refused.is_none() && !write.echo => {
            Some(route.as_ref())
        }
        _ => None,
    });
    let actions = scene
        .turn
        .into_iter()
        .flat_map(|turn| &turn.decision.actions);
    written.chain(actions.filter_map(|action| match action {
        Action::Route { route, .. } => Some(route),
        _ => None,
    }))
}

/// Whether a metric has failed more often than it may.
fn is_failing(metric: &MetricPlan, verdicts: &Verdicts) -> bool {
    let more = |limit: u32| verdicts.failed > limit;
    let row = |limit: u32| verdicts.failed_in_a_row >= limit;
    !metric.dry_run
        && (metric.failure_limit.is_some_and(more)
            || metric.consecutive_failure_limit.is_some_and(row))
}

/// How long something lasted, as people say it.
pub(crate) fn told(span: Duration) -> String {
    let secs = span.as_secs();
    format!("{}:{:02}", secs / 60, secs % 60)
}
