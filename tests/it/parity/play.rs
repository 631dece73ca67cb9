//! Plays a scenario in the simulation and records what comes of it.

use std::sync::Arc;
use std::time::Duration;

use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::order::OrderKind;
use gradatim_core::registry::SERVICES;
use gradatim_driver::Turn;
use gradatim_sim::{Fault, Happening, Mishap, Running, Simulation, Target, Version, WriteKind};
use serde_json::{Map, Value, json};

use super::analyses::Analyses;
use super::facts;
use super::metrics::Metrics;
use super::recording::{Facts, Head, Line, Recording, shown};
use super::routers::Objects;
use super::scenario::{Event, Pods, Scenario, Script};

/// Virtual time costs nothing: a play that takes longer than this does not end.
const LIMIT: f64 = 1_200.0;

/// Plays a scenario.
pub(super) fn play(scenario: &Scenario) -> Recording {
    match scenario.compiled(None) {
        Ok(_) => Player::new(scenario, None).play(),
        Err(refused) => refuse(scenario, &refused),
    }
}

/// A spec that does not compile is never run; the play goes on with the change that mends it.
fn refuse(scenario: &Scenario, refused: &str) -> Recording {
    let Some(change) = scenario
        .events
        .iter()
        .find_map(|event| event.order.get("spec"))
    else {
        panic!("{}: {refused}", scenario.name)
    };
    let mut mended = scenario.clone();
    let spec = |event: &Event| event.order.get("spec").is_some();
    let place = mended.events.iter().position(spec).unwrap_or(0);
    mended.events.drain(..=place);
    let mut recording = Player::new(&mended, Some(change)).play();
    let set = |name: &str, value: &str| (format!("rollout.{name}"), json!(value));
    let refusal = Line {
        t: 0.0,
        order: None,
        set: [
            set("phase", "Degraded"),
            set("message", &format!("InvalidSpec: {refused}")),
        ]
        .into(),
    };
    let order = Line {
        t: 1.0,
        order: Some(format!("spec {}", json!(change))),
        set: Facts::new(),
    };
    for line in &mut recording.lines {
        line.t += 1.0;
    }
    recording.head.seconds += 1.0;
    recording.lines.splice(0..0, [refusal, order]);
    recording
}

struct Player<'a> {
    scenario: &'a Scenario,
    running: Running,
    metrics: Arc<Metrics>,
    objects: Objects,
    steps: Option<Value>,
    routers: Vec<String>,
    analyses: Analyses,
    facts: Facts,
    lines: Vec<Line>,
    /// How many writes were looked at.
    looked: usize,
    /// Whether a round was taken since the last order.
    observed: bool,
    pods: std::collections::BTreeMap<String, Pods>,
}

impl<'a> Player<'a> {
    fn new(scenario: &'a Scenario, change: Option<&Value>) -> Self {
        let (spec, compiled) = scenario.compiled(change).unwrap();
        let metrics = Arc::new(Metrics::default());
        for (name, script) in &scenario.metrics {
            metrics.script(name, script);
        }
        let routers = compiled
            .plan
            .routers
            .iter()
            .map(|router| router.name.clone());
        let routers: Vec<_> = routers.collect();
        let mut simulation = Simulation::new(compiled.plan)
            .like(&spec)
            .provider("web", metrics.clone())
            .provider("prometheus", metrics.clone())
            .from_nothing();
        for name in ["v1", "v2", "v3"] {
            let pods = scenario.pods.get(name).cloned().unwrap_or_default();
            simulation = simulation.version(name, version(&pods));
        }
        let canary = |field: &Value| field.pointer("/strategy/canary/steps").cloned();
        let steps = change.and_then(canary);
        let steps = steps.or_else(|| canary(&Value::Object(scenario.rollout.clone())));
        let objects = Objects::new(&scenario.router, &compiled.frame);
        Self {
            scenario,
            running: simulation.start(),
            metrics,
            objects,
            steps,
            routers,
            analyses: Analyses::default(),
            facts: Facts::new(),
            lines: Vec::new(),
            looked: 0,
            observed: false,
            pods: scenario.pods.clone(),
        }
    }

    fn play(mut self) -> Recording {
        self.prepare();
        let end = self.orders();
        let until = self.now() + self.scenario.settle;
        self.pass(until);
        Recording {
            head: Head {
                end,
                seconds: self.now(),
                router: self.scenario.router.clone(),
                strategy: self.scenario.rollout["strategy"].clone(),
            },
            lines: self.lines,
        }
    }

