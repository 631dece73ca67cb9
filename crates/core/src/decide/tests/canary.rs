use std::time::Duration;

use super::*;
use crate::plan::CanaryScale;

fn pause(seconds: u64) -> StepKind {
    StepKind::Pause(Some(Duration::from_secs(seconds)))
}

#[test]
fn a_good_release_climbs_and_is_promoted_by_swapping_roles() {
    let mut world = World::new(
        canary(vec![
            StepKind::SetWeight(20),
            pause(30),
            StepKind::SetWeight(60),
        ]),
        5,
    );
    let end = world.run(120);
    assert_eq!(end.phase, Phase::Healthy, "{:#?}", world.log);
    assert_eq!(
        (world.share("v2"), world.desired("v1"), world.desired("v2")),
        (100, 0, 5)
    );
    assert_eq!(
        world.part(Slot::Stable),
        100,
        "the weight is back on the stable slot"
    );
    assert_eq!(end.summary.stable, Some(RevisionId::new("v2")));
}

#[test]
fn a_pause_without_end_waits_for_an_order_and_follows_the_replica_count() {
    let mut world = World::new(
        canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]),
        4,
    );
    let held = world.run(100);
    assert_eq!(
        (held.phase, held.message.as_str()),
        (Phase::Paused, "CanaryPauseStep")
    );
    assert_eq!(held.wake, None, "nothing but an order can end it");
    world.workload.replicas = 8;
    world.run(20);
    assert_eq!(
        (world.desired("v1"), world.desired("v2"), world.share("v2")),
        (8, 4, 50)
    );
    world.order(OrderKind::Promote);
    assert_eq!(world.run(60).phase, Phase::Healthy);
}

#[test]
fn a_canary_that_loses_pods_carries_less_within_one_round_and_gets_it_back() {
    let mut world = World::new(
        canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]),
        4,
    );
    world.run(20);
    assert_eq!(world.share("v2"), 50);
    world.limits.insert("v2".into(), 1);
    world.round();
    world.round();
    assert_eq!(world.share("v2"), 25);
    world.limits.clear();
    world.round();
    world.round();
    assert_eq!(world.share("v2"), 50, "{:#?}", world.log);
}

#[test]
fn no_weight_is_given_before_the_pods_of_its_step_are_available() {
    let mut world = World::new(
        canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]),
        4,
    );
    world.limits.insert("v2".into(), 1);
    let waits = world.run(30);
    assert_eq!(world.share("v2"), 0, "{:#?}", world.log);
    assert!(matches!(
        waits.waiting.reason,
        crate::reason::Reason::Pods {
            available: 1,
            wanted: 2,
            ..
        }
    ));
}

#[test]
fn an_explicit_canary_scale_is_enough_for_its_weight() {
    let scale = StepKind::SetCanaryScale(CanaryScale::Replicas(1));
    let mut world = World::new(
        canary(vec![scale, StepKind::SetWeight(50), StepKind::Pause(None)]),
        6,
    );
    world.run(20);
    assert_eq!(
        (world.share("v2"), world.desired("v2")),
        (50, 1),
        "{:#?}",
        world.log
    );
}

#[test]
fn a_newer_version_waits_until_the_one_in_flight_is_drained() {
    let mut world = World::new(
        canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]),
        4,
    );
    world.run(20);
    world.deploy("v3", 3);
    world.round();
    assert_eq!(world.share("v2"), 0);
    world.run(5);
    assert_eq!(
        (world.desired("v2"), world.desired("v3")),
        (2, 0),
        "{:#?}",
        world.log
    );
    world.run(30);
    assert_eq!(
        (world.desired("v2"), world.share("v3")),
        (0, 50),
        "{:#?}",
        world.log
    );
}

#[test]
fn a_dynamic_stable_shrinks_as_the_canary_grows_and_returns_before_the_traffic() {
    let mut plan = canary(vec![StepKind::SetWeight(75), StepKind::Pause(None)]);
    plan.dynamic_stable_scale = true;
    let mut world = World::new(plan.sealed(), 4);
    world.run(60);
    assert_eq!(
        (world.desired("v1"), world.desired("v2"), world.share("v2")),
        (1, 3, 75),
        "{:#?}",
        world.log
    );
    world.limits.insert("v1".into(), 2);
    world.order(OrderKind::Abort);
    world.run(5);
    assert_eq!(
        (world.desired("v1"), world.share("v2")),
        (4, 50),
        "stable carries what its pods can: {:#?}",
        world.log
    );
    world.limits.clear();
    world.run(2);
    assert_eq!(world.share("v2"), 0);
    world.run(60);
    assert_eq!(world.desired("v2"), 0, "{:#?}", world.log);
}

#[test]
fn an_undo_inside_the_window_skips_the_steps_but_not_the_capacity() {
    let mut plan = canary(vec![StepKind::SetWeight(20), StepKind::Pause(None)]);
    plan.rollback_window = Some(1);
    let mut world = World::new(plan.sealed(), 5);
    world.run(20);
    world.order(OrderKind::Promote);
    world.run(80);
    world.workload.wanted = RevisionId::new("v1");
    world.limits.insert("v1".into(), 1);
    world.run(30);
    assert_eq!(world.share("v1"), 0, "one pod of five carries nobody");
    world.limits.clear();
    assert_eq!(world.run(60).phase, Phase::Healthy);
    assert_eq!(world.share("v1"), 100);
}

#[test]
fn promote_full_waits_for_every_pod() {
    let mut world = World::new(
        canary(vec![StepKind::SetWeight(25), StepKind::Pause(None)]),
        4,
    );
    world.run(20);
    world.limits.insert("v2".into(), 3);
    world.order(OrderKind::PromoteFull);
    world.run(20);
    assert_eq!(world.share("v2"), 25, "{:#?}", world.log);
    world.limits.clear();
    assert_eq!(world.run(60).phase, Phase::Healthy);
}

#[test]
fn a_first_version_takes_the_slots_of_one_that_is_gone_however_suddenly_its_pods_come() {
    for slow_pods in [0, 5] {
        let mut world = World::new(canary(vec![StepKind::SetWeight(50)]), 4);
        // The route leads to a version that nothing is left of, and no state tells of it.
        world.saved = Saved::Nothing { incarnation: 2 };
        let v3 = RevisionSeen::new("v3", 3, world.now);
        world.workload = WorkloadSeen::new("v3", 4, vec![v3]);
        world.slow_pods = slow_pods;
        let end = world.run(60);
        assert_eq!(end.phase, Phase::Healthy, "{}", end.waiting.reason);
        assert_eq!((world.share("v3"), world.part(Slot::Stable)), (100, 100));
    }
}
