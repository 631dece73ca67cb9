//! A `Witness`: it is told of every round and writes down what a person wants to know.

use std::collections::BTreeSet;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gradatim::analysis::{AnalysisPhase, MetricPlan, RunState, judge};
use gradatim::decision::{Saved, Summary};
use gradatim::driver::{Turn, Witness};
use gradatim::event::{Event, EventKind};
use gradatim::id::{RevisionId, RolloutId};
use gradatim::measurement::{Measurement, MeasurementId, Outcome, Reading, RunKey};
use gradatim::plan::{Plan, StepKind};
use gradatim::reason::Reason;
use gradatim::time::Timestamp;

use crate::line::{Line, Tone, in_words};
use crate::pace::Pace;
use crate::tally::Counts;

/// Writes lines, and keeps what a live view shows.
pub(crate) struct Diary {
    clock: Arc<Pace>,
    lines: Sender<Line>,
    notes: Mutex<Notes>,
}

/// What is known after the newest round.
#[derive(Clone, Default)]
pub(crate) struct Notes {
    /// The newest round.
    pub turn: Option<Turn>,
    /// What the notes are about.
    pub page: Option<Page>,
    /// The metrics of the analysis that runs, or ran last.
    pub metrics: Vec<Metric>,
    run: Option<(u32, RunKey)>,
    answered: BTreeSet<MeasurementId>,
    told: u64,
    pods: (u32, u32),
    weight: u32,
    reached: u32,
    pausing: bool,
    back: bool,
}

/// One release.
#[derive(Clone)]
pub(crate) struct Page {
    pub old: RevisionId,
    pub new: RevisionId,
    /// What had been counted of the old version when it began.
    pub counted: Counts,
}

/// A metric of an analysis, as it was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metric {
    pub name: String,
    /// What was measured so far, oldest first; a dash where there was no answer.
    pub values: Vec<String>,
    /// The values that failed.
    pub failed: Vec<String>,
    /// How many may fail.
    pub allowed: u32,
    /// What is wanted of it.
    pub wanted: String,
    pub phase: AnalysisPhase,
    /// When it is measured next, while it is.
    pub next: Option<Timestamp>,
}

impl Metric {
    /// Whether more of it has failed than may.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.len() > usize::try_from(self.allowed).unwrap_or(usize::MAX)
    }

    /// What, because of which numbers against which bound.
    pub(crate) fn failure(&self) -> String {
        let (times, values) = (in_words(self.failed.len()), self.failed.join(" then "));
        format!(
            "{} failed {times}, {values} where {} was wanted",
            self.name, self.wanted
        )
    }
}

impl Diary {
    pub(crate) fn new(clock: Arc<Pace>, lines: Sender<Line>) -> Self {
        Self {
            clock,
            lines,
            notes: Mutex::default(),
        }
    }

    pub(crate) fn notes(&self) -> Notes {
        self.held().clone()
    }

    /// The metric that has failed the analysis that ran last.
    pub(crate) fn failing(&self) -> Option<Metric> {
        let notes = self.held();
        notes
            .metrics
            .iter()
            .find(|metric| metric.has_failed())
            .cloned()
    }

    /// Another version is wanted: what was noted of the one before is over.
    pub(crate) fn turn_the_page(&self, old: &RevisionId, new: &RevisionId, counted: Counts) {
        let mut notes = self.held();
        let page = Page {
            old: old.clone(),
            new: new.clone(),
            counted,
        };
        *notes = Notes {
            page: Some(page),
            turn: notes.turn.take(),
            told: notes.told,
            ..Notes::default()
        };
    }

    /// A line of somebody else's.
    pub(crate) fn write(&self, line: Line) {
        // Nobody reads any more when the program ends.
        let _ = self.lines.send(line);
    }

    fn held(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witness for Diary {
    fn turned(&self, _: &RolloutId, turn: &Turn) {
        let mut notes = self.held();
        let mut pen = Pen {
            diary: self,
            at: self.clock.since_start(turn.now),
            notes: &mut notes,
            turn,
        };
        // That the very first version comes up is no news.
        if pen.notes.page.is_some() {
            pen.pods();
            pen.open_run();
            pen.measurements();
            pen.metrics();
            pen.events();
            pen.weight();
            pen.pause();
            pen.way_back();
        }
        notes.turn = Some(turn.clone());
    }
}

/// Writes down one round.
struct Pen<'a> {
    diary: &'a Diary,
    at: Duration,
    notes: &'a mut Notes,
    turn: &'a Turn,
}

impl Pen<'_> {
    fn write(&self, word: &'static str, text: impl Into<String>, tone: Tone) {
        self.diary.write(Line::new(self.at, word, text).toned(tone));
    }

