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
