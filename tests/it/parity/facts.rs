//! From the simulated world and a decision to the facts of a recording.

use gradatim_core::decision::Phase;
use gradatim_core::id::RevisionId;
use gradatim_core::plan::StrategyKind;
use gradatim_core::route::Slot;
use gradatim_driver::Turn;
use gradatim_sim::World;
use serde_json::{Value, json};

use super::recording::Facts;

/// What the kubelet and the workload show.
pub(super) fn pods(world: &World) -> Facts {
    let mut facts = Facts::new();
    for revision in world.revisions() {
        let (name, available) = (revision.id(), revision.available());
        facts.insert(format!("rs.{name}.available"), json!(available));
        facts
            .entry(format!("rs.{name}.want"))
            .or_insert(json!(revision.desired()));
        if revision.pods() > 0 {
            facts.insert(format!("pods.{name}.ready"), json!(available));
        }
    }
    facts
}

/// Which revision a slot was seen bound to.
fn bound(turn: &Turn, slot: Slot) -> Option<RevisionId> {
    let routes = turn
        .observation
        .routes
        .iter()
        .filter_map(|read| read.seen());
    let mut slots = routes.filter_map(|route| route.bind.as_ref()?.value()?.get(&slot));
    slots.find_map(|bound| bound.revision.clone())
}

/// What a round says of the rollout.
pub(super) fn rollout(turn: &Turn, replicas: u32, steps: Option<&Value>) -> Facts {
    let decision = &turn.decision;
    let summary = &decision.summary;
    let mut facts = Facts::new();
    let mut set = |name: &str, value: Value| facts.insert(format!("rollout.{name}"), value);
    set("replicas", json!(replicas));
    if let Some(steps) = steps {
        set("steps", json!(steps.to_string()));
    }
    set("phase", json!(decision.phase.to_string()));
    if !decision.message.is_empty() {
        set("message", json!(decision.message));
    }
    if decision.message.starts_with("RolloutAborted") {
        set("abort", json!(true));
    }
    if decision.phase == Phase::Paused {
        set("pause", json!(decision.message));
    }
    if summary.steps > 0 && turn.plan.strategy != StrategyKind::BlueGreen {
        set("step", json!(summary.step));
    }
    let named = |revision: &RevisionId| json!(revision.as_str());
    summary
        .stable
        .iter()
        .for_each(|id| drop(set("stable", named(id))));
    summary
        .latest
        .iter()
        .for_each(|id| drop(set("current", named(id))));
    for (side, slot) in [("active", Slot::Active), ("preview", Slot::Preview)] {
        if let Some(id) = bound(turn, slot) {
            set(side, named(&id));
        }
    }
    if turn.plan.splits()
        && let Some(seen) = summary.weight_seen
    {
        set(
            "weight",
            json!(format!("{seen}/{}", summary.total.saturating_sub(seen))),
        );
    }
    facts
}