    fn detail(&self, word: &'static str, text: impl Into<String>) {
        self.diary.write(Line::new(self.at, word, text).detail());
    }

    fn summary(&self) -> &Summary {
        &self.turn.decision.summary
    }

    fn is_promoted(&self) -> bool {
        self.summary().stable == self.summary().latest
    }

    fn is_back(&self) -> bool {
        matches!(self.turn.decision.waiting.reason, Reason::Aborted { .. })
    }

    fn latest(&self) -> String {
        self.summary()
            .latest
            .as_ref()
            .map_or_else(String::new, ToString::to_string)
    }

    /// Pods that came up, and pods that were lost.
    fn pods(&mut self) {
        let seen = self.turn.observation.workload.seen();
        let latest = seen.and_then(|seen| seen.revision(&seen.wanted));
        let Some(latest) = latest.filter(|_| !self.is_promoted() && !self.is_back()) else {
            return;
        };
        let pods = (latest.available, latest.desired);
        let told = pods.0 == pods.1 || pods.0 < self.notes.pods.0;
        if pods != self.notes.pods && pods.1 > 0 && told {
            let text = format!("{}   {} of {} available", latest.id, pods.0, pods.1);
            self.write("pods", text, Tone::Plain);
            self.notes.pods = pods;
        }
    }

    fn weight(&mut self) {
        let Summary {
            weight,
            total,
            step,
            steps,
            ..
        } = *self.summary();
        if self.is_promoted() || weight == self.notes.weight {
            return;
        }
        let share = format!("{:>3} %", weight * 100 / total.max(1));
        let text = if self.is_back() {
            share
        } else if weight < self.notes.weight {
            format!("{share}   as much as its pods can carry")
        } else if weight <= self.notes.reached {
            format!("{share}   its pods are back")
        } else {
            format!("{share}   step {} of {steps}", (step + 1).min(steps))
        };
        self.write("weight", text, Tone::Plain);
        self.notes.weight = weight;
        self.notes.reached = self.notes.reached.max(weight);
    }

    fn pause(&mut self) {
        let waiting = &self.turn.decision.waiting;
        let pausing = matches!(waiting.reason, Reason::Pause);
        if pausing && !self.notes.pausing {
            let until = waiting.until.map(|at| self.diary.clock.since_start(at));
            let until = until.map_or_else(String::new, |at| format!("until {}", Line::clock(at)));
            self.detail("pause", until);
        }
        self.notes.pausing = pausing;
    }

    fn way_back(&mut self) {
        let back = self.is_back() && self.summary().weight_seen == Some(0);
        if back && !self.notes.back {
            self.write("seen", "  0 %   everyone is back", Tone::Plain);
        }
        self.notes.back = back;
    }

    /// Answers that have arrived since the round before.
    fn measurements(&mut self) {
        let all = &self.turn.observation.measurements;
        let known: BTreeSet<MeasurementId> = all.iter().map(|it| it.id.clone()).collect();
        let fresh = all
            .iter()
            .filter(|it| !self.notes.answered.contains(&it.id));
        for measurement in fresh.collect::<Vec<_>>() {
            let run = &measurement.id.run;
            let Some(plan) = metric_plan(&self.turn.plan, *run, measurement) else {
                continue;
            };
            self.measurement(plan, measurement);
        }
        self.notes.answered = known;
    }

    /// Another analysis makes the one before history.
    fn open_run(&mut self) {
        let turn = self.turn;
        let Some(run) = run_of(turn) else { return };
        let id = (turn.decision.summary.attempt, run.key);
        if self.notes.run != Some(id) {
            self.notes.run = Some(id);
            self.notes.metrics = metrics_of(&turn.plan, run.key).map(blank).collect();
        }
    }

    fn measurement(&mut self, plan: &MetricPlan, measurement: &Measurement) {
        let (value, phase, why) = match &measurement.outcome {
            Outcome::Done { reading, .. } => {
                let verdict = judge(plan, reading);
                (value(reading), verdict.phase, verdict.why)
            }
            Outcome::Failed(fault) => (None, AnalysisPhase::Error, fault.text.clone()),
            Outcome::Running { .. } => return,
        };
        let value = value.unwrap_or_else(|| "–".to_owned());
        let name = plan.name.to_string();
        let found = self.notes.metrics.iter_mut().find(|it| it.name == name);
        let Some(metric) = found else { return };
        metric.values.push(value.clone());
        if phase == AnalysisPhase::Failed {
            metric.failed.push(value.clone());
        }
        let times = in_words(metric.failed.len());
        let head = format!("{name:<14} {value:>6}");
        match phase {
            AnalysisPhase::Failed => {
                // The value is there already.
                let bound = why.split_once(", ").map_or(&*why, |(_, bound)| bound);
                let text = format!("{head}   failed {times}, {bound}");
                self.write("measure", text, Tone::Bad);
            }
            AnalysisPhase::Successful => self.detail("measure", format!("{head}   good")),
            AnalysisPhase::Error => {
                self.write(
                    "measure",
                    format!("{head}   no answer: {why}"),
                    Tone::Waiting,
                );
            }
            _ => self.detail("measure", format!("{head}   says nothing: {why}")),
        }
    }

