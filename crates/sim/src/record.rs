//! Writes down what happens, once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gradatim_core::analysis::{AnalysisPhase, judge};
use gradatim_core::decision::Summary;
use gradatim_core::event::EventId;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::{MetricName, RevisionId};
use gradatim_core::measurement::{Measurement, MeasurementId, Outcome as Answer, RunKey};
use gradatim_core::route::Route;
use gradatim_driver::{Persisted, Turn};

use crate::check::{Scene, Violation};
use crate::fact::{Fact, What};
use crate::happening::Happening;
use crate::report::{Outcome, Report};
use crate::verdict::phase;
use crate::world::{World, WriteKind};

/// What a revision's pods were when they were last written down.
type Pods = (u32, u32, u32, Option<String>);

/// What has been written down so far.
#[derive(Debug, Default)]
pub(crate) struct Record {
    begun: bool,
    facts: Vec<Fact>,
    pods: BTreeMap<RevisionId, Pods>,
    routes: BTreeMap<usize, Route>,
    told: BTreeSet<EventId>,
    measured: BTreeSet<MeasurementId>,
    failures: BTreeMap<(u32, RunKey, MetricName), u32>,
    weight: Option<(u32, u32)>,
    /// The weight that was read last, and of which version.
    seen: Option<(Option<RevisionId>, u32)>,
    last: Option<Turn>,
    answered: BTreeSet<(String, u64)>,
    /// Whether the last thing that was to be saved could not be.
    unsaved: bool,
    /// When the wanted version first failed a user, and when nobody was sent to it any more.
    pub(crate) violations: Vec<Violation>,
    /// When the outcome came to stand.
    ended: Option<(Outcome, Duration)>,
    rounds: u32,
}

impl Record {
    pub(crate) fn begin(&mut self, world: &World, last: Option<&Turn>) {
        self.begun = true;
        self.violations.clear();
        self.last = last.cloned();
        let what = What::Start {
            stable: world.wanted.clone(),
            replicas: world.replicas,
            per_second: world.traffic.per_second,
        };
        self.fact(world, what);
    }

    pub(crate) fn fact(&mut self, world: &World, what: What) {
        self.fact_at(world.elapsed(), what);
    }

    /// What is written down after the next things had happened already.
    fn fact_at(&mut self, at: Duration, what: What) {
        if self.begun {
            let follows =
                |fact: &&Fact| fact.at > at || (fact.at == at && is_led_to(&fact.what, &what));
            let place = self.facts.len() - self.facts.iter().rev().take_while(follows).count();
            self.facts.insert(place, Fact { at, what });
        }
    }

    pub(crate) fn happening(&mut self, world: &World, what: &Happening) {
        self.fact(world, What::Happening(what.to_string()));
    }

    /// Pods that are not what they were.
    pub(crate) fn pods(&mut self, world: &World) {
        for revision in &world.revisions {
            let trouble = revision
                .trouble
                .as_ref()
                .map(|trouble| trouble.text.clone());
            let pods = (
                revision.desired,
                revision.pods(),
                revision.available,
                trouble,
            );
            if self.pods.get(&revision.id) == Some(&pods) {
                continue;
            }
            self.pods.insert(revision.id.clone(), pods.clone());
            let (desired, pods, available, trouble) = pods;
            let what = What::Pods {
                revision: revision.id.clone(),
                desired,
                pods,
                available,
                trouble,
            };
            self.fact(world, what);
        }
    }

    pub(crate) fn round(
        &mut self,
        world: &World,
        driver: usize,
        scene: &Scene<'_>,
        violations: Vec<Violation>,
    ) {
        self.rounds += 1;
        if let Some(turn) = scene.turn {
            self.measurements(world, turn);
            self.decision(world, driver, turn);
        }
        self.writes(world, scene);
        for violation in violations {
            self.fact(world, What::Violation(violation.clone()));
            self.violations.push(violation);
        }
    }

    fn measurements(&mut self, world: &World, turn: &Turn) {
        for measurement in &turn.observation.measurements {
            let running = matches!(measurement.outcome, Answer::Running { .. });
            if !running && self.measured.insert(measurement.id.clone()) {
                let what = self.measured(turn, measurement);
                self.fact(world, what);
            }
        }
    }

