use super::super::turn::Turn;
use super::*;

#[test]
fn a_decision_on_its_own_result_changes_nothing() {
    let mut world = World::new(
        canary(vec![
            StepKind::SetWeight(25),
            StepKind::Pause(None),
            StepKind::SetWeight(75),
        ]),
        4,
    );
    for second in 0..200 {
        let observation = world.observe();
        let first = decide(&world.plan, &world.saved, &observation, world.now);
        let saved = first
            .state
            .clone()
            .map_or_else(|| world.saved.clone(), Saved::State);
        let second_time = decide(&world.plan, &saved, &observation, world.now);
        assert_eq!(second_time.state, None, "at {second}");
        assert_eq!(second_time.actions, first.actions, "at {second}");
        world.run(1);
        if second == 50 {
            world.order(OrderKind::Promote);
        }
        if second == 120 {
            world.deploy("v3", 3);
        }
    }
}

#[test]
fn a_round_in_which_nothing_is_new_copies_no_state() {
    let plan = canary(vec![StepKind::SetWeight(25), StepKind::Pause(None)]);
    let mut world = World::new(plan, 4);
    let mut untouched = 0;
    for second in 0..200 {
        let observation = world.observe();
        let decision = decide(&world.plan, &world.saved, &observation, world.now);
        let mut turn = Turn::new(&world.plan, &world.saved, &observation, world.now);
        turn.go_through();
        if decision.state.is_none() {
            assert!(turn.state.is_untouched(), "at {second}");
            untouched += 1;
        }
        world.run(1);
        if second == 100 {
            world.order(OrderKind::Promote);
        }
    }
    assert!(untouched > 100, "{untouched}");
}

#[test]
fn absurd_states_are_decided_safely() {
    let world = World::new(
        canary(vec![StepKind::SetWeight(25), StepKind::Pause(None)]),
        4,
    );
    let Saved::State(state) = &world.saved else {
        panic!("no state")
    };
    let mut absurd = state.clone();
    absurd.course = crate::state::Course::Forward {
        step: u32::MAX,
        entered_at: Timestamp::from_millis(i64::MAX),
        started: true,
        again: false,
        waived: false,
        released: true,
    };
    absurd.height = Some(crate::state::Height {
        of: RevisionId::new("v2"),
        weight: u32::MAX,
        pods: 0,
    });
    absurd.now = Timestamp::from_millis(i64::MIN);
    let decision = decide(
        &world.plan,
        &Saved::State(absurd),
        &world.observe(),
        Timestamp::from_millis(i64::MAX),
    );
    assert!(decision.summary.weight <= 100);
    let unreadable = Saved::Unreadable {
        message: "version 9".into(),
    };
    let decision = decide(&world.plan, &unreadable, &world.observe(), world.now);
    assert_eq!((decision.state, decision.phase), (None, Phase::Degraded));
}

#[test]
fn time_that_goes_back_ends_no_wait_early() {
    let pause = StepKind::Pause(Some(Duration::from_secs(60)));
    let mut world = World::new(canary(vec![StepKind::SetWeight(25), pause]), 4);
    world.run(20);
    world.now = Timestamp::from_secs(0);
    let held = world.run(30);
    assert_eq!(held.phase, Phase::Paused, "{:?}", held.waiting);
    assert_eq!(world.run(120).phase, Phase::Healthy);
}

/// Decides each round twice: the second time nothing is new and nothing else is asked for.
fn settles(world: &mut World, seconds: u64) {
    for second in 0..seconds {
        let observation = world.observe();
        let first = decide(&world.plan, &world.saved, &observation, world.now);
        let saved = first.state.clone();
        let saved = saved.map_or_else(|| world.saved.clone(), Saved::State);
        let again = decide(&world.plan, &saved, &observation, world.now);
        assert_eq!(again.state, None, "at {second}");
        assert_eq!(again.actions, first.actions, "at {second}");
        assert_eq!(again.wanted, first.wanted, "at {second}");
        world.run(1);
    }
}

#[test]
fn a_stable_that_shrinks_and_returns_settles_in_every_round() {
    let kinds = vec![
        StepKind::SetWeight(75),
        StepKind::SetWeight(25),
        StepKind::Pause(None),
    ];
    let mut plan = canary(kinds);
    plan.dynamic_stable_scale = true;
    let mut world = World::new(plan.sealed(), 4);
    settles(&mut world, 60);
    world.order(OrderKind::Abort);
    settles(&mut world, 60);
}

#[test]
fn a_verdict_that_aborts_settles_in_its_own_round() {
    let mut plan = canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]);
    let mut metric = crate::analysis::MetricPlan::new("m", "test", serde_json::Value::Null);
    metric.success = Some(crate::condition::Condition::parse("result > 0").unwrap());
    plan.background = Some(crate::plan::Background {
        run: crate::analysis::RunPlan {
            metrics: vec![metric.sealed()],
            ..Default::default()
        },
        starting_step: 1,
    });
    let mut world = World::new(plan.sealed(), 4);
    world.answers.insert("m".into(), 0.0);
    settles(&mut world, 60);
    assert_eq!(world.run(1).phase, Phase::Degraded);
}

#[test]
fn what_says_the_same_keeps_its_stamp_and_what_is_new_has_a_newer_one() {
    let kinds = vec![
        StepKind::SetWeight(20),
        StepKind::Pause(None),
        StepKind::SetWeight(60),
        StepKind::Pause(None),
    ];
    let mut world = World::new(canary(kinds), 5);
    world.run(30);
    let low = world.route.clone().unwrap();
    world.order(OrderKind::Promote);
    world.run(30);
    let high = world.route.clone().unwrap();
    assert!(high.split.stamp > low.split.stamp);
    assert_eq!(high.bind.stamp, low.bind.stamp);
    assert_eq!(high.headers.stamp, low.headers.stamp);
    assert_eq!(high.mirrors.stamp, low.mirrors.stamp);
}

#[test]
fn what_cannot_be_read_is_not_written() {
    let mut world = World::new(
        canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]),
        4,
    );
    world.run(30);
    world.router_down = true;
    for _ in 0..60 {
        assert_eq!(world.run(1).actions, []);
    }
}
