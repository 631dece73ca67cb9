//! S4, S5, S6, S8: nothing rises but by a step that is reached, and nothing after an abort.

use std::time::Duration;

use gradatim_core::action::Action;
use gradatim_core::id::RevisionId;
use gradatim_core::measurement::{GatePoint, RunKey};
use gradatim_core::order::OrderKind;
use gradatim_core::plan::{Plan, StepKind};
use gradatim_core::route::{Route, Slot};
use gradatim_core::time::Timestamp;
use gradatim_driver::Turn;

use super::reading::{Height, Way, heights, way};
use super::shadow::{Attempt, Shadow, routes, workload};
use super::{Invariant, Scene, Tell};
use crate::world::{Write, WriteKind};

/// S4: the canary rises to a new height only by a step that is reached, and with fresh
/// measurements.
pub(super) fn s4(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let (Some(turn), Some(attempt)) = (scene.turn, &shadow.attempt) else {
        return;
    };
    let Some(height) = raised(shadow, scene, turn, attempt) else {
        return;
    };
    if is_waived(shadow, turn, attempt) {
        return;
    }
    let from = first_step(&turn.plan, attempt.base);
    if let Some(missing) = missing(
        &turn.plan,
        attempt,
        from..height.step,
        turn.now,
        height.step,
    ) {
        let (id, weight) = (&attempt.revision, height.weight);
        tell(
            Invariant::S4,
            format!("{id} rises towards {weight} although {missing}"),
        );
    }
    // A round that died before it was over has written earlier than this one.
    let rises = |write: &&Write| match &write.kind {
        WriteKind::Route { route, .. } => route.share(&attempt.revision) > attempt.highest,
        _ => false,
    };
    let at = scene
        .writes
        .iter()
        .find(rises)
        .map_or(turn.now, |write| write.at);
    if let Some(metric) = unmeasured(shadow, turn, attempt, at) {
        let id = &attempt.revision;
        tell(
            Invariant::S4,
            format!("{id} rises although {metric} was not measured since an outage"),
        );
    }
}

/// The lowest height of the plan that this round newly climbs to.
fn raised(shadow: &Shadow, scene: &Scene<'_>, turn: &Turn, attempt: &Attempt) -> Option<Height> {
    shadow
        .stable
        .as_ref()
        .filter(|stable| **stable != attempt.revision)?;
    let plan = &turn.plan;
    let replicas = attempt.replicas.1;
    if way(plan) == Way::Ratio {
        let wanted = scene.writes.iter().filter_map(|write| match &write.kind {
            WriteKind::Scale {
                revision, replicas, ..
            } if *revision == attempt.revision && write.refused.is_none() => Some(*replicas),
            _ => None,
        });
        let pods = wanted.max()?;
        let before = shadow.scales.get(&attempt.revision).copied().unwrap_or(0);
        // A ratio may have one pod more than there are replicas.
        let most = |height: &Height| match height.weight {
            weight if weight >= plan.total => replicas,
            weight => super::reading::share_of(replicas + 1, weight, plan.total),
        };
        let mut heights = shadow.heights.iter().copied();
        let height = heights.find(|height| most(height) >= pods);
        return height.filter(|_| pods > before);
    }
    let share = routes(scene)
        .map(|route| route.share(&attempt.revision))
        .max()?;
    if share <= attempt.highest {
        return None;
    }
    let mut heights = shadow.heights.iter().copied();
    heights.find(|height| height.weight >= share)
}

/// The step from which an adopted rollout goes on.
fn first_step(plan: &Plan, base: u32) -> usize {
    match base {
        0 => 0,
        base => {
            let heights = heights(plan, 1, None);
            let stood = heights.iter().find(|height| height.weight >= base);
            stood.map_or(plan.steps.len(), |height| height.step)
        }
    }
}

