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
