//! Traffic leaves before pods do, and nothing counts before it has settled.

use super::*;
use crate::route::{HeaderMatch, HeaderRoute, MirrorMatch, MirrorRoute, StringMatch};

fn halfway(change: impl FnOnce(&mut Plan)) -> World {
    let mut plan = canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]);
    change(&mut plan);
    let mut world = World::new(plan.sealed(), 4);
    world.run(40);
    assert_eq!(world.share("v2"), 50, "{:#?}", world.log);
    world
}

/// Runs until a side has so many pods, and returns for how many seconds.
fn until(world: &mut World, id: &str, pods: u32) -> u64 {
    for seconds in 0..600 {
        if world.desired(id) == pods {
            return seconds;
        }
        world.run(1);
    }
    panic!("{id} keeps {}: {:#?}", world.desired(id), world.log)
}

#[test]
fn an_aborted_version_keeps_its_pods_for_the_delay_of_the_plan() {
    for delay in [0, 3, 45] {
        let mut world = halfway(|plan| {
            plan.abort_scale_down_delay = Some(Duration::from_secs(delay));
        });
        world.order(OrderKind::Abort);
        let took = until(&mut world, "v2", 0);
        assert!((delay..delay + 4).contains(&took), "{delay}: {took}");
    }
}

#[test]
fn the_old_side_keeps_its_pods_for_its_delay_after_the_promotion() {
    let kinds = vec![StepKind::SetWeight(100), StepKind::Pause(None)];
    let mut world = World::new(canary(kinds), 4);
    world.run(300);
    assert_eq!((world.share("v2"), world.desired("v1")), (100, 4));
    world.order(OrderKind::Promote);
    let took = until(&mut world, "v1", 0);
    assert!((30..36).contains(&took), "{took}");
}

#[test]
fn pods_stay_until_a_lower_weight_was_seen_for_the_settle_time_and_drained() {
    let kinds = vec![
        StepKind::SetWeight(75),
        StepKind::Pause(None),
        StepKind::SetWeight(25),
        StepKind::Pause(None),
    ];
    let mut plan = canary(kinds);
    plan.routers[0].capabilities.settle = Duration::from_secs(20);
    let mut world = World::new(plan.sealed(), 4);
    world.confidence = Confidence::Config;
    world.run(100);
    assert_eq!(world.share("v2"), 75, "{:#?}", world.log);
    world.order(OrderKind::Promote);
    world.until_share("v2", 25);
    let took = until(&mut world, "v2", 1);
    assert!((29..34).contains(&took), "{took}");
}

#[test]
fn a_weight_counts_as_seen_after_the_settle_time() {
    let kinds = vec![StepKind::SetWeight(20), StepKind::SetWeight(60)];
    let mut plan = canary(kinds);
    plan.routers[0].capabilities.settle = Duration::from_secs(20);
    let mut world = World::new(plan.sealed(), 5);
    world.confidence = Confidence::Config;
    world.run(10);
    world.until_share("v2", 20);
    world.run(17);
    assert_eq!(world.share("v2"), 20, "{:#?}", world.log);
    world.run(10);
    assert_eq!(world.share("v2"), 60, "{:#?}", world.log);
}

#[test]
fn no_more_is_given_before_the_last_write_is_shown() {
    let mut world = halfway(|_| {});
    world.lag = 10;
    world.limits.insert("v2".into(), 1);
    world.run(2);
    let last = world.log.last().unwrap();
    assert!(last.ends_with("route v1 75 v2 25 v3 0"), "{last}");
    world.limits.clear();
    world.run(7);
    let written = world.log.iter().filter(|line| line.ends_with("v2 50 v3 0"));
    assert_eq!(written.count(), 1, "only the step's own: {:#?}", world.log);
    world.run(30);
    assert_eq!(world.share("v2"), 50, "{:#?}", world.log);
}

#[test]
fn a_dynamic_stable_gets_its_pods_before_a_lower_weight_gives_it_traffic() {
    let kinds = vec![
        StepKind::SetWeight(75),
        StepKind::Pause(None),
        StepKind::SetWeight(25),
        StepKind::Pause(None),
    ];
    let mut plan = canary(kinds);
    plan.dynamic_stable_scale = true;
    let mut world = World::new(plan.sealed(), 4);
    world.run(60);
    assert_eq!((world.desired("v1"), world.share("v2")), (1, 75));
    world.limits.insert("v1".into(), 2);
    world.order(OrderKind::Promote);
    world.run(30);
    let halfway = (world.desired("v1"), world.share("v2"));
    assert_eq!(halfway, (3, 50), "two pods of four carry half");
    world.limits.clear();
    world.run(5);
    assert_eq!(world.share("v2"), 25, "{:#?}", world.log);
}

