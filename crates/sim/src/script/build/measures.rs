//! What metrics measure and what gates say at each time.

use std::collections::BTreeSet;
use std::time::Duration;

use gradatim_core::analysis::RunPlan;
use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::WorkPhase;
use gradatim_core::plan::Plan;

use super::turns;
use crate::happening::Happening;
use crate::measure::{Given, Measure, Of};
use crate::script::line::{Wrong, list};
use crate::script::scenario::{Measures, Named, Scenario, Signal, Subject, Value, Window};
use crate::script::spell;
use crate::simulation::Simulation;

impl Scenario {
    pub(super) fn unknown_metrics(&self, plan: &Plan) -> Vec<Wrong> {
        let of_rollout = plan.gates.iter().map(|gate| &gate.metric);
        let of_steps = plan.runs().filter_map(RunPlan::gate);
        let gates = of_rollout.chain(of_steps).map(|gate| gate.name.as_str());
        let gates: BTreeSet<&str> = gates.collect();
        let all = plan.metrics().map(|metric| metric.name.as_str());
        let metrics: BTreeSet<&str> = all.filter(|name| !gates.contains(name)).collect();
        let named = self
            .metrics
            .iter()
            .map(|one| (&one.name, "metric", &metrics));
        let gated = self.gates.iter().map(|one| (&one.name, "gate", &gates));
        let mut wrongs: Vec<Wrong> = named
            .chain(gated)
            .filter(|(named, _, known)| !known.contains(named.name.as_str()))
            .map(|(named, what, known)| unknown(named, what, known))
            .collect();
        // A gate that turns is written as two.
        wrongs.dedup_by_key(|wrong| wrong.place);
        wrongs
    }

    pub(super) fn with_measures(&self, mut simulation: Simulation) -> Simulation {
        let metrics = self.metrics.iter().map(|one| one.name.name.as_str());
        let gates = self.gates.iter().map(|one| one.name.name.as_str());
        let names: BTreeSet<&str> = metrics.chain(gates).collect();
        for name in names {
            if let Some((_, measure)) = self.measure(name, Duration::ZERO) {
                simulation = simulation.metric(name, measure);
            }
            simulation = self.with_turns(simulation, name);
        }
        simulation
    }

    fn with_turns(&self, mut simulation: Simulation, name: &str) -> Simulation {
        let metrics = self.metrics.iter().filter(|one| one.name.name == name);
        let gates = self.gates.iter().filter(|one| one.name.name == name);
        let windows = metrics
            .map(|one| one.window)
            .chain(gates.map(|one| one.window));
        let mut before = self.measure(name, Duration::ZERO).map(|(line, _)| line);
        for turn in turns(windows) {
            let after = self.measure(name, turn);
            let line = after.as_ref().map(|(line, _)| *line);
            // Values go on where another statement's time begins or ends.
            if line != before {
                let measure = after.map_or_else(Measure::guessed, |(_, measure)| measure);
                simulation = simulation.at(turn, Happening::Metric(name.to_owned(), measure));
            }
            before = line;
        }
        simulation
    }

    /// What the last statement says that speaks of a metric or gate at a time, and its place.
    fn measure(&self, name: &str, at: Duration) -> Option<(usize, Measure)> {
        let speaks = |named: &Named, window: &Window| named.name == name && window.holds(at);
        let metrics = self.metrics.iter().enumerate().rev();
        let mut metrics = metrics.filter(|(_, one)| speaks(&one.name, &one.window));
        let gates = self.gates.iter().enumerate().rev();
        let mut gates = gates.filter(|(_, one)| speaks(&one.name, &one.window));
        let metric = metrics
            .next()
            .map(|(line, one)| (line, measure(&one.measures)));
        metric.or_else(|| {
            gates
                .next()
                .map(|(line, one)| (line, Measure::gate(one.says)))
        })
    }
}

fn unknown(named: &Named, what: &str, known: &BTreeSet<&str>) -> Wrong {
    let names: Vec<&str> = known.iter().copied().collect();
    let near = spell::nearest(&named.name, &names);
    let near = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
    let message = format!("the rollout has no {what} \"{}\"{near}", named.name);
    Wrong::new(named.place, message).help(match names.as_slice() {
        [] => format!("it has no {what} at all"),
        names => format!("it has {}", list(names)),
    })
}

fn measure(measures: &Measures) -> Measure {
    match measures {
        Measures::Requests {
            what,
            of,
            over,
            factor,
        } => {
            let measure = signal(*what).of(side(of)).times(*factor);
            match over {
                Some(over) => measure.over(*over),
                None => measure,
            }
        }
        Measures::Values(values) => Measure::given(values.iter().map(given)),
        Measures::Job { succeeds, after } => {
            let (phase, text) = match succeeds {
                true => (WorkPhase::Successful, "the job succeeded"),
                false => (WorkPhase::Failed, "the job failed"),
            };
            Measure::work(phase, text).taking(*after)
        }
    }
}

fn signal(signal: Signal) -> Measure {
    match signal {
        Signal::SuccessRate => Measure::success_rate(),
        Signal::ErrorRate => Measure::error_rate(),
        Signal::RequestRate => Measure::request_rate(),
        Signal::Latency(quantile) => Measure::latency(quantile),
    }
}

fn side(subject: &Subject) -> Of {
    match subject {
        Subject::Canary => Of::Canary,
        Subject::Stable => Of::Stable,
        Subject::All => Of::All,
    }
}

fn given(value: &Value) -> Given {
    match value {
        Value::Number(number) => Given::Number(*number),
        Value::NoData => Given::NoData,
        Value::Error(text) => Given::Error(FaultKind::Unreachable, text.clone()),
    }
}