    fn prepare(&mut self) {
        let untouched = self.objects.untouched(&self.scenario.services);
        self.say(untouched);
        let services = self.routers.iter().position(|name| name == SERVICES);
        if let (Some(place), true) = (services, self.lacks_service()) {
            let missing = Mishap::Error(FaultKind::NotFound);
            self.running
                .happen(Fault::new(Target::Router(place), missing));
        }
    }

    /// Whether the rollout names a service that does not exist yet.
    fn lacks_service(&self) -> bool {
        let canary = &self.scenario.rollout["strategy"]["canary"];
        let named = ["canaryService", "stableService"].map(|field| &canary[field]);
        let there = |name: &str| self.scenario.services.iter().any(|service| service == name);
        named
            .into_iter()
            .filter_map(Value::as_str)
            .any(|name| !there(name))
    }

    fn orders(&mut self) -> String {
        let waited = |wanted: &Map<String, Value>| {
            format!("timeout: waited for {}", Value::Object(wanted.clone()))
        };
        for event in &self.scenario.events {
            if !self.wait(&event.when) {
                return waited(&event.when);
            }
            let until = self.now() + event.after;
            self.pass(until);
            self.give(&event.order);
        }
        match self.wait(&self.scenario.until) {
            true => "reached".to_owned(),
            false => waited(&self.scenario.until),
        }
    }

    fn now(&self) -> f64 {
        self.running.elapsed().as_secs_f64()
    }

    /// Lets time pass, with every round in it.
    fn pass(&mut self, until: f64) {
        let until = Duration::from_millis((until * 1000.0).round() as u64);
        while let Some(stepped) = self.running.step_until(until) {
            self.look(stepped.turn.as_ref().ok());
        }
    }

    /// Waits until facts hold.
    fn wait(&mut self, wanted: &Map<String, Value>) -> bool {
        while !self.holds(wanted) {
            if self.now() > LIMIT {
                return false;
            }
            match self.running.step() {
                Some(stepped) => self.look(stepped.turn.as_ref().ok()),
                None => return self.holds(wanted),
            }
        }
        true
    }

    fn holds(&self, wanted: &Map<String, Value>) -> bool {
        let of_rollout = |name: &str| !name.contains('.');
        if wanted.keys().any(|name| of_rollout(name)) && !self.observed {
            return false;
        }
        wanted.iter().all(|(name, wanted)| {
            let fact = self.facts.get(name);
            let fact = fact.or_else(|| self.facts.get(&format!("rollout.{name}")));
            matches(fact, wanted)
        })
    }

    /// Tells what changed: pods, then what the round says, then its writes.
    fn look(&mut self, turn: Option<&Turn>) {
        let (pods, replicas) = {
            let world = self.running.world();
            (facts::pods(&world), world.replicas())
        };
        self.tell("pods.", pods.clone(), |name| {
            name.starts_with("pods.") || name.ends_with(".available")
        });
        if let Some(turn) = turn {
            self.observed = true;
            let told = facts::rollout(turn, replicas, self.steps.as_ref());
            self.tell("rollout.", told, |name| name.starts_with("rollout."));
            let analyses = self.analyses.after(turn);
            self.tell("analysis.", analyses, |name| name.starts_with("analysis."));
        }
        let writes = self.running.world().writes()[self.looked..].to_vec();
        self.looked += writes.len();
        for write in writes.iter().filter(|write| write.changed) {
            let set = match &write.kind {
                WriteKind::Route { router, route } => {
                    let name = self.routers.get(*router).cloned().unwrap_or_default();
                    let gone = self
                        .facts
                        .keys()
                        .filter(|key| key.starts_with("vs.app.") && *key != "vs.app.primary");
                    let gone = gone.map(|key| (key.clone(), Value::Null));
                    let gone: Facts = if name == "istio" {
                        gone.collect()
                    } else {
                        Facts::new()
                    };
                    gone.into_iter()
                        .chain(self.objects.written(&name, route))
                        .collect()
                }
                WriteKind::Scale {
                    revision, replicas, ..
                } => [(format!("rs.{revision}.want"), json!(replicas))].into(),
                _ => Facts::new(),
            };
            self.say(set);
        }
        self.tell("rs.", pods, |name| name.ends_with(".want"));
    }

    /// Tells facts that replace all others of their sort.
    fn tell(&mut self, prefix: &str, facts: Facts, of: impl Fn(&str) -> bool) {
        let gone = self
            .facts
            .keys()
            .filter(|name| of(name) && !facts.contains_key(*name));
        let gone: Facts = gone.map(|name| (name.clone(), Value::Null)).collect();
        debug_assert!(!prefix.is_empty());
        let mut set: Facts = facts.into_iter().filter(|(name, _)| of(name)).collect();
        set.extend(gone);
        self.say(set);
    }

