//! Worlds of every kind: how traffic flows in them, and that a run is what its seed says.

use std::sync::Arc;

use gradatim_core::measurement::WorkPhase;
use gradatim_core::order::OrderKind;
use gradatim_core::plan::Amount;
use gradatim_core::policy::Standard;
use gradatim_core::route::{HeaderMatch, HeaderRoute, MirrorMatch, MirrorRoute, Slot, StringMatch};
use gradatim_core::spec::BlueGreenSpec;
use gradatim_driver::log::{DecisionLog, replay};

use super::*;
use crate::{Autoscaler, Happening, Measure, Of, Simulation, Traffic, Version};

fn release() -> Simulation {
    Simulation::new(plan(steps())).wants("v2").until(secs(3600))
}

fn canary(steps: impl IntoIterator<Item = StepSpec>) -> RolloutSpec {
    let routing = TrafficRouting::new("toy", serde_json::json!({}));
    let routing = routing
        .with_managed_route("trial")
        .with_managed_route("copy");
    RolloutSpec::new("shop", CanarySpec::new(steps).with_traffic_routing(routing))
}

#[test]
fn a_job_may_take_longer_than_any_call() {
    let smoke = MetricSpec::new("smoke", Provider::new("job", serde_json::json!({})));
    let step = StepSpec::analysis(RolloutAnalysis::new(["smoke"]));
    let spec = canary([StepSpec::set_weight(10), step]);
    let plan = compiled(&spec, &[AnalysisTemplate::new("smoke", [smoke])]);
    let ends = |phase| {
        let job = Measure::work(phase, "the job is over").taking(secs(600));
        Simulation::new(plan.clone())
            .metric("smoke", job)
            .wants("v2")
            .run()
    };
    let good = ends(WorkPhase::Successful);
    assert!(good.outcome.is_promoted(), "{}", story(&good));
    assert!(good.holds() && good.took > secs(600), "{}", story(&good));
    let bad = ends(WorkPhase::Failed);
    assert!(bad.outcome.is_rolled_back(), "{}", story(&bad));
}

