//! Each fault does what its name says, and a release gets through or stays safe.

use gradatim_core::fault::FaultKind;
use gradatim_core::observation::Read;
use gradatim_driver::Persisted;

use super::*;
use crate::{Fault, Happening, Mishap, Running, Simulation, Target, Version, WriteKind};

fn release() -> Simulation {
    Simulation::new(plan(steps())).wants("v2").until(secs(3600))
}

/// From the first raise on, for a minute.
fn minute(target: Target, mishap: Mishap) -> Fault {
    Fault::new(target, mishap).since(secs(5)).until(secs(65))
}

#[track_caller]
fn gets_through(fault: Fault) -> Report {
    let name = fault.to_string();
    let report = release().fault(fault).run();
    assert!(
        report.faults.values().sum::<u32>() > 0,
        "{name} was never met"
    );
    assert!(
        report.outcome.is_promoted(),
        "{name}: {}\n{}",
        report.outcome,
        story(&report)
    );
    report
}

fn until(simulation: Simulation, at: u64) -> Running {
    let mut running = simulation.start();
    running.run_until(secs(at));
    running
}

#[test]
fn a_router_that_cannot_be_written_gets_nothing_until_it_can() {
    let fault = minute(Target::Routers, Mishap::Error(FaultKind::Unreachable)).writes();
    let running = until(release().fault(fault.clone()), 60);
    assert_eq!(running.world().share("v2"), 0.0);
    let refused = running
        .world()
        .writes()
        .iter()
        .filter(|write| write.refused.is_some())
        .count();
    assert!(refused >= 3, "{refused}");
    assert_eq!(gets_through(fault).users.failed, 0.0);
}

#[test]
fn a_router_that_cannot_be_read_holds_the_raise_back() {
    let fault = minute(Target::Router(0), Mishap::Error(FaultKind::Timeout)).reads();
    let running = until(release().fault(fault.clone()), 60);
    assert_eq!(running.world().share("v2"), 0.0);
    gets_through(fault);
}

#[test]
fn a_write_that_is_answered_with_an_error_has_taken_effect_all_the_same() {
    let late = Mishap::LateError(FaultKind::Timeout);
    let fault = Fault::new(Target::Routers, late).writes().times(2);
    let running = until(release().fault(fault.clone()), 11);
    let world = running.world();
    let met = world
        .writes()
        .iter()
        .filter(|write| write.fault == Some("late error"));
    assert!(met.clone().count() == 2 && met.clone().all(|write| write.changed));
    drop(world);
    gets_through(fault);
}

#[test]
fn a_call_that_hangs_ends_at_its_deadline() {
    let fault = Fault::new(Target::Routers, Mishap::Hang).writes().times(1);
    let mut running = release().fault(fault.clone()).start();
    running.run_until(secs(10));
    while running.elapsed() < secs(20) && running.world().share("v2") == 0.0 {
        running.step();
    }
    assert!(running.elapsed() >= secs(20), "{:?}", running.elapsed());
    gets_through(fault);
}

#[test]
fn a_call_that_hangs_late_has_taken_effect() {
    let fault = Fault::new(Target::Workload, Mishap::LateHang)
        .writes()
        .times(1);
    let running = until(release().fault(fault.clone()), 0);
    assert_eq!(running.world().revision("v2").unwrap().desired(), 1);
    gets_through(fault);
}

#[test]
fn a_lost_write_is_made_again_because_it_does_not_show() {
    let fault = Fault::new(Target::Workload, Mishap::LostWrite).times(1);
    let running = until(release().fault(fault.clone()), 20);
    assert_eq!(running.world().revision("v2").unwrap().desired(), 0);
    gets_through(fault);
}

#[test]
fn a_doubled_write_comes_back_late_and_is_refused_by_the_fence() {
    let fault = Fault::new(Target::Routers, Mishap::DoubledWrite(secs(200))).times(2);
    let report = gets_through(fault.clone());
    assert!(report.holds(), "{:#?}", report.violations);
    let running = until(release().fault(fault), 400);
    let world = running.world();
    let echoes: Vec<_> = world.writes().iter().filter(|write| write.echo).collect();
    assert!(
        !echoes.is_empty() && echoes.iter().all(|write| !write.changed),
        "{echoes:?}"
    );
}

#[test]
fn a_stale_read_shows_what_was() {
    let fault = Fault::new(Target::Workload, Mishap::StaleRead(secs(30)));
    let running = until(release().fault(fault), 30);
    let seen = running
        .last()
        .unwrap()
        .observation
        .workload
        .seen()
        .unwrap()
        .clone();
    let v2 = seen.revision(&"v2".into()).cloned();
    assert!(v2.is_none_or(|v2| v2.available == 0), "{seen:?}");
    assert_eq!(running.world().revision("v2").unwrap().available(), 1);
    gets_through(minute(Target::Routers, Mishap::StaleRead(secs(20))));
}

#[test]
fn a_metric_without_data_or_a_number_is_what_the_provider_answers() {
    for mishap in [Mishap::NoData, Mishap::Nan] {
        let fault = minute(Target::Metric("success-rate".to_owned()), mishap);
        let report = gets_through(fault);
        assert!(report.holds(), "{:#?}", report.violations);
    }
}