    /// Tells facts; those that hold already are no news.
    fn say(&mut self, facts: Facts) {
        let news = |(name, value): &(String, Value)| match value {
            Value::Null => self.facts.contains_key(name),
            value => self.facts.get(name) != Some(value),
        };
        let set: Facts = facts.into_iter().filter(news).collect();
        if set.is_empty() {
            return;
        }
        for (name, value) in &set {
            match value {
                Value::Null => self.facts.remove(name),
                value => self.facts.insert(name.clone(), value.clone()),
            };
        }
        self.lines.push(Line {
            t: self.now(),
            order: None,
            set,
        });
    }

    fn note(&mut self, order: String) {
        self.observed = false;
        self.lines.push(Line {
            t: self.now(),
            order: Some(order),
            set: Facts::new(),
        });
    }

    fn give(&mut self, order: &Value) {
        let (verb, what) = match order {
            Value::String(verb) => (verb.clone(), Value::Null),
            Value::Object(map) => {
                let (verb, what) = map.iter().next().unwrap();
                (verb.clone(), what.clone())
            }
            other => panic!("no order: {other}"),
        };
        if verb == "wait" {
            return;
        }
        let text = match (&*verb, &what) {
            ("promote-full", _) => "promote --full".to_owned(),
            (verb, Value::Null) => verb.to_owned(),
            ("create", object) => format!(
                "create {} {}",
                shown(object.get("kind")),
                shown(object.pointer("/metadata/name"))
            ),
            (verb, what) => format!("{verb} {}", shown(Some(what))),
        };
        self.note(text);
        self.happen(&verb, &what);
    }

    fn happen(&mut self, verb: &str, what: &Value) {
        let number = || u32::try_from(what.as_u64().unwrap()).unwrap();
        let happening = match verb {
            "image" => {
                let name = what.as_str().unwrap();
                Happening::Deploy(name.to_owned(), self.version(name))
            }
            "promote" => OrderKind::Promote.into(),
            "promote-full" => OrderKind::PromoteFull.into(),
            "abort" => OrderKind::Abort.into(),
            "retry" => OrderKind::Retry.into(),
            "undo" => {
                let to = what
                    .as_u64()
                    .map(|number| RevisionId::new(format!("v{number}")));
                OrderKind::Undo(to).into()
            }
            "pause" => Happening::Pause(true),
            "resume" => Happening::Pause(false),
            "scale" => Happening::Scale(number()),
            "create" => Happening::Repair,
            "metric" => {
                for (name, script) in what.as_object().unwrap() {
                    let script: Script = serde_json::from_value(script.clone()).unwrap();
                    self.metrics.script(name, &script);
                }
                return self.observed = true;
            }
            "pods" => {
                for (name, change) in what.as_object().unwrap() {
                    self.behave(name, serde_json::from_value(change.clone()).unwrap());
                }
                return self.observed = true;
            }
            other => panic!("no order is called {other}"),
        };
        self.running.happen(happening);
    }

    fn behave(&mut self, name: &str, change: Pods) {
        let pods = self.pods.entry(name.to_owned()).or_default();
        pods.ready_after = change.ready_after.or(pods.ready_after);
        pods.ready = change.ready.or(pods.ready);
        pods.limit = change.limit.or(pods.limit);
        let version = self.version(name);
        self.running
            .happen(Happening::Behave(name.to_owned(), version));
    }

    fn version(&self, name: &str) -> Version {
        version(&self.pods.get(name).cloned().unwrap_or_default())
    }
}

fn version(pods: &Pods) -> Version {
    let start = Duration::from_secs_f64(pods.ready_after.unwrap_or(1.0));
    let version = Version::healthy().starting_in(start);
    match (pods.ready, pods.limit) {
        (Some(false), _) => version.with_ready_pods(0),
        (_, Some(limit)) => version.with_ready_pods(limit),
        _ => version,
    }
}

/// Whether a fact is as wanted: one of several, a part of a text (`~part`), at least (`>=2`).
fn matches(fact: Option<&Value>, wanted: &Value) -> bool {
    match wanted {
        Value::Array(choices) => choices.iter().any(|one| matches(fact, one)),
        Value::Null => fact.is_none(),
        Value::String(text) if text.starts_with('~') => shown(fact).contains(&text[1..]),
        Value::String(text) if text.starts_with(">=") => {
            let least: f64 = text[2..].parse().unwrap();
            fact.and_then(Value::as_f64)
                .is_some_and(|number| number >= least)
        }
        wanted => shown(fact) == shown(Some(wanted)),
    }
}
