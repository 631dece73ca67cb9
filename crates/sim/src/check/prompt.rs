//! L1, L2, L5: an end in time, the way back at once, and no write too many.

use std::time::Duration;

use gradatim_core::action::Action;
use gradatim_core::route::Route;
use gradatim_driver::Turn;

use super::reading::{Way, way};
use super::shadow::{Shadow, told, workload};
use super::{Invariant, Scene, Tell};
use crate::report::Outcome;
use crate::world::{Write, WriteKind};

/// The driver gives a write this long to show itself before it repeats it, when it lowers.
const SHORTEST_HOLD: Duration = Duration::from_secs(5);

/// L1: it ends within its bound. Told once.
pub(super) fn l1(bound: &mut Option<Duration>, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let Some(limit) = *bound else {
        return;
    };
    let elapsed = scene.world.elapsed();
    let outcome = Outcome::of(scene.turn);
    if elapsed > limit && scene.turn.is_some() && !outcome.is_final() {
        *bound = None;
        tell(
            Invariant::L1,
            format!("after {} it is still {outcome}", told(limit)),
        );
    }
}

/// L2: a failing verdict lowers the canary with the very next write.
pub(super) fn l2(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let (Some(turn), Some(attempt)) = (scene.turn, &shadow.attempt) else {
        return;
    };
    let promoted = shadow.stable.as_ref() == Some(&attempt.revision);
    if let Some(metric) = &shadow.fresh.failing
        && attempt.aborted.is_none()
        && shadow.fresh.orders.is_empty()
        && !promoted
    {
        tell(
            Invariant::L2,
            format!("{metric} has failed and nothing is taken back"),
        );
    }
    if shadow.fresh.aborted && way(&turn.plan) != Way::Ratio && !promoted {
        lowered(shadow, scene, turn, tell);
    }
}

/// The round that aborts writes the least weight that stable's capacity allows, and nothing else
/// that leads users to the canary.
fn lowered(shadow: &Shadow, scene: &Scene<'_>, turn: &Turn, tell: &mut Tell<'_>) {
    let (Some(attempt), Some(stable)) = (&shadow.attempt, &shadow.stable) else {
        return;
    };
    let id = &attempt.revision;
    let stands = shadow.routes.values().any(|route| {
        route.share(id) > 0 || !route.headers.value.is_empty() || !route.mirrors.value.is_empty()
    });
    let available = workload(turn)
        .and_then(|seen| seen.revision(stable))
        .map_or(0, |one| one.available);
    if !stands || shadow.reduced || available == 0 {
        return;
    }
    let decided = turn
        .decision
        .actions
        .iter()
        .find_map(|action| match action {
            Action::Route { route, .. } => Some(route),
            _ => None,
        });
    let written = scene
        .writes
        .iter()
        .rev()
        .find_map(|write| match &write.kind {
            WriteKind::Route { route, .. } => Some(route.as_ref()),
            _ => None,
        });
    let Some(route): Option<&Route> = decided.or(written) else {
        return tell(
            Invariant::L2,
            format!("{id} is aborted and no write lowers it"),
        );
    };
    let share = route.share(id);
    if share > 0 {
        tell(
            Invariant::L2,
            format!("{id} is aborted and keeps {share} parts"),
        );
    }
    if !route.headers.value.is_empty() || !route.mirrors.value.is_empty() {
        tell(
            Invariant::L2,
            format!("{id} is aborted and keeps header routes or mirrors"),
        );
    }
}

/// What was written last to each object, by the driver that wrote it.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    last: Vec<Write>,
}

/// L5: nothing is written twice, unless it did not show itself for a while.
pub(super) fn l5(quiet: &mut Quiet, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    for write in scene.writes.iter().filter(|write| !write.echo) {
        if matches!(
            write.kind,
            WriteKind::Save { .. } | WriteKind::Restart { .. }
        ) {
            continue;
        }
        let known = quiet
            .last
            .iter()
            .position(|last| same_object(&last.kind, &write.kind));
        let last = known.map(|place| quiet.last.swap_remove(place));
        if let Some(last) = &last
            && (repeats(last, write) || !scene.world.routers.is_empty() && halves(last, write))
        {
            let what = name(&write.kind);
            tell(
                Invariant::L5,
                format!("{what} is written again and says what it said"),
            );
        }
        quiet.last.push(write.clone());
    }
}

/// Whether a write says to the same object what was said to it, and went well.
fn repeats(last: &Write, write: &Write) -> bool {
    let soon = write.at.since(last.at) < SHORTEST_HOLD;
    let well = last.refused.is_none() && last.fault.is_none() && last.driver == write.driver;
    let epoch = |write: &Write| write.kind.stamp().map(|stamp| stamp.epoch);
    // The same intent keeps its stamp, and a driver that takes over writes all of it once.
    let again = last.kind != write.kind
        && says_the_same(&last.kind, &write.kind)
        && epoch(last) == epoch(write);
    well && (again || soon && last.kind == write.kind && !write.changed)
}

/// Whether two targets in one instant, both down, are two halves of one intent. Without a router
/// each step has a target of its own, and the next step may begin in the same instant.
fn halves(last: &Write, write: &Write) -> bool {
    let well = last.refused.is_none() && last.fault.is_none() && last.driver == write.driver;
    let down = match (&last.kind, &write.kind) {
        (
            WriteKind::Scale {
                replicas: before, ..
            },
            WriteKind::Scale {
                replicas: after, ..
            },
        ) => after < before,
        _ => false,
    };
    well && down && write.at == last.at && last.changed
}

/// Whether two writes to one object differ in their stamps alone.
fn says_the_same(one: &WriteKind, other: &WriteKind) -> bool {
    match (one, other) {
        (WriteKind::Route { route: one, .. }, WriteKind::Route { route: other, .. }) => {
            one.bind.value == other.bind.value
                && one.split.value == other.split.value
                && one.headers.value == other.headers.value
                && one.mirrors.value == other.mirrors.value
        }
        (
            WriteKind::Scale { replicas: one, .. },
            WriteKind::Scale {
                replicas: other, ..
            },
        ) => one == other,
        _ => false,
    }
}

fn same_object(one: &WriteKind, other: &WriteKind) -> bool {
    match (one, other) {
        (WriteKind::Route { router: one, .. }, WriteKind::Route { router: other, .. }) => {
            one == other
        }
        (
            WriteKind::Scale { revision: one, .. },
            WriteKind::Scale {
                revision: other, ..
            },
        ) => one == other,
        (WriteKind::Undo { .. }, WriteKind::Undo { .. }) => true,
        _ => false,
    }
}

fn name(kind: &WriteKind) -> String {
    match kind {
        WriteKind::Route { router, .. } => format!("router {router}"),
        WriteKind::Scale {
            revision, replicas, ..
        } => format!("{replicas} pods of {revision}"),
        _ => "an undo".to_owned(),
    }
}
