//! An order takes effect once, on what it was meant for; and who is held stands still.

use super::*;

fn pause(seconds: u64) -> StepKind {
    StepKind::Pause(Some(Duration::from_secs(seconds)))
}

fn halfway() -> World {
    let mut world = World::new(
        canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]),
        4,
    );
    world.run(20);
    assert_eq!(world.share("v2"), 50);
    world
}

#[test]
fn an_order_that_stays_to_be_seen_is_taken_once() {
    let kinds = vec![
        StepKind::SetWeight(20),
        StepKind::Pause(None),
        StepKind::SetWeight(60),
        StepKind::Pause(None),
    ];
    let mut world = World::new(canary(kinds), 5);
    world.run(20);
    world.order(OrderKind::Promote);
    let held = world.run(60);
    assert_eq!((held.phase, world.share("v2")), (Phase::Paused, 60));
}

#[test]
fn what_an_order_expects_must_be_so() {
    let cases = [
        Expects {
            revision: Some(RevisionId::new("v1")),
            ..Expects::default()
        },
        Expects {
            attempt: Some(u32::MAX),
            ..Expects::default()
        },
        Expects {
            step: Some(0),
            ..Expects::default()
        },
    ];
    for expects in cases {
        let mut world = halfway();
        world.order(OrderKind::Promote);
        world.orders[0].expects = expects.clone();
        let decision = world.round();
        assert!(decision.acknowledged[0].refused.is_some(), "{expects:?}");
        assert_eq!(world.run(60).phase, Phase::Paused, "{expects:?}");
    }
}

#[test]
fn orders_that_mean_nothing_here_are_refused_and_change_nothing() {
    let mut flying = halfway();
    let mut aborted = halfway();
    aborted.order(OrderKind::Abort);
    aborted.run(60);
    let mut settled = halfway();
    settled.order(OrderKind::PromoteFull);
    settled.run(120);
    let none = [OrderKind::Retry, OrderKind::Undo(Some("v2".into()))];
    refuses(&mut flying, &none);
    let none = [
        OrderKind::Promote,
        OrderKind::PromoteFull,
        OrderKind::Abort,
        OrderKind::SkipStep,
    ];
    refuses(&mut aborted, &none);
    refuses(&mut settled, &none);
    refuses(&mut settled, &[OrderKind::Retry, OrderKind::Resume]);
}

fn refuses(world: &mut World, kinds: &[OrderKind]) {
    for kind in kinds {
        let shares = (world.share("v1"), world.share("v2"));
        world.order(kind.clone());
        let decision = world.round();
        let told = decision.acknowledged.last().unwrap();
        assert!(told.refused.is_some(), "{kind}: {decision:#?}");
        world.run(60);
        assert_eq!((world.share("v1"), world.share("v2")), shares, "{kind}");
    }
}

#[test]
fn a_weight_is_not_skipped_before_it_is_seen() {
    let kinds = vec![StepKind::SetWeight(50), StepKind::Pause(None)];
    let mut world = World::new(canary(kinds), 4);
    world.limits.insert("v2".into(), 1);
    world.run(20);
    world.order(OrderKind::SkipStep);
    let decision = world.round();
    assert!(decision.acknowledged[0].refused.is_some());
    world.run(20);
    assert_eq!(world.share("v2"), 0);
}

#[test]
fn a_retry_starts_when_the_aborted_version_is_drained() {
    let mut world = halfway();
    world.order(OrderKind::Abort);
    world.run(2);
    assert_eq!(world.share("v2"), 0);
    world.order(OrderKind::Retry);
    world.run(7);
    assert_eq!(world.share("v2"), 0, "{:#?}", world.log);
    world.run(20);
    assert_eq!(world.share("v2"), 50, "{:#?}", world.log);
}

#[test]
fn who_is_held_raises_nothing_until_it_is_released() {
    for by_spec in [false, true] {
        let kinds = vec![
            StepKind::SetWeight(20),
            pause(10),
            StepKind::SetWeight(60),
            StepKind::Pause(None),
        ];
        let mut world = World::new(canary(kinds), 5);
        world.until_share("v2", 20);
        if by_spec {
            world.workload.paused = true;
        } else {
            world.order(OrderKind::Pause);
        }
        let held = world.run(60);
        assert_eq!((held.phase, world.share("v2")), (Phase::Paused, 20));
        if by_spec {
            world.workload.paused = false;
        } else {
            world.order(OrderKind::Resume);
        }
        world.run(30);
        assert_eq!(world.share("v2"), 60, "{:#?}", world.log);
    }
}

#[test]
fn a_pause_ends_with_its_time_and_not_before() {
    let kinds = vec![
        StepKind::SetWeight(20),
        pause(30),
        StepKind::SetWeight(60),
        StepKind::Pause(None),
    ];
    let mut world = World::new(canary(kinds), 5);
    world.until_share("v2", 20);
    world.run(27);
    assert_eq!(world.share("v2"), 20, "{:#?}", world.log);
    world.run(10);
    assert_eq!(world.share("v2"), 60, "{:#?}", world.log);
}

#[test]
fn an_undo_beyond_the_window_goes_through_the_steps() {
    let mut plan = canary(vec![StepKind::SetWeight(20), StepKind::Pause(None)]);
    plan.rollback_window = Some(1);
    let mut world = World::new(plan.sealed(), 5);
    for (name, number) in [("v2", 2), ("v3", 3)] {
        if number > 2 {
            world.deploy(name, number);
        }
        world.run(20);
        world.order(OrderKind::PromoteFull);
        assert_eq!(world.run(80).phase, Phase::Healthy, "{name}");
    }
    world.workload.wanted = RevisionId::new("v1");
    let held = world.run(60);
    assert_eq!((held.phase, world.share("v1")), (Phase::Paused, 20));
}

#[test]
fn promote_full_waives_every_step_and_gate_that_is_left() {
    let kinds = vec![
        StepKind::SetWeight(20),
        StepKind::Pause(None),
        StepKind::SetWeight(40),
        StepKind::Pause(None),
    ];
    let mut plan = canary(kinds);
    let metric = crate::analysis::MetricPlan::new("gate", "test", serde_json::Value::Null);
    let point = crate::measurement::GatePoint::BeforePromotion;
    plan.gates = vec![crate::plan::Gate::new(point, metric)];
    let mut world = World::new(plan.sealed(), 5);
    world.run(20);
    world.order(OrderKind::PromoteFull);
    assert_eq!(world.run(120).phase, Phase::Healthy, "{:#?}", world.log);
    assert_eq!(world.share("v2"), 100);
}

#[test]
fn without_a_router_a_weight_is_not_skipped_before_its_pods_are_there() {
    let mut plan = canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]);
    plan.routers.clear();
    let mut world = World::new(plan.sealed(), 4);
    world.limits.insert("v2".into(), 0);
    world.run(20);
    world.order(OrderKind::SkipStep);
    assert!(world.round().acknowledged[0].refused.is_some());
    assert_eq!(world.run(20).phase, Phase::Progressing);
}
