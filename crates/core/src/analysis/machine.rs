//! One turn of a run: measurements in, wanted measurements out.

use std::collections::BTreeMap;
use std::time::Duration;

use super::assess;
use super::judge::{Learned, Moment, NoScrape};
use super::plan::{MetricPlan, RunPlan};
use super::state::{AnalysisPhase, MetricState, RunState};
use super::verdict::{Verdict, judge, judge_gate};
use crate::id::{RevisionId, cut};
use crate::measurement::{Ask, Counter, Measurement, MeasurementId, Outcome, Reading, RunKey};
use crate::template::resolve_known;
use crate::time::Timestamp;

/// How long after an error the next try comes; Argo's.
const RETRY: Duration = Duration::from_secs(10);
/// How often a gate without an interval is asked.
const GATE_INTERVAL: Duration = Duration::from_secs(10);

/// What a run is part of: it names its measurements.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The life of the rollout.
    pub incarnation: u64,
    /// The revision on trial.
    pub revision: &'a RevisionId,
    /// The attempt at it.
    pub attempt: u32,
    /// The values of arguments that are known only now.
    pub args: &'a BTreeMap<String, String>,
    /// The weight of the revision on trial as the routers show it, 0–1; none where nobody knows.
    pub weight: Option<f64>,
    /// What earlier releases have taught a judge.
    pub learned: &'a Learned,
}

impl<'a> Frame<'a> {
    /// An attempt of which nothing else is known.
    pub fn new(
        incarnation: u64,
        revision: &'a RevisionId,
        attempt: u32,
        args: &'a BTreeMap<String, String>,
    ) -> Self {
        static NOTHING: Learned = Learned::new();
        Self {
            incarnation,
            revision,
            attempt,
            args,
            weight: None,
            learned: &NOTHING,
        }
    }
}

/// What comes out of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    /// The run as it stands now.
    pub state: RunState,
    /// Every measurement that is wanted now.
    pub wanted: Vec<Ask>,
    /// When to turn again if no measurement arrives before.
    pub wake: Option<Timestamp>,
}

/// A run that starts now.
pub fn start(plan: &RunPlan, key: RunKey, now: Timestamp) -> RunState {
    let metrics: Vec<_> = plan.metrics.iter().map(pending).collect();
    let phase = if metrics.is_empty() {
        AnalysisPhase::Successful
    } else {
        AnalysisPhase::Pending
    };
    RunState {
        key,
        started_at: now,
        phase,
        message: String::new(),
        args: BTreeMap::new(),
        metrics,
    }
}

fn pending(plan: &MetricPlan) -> MetricState {
    MetricState {
        name: plan.name.clone(),
        digest: plan.digest,
        phase: AnalysisPhase::Pending,
        why: String::new(),
        count: 0,
        successful: 0,
        failed: 0,
        inconclusive: 0,
        error: 0,
        consecutive_error: 0,
        consecutive_success: 0,
        consecutive_failure: 0,
        failing_since: None,
        tick: 0,
        retry: 0,
        retry_at: None,
        handle: None,
        ask_again_at: None,
        measured_at: None,
        last: String::new(),
        judge: None,
    }
}

/// Takes a run on. Pure and total; on its own result with the same measurements it changes
/// nothing, because a measurement counts once.
pub fn turn(
    plan: &RunPlan,
    state: &RunState,
    measurements: &[Measurement],
    frame: &Frame<'_>,
    now: Timestamp,
) -> Turned {
    let mut state = state.clone();
    let (wanted, wake) = advance(plan, &mut state, measurements, frame, now);
    Turned {
        state,
        wanted,
        wake,
    }
}

/// The same in place: what is wanted now, and when to turn again.
pub(crate) fn advance(
    plan: &RunPlan,
    state: &mut RunState,
    measurements: &[Measurement],
    frame: &Frame<'_>,
    now: Timestamp,
) -> (Vec<Ask>, Option<Timestamp>) {
    if !state.phase.is_final() {
        if !follows(plan, &state.metrics) {
            state.metrics = following(plan, &state.metrics);
        }
        let turned = Wanted::new(state, frame, now);
        for (metric, plan) in state.metrics.iter_mut().zip(&plan.metrics) {
            for measurement in measurements {
                turned.take(plan, metric, measurement);
            }
        }
        assess::run(plan, state);
    }
    wants(plan, state, frame, now)
}

/// What a run wants as it stands, and when to turn it again.
pub(crate) fn wants(
    plan: &RunPlan,
    state: &RunState,
    frame: &Frame<'_>,
    now: Timestamp,
) -> (Vec<Ask>, Option<Timestamp>) {
    let mut turned = Wanted::new(state, frame, now);
    if !state.phase.is_final() {
        for (metric, plan_of_metric) in state.metrics.iter().zip(&plan.metrics) {
            turned.ask(plan_of_metric, metric);
        }
    }
    (turned.wanted, turned.wake)
}