/// Whether an order or the rollback window waives what is left of the plan.
fn is_waived(shadow: &Shadow, turn: &Turn, attempt: &Attempt) -> bool {
    let full = attempt.orders.contains(&OrderKind::PromoteFull);
    let created = |id: &RevisionId| Some(workload(turn)?.revision(id)?.created);
    let stable = shadow.fresh.stable_was.as_ref().or(shadow.stable.as_ref());
    let older = stable.and_then(created) > created(&attempt.revision);
    full || stable.is_none() || (turn.plan.rollback_window.is_some() && older)
}

/// What of some steps, and of the gates on the way to the next raise, has not happened.
fn missing(
    plan: &Plan,
    attempt: &Attempt,
    steps: std::ops::Range<usize>,
    now: Timestamp,
    raise: usize,
) -> Option<String> {
    let promotes = |order: &&OrderKind| {
        matches!(
            order,
            OrderKind::Promote | OrderKind::SkipStep | OrderKind::Resume
        )
    };
    // Each order excuses one step; which one, the checks do not ask.
    let mut excused = attempt.orders.iter().filter(promotes).count();
    let mut pauses = Vec::new();
    let mut lacking = Vec::new();
    for index in steps {
        match plan.steps.get(index).map(|step| &step.kind) {
            Some(StepKind::Pause(Some(span))) => pauses.push(*span),
            Some(StepKind::Pause(None)) => lacking.push("nobody ended a pause".to_owned()),
            Some(StepKind::Analysis(run)) => {
                let key = RunKey::Step(u32::try_from(index).unwrap_or(u32::MAX));
                lacking.extend(undecided(run, attempt, key));
            }
            _ => {}
        }
    }
    lacking.extend(closed(plan, attempt, raise));
    if lacking.len() > excused {
        return lacking.into_iter().next();
    }
    excused -= lacking.len();
    pauses.sort_unstable();
    let kept = pauses.len().saturating_sub(excused);
    let least: Duration = pauses.iter().take(kept).sum();
    let passed = now.since(attempt.began);
    (passed < least).then(|| {
        let (passed, least) = (super::shadow::told(passed), super::shadow::told(least));
        format!("its pauses take {least} and {passed} have passed")
    })
}

/// Why an analysis cannot have passed.
fn undecided(
    run: &gradatim_core::analysis::RunPlan,
    attempt: &Attempt,
    key: RunKey,
) -> Option<String> {
    let metrics = run.metrics.iter().filter(|metric| !metric.dry_run);
    let mut open = metrics.filter_map(|metric| {
        let verdicts = attempt.verdicts.get(&(key, metric.name.clone()));
        let verdicts = verdicts.copied().unwrap_or_default();
        let name = &metric.name;
        let judged = metric.success.is_some() || metric.failure.is_some();
        let excused = metric.failure_limit.is_none_or(|limit| limit > 0)
            || metric.inconclusive_limit.is_none_or(|limit| limit > 0);
        match (verdicts.passed, metric.failure_limit) {
            (0, _) if judged && !excused => Some(format!("{name} has not passed")),
            (_, Some(limit)) if verdicts.failed > limit => Some(format!("{name} has failed")),
            _ => None,
        }
    });
    open.next()
}

/// The gates before the start and before this raise.
fn closed(plan: &Plan, attempt: &Attempt, raise: usize) -> Vec<String> {
    let pass = u32::try_from(raise).unwrap_or(u32::MAX);
    let keys = plan.gates.iter().filter_map(|gate| {
        let (point, name) = (gate.point, &gate.metric.name);
        match point {
            GatePoint::BeforeStart => Some((RunKey::Gate { point, pass: 0 }, name)),
            GatePoint::BeforeRaise => Some((RunKey::Gate { point, pass }, name)),
            _ => None,
        }
    });
    let closed = keys.filter(|(key, _)| !attempt.gates.contains(key));
    closed
        .map(|(_, name)| format!("gate {name} did not open"))
        .collect()
}

