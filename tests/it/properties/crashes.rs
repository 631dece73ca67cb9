//! A driver that dies at any call of any port, and is started again at once, changes nothing of
//! how it ends; where routers show at once what is written, it changes no route on the way either.

use std::time::Duration;

use gradatim_core::id::RevisionId;
use gradatim_sim::check::same_routes;
use gradatim_sim::{Fault, Mishap, Report, Target, Write};

use super::case::{Beside, Case, Step, Way};

/// Long after the end of each of the releases here.
const LENGTH: Duration = Duration::from_secs(600);

fn release(way: Way, lag: u64, errors: f64) -> Case {
    Case {
        way,
        steps: vec![Step::Weight(20), Step::Pause(10), Step::Weight(60)],
        background: match way {
            Way::BlueGreen => Beside::Nothing,
            Way::Ratio => Beside::Metric,
            Way::Router | Way::DynamicStable => Beside::Judge,
        },
        replicas: 5,
        pods: 4,
        lag,
        errors,
        deadline_aborts: false,
        happenings: Vec::new(),
        faults: Vec::new(),
    }
}

/// What a run wrote, who serves at its end with how many pods, and what came of it.
struct Run {
    writes: Vec<Write>,
    serving: Vec<(RevisionId, u32, f64)>,
    report: Report,
}

fn run(case: &Case, fault: Option<Fault>) -> Run {
    let mut simulation = case.simulation();
    if let Some(fault) = fault {
        simulation = simulation.fault(fault);
    }
    let mut running = simulation.start();
    running.run_until(LENGTH);
    let world = running.world();
    let writes = world.writes().to_vec();
    let serving = world.revisions().iter().map(|one| {
        (
            one.id().clone(),
            one.available(),
            world.share(one.id().as_str()),
        )
    });
    let serving = serving.collect();
    drop(world);
    let report = running.report();
    Run {
        writes,
        serving,
        report,
    }
}

fn story(report: &Report) -> String {
    let lines = report.facts.iter();
    let lines = lines.map(|fact| format!("{:?} {:?}", fact.at, fact.what));
    lines.collect::<Vec<_>>().join("\n")
}

/// Lets the driver die at each call, before and after it takes effect, until there is no such call.
fn dies_at_every_call(case: &Case) -> u32 {
    let calm = run(case, None);
    assert!(calm.report.outcome.is_final(), "{}", calm.report.outcome);
    let mut nth = 0;
    loop {
        for mishap in [
            Mishap::Crash(Duration::ZERO),
            Mishap::LateCrash(Duration::ZERO),
        ] {
            let at = format!("{} at call {nth}\n{case}", mishap.name());
            let fault = Fault::new(Target::Everything, mishap).after(nth).times(1);
            let crashed = run(case, Some(fault));
            if crashed.report.faults.is_empty() {
                return nth;
            }
            let violation = crashed.report.violations.first();
            assert_eq!(violation, None, "{at}");
            let (outcome, wanted) = (&crashed.report.outcome, &calm.report.outcome);
            // A bad version is found by a later measurement where the driver died at one, with
            // other counts.
            match case.errors == 0.0 {
                true => assert_eq!(outcome, wanted, "{at}"),
                false => assert_eq!(outcome.is_rolled_back(), wanted.is_rolled_back(), "{at}"),
            }
            assert_eq!(crashed.serving, calm.serving, "{at}");
            // What is on its way to a router is not known to whoever takes over.
            if case.lag == 0 && case.errors == 0.0 {
                let same = same_routes(&calm.writes, &crashed.writes);
                assert_eq!(same, Ok(()), "{at}\n{}", story(&crashed.report));
            }
        }
        nth += 1;
    }
}

#[test]
fn a_canary_behind_a_router_takes_the_same_routes_whenever_its_driver_dies() {
    assert!(dies_at_every_call(&release(Way::Router, 0, 0.0)) > 50);
}

#[test]
fn a_canary_behind_a_slow_router_ends_the_same_whenever_its_driver_dies() {
    assert!(dies_at_every_call(&release(Way::Router, 2, 0.0)) > 50);
}

#[test]
fn a_canary_without_a_router_ends_the_same_whenever_its_driver_dies() {
    assert!(dies_at_every_call(&release(Way::Ratio, 0, 0.0)) > 50);
}

#[test]
fn a_blue_green_switches_once_whenever_its_driver_dies() {
    assert!(dies_at_every_call(&release(Way::BlueGreen, 0, 0.0)) > 10);
}

#[test]
fn a_bad_canary_is_taken_back_whenever_its_driver_dies() {
    assert!(dies_at_every_call(&release(Way::Router, 2, 0.5)) > 50);
}