/// Whether turning a run changes nothing of it as long as no measurement arrives.
pub(crate) fn is_settled(plan: &RunPlan, state: &RunState) -> bool {
    let known = |name| state.args.contains_key(name);
    state.phase.is_final() || (plan.late_args.keys().all(known) && follows(plan, &state.metrics))
}

/// A metric is known by name and digest.
fn is(plan: &MetricPlan, known: &MetricState) -> bool {
    known.digest == plan.digest && known.name == plan.name
}

fn follows(plan: &RunPlan, known: &[MetricState]) -> bool {
    let mut both = plan.metrics.iter().zip(known);
    plan.metrics.len() == known.len() && both.all(|(plan, known)| is(plan, known))
}

/// An edited metric starts again, the others go on.
fn following(plan: &RunPlan, known: &[MetricState]) -> Vec<MetricState> {
    let metrics = plan.metrics.iter().map(|plan| {
        let same = known.iter().find(|known| is(plan, known));
        same.cloned().unwrap_or_else(|| pending(plan))
    });
    metrics.collect()
}

struct Wanted<'a> {
    frame: &'a Frame<'a>,
    key: RunKey,
    started_at: Timestamp,
    now: Timestamp,
    wanted: Vec<Ask>,
    wake: Option<Timestamp>,
}

impl<'a> Wanted<'a> {
    fn new(state: &RunState, frame: &'a Frame<'a>, now: Timestamp) -> Self {
        Self {
            frame,
            key: state.key,
            started_at: state.started_at,
            now,
            wanted: Vec::new(),
            wake: None,
        }
    }

    fn is_gate(&self) -> bool {
        matches!(self.key, RunKey::Gate { .. })
    }

    fn interval(&self, plan: &MetricPlan) -> Option<Duration> {
        let gate = self.is_gate().then_some(GATE_INTERVAL);
        plan.interval
            .or(gate)
            .filter(|interval| !interval.is_zero())
    }

    fn due(&self, plan: &MetricPlan, tick: u32) -> Timestamp {
        let interval = self.interval(plan).unwrap_or_default();
        self.started_at + plan.initial_delay + interval.saturating_mul(tick)
    }

    /// The instant that a measurement speaks of: when its tick is due, or when it was to be
    /// tried again.
    fn instant(&self, plan: &MetricPlan, state: &MetricState, tick: u32, retry: u32) -> Timestamp {
        let due = self.due(plan, tick);
        let again = state.retry_at.filter(|_| retry > 0);
        again.map_or(due, |again| again.max(due))
    }

    /// The newest tick that is due, not before the next one to be measured. A tick keeps its
    /// turn for two intervals, so that a slow provider is not asked anew before it has answered.
    fn tick(&self, plan: &MetricPlan, state: &MetricState) -> u32 {
        let Some(interval) = self.interval(plan).filter(|_| state.handle.is_none()) else {
            return state.tick;
        };
        let late = self.now.since(self.due(plan, state.tick));
        if late < interval.saturating_mul(2) {
            return state.tick;
        }
        let passed =
            u32::try_from(late.as_millis() / interval.as_millis().max(1)).unwrap_or(u32::MAX);
        state.tick.saturating_add(passed)
    }

    fn id(&self, plan: &MetricPlan, tick: u32, retry: u32) -> MeasurementId {
        MeasurementId {
            incarnation: self.frame.incarnation,
            revision: self.frame.revision.clone(),
            attempt: self.frame.attempt,
            run: self.key,
            metric: plan.name.clone(),
            digest: plan.digest,
            tick,
            retry,
        }
    }

    /// Counts a measurement if it is the next one of this metric; every other is an old one.
    fn take(&self, plan: &MetricPlan, state: &mut MetricState, measurement: &Measurement) {
        if state.phase.is_final() || !self.is_next(plan, state, &measurement.id) {
            return;
        }
        let at = self
            .instant(plan, state, measurement.id.tick, measurement.id.retry)
            .max(self.started_at)
            .min(self.now.max(measurement.at));
        let arrived = measurement.at.min(self.now);
        state.tick = measurement.id.tick;
        let verdict = match &measurement.outcome {
            Outcome::Running {
                handle,
                ask_again_at,
            } => {
                state.handle = Some(cut(handle));
                state.ask_again_at = Some((*ask_again_at).max(measurement.at));
                return;
            }
            Outcome::Failed(fault) => Verdict::new(AnalysisPhase::Error, &fault.text),
            Outcome::Done { reading, .. } if plan.judge.is_some() => {
                match self.compare(plan, state, reading, at) {
                    Some(verdict) => verdict,
                    // Nothing new: it is asked again at the next interval.
                    None => {
                        state.tick = state.tick.saturating_add(1);
                        return self.assess(plan, state, at);
                    }
                }
            }
            Outcome::Done { reading, .. } if self.is_gate() => judge_gate(plan, reading),
            Outcome::Done { reading, .. } => judge(plan, reading),
        };
        self.count(plan, state, &verdict, (at, arrived));
        (state.handle, state.ask_again_at) = (None, None);
    }

