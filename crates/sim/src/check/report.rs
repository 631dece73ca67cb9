//! S11, L3: what is said is so, and no wait is silent.

use gradatim_core::capability::Part;
use gradatim_core::decision::Phase;
use gradatim_core::order::OrderKind;
use gradatim_core::plan::StepKind;
use gradatim_core::reason::Reason;
use gradatim_core::route::{RouteSeen, Slot};
use gradatim_driver::Turn;

use super::reading::{Way, way};
use super::shadow::{Shadow, workload};
use super::{Invariant, Scene, Tell};

/// S11: what is reported is never ahead of what is so.
pub(super) fn s11(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let Some(turn) = scene.turn else {
        return;
    };
    let summary = &turn.decision.summary;
    let (weight, total) = (summary.weight, summary.total);
    let seen = summary.weight_seen.unwrap_or(0);
    if weight > total || seen > total {
        tell(
            Invariant::S11,
            format!("weight {weight}, seen {seen}, of {total}"),
        );
    }
    if summary.step > summary.steps {
        tell(
            Invariant::S11,
            format!("step {} of {}", summary.step, summary.steps),
        );
    }
    healthy(shadow, scene, turn, tell);
    passed(shadow, turn, tell);
}

/// Healthy: every router at its resting route, and nobody but stable carries anything.
fn healthy(shadow: &Shadow, scene: &Scene<'_>, turn: &Turn, tell: &mut Tell<'_>) {
    if turn.decision.phase != Phase::Healthy {
        return;
    }
    let Some(stable) = &turn.decision.summary.stable else {
        return tell(
            Invariant::S11,
            "Healthy without a stable version".to_owned(),
        );
    };
    let way = way(&turn.plan);
    let resting = if way == Way::Switch {
        Slot::Active
    } else {
        Slot::Stable
    };
    for (place, route) in turn.observation.routes.iter().enumerate() {
        let Some(route) = route.seen() else {
            // It was seen when this rest began.
            let rested = shadow.rested.as_ref() == Some(stable);
            if rested {
                continue;
            }
            tell(
                Invariant::S11,
                format!("Healthy and router {place} cannot be read"),
            );
            continue;
        };
        if !rests(route, resting, stable.as_str()) {
            tell(
                Invariant::S11,
                format!("Healthy and router {place} is not at rest"),
            );
        }
    }
    let others = workload(turn).into_iter().flat_map(|seen| &seen.revisions);
    for other in others.filter(|one| one.id != *stable) {
        let share = scene.world.share(other.id.as_str());
        let carries = way == Way::Ratio && other.available > 0 || way != Way::Ratio && share > 0.0;
        // A router that is read late, or through a stale cache, cannot be known better.
        let unknown = scene.world.faults.look_back()
            || scene
                .world
                .routers
                .iter()
                .any(|one| !one.pending.is_empty());
        if carries && !unknown {
            tell(
                Invariant::S11,
                format!("Healthy and {} still carries traffic", other.id),
            );
        }
    }
}

fn rests(route: &RouteSeen, resting: Slot, stable: &str) -> bool {
    let split = route.split.as_ref().is_none_or(|part| {
        part.values
            .iter()
            .all(|split| split.part(resting) == split.total())
    });
    let bind = route.bind.as_ref().is_none_or(|part| {
        let bound = |slots: &std::collections::BTreeMap<Slot, gradatim_core::route::BoundSlot>| {
            let slot = slots.get(&resting);
            slot.and_then(|slot| slot.revision.as_ref())
                .is_some_and(|id| id.as_str() == stable)
        };
        part.values.iter().all(bound)
    });
    split && bind
}

/// A step that sets a weight is passed only with that weight seen.
fn passed(shadow: &Shadow, turn: &Turn, tell: &mut Tell<'_>) {
    let (Some(before), Some(attempt)) = (&shadow.before, &shadow.attempt) else {
        return;
    };
    let (was, is) = (&before.decision.summary, &turn.decision.summary);
    let skips = |order: &OrderKind| {
        matches!(
            order,
            OrderKind::Promote | OrderKind::SkipStep | OrderKind::PromoteFull
        )
    };
    let excused = attempt.orders.iter().any(skips) || attempt.aborted.is_some() || attempt.base > 0;
    let moved = was.attempt == is.attempt && was.step < is.step && !shadow.fresh.began;
    if excused || !moved || way(&turn.plan) != Way::Split {
        return;
    }
    let seen = parts_seen(turn);
    for step in &turn.plan.steps {
        if let StepKind::SetWeight(weight) = step.kind
            && (was.step..is.step).contains(&step.index)
            && turn.plan.rollback_window.is_none()
            && seen.iter().any(|part| *part != turn.plan.rounded(weight))
        {
            tell(
                Invariant::S11,
                format!(
                    "step {} sets {weight} and is passed with {seen:?} seen",
                    step.index
                ),
            );
        }
    }
}

/// The canary's part as each splitting router shows it; none where there is nothing to read.
fn parts_seen(turn: &Turn) -> Vec<u32> {
    let routes = turn.observation.routes.iter().zip(&turn.plan.routers);
    let splitting = routes.filter(|(_, router)| router.capabilities.carries(Part::Split));
    let parts = splitting.flat_map(|(route, _)| {
        let split = route.seen().and_then(|route| route.split.as_ref());
        split.map_or_else(
            || vec![0],
            |part| {
                part.values
                    .iter()
                    .map(|split| split.part(Slot::Canary))
                    .collect()
            },
        )
    });
    parts.collect()
}

/// L3: every wait has a deadline at which it is Degraded, and somebody who wakes for it.
pub(super) fn l3(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let Some(turn) = scene.turn else {
        return;
    };
    let waiting = &turn.decision.waiting;
    let endless = matches!(
        waiting.reason,
        Reason::Resting
            | Reason::Pause
            | Reason::Held
            | Reason::Inconclusive { .. }
            | Reason::Aborted { .. }
            | Reason::RouteDrift
            | Reason::ScaledToZero
            | Reason::StateUnreadable { .. }
    );
    let Some(until) = waiting.until else {
        if !endless {
            tell(
                Invariant::L3,
                format!("\"{}\" waits without end", waiting.reason),
            );
        }
        return;
    };
    if until > turn.now {
        if turn.due.is_none_or(|due| due > until) {
            tell(
                Invariant::L3,
                format!("nobody wakes when \"{}\" is over", waiting.reason),
            );
        }
    } else if turn.decision.phase != Phase::Degraded && !shadow.fresh.began {
        let past = super::shadow::told(turn.now.since(until));
        tell(
            Invariant::L3,
            format!(
                "\"{}\" is {past} past its end and not Degraded",
                waiting.reason
            ),
        );
    }
}
