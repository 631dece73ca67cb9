use super::*;

#[test]
fn without_a_router_the_pods_make_the_ratio() {
    let mut plan = canary(vec![StepKind::SetWeight(30), StepKind::Pause(None)]);
    plan.routers.clear();
    let mut world = World::new(plan.sealed(), 10);
    let held = world.run(30);
    assert_eq!(
        (held.phase, world.desired("v1"), world.desired("v2")),
        (Phase::Paused, 7, 3),
        "{:#?}",
        world.log
    );
    world.order(OrderKind::Abort);
    let end = world.run(30);
    assert_eq!(
        (end.phase, world.desired("v1"), world.desired("v2")),
        (Phase::Degraded, 10, 0),
        "{:#?}",
        world.log
    );
    world.order(OrderKind::Retry);
    world.run(30);
    world.order(OrderKind::Promote);
    let end = world.run(30);
    assert_eq!(
        (end.phase, world.desired("v1"), world.desired("v2")),
        (Phase::Healthy, 0, 10),
        "{:#?}",
        world.log
    );
}

#[test]
fn without_a_router_at_most_two_versions_have_available_pods() {
    let mut plan = canary(vec![StepKind::SetWeight(77), StepKind::Pause(None)]);
    plan.routers.clear();
    let mut world = World::new(plan.sealed(), 10);
    world.run(30);
    world.deploy("v3", 3);
    for _ in 0..60 {
        world.run(1);
        let revisions = world.workload.revisions.iter();
        let serving = revisions.filter(|r| r.available > 0).count();
        assert!(serving <= 2, "{:#?}", world.log);
    }
    assert_eq!(
        (
            world.desired("v1"),
            world.desired("v2"),
            world.desired("v3")
        ),
        (2, 0, 8),
        "{:#?}",
        world.log
    );
}

#[test]
fn a_plain_rolling_update_ends_with_the_new_version() {
    let mut world = World::new(Plan::rolling_update("shop"), 4);
    let end = world.run(30);
    assert_eq!(
        (end.phase, world.desired("v1"), world.desired("v2")),
        (Phase::Healthy, 0, 4),
        "{:#?}",
        world.log
    );
}

#[test]
fn a_rolling_update_stays_within_surge_and_unavailability() {
    let mut world = World::new(Plan::rolling_update("shop"), 10);
    world.slow_pods = 3;
    let mut most = 0;
    for second in 0..120 {
        world.run(1);
        let pods = world.desired("v1") + world.desired("v2");
        let available = world.workload.revisions.iter().map(|r| r.available);
        let available: u32 = available.sum();
        assert!(pods <= 13 && available >= 8, "{second}: {pods} {available}");
        most = most.max(pods);
    }
    assert_eq!((most, world.desired("v2")), (13, 10), "{:#?}", world.log);
}

#[test]
fn without_a_router_no_pod_comes_before_the_gate_opens() {
    let mut plan = canary(vec![StepKind::SetWeight(30), StepKind::Pause(None)]);
    plan.routers.clear();
    let mut metric = crate::analysis::MetricPlan::new("gate", "test", serde_json::Value::Null);
    metric.count = None;
    let gate = crate::plan::Gate::new(crate::measurement::GatePoint::BeforeRaise, metric.sealed());
    plan.gates = vec![gate];
    let mut world = World::new(plan.sealed(), 10);
    let says = |state| Outcome::done(crate::measurement::Reading::Gate(state));
    let closed = says(crate::measurement::GateState::Closed);
    world.outcomes.insert("gate".into(), closed);
    world.run(60);
    assert_eq!(
        (world.desired("v1"), world.desired("v2")),
        (10, 0),
        "{:#?}",
        world.log
    );
    let open = says(crate::measurement::GateState::Open);
    world.outcomes.insert("gate".into(), open);
    world.run(30);
    assert_eq!(
        (world.desired("v1"), world.desired("v2")),
        (7, 3),
        "{:#?}",
        world.log
    );
}