    /// Lets the judge count both sides; none where it has nothing new to count.
    fn compare(
        &self,
        plan: &MetricPlan,
        state: &mut MetricState,
        reading: &Reading,
        at: Timestamp,
    ) -> Option<Verdict> {
        let error = |text: &str| Some(Verdict::new(AnalysisPhase::Error, text));
        let counters: &[Counter] = match reading {
            Reading::Counters(counters) => counters,
            Reading::Series(series) if series.is_empty() => &[],
            _ => return error("a judge needs raw counters of both sides"),
        };
        let judge = plan.judge.as_ref()?;
        let moment = Moment {
            at,
            interval: plan.interval.unwrap_or_default(),
            weight: self.frame.weight,
            learned: self.frame.learned,
        };
        let known = state.judge.get_or_insert_default();
        match known.count(judge, counters, &moment) {
            Ok(()) => Some(assess::compared(judge, known, self.frame.weight)),
            Err(NoScrape::Old) => None,
            Err(NoScrape::Empty) => error(&NoScrape::Empty.to_string()),
        }
    }

    fn is_next(&self, plan: &MetricPlan, state: &MetricState, id: &MeasurementId) -> bool {
        let ours = id.run == self.key
            && id.metric == plan.name
            && id.digest == plan.digest
            && id.attempt == self.frame.attempt
            && id.revision == *self.frame.revision
            && id.incarnation == self.frame.incarnation;
        let retry = if id.tick == state.tick {
            id.retry == state.retry
        } else {
            id.retry == 0
        };
        ours && id.tick >= state.tick && retry && self.due(plan, id.tick) <= self.now
    }

    /// Counts a verdict on an instant, known since another one.
    fn count(
        &self,
        plan: &MetricPlan,
        state: &mut MetricState,
        verdict: &Verdict,
        (at, arrived): (Timestamp, Timestamp),
    ) {
        assess::count(state, verdict, at, arrived);
        if verdict.phase == AnalysisPhase::Error {
            state.retry = state.retry.saturating_add(1);
            state.retry_at = Some(self.now + RETRY);
        } else {
            (state.tick, state.retry, state.retry_at) = (state.tick.saturating_add(1), 0, None);
        }
        if self.is_gate() {
            let open = verdict.phase == AnalysisPhase::Successful;
            state.phase = if open {
                AnalysisPhase::Successful
            } else {
                AnalysisPhase::Running
            };
            return;
        }
        self.assess(plan, state, at);
    }

    /// The metric's phase at an instant, by what has been counted.
    fn assess(&self, plan: &MetricPlan, state: &mut MetricState, at: Timestamp) {
        (state.phase, state.why) = match &plan.judge {
            Some(judge) => {
                let inline = self.key != RunKey::Background;
                let waited = inline.then(|| at.since(self.started_at));
                assess::judged(judge, state, waited)
            }
            None => assess::metric(plan, state, at),
        };
    }

    fn ask(&mut self, plan: &MetricPlan, state: &MetricState) {
        if state.phase.is_final() {
            return;
        }
        let tick = self.tick(plan, state);
        let retry = if tick == state.tick { state.retry } else { 0 };
        let at = self.instant(plan, state, tick, retry);
        let from = state
            .retry_at
            .into_iter()
            .chain(state.ask_again_at)
            .fold(at, Timestamp::max);
        if from > self.now {
            self.wake = Some(self.wake.map_or(from, |wake| wake.min(from)));
            return;
        }
        self.wanted.push(Ask {
            id: self.id(plan, tick, retry),
            provider: plan.provider.clone(),
            query: fill(&plan.query, self.frame.args),
            window: window(plan, state, at),
            at,
            handle: state.handle.clone(),
        });
    }
}

/// How far back a measurement reaches: a judge's to the last scrape that it has counted.
fn window(plan: &MetricPlan, state: &MetricState, at: Timestamp) -> Duration {
    match (&plan.judge, &state.judge) {
        (Some(_), Some(known)) => known.window(at),
        _ => plan.window,
    }
}

/// A query with the arguments put in that are known only now; see
/// [`RunPlan::late_args`](super::RunPlan::late_args).
pub fn fill(query: &serde_json::Value, args: &BTreeMap<String, String>) -> serde_json::Value {
    use serde_json::Value;
    match query {
        _ if args.is_empty() => query.clone(),
        Value::String(text) => Value::String(resolve_known(text, args)),
        Value::Array(items) => items.iter().map(|item| fill(item, args)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (resolve_known(key, args), fill(value, args)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => query.clone(),
    }
}
