//! What breaks, and what happens to drivers.

use std::time::Duration;

use gradatim_core::fault::FaultKind;
use gradatim_core::plan::Plan;

use super::turns;
use crate::fault::{Fault, Mishap, Target};
use crate::happening::Happening;
use crate::script::line::{Wrong, list};
use crate::script::scenario::{DriverLine, FaultLine, Named, Port, PortFault, Scenario, Window};
use crate::simulation::Simulation;

/// A driver that is killed again and again is away at least so long: it writes when it comes back,
/// and without any time between the world would stand still.
const AWAY: Duration = Duration::from_secs(1);

impl Scenario {
    pub(super) fn unknown_ports(&self, plan: &Plan) -> Vec<Wrong> {
        let wrong = |line: &FaultLine| match &line.port {
            Port::Router(Some(named)) => unknown(named, "router", &routers(plan)),
            Port::Provider(Some(named)) => unknown(named, "provider", &providers(plan)),
            _ => None,
        };
        self.faults.iter().filter_map(wrong).collect()
    }

    pub(super) fn with_faults(&self, mut simulation: Simulation, plan: &Plan) -> Simulation {
        for line in self.faults.iter().filter(|line| !is_lag(line)) {
            for target in targets(&line.port, plan) {
                simulation = simulation.fault(fault(target, line));
            }
        }
        self.with_lags(simulation)
    }

    /// How long routers lag is not a fault of one call.
    fn with_lags(&self, mut simulation: Simulation) -> Simulation {
        let lags: Vec<&FaultLine> = self.faults.iter().filter(|line| is_lag(line)).collect();
        let at = |time| {
            let line = lags.iter().rev().find(|line| line.window.holds(time));
            line.map_or(Duration::ZERO, |line| match line.kind {
                PortFault::Lags(lag) => lag,
                _ => Duration::ZERO,
            })
        };
        simulation = simulation.router_lag(at(Duration::ZERO));
        for turn in turns(lags.iter().map(|line| line.window)) {
            simulation = simulation.at(turn, Happening::RouterLag(at(turn)));
        }
        simulation
    }

    pub(super) fn with_drivers(&self, mut simulation: Simulation) -> Simulation {
        for line in &self.drivers {
            simulation = match *line {
                DriverLine::Crashes {
                    at,
                    away,
                    after_writes: None,
                } => simulation.at(at, Happening::Crash(away)),
                DriverLine::Crashes {
                    at,
                    away,
                    after_writes: Some(writes),
                } => simulation.fault(once(Mishap::Crash(away), at, writes)),
                DriverLine::CrashesAfterWrites { part, away } => {
                    let crash = Mishap::LateCrash(away.max(AWAY));
                    simulation.fault(Fault::new(Target::Everything, crash).writes().chance(part))
                }
                DriverLine::Stands {
                    at,
                    lasts,
                    after_writes: None,
                } => simulation.at(at, Happening::Freeze(lasts)),
                DriverLine::Stands {
                    at,
                    lasts,
                    after_writes: Some(writes),
                } => simulation.fault(once(Mishap::Freeze(lasts), at, writes)),
                DriverLine::Second { at, takes_over } => {
                    let force = takes_over;
                    simulation.at(at, Happening::SecondDriver { force })
                }
            };
        }
        simulation
    }
}

/// Whether a plan has such a port.
pub(super) fn is_known(port: &Port, plan: &Plan) -> bool {
    match port {
        Port::Router(Some(named)) => routers(plan).contains(&named.name.as_str()),
        Port::Provider(Some(named)) => providers(plan).contains(&named.name.as_str()),
        _ => true,
    }
}

fn routers(plan: &Plan) -> Vec<&str> {
    plan.routers.iter().map(|one| one.name.as_str()).collect()
}

fn providers(plan: &Plan) -> Vec<&str> {
    let mut names: Vec<&str> = plan.metrics().map(|one| one.provider.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn unknown(named: &Named, what: &str, known: &[&str]) -> Option<Wrong> {
    if known.contains(&named.name.as_str()) {
        return None;
    }
    let message = format!("the rollout has no {what} \"{}\"", named.name);
    Some(Wrong::new(named.place, message).help(match known {
        [] => format!("it has no {what} at all"),
        names => format!("it has {}", list(names)),
    }))
}

fn is_lag(line: &FaultLine) -> bool {
    matches!(line.kind, PortFault::Lags(_))
}

fn targets(port: &Port, plan: &Plan) -> Vec<Target> {
    match port {
        Port::Router(None) => vec![Target::Routers],
        Port::Router(Some(named)) => {
            let places = plan.routers.iter().enumerate();
            let places = places.filter(|(_, router)| router.name == named.name);
            places.map(|(place, _)| Target::Router(place)).collect()
        }
        Port::Workload => vec![Target::Workload],
        Port::Store => vec![Target::Store],
        Port::Provider(None) => vec![Target::Provider],
        Port::Provider(Some(named)) => {
            let metrics = plan
                .metrics()
                .filter(|metric| metric.provider == named.name);
            let mut names: Vec<String> = metrics.map(|metric| metric.name.to_string()).collect();
            names.sort_unstable();
            names.dedup();
            names.into_iter().map(Target::Metric).collect()
        }
    }
}

fn fault(target: Target, line: &FaultLine) -> Fault {
    let error = Mishap::Error(FaultKind::Unreachable);
    let of = |mishap| Fault::new(target.clone(), mishap);
    let fault = match &line.kind {
        PortFault::Fails(part) => of(error).chance(*part),
        PortFault::CannotBeRead => of(error).reads(),
        PortFault::CannotBeWritten => of(error).writes(),
        PortFault::Hangs | PortFault::Lags(_) => of(Mishap::Hang),
        PortFault::LosesWrites(part) => of(Mishap::LostWrite).chance(*part),
        PortFault::RepeatsWrites { part, after } => of(Mishap::DoubledWrite(*after)).chance(*part),
        PortFault::ReadsOld(age) => of(Mishap::StaleRead(*age)),
        PortFault::GivesNoData => of(Mishap::NoData),
    };
    within(fault, line.window)
}

fn within(fault: Fault, window: Window) -> Fault {
    let fault = fault.since(window.from);
    match window.to {
        Some(to) => fault.until(to),
        None => fault,
    }
}

fn once(mishap: Mishap, at: Duration, writes: u32) -> Fault {
    let fault = Fault::new(Target::Everything, mishap).writes();
    fault.since(at).after(writes).times(1)
}