    /// Where each metric stands by the state, while its run is there.
    fn metrics(&mut self) {
        let Some(run) = run_of(self.turn) else { return };
        for metric in &mut self.notes.metrics {
            let state = run
                .metrics
                .iter()
                .find(|it| it.name.as_str() == metric.name);
            let plan =
                metrics_of(&self.turn.plan, run.key).find(|it| it.name.as_str() == metric.name);
            let (Some(state), Some(plan)) = (state, plan) else {
                continue;
            };
            let grid = plan.interval.unwrap_or_default().saturating_mul(state.tick);
            let due = run.started_at + plan.initial_delay + grid;
            metric.phase = state.phase;
            metric.next = (!state.phase.is_final()).then(|| state.retry_at.unwrap_or(due));
        }
    }

    fn events(&mut self) {
        let fresh = self.turn.decision.events.iter();
        let fresh = fresh.filter(|event| event.id.number >= self.notes.told);
        for event in fresh.collect::<Vec<_>>() {
            self.notes.told = event.id.number + 1;
            self.event(event);
        }
    }

    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::RolloutAborted => {
                let failed = self
                    .notes
                    .metrics
                    .iter_mut()
                    .find(|metric| metric.has_failed());
                let why = failed.map(|metric| {
                    metric.phase = AnalysisPhase::Failed;
                    metric.failure()
                });
                let text = why.unwrap_or_else(|| event.text.clone());
                self.write("ABORT", text, Tone::Bad);
            }
            EventKind::RolloutCompleted => {
                let text = format!("{} serves everyone", self.latest());
                self.write("promoted", text, Tone::Good);
            }
            EventKind::BackendFault
            | EventKind::PodTrouble
            | EventKind::RouteDrift
            | EventKind::OrderRefused
            | EventKind::ProgressDeadlineExceeded => {
                self.write("trouble", &event.text, Tone::Bad);
            }
            _ => {}
        }
    }
}

/// The analysis of the step that the newest state stands in.
fn run_of(turn: &Turn) -> Option<&RunState> {
    let state = match (&turn.decision.state, turn.saved.as_ref()) {
        (Some(state), _) => state,
        (None, Saved::State(state)) => state,
        (None, _) => return None,
    };
    state
        .runs
        .iter()
        .find(|run| matches!(run.key, RunKey::Step(_)))
}

fn metrics_of(plan: &Plan, run: RunKey) -> impl Iterator<Item = &MetricPlan> {
    let step = match run {
        RunKey::Step(index) => usize::try_from(index).ok(),
        _ => None,
    };
    let kind = step
        .and_then(|step| plan.steps.get(step))
        .map(|step| &step.kind);
    let run = match kind {
        Some(StepKind::Analysis(run)) => Some(run),
        _ => None,
    };
    run.into_iter().flat_map(|run| &run.metrics)
}

fn metric_plan<'a>(plan: &'a Plan, run: RunKey, of: &Measurement) -> Option<&'a MetricPlan> {
    metrics_of(plan, run).find(|metric| metric.name == of.id.metric)
}

fn blank(plan: &MetricPlan) -> Metric {
    let wanted = plan.success.as_ref().map(|condition| {
        let source = condition.source();
        source
            .strip_prefix("result[0] ")
            .unwrap_or(source)
            .to_owned()
    });
    Metric {
        name: plan.name.to_string(),
        values: Vec::new(),
        failed: Vec::new(),
        allowed: plan.failure_limit.unwrap_or(u32::MAX),
        wanted: wanted.unwrap_or_default(),
        phase: AnalysisPhase::Pending,
        next: None,
    }
}

/// The first number of a reading.
fn value(reading: &Reading) -> Option<String> {
    match reading {
        Reading::Number(number) => Some(number.to_string()),
        Reading::Series(all) => Some(all.first()?.samples.last()?.value.to_string()),
        _ => None,
    }
}
