//! Random plans, losses, strangers, outages and orders; what must hold is read off the world and
//! the list of writes alone.

use super::*;

/// The seed and the only randomness: a linear congruential generator.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

fn random_plan(dice: &mut Dice) -> Plan {
    let mut kinds = Vec::new();
    let mut weight: u32 = 0;
    for _ in 0..=dice.roll(4) {
        weight = (weight + u32::try_from(dice.roll(45)).unwrap()).min(100);
        kinds.push(StepKind::SetWeight(weight));
        match dice.roll(3) {
            0 => kinds.push(StepKind::Pause(Some(Duration::from_secs(dice.roll(20))))),
            1 => kinds.push(StepKind::Pause(None)),
            _ => {}
        }
    }
    let mut plan = canary(kinds);
    plan.dynamic_stable_scale = dice.one_in(3);
    plan.deadline_aborts = dice.one_in(3);
    plan.progress_deadline = Duration::from_secs(60 + dice.roll(60));
    plan.scale_down_delay = Duration::from_secs(dice.roll(40));
    plan.abort_scale_down_delay = (!dice.one_in(4)).then(|| Duration::from_secs(dice.roll(40)));
    plan.sealed()
}

fn pods_of(replicas: u32, share: u32) -> u32 {
    (replicas * share).div_ceil(100)
}

/// Looks at one round's writes, each against what was observed before it.
fn check(world: &World, before: &Observation, decision: &Decision, aborted: bool) {
    let seen = before.workload.seen().unwrap();
    let available = |id: &RevisionId| seen.revision(id).map_or(0, |revision| revision.available);
    for action in &decision.actions {
        match action {
            Action::Route { route, .. } => {
                for revision in &seen.revisions {
                    let was = world
                        .route
                        .as_ref()
                        .map_or(0, |old| old.share(&revision.id));
                    let share = route.share(&revision.id);
                    let old_stable = decision.summary.stable.as_ref() == Some(&revision.id);
                    if share > was && !old_stable {
                        assert!(
                            pods_of(seen.replicas, share) <= available(&revision.id),
                            "S1: {} raised from {was} to {share} with {} pods of {}",
                            revision.id,
                            available(&revision.id),
                            seen.replicas
                        );
                        assert!(
                            !aborted,
                            "S5: {} raised from {was} to {share} after an abort",
                            revision.id
                        );
                    }
                }
                let total: u32 = seen
                    .revisions
                    .iter()
                    .map(|revision| route.share(&revision.id))
                    .sum();
                assert_eq!(total, 100, "S3");
            }
            Action::Scale {
                revision, replicas, ..
            } => {
                let share = world
                    .route
                    .as_ref()
                    .map_or(0, |route| route.share(revision));
                let was = seen
                    .revision(revision)
                    .map_or(0, |revision| revision.desired);
                let needed = pods_of(seen.replicas, share).min(was);
                assert!(
                    *replicas >= needed,
                    "S2: {revision} from {was} to {replicas} while it carries {share}"
                );
                let stable = decision.summary.stable.as_ref() == Some(revision);
                assert!(
                    !aborted || stable || *replicas <= was,
                    "S5: {revision} scaled up after an abort"
                );
            }
            _ => {}
        }
    }
}

fn disturb(world: &mut World, dice: &mut Dice, versions: &mut u64) {
    match dice.roll(40) {
        0 => drop(
            world
                .limits
                .insert("v2".into(), u32::try_from(dice.roll(4)).unwrap()),
        ),
        1 => drop(
            world
                .limits
                .insert("v1".into(), u32::try_from(dice.roll(4)).unwrap()),
        ),
        2 | 3 => world.limits.clear(),
        4 => world.router_down = !world.router_down,
        5 if *versions < 3 && dice.one_in(2) => {
            *versions += 1;
            world.deploy("v3", 3);
        }
        6 => world.lag = dice.roll(6),
        7 => world.slow_pods = dice.roll(12),
        8 => world.order(OrderKind::Abort),
        9 => world.order(OrderKind::Retry),
        10 | 11 => world.order(OrderKind::Promote),
        12 if dice.one_in(3) => world.order(OrderKind::PromoteFull),
        13 => world.order(OrderKind::Pause),
        14 => world.order(OrderKind::Resume),
        _ => {}
    }
}

fn play(seed: u64) {
    let mut dice = Dice(seed);
    let plan = random_plan(&mut dice);
    let replicas = 1 + u32::try_from(dice.roll(9)).unwrap();
    let mut world = World::new(plan, replicas);
    let mut versions = 2;
    for _ in 0..300 {
        disturb(&mut world, &mut dice, &mut versions);
        step(&mut world);
    }
    // Once nothing disturbs it any more, it ends.
    (world.router_down, world.lag, world.slow_pods) = (false, 0, 0);
    world.limits.clear();
    let mut last = step(&mut world);
    for second in 0..900 {
        if second % 20 == 0 && last.phase == Phase::Paused {
            let kind = if last.message == "CanaryPauseStep" {
                OrderKind::Promote
            } else {
                OrderKind::Resume
            };
            world.order(kind);
        }
        last = step(&mut world);
    }
    assert!(
        matches!(last.phase, Phase::Healthy | Phase::Degraded),
        "L1: {:?} {:?}",
        last.phase,
        last.waiting
    );
    if last.message.starts_with("RolloutAborted") {
        assert_eq!(
            world.share(world.workload.wanted.as_str()),
            0,
            "L2: {:#?}",
            world.log
        );
    }
}

fn step(world: &mut World) -> Decision {
    let before = world.observe();
    let was_aborted = matches!(&world.saved, Saved::State(state) if matches!(state.course, crate::state::Course::Back { .. }));
    let decision = decide(&world.plan, &world.saved, &before, world.now);
    let still = decision.message.starts_with("RolloutAborted");
    check(world, &before, &decision, was_aborted && still);
    let saved = decision
        .state
        .clone()
        .map_or_else(|| world.saved.clone(), Saved::State);
    let again = decide(&world.plan, &saved, &before, world.now);
    if let (Some(again), Saved::State(first)) = (&again.state, &saved) {
        panic!("it settles:\n{}\n{}", first.to_json(), again.to_json());
    }
    assert_eq!(again.actions, decision.actions, "it settles");
    let turned = world.round();
    assert_eq!(turned, decision, "the same inputs give the same decision");
    world.now = world.now + Duration::from_secs(1);
    turned
}

/// How many seeds are tried: more than by default where somebody asks for it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test may be told how much to try"
)]
fn seeds() -> u64 {
    let asked = std::env::var("GRADATIM_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(25)
}

#[test]
fn whatever_happens_no_side_gets_more_than_it_carries_and_it_ends() {
    for seed in 0..seeds() {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "seed {seed}");
    }
}