#[test]
fn a_metric_that_cannot_be_measured_becomes_an_error_in_the_end() {
    let fault = Fault::new(Target::Provider, Mishap::Error(FaultKind::Unreachable)).since(secs(20));
    let report = release().fault(fault).run();
    assert!(report.outcome.is_rolled_back(), "{}", story(&report));
}

#[test]
fn a_store_that_refuses_keeps_everything_from_being_raised() {
    let fault = Fault::new(Target::Store, Mishap::Error(FaultKind::Conflict)).writes();
    let running = until(release().fault(fault.since(secs(5)).until(secs(65))), 60);
    assert!(matches!(
        running.last().unwrap().persisted,
        Persisted::Failed(_)
    ));
    assert_eq!(running.world().share("v2"), 0.0);
    gets_through(minute(Target::Store, Mishap::Error(FaultKind::Conflict)).writes());
}

#[test]
fn a_notifier_that_fails_is_in_nobody_s_way() {
    let fault = Fault::new(Target::Notifier, Mishap::Error(FaultKind::Unreachable)).until(secs(60));
    let report = release().notified().fault(fault).run();
    assert!(report.outcome.is_promoted());
    assert!(report.faults.get("error").is_some_and(|met| *met > 0));
}

#[test]
fn a_driver_that_dies_at_any_write_is_replaced_by_one_that_goes_on() {
    let mut running = release().start();
    running.run_until(secs(600));
    let calm = running.world().writes().to_vec();
    let raises = |at: &[crate::Write]| {
        at.iter()
            .filter(|write| !matches!(write.kind, WriteKind::Save { .. }))
            .count()
    };
    assert!(raises(&calm) >= 6);
    let count = u32::try_from(calm.len()).unwrap();
    for nth in 0..count {
        for mishap in [
            Mishap::Crash(Duration::ZERO),
            Mishap::LateCrash(Duration::ZERO),
        ] {
            let name = mishap.name();
            let fault = Fault::new(Target::Everything, mishap)
                .writes()
                .after(nth)
                .times(1);
            let mut running = release().fault(fault).start();
            running.run_until(secs(600));
            let same = crate::check::same_routes(&calm, running.world().writes());
            assert_eq!(same, Ok(()), "{name} at write {nth}");
            let report = running.report();
            assert!(
                report.holds(),
                "{name} at write {nth}: {:#?}\n{}",
                report.violations,
                story(&report)
            );
        }
    }
}

#[test]
fn a_driver_that_was_frozen_and_not_replaced_goes_on_where_it_was() {
    let fault = Fault::new(Target::Everything, Mishap::Freeze(secs(25)))
        .writes()
        .after(3)
        .times(1);
    let report = gets_through(fault);
    assert!(report.holds(), "{:#?}", report.violations);
}

#[test]
fn a_second_driver_waits_until_the_first_is_dead() {
    let report = release()
        .at(secs(20), Happening::SecondDriver { force: false })
        .at(secs(40), Happening::Crash(secs(1000)))
        .run();
    assert!(report.outcome.is_promoted(), "{}", story(&report));
    assert!(report.holds(), "{:#?}", report.violations);
}

#[test]
fn a_clock_that_jumps_ends_a_pause_early_and_nothing_else() {
    let at = |jump: bool| {
        let release = release();
        let release = if jump {
            release.at(secs(20), Happening::ClockJumps(secs(60)))
        } else {
            release
        };
        let report = release.run();
        assert!(report.outcome.is_promoted(), "{}", story(&report));
        report.took
    };
    assert_eq!(at(false) - at(true), secs(60));
}

#[test]
fn a_stranger_who_lowers_the_canary_is_not_overruled() {
    let stranger = Happening::Split {
        router: 0,
        split: gradatim_core::route::Split::canary(0, 100),
    };
    let running = until(release().at(secs(40), stranger), 100);
    assert_eq!(running.world().share("v2"), 0.0);
}

#[test]
fn lost_pods_are_made_anew() {
    let lost = Happening::LosePods("v1".to_owned(), 4);
    let mut running = until(release().at(secs(40), lost), 45);
    assert_eq!(running.world().revision("v1").unwrap().available(), 6);
    running.run_until(secs(60));
    assert_eq!(running.world().revision("v1").unwrap().available(), 10);
}

#[test]
fn a_workload_that_cannot_be_read_is_an_input() {
    let fault = minute(Target::Workload, Mishap::Error(FaultKind::Overloaded)).reads();
    let running = until(release().fault(fault.clone()), 30);
    assert!(matches!(
        running.last().unwrap().observation.workload,
        Read::Failed(_)
    ));
    gets_through(fault);
}

#[test]
fn a_broken_version_does_little_harm_whatever_else_breaks() {
    for mishap in [
        Mishap::Error(FaultKind::Unreachable),
        Mishap::LateError(FaultKind::Timeout),
        Mishap::LostWrite,
        Mishap::LateCrash(secs(5)),
    ] {
        let fault = Fault::new(Target::Everything, mishap.clone())
            .writes()
            .since(secs(30));
        let release = release().version("v2", Version::broken());
        let report = release
            .fault(fault.until(secs(300)).chance(0.3))
            .seed(7)
            .run();
        assert!(
            report.outcome.is_rolled_back(),
            "{mishap:?}: {}",
            story(&report)
        );
        // A tenth of 100 requests a second, for the 80 s until the third bad measurement.
        let failed = report.users.failed;
        assert!(failed < 900.0, "{mishap:?}: {failed}");
    }
}
