use super::*;
use crate::measurement::GatePoint;
use crate::plan::{CanaryScale, StrategyKind};
use crate::spec::GateSpec;
use crate::workload::TroubleKind;

fn owned<const N: usize>(steps: [(u32, &str); N]) -> Vec<(u32, String)> {
    steps.map(|(index, name)| (index, name.to_owned())).to_vec()
}

#[test]
fn a_canary_behind_a_router_keeps_its_steps_and_its_services() {
    let steps = [
        StepSpec::set_weight(10),
        StepSpec::pause_for(Duration::from_secs(120)),
        StepSpec::set_weight(50),
        StepSpec::pause(),
    ];
    let compiled = compiled(&shop(routed("mesh", steps)).with_namespace("web"), &[]);
    let plan = compiled.plan;
    assert_eq!(plan.name.as_str(), "web/shop");
    assert_eq!((plan.strategy, plan.total), (StrategyKind::Canary, 100));
    let routers: Vec<_> = plan.routers.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(routers, ["mesh", "services"]);
    let wanted = [
        (0, "weight 10"),
        (1, "pause 120"),
        (2, "weight 50"),
        (3, "pause"),
    ];
    assert_eq!(shape(&plan.steps), owned(wanted));
    assert_eq!(plan.scale_down_delay, Duration::from_secs(30));
    assert_eq!(plan.abort_scale_down_delay, Some(Duration::from_secs(30)));
    assert_eq!(compiled.frame.canary_service.as_deref(), Some("canary"));
    assert_eq!(compiled.frame.managed_routes, ["trial"]);
    assert_eq!(compiled.warnings, []);
}

#[test]
fn all_of_a_step_is_in_effect_while_it_waits() {
    let step = StepSpec {
        set_canary_scale: Some(CanaryScale::Replicas(2)),
        set_header_route: header("trial", StringMatch::Exact("1".to_owned())).set_header_route,
        set_mirror_route: mirror(5).set_mirror_route,
        ..StepSpec::pause()
    };
    let plan = plan(routed("mesh", [StepSpec::set_weight(1), step]));
    let wanted = [
        (0, "weight 1"),
        (1, "Replicas(2)"),
        (1, "header trial"),
        (1, "mirror trial"),
        (1, "pause"),
    ];
    assert_eq!(shape(&plan.steps), owned(wanted));
}

#[test]
fn without_a_router_the_pods_make_the_ratio() {
    let plan = plan(CanarySpec::new([StepSpec::set_weight(10)]));
    assert_eq!(plan.routers, []);
    assert_eq!(
        (plan.max_surge, plan.max_unavailable),
        (Amount::Percent(25), Amount::Percent(25))
    );
    assert_eq!(plan.scale_down_delay, Duration::ZERO);
    assert_eq!(plan.abort_scale_down_delay, Some(Duration::ZERO));
}

#[test]
fn surge_and_unavailable_are_never_both_none() {
    let both = CanarySpec::new([]).with_surge(Amount::Pods(0), Amount::Percent(0));
    assert_eq!(plan(both).max_unavailable, Amount::Pods(1));
    let one = CanarySpec::new([]).with_surge(Amount::Pods(1), Amount::Percent(0));
    assert_eq!(plan(one).max_unavailable, Amount::Percent(0));
}

#[test]
fn a_delay_of_zero_after_an_abort_keeps_the_canary_for_ever() {
    let mut canary = routed("mesh", []);
    canary.abort_scale_down_delay_seconds = Some(0);
    canary.scale_down_delay_seconds = Some(0);
    let plan = plan(canary);
    assert_eq!(plan.abort_scale_down_delay, None);
    assert_eq!(plan.scale_down_delay, Duration::ZERO);
}

#[test]
fn a_dynamic_stable_side_has_no_delay_but_the_drain_unless_one_is_written() {
    let mut canary = routed("mesh", []);
    canary.dynamic_stable_scale = true;
    let bare = plan(canary.clone());
    assert_eq!(bare.abort_scale_down_delay, Some(bare.drain_delay));
    assert_eq!(bare.scale_down_delay, bare.drain_delay);
    canary.abort_scale_down_delay_seconds = Some(7);
    assert_eq!(
        plan(canary).abort_scale_down_delay,
        Some(Duration::from_secs(7))
    );
}

#[test]
fn blue_green_previews_judges_waits_switches_and_judges_again() {
    let mut blue_green = BlueGreenSpec::new("live")
        .with_preview_service("next")
        .with_pre_promotion_analysis(RolloutAnalysis::new(["smoke"]))
        .with_post_promotion_analysis(RolloutAnalysis::new(["live"]));
    blue_green.preview_replica_count = Some(1);
    blue_green.auto_promotion_seconds = Some(90);
    blue_green.scale_down_delay_seconds = Some(60);
    let templates = [template("smoke"), template("live")];
    let plan = compiled(&shop(blue_green.clone()), &templates).plan;
    let wanted = [
        (0, "preview Some(1)"),
        (0, "analysis smoke"),
        (0, "pause 90"),
        (0, "switch"),
        (0, "analysis live"),
    ];
    assert_eq!(shape(&plan.steps), owned(wanted));
    assert_eq!(plan.strategy, StrategyKind::BlueGreen);
    assert_eq!(plan.scale_down_delay, Duration::from_secs(60));
    assert!(plan.carries(Part::Bind) && !plan.splits());

    let manual = compiled(&shop(blue_green.with_manual_promotion()), &templates).plan;
    assert_eq!(shape(&manual.steps)[2], (0, "pause".to_owned()));
    let at_once = super::plan(BlueGreenSpec::new("live"));
    assert_eq!(
        shape(&at_once.steps),
        owned([(0, "preview None"), (0, "switch")])
    );
}