#[test]
fn header_routes_and_mirrors_go_with_the_write_that_takes_the_traffic_back() {
    let header = HeaderRoute {
        name: "testers".into(),
        matches: vec![HeaderMatch {
            header_name: "x-tester".into(),
            header_value: StringMatch::Exact("1".into()),
        }],
    };
    let mirror = MirrorRoute {
        name: "copies".into(),
        matches: vec![MirrorMatch::default()],
        percentage: 10,
    };
    let kinds = vec![
        StepKind::SetWeight(20),
        StepKind::SetHeaderRoute(header.clone()),
        StepKind::SetMirrorRoute(mirror.clone()),
        StepKind::Pause(None),
    ];
    let mut world = World::new(canary(kinds), 5);
    world.run(40);
    let route = world.route.clone().unwrap();
    assert_eq!(route.headers.value, [header]);
    assert_eq!(route.mirrors.value, [mirror]);
    world.order(OrderKind::Abort);
    let back = world.round();
    let [Action::Route { route, lowers }] = &back.actions[..] else {
        panic!("{:?}", back.actions)
    };
    assert!(*lowers && route.headers.value.is_empty() && route.mirrors.value.is_empty());
    assert_eq!(route.share(&RevisionId::new("v2")), 0);
}

#[test]
fn one_more_pod_is_progress_and_standing_still_is_not() {
    let mut plan = canary(vec![StepKind::SetWeight(100), StepKind::Pause(None)]);
    plan.progress_deadline = Duration::from_secs(30);
    let mut world = World::new(plan.sealed(), 4);
    for pods in 1..4 {
        world.limits.insert("v2".into(), pods);
        let coming = world.run(25);
        assert_eq!(coming.phase, Phase::Progressing, "{pods}: {coming:?}");
    }
    assert_eq!(world.run(10).phase, Phase::Degraded);
    world.limits.clear();
    assert_eq!(world.run(10).phase, Phase::Paused);
}

/// Aborts, and runs until the next round would write the pods of v2 away.
fn about_to_go() -> (World, Observation) {
    let mut world = halfway(|_| {});
    world.order(OrderKind::Abort);
    let gone = |action: &Action| matches!(action, Action::Scale { replicas: 0, .. });
    for _ in 0..60 {
        let old = world.observe();
        let next = decide(&world.plan, &world.saved, &old, world.now);
        if next.actions.iter().any(gone) {
            return (world, old);
        }
        world.run(1);
    }
    panic!("v2 keeps its pods: {:#?}", world.log)
}

fn scaled(decision: &Decision) -> bool {
    let scales = |action: &Action| matches!(action, Action::Scale { .. });
    decision.actions.iter().any(scales)
}

#[test]
fn an_old_read_brings_no_pods_of_an_aborted_version_back() {
    let mut world = halfway(|_| {});
    world.order(OrderKind::Abort);
    let old = world.observe();
    while world.desired("v2") > 0 {
        world.round();
        if !world.workload.revisions.iter().any(|r| r.desired == 0) {
            world.now = world.now + Duration::from_secs(1);
        }
    }
    let stale = decide(&world.plan, &world.saved, &old, world.now);
    assert!(!scaled(&stale), "{:?}", stale.actions);
    world.run(60);
    assert_eq!(world.desired("v2"), 0, "{:#?}", world.log);
}

#[test]
fn a_target_that_is_saved_and_not_yet_written_stays_while_the_router_cannot_be_read() {
    let (mut world, _) = about_to_go();
    let next = decide(&world.plan, &world.saved, &world.observe(), world.now);
    world.saved = Saved::State(next.state.unwrap());
    world.router_down = true;
    for _ in 0..30 {
        let blind = world.run(1);
        assert!(!scaled(&blind), "{:?}", blind.actions);
    }
    world.router_down = false;
    world.run(2);
    assert_eq!(world.desired("v2"), 0, "{:#?}", world.log);
}

#[test]
fn no_pod_goes_while_a_router_that_was_emptied_tells_nobody_where_the_traffic_is() {
    let courses = [OrderKind::Abort, OrderKind::PromoteFull, OrderKind::Pause];
    for order in courses {
        for after in [0, 5, 15] {
            let mut world = halfway(|plan| plan.dynamic_stable_scale = true);
            world.order(order.clone());
            world.run(after);
            world.emptied = true;
            let before = (world.desired("v1"), world.desired("v2"));
            world.run(120);
            let kept = (world.desired("v1"), world.desired("v2"));
            assert!(
                kept.0 >= before.0 && kept.1 >= before.1,
                "{order} {after}: {before:?} {kept:?}: {:#?}",
                world.log
            );
            world.emptied = false;
            let end = world.run(200);
            assert_ne!(end.phase, Phase::Progressing, "{order}: {:?}", end.waiting);
        }
    }
}

#[test]
fn a_slot_is_not_bound_anew_while_it_has_traffic() {
    let mut world = halfway(|_| {});
    world.deploy("v3", 3);
    let back = world.round();
    let [Action::Route { route, .. }] = &back.actions[..] else {
        panic!("{:?}", back.actions)
    };
    let bound = route.bind.value.get(&Slot::Canary);
    assert_eq!(bound, Some(&RevisionId::new("v2")));
    assert_eq!(route.split.value.part(Slot::Canary), 0);
}

#[test]
fn no_more_pods_start_at_once_than_the_surge_of_the_plan() {
    let mut plan = canary(vec![StepKind::SetWeight(100), StepKind::Pause(None)]);
    plan.canary_surge = Some(crate::plan::Amount::Pods(2));
    let mut world = World::new(plan.sealed(), 9);
    world.slow_pods = 5;
    for _ in 0..60 {
        world.run(1);
        let seen = world.workload.revision(&RevisionId::new("v2")).unwrap();
        assert!(seen.desired <= seen.available + 2, "{:#?}", world.log);
    }
    assert_eq!(world.desired("v2"), 9, "{:#?}", world.log);
}