/// A background metric that an outage of ours has made stale.
fn unmeasured(shadow: &Shadow, turn: &Turn, attempt: &Attempt, at: Timestamp) -> Option<String> {
    let before = shadow.last?;
    let run = &turn.plan.background.as_ref()?.run;
    let stale = run.metrics.iter().find(|metric| {
        let verdicts = attempt
            .verdicts
            .get(&(RunKey::Background, metric.name.clone()));
        let newest = verdicts.and_then(|verdicts| verdicts.newest);
        let over = |interval: Duration| at.since(before) > interval + Duration::from_secs(10);
        let count = verdicts.map_or(0, |verdicts| verdicts.passed + verdicts.failed);
        let runs = metric.count.is_none_or(|most| count < most);
        runs && metric.interval.is_some_and(over) && newest.is_some_and(|at| at <= before)
    });
    stale.map(|metric| metric.name.to_string())
}

/// S5: after an abort nothing rises, and at most two revisions carry traffic.
pub(super) fn s5(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    carriers(scene, tell);
    let (Some(turn), Some(attempt)) = (scene.turn, shadow.attempt.as_ref()) else {
        return;
    };
    begin(shadow, scene, turn, attempt, tell);
    if attempt.aborted.is_none() {
        return;
    }
    let id = &attempt.revision;
    let before = shadow.share_written(id);
    for share in routes(scene)
        .map(|route| route.share(id))
        .filter(|share| *share > before)
    {
        tell(
            Invariant::S5,
            format!("{id} was aborted and rises from {before} to {share}"),
        );
    }
    let known = workload(turn)
        .and_then(|seen| seen.revision(id))
        .map(|revision| revision.desired);
    let before = shadow.scales.get(id).copied().or(known).unwrap_or(u32::MAX);
    for action in &turn.decision.actions {
        if let Action::Scale {
            revision, replicas, ..
        } = action
            && revision == id
            && *replicas > before
        {
            tell(
                Invariant::S5,
                format!("{id} was aborted and gets {replicas} pods instead of {before}"),
            );
        }
    }
}

fn carriers(scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let shares = scene.world.shares();
    let carrying = shares.parts.iter().filter(|share| **share > 0.0).count();
    if carrying > 2 {
        tell(
            Invariant::S5,
            format!("{carrying} revisions carry traffic at once"),
        );
    }
}

/// A version gets its first traffic only when nobody but stable had any for a while.
fn begin(shadow: &Shadow, scene: &Scene<'_>, turn: &Turn, attempt: &Attempt, tell: &mut Tell<'_>) {
    let (id, stable) = (&attempt.revision, shadow.stable.as_ref());
    let first =
        attempt.base == 0 && attempt.highest == 0 && stable.is_some_and(|stable| stable != id);
    let written = scene.writes.iter().find_map(|write| match &write.kind {
        WriteKind::Route { route, .. } if write.refused.is_none() && route.share(id) > 0 => {
            Some(write.at)
        }
        _ => None,
    });
    let decided = routes(scene)
        .any(|route| route.share(id) > 0)
        .then(|| scene.world.now());
    let (true, Some(at)) = (first, written.or(decided)) else {
        return;
    };
    let since = at - turn.plan.drain_delay + Duration::from_millis(1);
    for other in scene.world.revisions().iter().map(|revision| revision.id()) {
        // What it gets at this moment it gets by this very write.
        // What its own header routes and mirrors sent it belongs to this attempt.
        let until = if other == id {
            at.min(attempt.began)
        } else {
            at
        };
        let share = scene
            .world
            .largest_share_between(other.as_str(), since, until);
        // A version that was stable until a moment ago had its traffic by right.
        let concerns = other != id || shadow.taken_back.as_ref() == Some(id);
        if concerns && until > since && share > 0.0 && Some(other) != stable {
            tell(
                Invariant::S5,
                format!("{id} gets traffic before {other} was drained of its own"),
            );
        }
    }
}