    fn measured(&mut self, turn: &Turn, measurement: &Measurement) -> What {
        let id = &measurement.id;
        let same = |metric: &&gradatim_core::analysis::MetricPlan| {
            metric.name == id.metric && metric.digest == id.digest
        };
        let plan = turn.plan.metrics().find(same);
        let (reading, verdict, why) = match (&measurement.outcome, plan) {
            (Answer::Done { reading, .. }, Some(plan)) => {
                let alone = || match plan.judge {
                    Some(_) => String::new(),
                    None => judge(plan, reading).why,
                };
                let why = told(turn, id).unwrap_or_else(alone);
                (Some(reading.clone()), phase(plan, reading), why)
            }
            (Answer::Done { reading, .. }, None) => {
                (Some(reading.clone()), AnalysisPhase::Running, String::new())
            }
            (Answer::Failed(fault), _) => (None, AnalysisPhase::Error, fault.text.clone()),
            (Answer::Running { .. }, _) => (None, AnalysisPhase::Running, String::new()),
        };
        let key = (id.attempt, id.run, id.metric.clone());
        let failed = self.failures.entry(key).or_default();
        *failed += u32::from(verdict == AnalysisPhase::Failed);
        What::Measured {
            run: id.run,
            metric: id.metric.clone(),
            reading,
            verdict,
            why,
            failed: *failed,
            limit: plan.and_then(|plan| plan.failure_limit),
        }
    }

    fn decision(&mut self, world: &World, driver: usize, turn: &Turn) {
        let decision = &turn.decision;
        let before = self.last.replace(turn.clone());
        let before = before.as_ref().map(|turn| &turn.decision);
        let summary = &decision.summary;
        self.saved(world, driver, &turn.persisted);
        self.seen(world, summary);
        self.stable(world, before.map(|before| &before.summary), summary);
        for done in &decision.acknowledged {
            if self.answered.insert((done.source.clone(), done.sequence)) {
                let (order, refused) = (done.sequence, done.refused.clone());
                self.fact(world, What::Answered { order, refused });
            }
        }
        for event in &decision.events {
            if self.told.insert(event.id) {
                let (kind, text) = (event.kind, event.text.clone());
                self.fact(world, What::Event { kind, text });
            }
        }
        let weight = (summary.weight, summary.total);
        if self.weight != Some(weight) && (self.weight.is_some() || summary.weight > 0) {
            let (weight, total, step) = (summary.weight, summary.total, summary.step);
            self.fact(
                world,
                What::Weight {
                    weight,
                    total,
                    step,
                },
            );
        }
        self.weight = Some(weight);
        if before.is_none_or(|before| before.waiting.reason != decision.waiting.reason) {
            let until = decision.waiting.until;
            let (reason, until) = (
                decision.waiting.reason.clone(),
                until.map(|at| at.since(world.origin)),
            );
            self.fact(world, What::Waits { reason, until });
        }
        let is_other = |before: &&std::sync::Arc<gradatim_core::decision::Decision>| {
            (before.phase, &before.message) != (decision.phase, &decision.message)
        };
        if before.is_none() || before.filter(is_other).is_some() {
            let (phase, message) = (decision.phase, decision.message.clone());
            self.fact(world, What::Phase { phase, message });
        }
        self.end(world, turn);
    }

    /// Whether what is decided can be kept; told when that changes.
    fn saved(&mut self, world: &World, driver: usize, persisted: &Persisted) {
        let failed = match persisted {
            Persisted::Unchanged => return,
            Persisted::Saved => None,
            Persisted::Failed(fault) => Some(fault.text.clone()),
        };
        let text = match (&failed, self.unsaved) {
            (Some(why), false) => format!("cannot save, and raises nothing: {why}"),
            (None, true) => "can save again".to_owned(),
            _ => return,
        };
        self.unsaved = failed.is_some();
        self.fact(world, What::Driver { driver, text });
    }

    /// What is read of the new version's weight; of one that is new itself, once it is more than 0.
    fn seen(&mut self, world: &World, summary: &Summary) {
        let Some(weight) = summary.weight_seen else {
            return;
        };
        let same_version = self
            .seen
            .as_ref()
            .is_some_and(|(of, _)| *of == summary.latest);
        let same_weight = self.seen.as_ref().is_some_and(|(_, seen)| *seen == weight);
        self.seen = Some((summary.latest.clone(), weight));
        if !same_weight && (same_version || weight > 0) {
            let total = summary.total;
            self.fact(world, What::Seen { weight, total });
        }
    }