#[test]
fn no_strategy_is_a_rolling_update_with_the_rollouts_own_bounds() {
    let spec = shop(Strategy::RollingUpdate)
        .with_progress_deadline(60, true)
        .with_rollback_window(3)
        .with_abort_on(TroubleKind::CrashLoop);
    let plan = compiled(&spec, &[]).plan;
    assert_eq!(
        (plan.strategy, plan.steps.len()),
        (StrategyKind::RollingUpdate, 0)
    );
    assert_eq!(plan.progress_deadline, Duration::from_secs(60));
    assert!(plan.deadline_aborts);
    assert_eq!(plan.rollback_window, Some(3));
    assert_eq!(plan.abort_on, BTreeSet::from([TroubleKind::CrashLoop]));
}

#[test]
fn gates_stand_at_their_points_and_never_give_up() {
    let gate = GateSpec::new("office-hours", toy("open")).with_interval("30s");
    let spec = shop(routed(
        "mesh",
        [StepSpec::gate(GateSpec::new("ticket", toy("closed")))],
    ))
    .with_gate(GatePoint::BeforeRaise, gate);
    let plan = compiled(&spec, &[]).plan;
    let [gate] = plan.gates.as_slice() else {
        panic!("{:?}", plan.gates)
    };
    assert_eq!(gate.point, GatePoint::BeforeRaise);
    assert_eq!(gate.metric.interval, Some(Duration::from_secs(30)));
    assert_eq!(
        (gate.metric.count, gate.metric.consecutive_error_limit),
        (None, None)
    );
    let [
        Step {
            kind: StepKind::Analysis(run),
            ..
        },
    ] = plan.steps.as_slice()
    else {
        panic!("{:?}", plan.steps)
    };
    assert_eq!(run.metrics[0].name.as_str(), "ticket");
    assert_eq!(
        (run.metrics[0].count, run.metrics[0].failure_limit),
        (Some(1), None)
    );
}

#[test]
fn a_step_and_a_gate_have_deadlines_of_their_own() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let gate = |name: &str| GateSpec::new(name, toy("closed"));
    let slow = |gate: GateSpec| gate.with_progress_deadline(Duration::from_secs(3600));
    let step = StepSpec {
        gate: Some(slow(gate("ticket"))),
        progress_deadline: seconds(90),
        ..StepSpec::set_weight(10)
    };
    let spec = shop(routed("mesh", [step, StepSpec::set_weight(20)]));
    let spec = spec
        .with_gate(GatePoint::BeforeRaise, slow(gate("night")))
        .with_gate(GatePoint::BeforePromotion, gate("sign"));
    let plan = compiled(&spec, &[]).plan;
    let steps = plan.steps.iter().map(|step| step.progress_deadline);
    let gates = plan.gates.iter().map(|gate| gate.progress_deadline);
    assert_eq!(
        steps.collect::<Vec<_>>(),
        [seconds(3600), seconds(90), None]
    );
    assert_eq!(gates.collect::<Vec<_>>(), [seconds(3600), None]);
}

#[test]
fn the_digest_ignores_what_is_observed_and_follows_what_is_planned() {
    let spec = shop(routed("mesh", [StepSpec::set_weight(10)]));
    let first = compiled(&spec, &[]).plan;
    let mut observed = spec.clone().with_replicas(50);
    observed.paused = true;
    observed.restart_at = Some("2026-10-01T12:00:00Z".to_owned());
    assert_eq!(compiled(&observed, &[]).plan, first);

    let steps = compiled(&shop(routed("mesh", [StepSpec::set_weight(20)])), &[]).plan;
    assert_ne!(steps.steps_digest, first.steps_digest);
    let minute = Duration::from_secs(60);
    let step = StepSpec::set_weight(10).with_progress_deadline(minute);
    let timed = shop(routed("mesh", [step]));
    for spec in [spec.with_progress_deadline(60, false), timed] {
        let deadline = compiled(&spec, &[]).plan;
        assert_eq!(deadline.steps_digest, first.steps_digest);
        assert_ne!(deadline.digest, first.digest);
    }
}

#[test]
fn another_total_bounds_the_weights() {
    let mut canary = routed("mesh", [StepSpec::set_weight(500)]);
    canary.traffic_routing = canary
        .traffic_routing
        .map(|r| r.with_max_traffic_weight(1000));
    assert_eq!(plan(canary).total, 1000);
}