#[test]
fn the_same_seed_is_the_same_story() {
    let run = |seed: u64| {
        let traffic = Traffic::per_second(3.0).scattered();
        let release = release()
            .version("v2", Version::failing(0.04))
            .traffic(traffic);
        let report = release.seed(seed).run();
        (story(&report), report.users.failed)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn without_scatter_a_seed_changes_nothing() {
    let run = |seed: u64| story(&release().seed(seed).run());
    assert_eq!(run(1), run(2));
}

#[test]
fn a_decision_log_of_a_simulation_replays_to_the_same_decisions() {
    let log = Arc::new(DecisionLog::new(Vec::new()));
    let report = release().witness(log.clone()).run();
    let log = Arc::into_inner(log).unwrap().into_inner();
    let replayed = replay(log.as_slice(), &Standard).unwrap();
    assert!(
        replayed.differences.is_empty(),
        "{:?}",
        replayed.differences
    );
    assert!(report.rounds > 20 && replayed.rounds > 20, "{replayed:?}");
}

#[test]
fn traffic_follows_the_weight_and_failures_the_version() {
    let mut running = release().version("v2", Version::failing(0.5)).start();
    running.run_until(secs(20));
    let world = running.world();
    assert_eq!((world.share("v1"), world.share("v2")), (0.9, 0.1));
    // Ten seconds of a tenth of 100 requests a second.
    let v2 = world.tally("v2");
    assert!(
        (v2.requests - 100.0).abs() < 1e-6 && (v2.failed - 50.0).abs() < 1e-6,
        "{v2:?}"
    );
    assert!((world.users().requests - 2000.0).abs() < 1e-6);
}

#[test]
fn without_a_router_pods_make_the_ratio() {
    let canary = CanarySpec::new(steps()).with_surge(Amount::Pods(1), Amount::Pods(0));
    let plan = compiled(&RolloutSpec::new("shop", canary), &[]);
    let mut running = Simulation::new(plan).wants("v2").start();
    running.run_until(secs(60));
    assert_eq!(running.world().share("v2"), 0.1);
    let report = running.run();
    assert!(report.outcome.is_promoted(), "{}", story(&report));
    assert_eq!(report.users.failed, 0.0);
    assert!(report.holds(), "{:#?}", report.violations);
}

#[test]
fn blue_green_switches_all_at_once() {
    let mut blue_green = BlueGreenSpec::new("active");
    blue_green.preview_service = Some("preview".to_owned());
    let plan = compiled(&RolloutSpec::new("shop", blue_green), &[]);
    let mut running = Simulation::new(plan).replicas(4).wants("v2").start();
    running.run_until(secs(9));
    assert_eq!(running.world().share("v2"), 0.0);
    running.run_until(secs(30));
    assert_eq!(running.world().share("v2"), 1.0);
    let report = running.run();
    assert!(report.outcome.is_promoted(), "{}", story(&report));
    assert!(report.holds(), "{:#?}", report.violations);
}

#[test]
fn a_header_route_brings_its_testers_and_a_mirror_brings_copies() {
    let header = HeaderRoute {
        name: "trial".to_owned(),
        matches: vec![HeaderMatch {
            header_name: "x-trial".to_owned(),
            header_value: StringMatch::Exact("1".to_owned()),
        }],
    };
    let mirror = MirrorRoute {
        name: "copy".to_owned(),
        matches: vec![MirrorMatch::default()],
        percentage: 50,
    };
    let scale = gradatim_core::plan::CanaryScale::Replicas(2);
    let steps = [
        StepSpec::set_canary_scale(scale),
        StepSpec::set_header_route(header),
        StepSpec::set_mirror_route(mirror),
        StepSpec::pause(),
    ];
    let plan = compiled(&canary(steps), &[]);
    let traffic = Traffic::per_second(100.0).with_testers(0.02);
    let mut running = Simulation::new(plan).traffic(traffic).wants("v2").start();
    running.run_until(secs(60));
    let world = running.world();
    assert_eq!(world.share("v2"), 0.02);
    let tally = world.tally("v2");
    assert!((tally.requests - 100.0).abs() < 1e-6, "{tally:?}");
    assert!((tally.mirrored - 2500.0).abs() < 1e-6, "{tally:?}");
}

#[test]
fn a_metric_measures_the_side_and_the_window_that_it_is_told() {
    let mut running = release()
        .version("v2", Version::slow(secs(1)))
        .metric(
            "success-rate",
            Measure::latency(0.95).of(Of::Canary).over(secs(20)),
        )
        .start();
    running.run_until(secs(31));
    let measured = running
        .report()
        .facts
        .into_iter()
        .filter_map(|fact| match fact.what {
            crate::What::Measured { reading, .. } => reading,
            _ => None,
        });
    let gradatim_core::measurement::Reading::Series(series) = measured.last().unwrap() else {
        panic!("no series");
    };
    let value = series[0].samples[0].value.get();
    assert!((value - 2.2).abs() < 1e-9, "{value}");
}

#[test]
fn a_guess_is_told() {
    let report = release().run();
    assert_eq!(report.guesses.len(), 1);
    assert_eq!(report.guesses[0].measure, "success rate of the canary");
    let told = release()
        .metric("success-rate", Measure::constant(1.0))
        .run();
    assert!(told.guesses.is_empty());
}

#[test]
fn an_autoscaler_follows_the_traffic() {
    let autoscaler = Autoscaler {
        per_pod: 10.0,
        least: 2,
        most: 20,
        every: secs(15),
    };
    let traffic = Traffic::per_second(100.0).then(secs(60), 150.0);
    let mut running = release().traffic(traffic).autoscaler(autoscaler).start();
    running.run_until(secs(50));
    assert_eq!(running.world().replicas(), 10);
    running.run_until(secs(90));
    assert_eq!(running.world().replicas(), 15);
    assert_eq!(running.world().revision("v1").unwrap().desired(), 15);
}

#[test]
fn a_first_version_comes_up_from_nothing() {
    let report = Simulation::new(plan(steps())).from_nothing().run();
    assert!(report.outcome.is_promoted(), "{}", story(&report));
    // Nobody answers before the first pods are there.
    assert!(report.users.failed >= 1000.0, "{:?}", report.users);
}

#[test]
fn fixed_servers_are_split_and_never_scaled() {
    let report = release().replicas(3).fixed_servers().run();
    let scaled = report
        .facts
        .iter()
        .any(|fact| matches!(fact.what, crate::What::Scale { .. }));
    assert!(!scaled, "{}", story(&report));
}

#[test]
fn orders_reach_the_driver_through_the_mailbox() {
    let steps = [StepSpec::set_weight(10), StepSpec::pause()];
    let waits = || {
        Simulation::new(plan(steps.clone()))
            .wants("v2")
            .until(secs(3600))
    };
    let stuck = waits().run();
    assert!(!stuck.outcome.is_final());
    let promoted = waits().at(secs(60), OrderKind::Promote).run();
    assert!(promoted.outcome.is_promoted(), "{}", story(&promoted));
    let aborted = waits().at(secs(60), OrderKind::Abort).run();
    assert!(aborted.outcome.is_rolled_back(), "{}", story(&aborted));
}

#[test]
fn a_newer_version_in_the_middle_wins() {
    let report = release().deploy(secs(60), "v3").run();
    assert!(
        matches!(&report.outcome, crate::Outcome::Promoted { revision } if revision.as_str() == "v3")
    );
    assert!(
        report.holds(),
        "{:#?}\n{}",
        report.violations,
        story(&report)
    );
}

#[test]
fn what_nobody_can_answer_is_a_failed_request() {
    let mut running = release().start();
    running.run_until(secs(30));
    running.happen(Happening::LosePods("v1".to_owned(), 10));
    running.run_until(secs(31));
    let world = running.world();
    let failed = world.users().failed;
    assert!(failed > 0.0 && failed <= 100.0, "{failed}");
}

#[test]
fn intervals_add_up_to_the_whole() {
    let report = release().run();
    let intervals = report.intervals.every(secs(7));
    let requests = |interval: &crate::Interval| -> f64 {
        let versions = interval
            .versions
            .iter()
            .map(|version| version.tally.requests);
        versions.sum::<f64>() + interval.nowhere.requests
    };
    let sum: f64 = intervals.iter().map(requests).sum();
    assert!((sum - report.users.requests).abs() < 1e-6 * sum, "{sum}");
    assert_eq!(intervals.last().unwrap().to, report.lasted);
}

#[test]
fn a_slot_is_bound_before_it_gets_anything() {
    let report = release().run();
    let first = report.facts.iter().find_map(|fact| match &fact.what {
        crate::What::Route { split, bind, .. } => Some((split.clone(), bind.clone())),
        _ => None,
    });
    let (split, bind) = first.unwrap();
    assert_eq!(split.part(Slot::Canary), 0);
    assert_eq!(
        bind.get(&Slot::Canary).map(ToString::to_string),
        Some("v2".to_owned())
    );
}