/// S6: nothing passes without anything measured.
pub(super) fn s6(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let (Some(turn), Some(attempt), Some(before)) = (scene.turn, &shadow.attempt, &shadow.before)
    else {
        return;
    };
    if shadow.fresh.began || attempt.orders.iter().any(is_pass) || is_waived(shadow, turn, attempt)
    {
        return;
    }
    let (from, to) = (before.decision.summary.step, turn.decision.summary.step);
    let same = before.decision.summary.attempt == attempt.number;
    if !same || to <= from || attempt.aborted.is_some() {
        return;
    }
    for (index, step) in turn.plan.steps.iter().enumerate() {
        let StepKind::Analysis(run) = &step.kind else {
            continue;
        };
        if !(from..to).contains(&step.index) {
            continue;
        }
        let key = RunKey::Step(u32::try_from(index).unwrap_or(u32::MAX));
        for metric in run.metrics.iter().filter(|metric| !metric.dry_run) {
            let verdicts = attempt.verdicts.get(&(key, metric.name.clone()));
            if verdicts.is_none_or(|verdicts| verdicts.proven == 0 && verdicts.failed == 0) {
                tell(
                    Invariant::S6,
                    format!("{} passed and nothing was measured of it", metric.name),
                );
            }
        }
    }
}

fn is_pass(order: &OrderKind) -> bool {
    matches!(
        order,
        OrderKind::Promote | OrderKind::PromoteFull | OrderKind::SkipStep | OrderKind::Resume
    )
}

/// S8: stable changes only when everything has passed, and no slot is emptied.
pub(super) fn s8(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    slots(shadow, scene, tell);
    let (Some(turn), true) = (scene.turn, shadow.fresh.promoted) else {
        return;
    };
    let (Some(attempt), Some(stable)) = (&shadow.attempt, &shadow.stable) else {
        return;
    };
    if *stable != attempt.revision {
        return tell(
            Invariant::S8,
            format!("{stable} is called stable and was not wanted"),
        );
    }
    let share = scene.world.share(stable.as_str());
    let stale = scene.world.faults.look_back();
    if way(&turn.plan) != Way::Ratio && share < 0.999_999 && !stale {
        let share = share * 100.0;
        tell(
            Invariant::S8,
            format!("{stable} is called stable with {share:.0} % of the traffic"),
        );
    }
    if is_waived(shadow, turn, attempt) {
        return;
    }
    let end = turn.plan.steps.len();
    let from = first_step(&turn.plan, attempt.base);
    let missing = missing(&turn.plan, attempt, from..end, turn.now, end);
    let gates = turn
        .plan
        .gates
        .iter()
        .filter(|gate| gate.point == GatePoint::BeforePromotion);
    let key = RunKey::Gate {
        point: GatePoint::BeforePromotion,
        pass: 0,
    };
    let closed = gates
        .map(|gate| &gate.metric.name)
        .next()
        .filter(|_| !attempt.gates.contains(&key));
    let closed = closed.map(|name| format!("gate {name} did not open"));
    if let Some(missing) = missing.or(closed) {
        tell(
            Invariant::S8,
            format!("{stable} is called stable although {missing}"),
        );
    }
}

/// A slot that has a part is bound, and none that was bound is let go.
fn slots(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    for route in routes(scene) {
        for (slot, part) in route.split.value.parts() {
            if !route.bind.value.contains_key(&slot) {
                tell(
                    Invariant::S8,
                    format!("{slot} gets {part} parts and is bound to nothing"),
                );
            }
        }
        let known = shadow.routes.values();
        let bound = |route: &Route| route.bind.value.keys().copied().collect::<Vec<Slot>>();
        for slot in known.flat_map(bound) {
            if !route.bind.value.contains_key(&slot) {
                tell(Invariant::S8, format!("{slot} is let go"));
            }
        }
    }
}
