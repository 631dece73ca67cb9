//! L1, L2, L5: an end in time, the way back at once, and no write too many.

use std::time::Duration;

use gradatim_core::action::Action;
use gradatim_core::capability::Part;
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
    last: Vec<Last>,
}

/// The last write to an object, and whether it asked for fewer pods than the one before.
#[derive(Debug)]
struct Last {
    write: Write,
    fell: bool,
    /// How far its driver's clock was ahead of the world's.
    ahead: Duration,
}

/// L5: nothing is written twice, unless it did not show itself for a while or cannot be read.
pub(super) fn l5(quiet: &mut Quiet, shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let ahead = scene.ahead();
    for write in scene.writes.iter().filter(|write| !write.echo) {
        if matches!(
            write.kind,
            WriteKind::Save { .. } | WriteKind::Restart { .. }
        ) {
            continue;
        }
        let mut last = quiet.last.iter();
        let known = last.position(|last| same_object(&last.write.kind, &write.kind));
        let last = known.map(|place| quiet.last.swap_remove(place));
        let fell = last.as_ref().is_some_and(|last| falls(&last.write, write));
        if let Some(last) = &last
            && !is_unread(scene.turn, &write.kind)
            // Whoever is shown the past may write what is there already.
            && !scene.world.faults.look_back()
            && (repeats(last, write, ahead, &|| {
                shows_else(shadow, scene, &write.kind)
            }) || last.fell && halves(&last.write, write, scene.turn))
        {
            let what = name(&write.kind);
            tell(
                Invariant::L5,
                format!("{what} is written again and says what it said"),
            );
        }
        let write = write.clone();
        quiet.last.push(Last { write, fell, ahead });
    }
}

/// Whether the round could not read what it wrote, or found it emptied: then it may write for
/// safety's sake.
fn is_unread(turn: Option<&Turn>, kind: &WriteKind) -> bool {
    let Some(turn) = turn else {
        return true;
    };
    match kind {
        WriteKind::Route { router, .. } => {
            let read = turn.observation.routes.get(*router);
            let plan = turn.plan.routers.get(*router);
            let carries = |part| plan.is_some_and(|plan| plan.capabilities.carries(part));
            read.and_then(|read| read.seen()).is_none_or(|seen| {
                carries(Part::Split) && seen.split.is_none()
                    || carries(Part::Bind) && seen.bind.is_none()
            })
        }
        _ => turn.observation.workload.fault().is_some(),
    }
}

/// Whether a write says to the same object what was said to it, and went well.
fn repeats(last: &Last, write: &Write, ahead: Duration, shows_else: &dyn Fn() -> bool) -> bool {
    // As the driver counts it, whose clock may have jumped ahead.
    let waited = (write.at + ahead).since(last.write.at + last.ahead);
    let soon = waited < SHORTEST_HOLD;
    let last = &last.write;
    let epoch = |write: &Write| write.kind.stamp().map(|stamp| stamp.epoch);
    // The same intent keeps its stamp, and a driver that takes over writes all of it once.
    let again = last.kind != write.kind
        && says_the_same(&last.kind, &write.kind)
        && epoch(last) == epoch(write);
    let idle = soon && last.kind == write.kind && !write.changed;
    went_well(last, write) && (again || idle && !shows_else())
}

/// Whether a router shows something else than in the round before: then a write may be needed
/// again, as far as anybody can tell.
fn shows_else(shadow: &Shadow, scene: &Scene<'_>, kind: &WriteKind) -> bool {
    let (WriteKind::Route { router, .. }, Some(before), Some(turn)) =
        (kind, &shadow.before, scene.turn)
    else {
        return false;
    };
    let split = |turn: &Turn| {
        let route = turn.observation.routes.get(*router)?.seen()?;
        Some(route.split.as_ref()?.values.clone())
    };
    split(before) != split(turn)
}

fn went_well(last: &Write, write: &Write) -> bool {
    last.refused.is_none() && last.fault.is_none() && last.driver == write.driver
}

/// Whether two targets of one moment, both down, are two halves of one intent; where pods make
/// the ratio each waits for the other side.
fn halves(last: &Write, write: &Write, turn: Option<&Turn>) -> bool {
    let ratio = turn.is_none_or(|turn| way(&turn.plan) == Way::Ratio);
    !ratio && falls(last, write) && write.at == last.at && went_well(last, write)
}

/// Whether a write asks for fewer pods than the last one to the same revision.
fn falls(last: &Write, write: &Write) -> bool {
    match (&last.kind, &write.kind) {
        (
            WriteKind::Scale {
                replicas: before, ..
            },
            WriteKind::Scale {
                replicas: after, ..
            },
        ) => after < before,
        _ => false,
    }
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
