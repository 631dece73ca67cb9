//! What comes from outside: other drivers, strangers, clocks, states that cannot be read.

use super::*;
use crate::plan::Background;
use crate::state::Course;

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
fn a_stranger_who_raises_the_canary_is_answered_at_once_and_every_time() {
    let mut world = halfway();
    for _ in 0..3 {
        if let Some(route) = &mut world.route {
            route.split.value = crate::route::Split::canary(90, 100);
        }
        world.round();
        assert_eq!(world.share("v2"), 50);
    }
}

#[test]
fn a_stranger_who_lowers_the_canary_is_not_overruled_until_an_operator_resumes() {
    let mut world = halfway();
    if let Some(route) = &mut world.route {
        route.split.value = crate::route::Split::canary(10, 100);
    }
    let held = world.run(30);
    assert_eq!(
        (world.share("v2"), held.message.as_str()),
        (10, "RouteDrift")
    );
    world.order(OrderKind::Resume);
    world.run(3);
    assert_eq!(world.share("v2"), 50, "{:#?}", world.log);
}

#[test]
fn a_driver_that_takes_over_in_flight_writes_everything_once_under_its_epoch() {
    let world = halfway();
    let mut observation = world.observe();
    observation.epoch = 2;
    let taken = decide(&world.plan, &world.saved, &observation, world.now);
    assert!(taken.actions.iter().all(|action| action.stamp().epoch == 2));
    let routes = taken
        .actions
        .iter()
        .filter(|action| matches!(action, Action::Route { .. }));
    assert_eq!(
        (routes.count(), taken.actions.len()),
        (1, 3),
        "the route and both replica targets"
    );
}

#[test]
fn a_rollout_in_flight_without_a_state_is_adopted_at_the_step_that_it_has_reached() {
    let mut world = halfway();
    world.saved = Saved::Nothing { incarnation: 7 };
    let adopted = world.run(5);
    assert_eq!(
        (world.share("v2"), adopted.phase),
        (50, Phase::Paused),
        "{:#?}",
        world.log
    );
    assert_eq!(adopted.summary.stable, Some(RevisionId::new("v1")));
}

#[test]
fn an_unreadable_state_raises_nothing_and_still_aborts() {
    let mut world = World::new(
        canary(vec![StepKind::SetWeight(50), StepKind::SetWeight(80)]),
        4,
    );
    world.run(3);
    world.saved = Saved::Unreadable {
        message: "version 9".into(),
    };
    let share = world.share("v2");
    world.run(30);
    assert_eq!(world.share("v2"), share);
    world.order(OrderKind::Abort);
    let aborted = world.round();
    assert!(aborted.acknowledged.is_empty() && aborted.state.is_none());
    assert_eq!(world.share("v2"), 0);
}

#[test]
fn a_weight_that_goes_down_keeps_its_pods_until_it_is_drained() {
    let kinds = vec![
        StepKind::SetWeight(75),
        StepKind::SetWeight(25),
        StepKind::Pause(None),
    ];
    let mut world = World::new(canary(kinds), 4);
    while world.share("v2") != 75 {
        world.round();
    }
    while world.share("v2") != 25 {
        world.round();
    }
    world.run(9);
    assert_eq!(world.desired("v2"), 3, "{:#?}", world.log);
    world.run(5);
    assert_eq!(world.desired("v2"), 1, "{:#?}", world.log);
}

#[test]
fn a_paused_rollout_shrinks_with_the_replica_count() {
    let mut world = halfway();
    world.workload.replicas = 2;
    world.run(20);
    assert_eq!(
        (world.desired("v1"), world.desired("v2"), world.share("v2")),
        (2, 1, 50),
        "{:#?}",
        world.log
    );
}

#[test]
fn a_round_with_a_background_analysis_settles_too() {
    let mut plan = canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]);
    let metric = crate::analysis::MetricPlan::new("m", "test", serde_json::Value::Null);
    let run = crate::analysis::RunPlan {
        metrics: vec![metric],
        ..Default::default()
    };
    plan.background = Some(Background {
        run,
        starting_step: 0,
    });
    let world = World::new(plan.sealed(), 4);
    let observation = world.observe();
    let first = decide(&world.plan, &world.saved, &observation, world.now);
    assert_eq!(first.wanted.len(), 1);
    let Some(state) = first.state else {
        panic!("nothing saved")
    };
    assert!(matches!(
        state.course,
        Course::Forward { started: true, .. }
    ));
    let again = decide(&world.plan, &Saved::State(state), &observation, world.now);
    assert_eq!((again.state, again.wanted), (None, first.wanted));
}

#[test]
fn a_crash_at_any_instant_gives_the_same_routes() {
    let kinds = || {
        vec![
            StepKind::SetWeight(25),
            StepKind::SetWeight(75),
            StepKind::SetWeight(100),
        ]
    };
    let mut whole = World::new(canary(kinds()), 4);
    whole.run(80);
    let routes = |world: &World| {
        let mut lines: Vec<String> = world
            .log
            .iter()
            .map(|line| line.split_once(' ').unwrap().1.to_owned())
            .collect();
        lines.dedup();
        lines
    };
    let mut crashing = World::new(canary(kinds()), 4);
    for second in 0..80 {
        // A driver that saved and then died before it performed.
        if second % 2 == 0 {
            let decision = decide(
                &crashing.plan,
                &crashing.saved,
                &crashing.observe(),
                crashing.now,
            );
            if let Some(state) = decision.state {
                crashing.saved = Saved::State(state);
            }
        }
        crashing.run(1);
    }
    assert_eq!(routes(&crashing), routes(&whole));
}

#[test]
fn a_state_is_exact_through_its_text_and_small() {
    let world = halfway();
    let Saved::State(state) = &world.saved else {
        panic!("no state")
    };
    let text = state.to_json();
    assert_eq!(Saved::from_json(&text), world.saved);
    assert!(text.len() < 4096, "{} bytes", text.len());
    let newer = text.replacen("\"version\":1", "\"version\":9", 1);
    assert!(matches!(Saved::from_json(&newer), Saved::Unreadable { .. }));
}

#[test]
fn a_first_version_whose_pods_come_up_one_by_one_is_no_drift() {
    let mut world = World::new(canary(vec![StepKind::SetWeight(50)]), 4);
    let v2 = RevisionId::new("v2");
    world.workload.revisions.retain(|it| it.id == v2);
    (world.route, world.saved) = (None, Saved::Nothing { incarnation: 1 });
    world.limits.insert("v2".into(), 1);
    let coming = world.run(20);
    assert_eq!(coming.phase, Phase::Progressing, "{:#?}", world.log);
    world.limits.clear();
    assert_eq!(world.run(20).phase, Phase::Healthy, "{:#?}", world.log);
}