    fn stable(&mut self, world: &World, before: Option<&Summary>, summary: &Summary) {
        let changed = before.is_some_and(|before| before.stable != summary.stable);
        if let Some(revision) = summary.stable.clone().filter(|_| changed) {
            self.fact(world, What::Stable { revision });
        }
    }

    fn end(&mut self, world: &World, turn: &Turn) {
        if !Outcome::stands(turn) {
            self.ended = None;
            return;
        }
        let outcome = Outcome::of(Some(turn));
        let known = self.ended.as_ref().map(|(known, _)| known);
        if known != Some(&outcome) && self.begun {
            self.ended = Some((outcome, world.elapsed()));
        }
    }

    fn writes(&mut self, world: &World, scene: &Scene<'_>) {
        for write in scene.writes {
            let at = write.at.since(world.origin);
            if write.refused == Some(FaultKind::Fenced) {
                let text =
                    "wrote too late, and was refused: another driver has taken over".to_owned();
                let driver = write.driver;
                self.fact_at(at, What::Driver { driver, text });
            }
            if !write.changed {
                continue;
            }
            match &write.kind {
                WriteKind::Scale {
                    revision, replicas, ..
                } => {
                    let what = What::Scale {
                        revision: revision.clone(),
                        replicas: *replicas,
                    };
                    self.fact_at(at, what);
                }
                WriteKind::Route { router, route } => self.route(at, *router, route),
                _ => {}
            }
        }
    }

    fn route(&mut self, at: Duration, router: usize, route: &Route) {
        let same = self.routes.get(&router).is_some_and(|known| {
            known.split.value == route.split.value
                && known.bind.value == route.bind.value
                && known.headers.value == route.headers.value
                && known.mirrors.value == route.mirrors.value
        });
        self.routes.insert(router, route.clone());
        if same {
            return;
        }
        let headers = route.headers.value.iter().map(|header| header.name.clone());
        let mirrors = route.mirrors.value.iter().map(|mirror| mirror.name.clone());
        let what = What::Route {
            router,
            split: route.split.value.clone(),
            bind: route.bind.value.clone(),
            headers: headers.collect(),
            mirrors: mirrors.collect(),
        };
        self.fact_at(at, what);
    }

    /// The facts and violations so far, for good.
    pub(crate) fn take(&mut self) -> (Vec<Fact>, Vec<Violation>) {
        let violations = std::mem::take(&mut self.violations);
        (std::mem::take(&mut self.facts), violations)
    }

    /// The facts and violations so far.
    pub(crate) fn told(&self) -> (Vec<Fact>, Vec<Violation>) {
        (self.facts.clone(), self.violations.clone())
    }

    pub(crate) fn report(
        &self,
        (facts, violations): (Vec<Fact>, Vec<Violation>),
        world: &World,
        outcome: Outcome,
        checked: u32,
        seed: u64,
    ) -> Report {
        let took = self.ended.as_ref().map(|(_, at)| *at);
        Report {
            outcome,
            took: took.unwrap_or_else(|| world.elapsed()),
            lasted: world.elapsed(),
            rounds: self.rounds,
            checked,
            seed,
            facts,
            violations,
            guesses: world.measures.guesses().to_vec(),
            users: world.users(),
            versions: crate::report::versions(world),
            faults: world.faults.met().clone(),
            intervals: crate::report::Intervals::of(world),
        }
    }
}

/// Whether pods are what they are because of a write.
fn is_led_to(fact: &What, write: &What) -> bool {
    match (fact, write) {
        (What::Pods { revision: of, .. }, What::Scale { revision, .. }) => of == revision,
        _ => false,
    }
}

/// The sentence on a measurement that the core has made already, if it has; it costs much to
/// make it anew.
fn told(turn: &Turn, id: &MeasurementId) -> Option<String> {
    let state = turn.decision.state.as_ref()?;
    let run = state.runs.iter().find(|run| run.key == id.run)?;
    let mut metrics = run.metrics.iter();
    let metric = metrics.find(|metric| metric.name == id.metric && metric.digest == id.digest)?;
    let same = |other: &&Measurement| other.id.run == id.run && other.id.metric == id.metric;
    let alone = turn.observation.measurements.iter().filter(same).count() == 1;
    (alone && !metric.last.is_empty()).then(|| metric.last.clone())
}
