//! From what a scenario says to a simulation.

mod faults;
mod measures;
mod versions;

use std::time::Duration;

use gradatim_core::id::RevisionId;
use gradatim_core::order::OrderKind;
use gradatim_core::plan::Plan;
use gradatim_core::route::Split;
use gradatim_core::spec::RolloutSpec;

use super::error::ScriptErrors;
use super::line::Wrong;
use super::parse::report;
use super::scenario::{Change, Scenario, Timed, Window};
use crate::happening::Happening;
use crate::simulation::Simulation;
use crate::traffic::Traffic;

/// How long a scenario may take when it does not say.
const END: Duration = Duration::from_secs(60 * 60);

impl Scenario {
    /// The world that it describes, for a rollout and its plan.
    ///
    /// # Errors
    /// When it names a metric, a gate, a router or a provider that the plan does not have.
    pub fn simulation(&self, spec: &RolloutSpec, plan: &Plan) -> Result<Simulation, ScriptErrors> {
        let wrongs = self.unknown_names(plan);
        if !wrongs.is_empty() {
            return Err(report(wrongs, &self.source));
        }
        let mut simulation = Simulation::new(plan.clone())
            .like(spec)
            .seed(self.seed)
            .until(self.end.unwrap_or(END))
            .traffic(self.traffic());
        if let Some(replicas) = self.replicas {
            simulation = simulation.replicas(replicas);
        }
        simulation = self.with_versions(simulation);
        simulation = self.with_measures(simulation);
        simulation = self.with_faults(simulation, plan);
        simulation = self.with_drivers(simulation);
        for happening in &self.changes {
            simulation = simulation.at(happening.at, self.happening(&happening.change, plan));
        }
        Ok(simulation)
    }

    /// What is meant for one of several rollouts: without the names that it does not know and
    /// another one does.
    #[must_use]
    pub fn meant_for(&self, plan: &Plan, all: &[Plan]) -> Self {
        let mut meant = self.clone();
        let elsewhere =
            |is_known: &dyn Fn(&Plan) -> bool| !is_known(plan) && all.iter().any(is_known);
        let measured =
            |plan: &Plan, name: &str| plan.metrics().any(|one| one.name.as_str() == name);
        meant
            .metrics
            .retain(|line| !elsewhere(&|plan| measured(plan, &line.name.name)));
        meant
            .gates
            .retain(|line| !elsewhere(&|plan| measured(plan, &line.name.name)));
        meant
            .faults
            .retain(|line| !elsewhere(&|plan| faults::is_known(&line.port, plan)));
        meant
    }

    fn unknown_names(&self, plan: &Plan) -> Vec<Wrong> {
        let mut wrongs = self.unknown_metrics(plan);
        wrongs.extend(self.unknown_ports(plan));
        wrongs
    }

    fn traffic(&self) -> Traffic {
        let at = |time| latest(&self.traffic, time).unwrap_or(100.0);
        let windows = self.traffic.iter().map(|one| one.window);
        let mut traffic = Traffic::per_second(at(Duration::ZERO)).with_testers(self.testers);
        for turn in turns(windows) {
            traffic = traffic.then(turn, at(turn));
        }
        match self.scattered {
            true => traffic.scattered(),
            false => traffic,
        }
    }

    fn happening(&self, change: &Change, plan: &Plan) -> Happening {
        match change {
            Change::Order(kind) => Happening::Order(kind.clone()),
            Change::Undo(to) => Happening::Order(OrderKind::Undo(Some(RevisionId::new(&to.name)))),
            Change::Deploy(name) => Happening::Deploy(name.name.clone(), self.version(&name.name)),
            Change::Scale(replicas) => Happening::Scale(*replicas),
            Change::Paused(paused) => Happening::Pause(*paused),
            Change::Kill { pods, version } => Happening::LosePods(version.name.clone(), *pods),
            Change::StrangerSetsWeight(weight) => Happening::Split {
                router: 0,
                split: Split::canary(*weight, plan.total),
            },
        }
    }
}

/// Every instant after the start at which one of some windows begins or ends.
fn turns(windows: impl Iterator<Item = Window>) -> Vec<Duration> {
    let mut turns: Vec<Duration> = windows
        .flat_map(|window| [Some(window.from), window.to])
        .flatten()
        .filter(|at| !at.is_zero())
        .collect();
    turns.sort_unstable();
    turns.dedup();
    turns
}

/// What the last statement says that speaks of an instant.
fn latest<T: Copy>(said: &[Timed<T>], at: Duration) -> Option<T> {
    let mut said = said.iter().rev();
    said.find(|one| one.window.holds(at)).map(|one| one.value)
}
