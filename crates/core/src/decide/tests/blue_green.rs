use super::*;
use crate::event::EventKind;

fn blue_green(kinds: Vec<StepKind>) -> Plan {
    let mut plan = canary(kinds);
    plan.strategy = StrategyKind::BlueGreen;
    plan.slots = [Slot::Active, Slot::Preview].into();
    plan.sealed()
}

fn active(world: &World) -> String {
    world
        .route
        .as_ref()
        .and_then(|route| route.bind.value.get(&Slot::Active))
        .map_or_else(String::new, ToString::to_string)
}

#[test]
fn the_switch_waits_for_the_gate_and_for_every_pod() {
    let plan = blue_green(vec![
        StepKind::Preview(Some(1)),
        StepKind::Pause(None),
        StepKind::Switch,
    ]);
    let mut world = World::new(plan, 3);
    let held = world.run(30);
    assert_eq!(
        (held.phase, held.message.as_str()),
        (Phase::Paused, "BlueGreenPause"),
        "{:#?}",
        world.log
    );
    assert_eq!((active(&world).as_str(), world.desired("v2")), ("v1", 1));
    world.limits.insert("v2".into(), 2);
    world.order(OrderKind::Promote);
    let waits = world.run(20).waiting.reason;
    let short = matches!(waits, crate::reason::Reason::Pods { available: 2, .. });
    assert!(short, "{waits:?}");
    assert_eq!((active(&world).as_str(), world.desired("v2")), ("v1", 3));
    world.limits.clear();
    let end = world.run(10);
    assert_eq!(
        (active(&world).as_str(), end.phase),
        ("v2", Phase::Healthy),
        "{:#?}",
        world.log
    );
    world.run(40);
    assert_eq!(world.desired("v1"), 0);
}

#[test]
fn each_switch_is_told_once_when_it_is_seen() {
    let told = |decision: &Decision| {
        let events = decision.events.iter();
        let switches = events.filter(|event| event.kind == EventKind::SwitchService);
        switches.map(|event| event.text.clone()).collect::<Vec<_>>()
    };
    let plan = blue_green(vec![StepKind::Switch, StepKind::Pause(None)]);
    let mut world = World::new(plan, 3);
    assert_eq!(told(&world.run(30)), ["v2 is active"]);
    world.order(OrderKind::Abort);
    assert_eq!(told(&world.run(30)), ["v2 is active", "v1 is active"]);
}

#[test]
fn an_abort_after_the_switch_brings_active_back_though_held_and_crashed() {
    let plan = blue_green(vec![
        StepKind::Preview(None),
        StepKind::Switch,
        StepKind::Pause(None),
    ]);
    let mut world = World::new(plan, 3);
    world.run(30);
    assert_eq!(active(&world), "v2", "{:#?}", world.log);
    world.order(OrderKind::Pause);
    world.run(2);
    world.limits.insert("v2".into(), 0);
    world.order(OrderKind::Abort);
    world.run(3);
    assert_eq!(active(&world), "v1", "{:#?}", world.log);
    world.run(60);
    assert_eq!(world.desired("v2"), 0, "{:#?}", world.log);
}
