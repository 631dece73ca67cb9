//! S3, S7, S9, S10: only what a router can express, only by whoever owns it, and each order once.

use std::collections::BTreeMap;

use gradatim_core::fault::FaultKind;
use gradatim_core::order::Order;
use gradatim_core::route::{Route, Slot};
use gradatim_core::stamp::Stamp;
use gradatim_driver::Turn;

use super::shadow::{Shadow, is_saved, routes};
use super::{Invariant, Scene, Tell};
use crate::world::{Write, WriteKind};

/// S3: a split sums to the plan's total, and a router is never given what it cannot express.
pub(super) fn s3(_: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    for write in scene
        .writes
        .iter()
        .filter(|write| write.fault.is_none() && !write.echo)
    {
        if let (WriteKind::Route { router, route }, Some(FaultKind::Invalid)) =
            (&write.kind, write.refused)
        {
            let parts: Vec<String> = route
                .split
                .value
                .parts()
                .map(|(slot, part)| format!("{slot} {part}"))
                .collect();
            tell(
                Invariant::S3,
                format!("router {router} cannot express {}", parts.join(", ")),
            );
        }
    }
    let Some(turn) = scene.turn else {
        return;
    };
    for total in routes(scene).map(|route| route.split.value.total()) {
        if total != turn.plan.total {
            tell(
                Invariant::S3,
                format!("a split of {total} where the total is {}", turn.plan.total),
            );
        }
    }
}

/// S7: what is not saved is not performed, but for what only lowers the canary. (That a crash
/// changes no route is seen only by comparing two runs: see [`super::same_routes`].)
pub(super) fn s7(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let (Some(turn), Some(attempt)) = (scene.turn, &shadow.attempt) else {
        return;
    };
    if is_saved(turn) {
        return;
    }
    let performed = |write: &&Write| {
        let action = |action| write.kind.performs(action);
        write.refused.is_none() && !write.echo && turn.decision.actions.iter().any(action)
    };
    for write in scene.writes.iter().filter(performed) {
        let lowers = match &write.kind {
            WriteKind::Route { router, route } => {
                let known = shadow.routes.get(router);
                known.is_some_and(|known| {
                    let id = &attempt.revision;
                    route.share(id) <= known.share(id) && keeps(known, route)
                })
            }
            _ => false,
        };
        if !lowers {
            let at = object(&write.kind);
            tell(
                Invariant::S7,
                format!("{at} is written although the decision was not saved"),
            );
        }
    }
}

/// Whether a route moves no slot that has a part, nor one that will have it.
fn keeps(before: &Route, after: &Route) -> bool {
    let mut slots = after.bind.value.iter();
    slots.all(|(slot, revision)| {
        before.bind.value.get(slot) == Some(revision)
            || after.split.value.part(*slot) == 0 && *slot != Slot::Stable
    })
}

/// The newest stamp on each object, by its name.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    newest: BTreeMap<String, Stamp>,
    saved: u64,
}

/// S9: what one driver wrote is never undone by one that it replaced.
pub(super) fn s9(stamps: &mut Stamps, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    for write in scene.writes.iter().filter(|write| write.refused.is_none()) {
        if let WriteKind::Save { epoch } = write.kind {
            if epoch < stamps.saved {
                tell(
                    Invariant::S9,
                    format!(
                        "driver {} saves under epoch {epoch}, after {}",
                        write.driver, stamps.saved
                    ),
                );
            }
            stamps.saved = stamps.saved.max(epoch);
            continue;
        }
        // What never took effect stands nowhere.
        if write.fault == Some("lost write") {
            continue;
        }
        let (object, Some(stamp)) = (object(&write.kind), write.kind.stamp()) else {
            continue;
        };
        let newest = stamps.newest.entry(object.clone()).or_insert(stamp);
        if stamp < *newest {
            tell(
                Invariant::S9,
                format!(
                    "driver {} writes {object} under {stamp}, after {newest}",
                    write.driver
                ),
            );
        }
        *newest = (*newest).max(stamp);
    }
}

fn object(kind: &WriteKind) -> String {
    match kind {
        WriteKind::Route { router, .. } => format!("router {router}"),
        WriteKind::Scale { revision, .. } => format!("the target of {revision}"),
        WriteKind::Restart { .. } => "a restart".to_owned(),
        WriteKind::Undo { .. } => "an undo".to_owned(),
        WriteKind::Save { .. } => "the state".to_owned(),
    }
}

/// S10: an order takes effect once, on what it was meant for.
pub(super) fn s10(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let Some(turn) = scene.turn.filter(|turn| is_saved(turn)) else {
        return;
    };
    for (order, refused) in &shadow.fresh.orders {
        if refused.is_none() {
            fits(shadow, turn, order, tell);
        }
    }
    let Some(first) = shadow.first_attempt else {
        return;
    };
    let attempts = turn.decision.summary.attempt.saturating_sub(first);
    // The first plan, the first version and the first attempt are one beginning.
    if attempts > shadow.causes {
        tell(
            Invariant::S10,
            format!(
                "{attempts} more attempts than the first, and {} reasons for one",
                shadow.causes
            ),
        );
    }
}

/// Whether an order that took effect found what it was meant for.
fn fits(shadow: &Shadow, turn: &Turn, order: &Order, tell: &mut Tell<'_>) {
    let Some(before) = &shadow.before else {
        return;
    };
    let was = &before.decision.summary;
    let is = &turn.decision.summary;
    let expects = &order.expects;
    // It may fit what this very round has found: a new version or a step that is over.
    let revision = expects
        .revision
        .as_ref()
        .filter(|meant| was.latest.as_ref() != Some(*meant) && is.latest.as_ref() != Some(*meant));
    let attempt = expects
        .attempt
        .filter(|meant| was.attempt != *meant && is.attempt != *meant);
    let step = expects
        .step
        .filter(|meant| !(was.step.min(is.step)..=was.step.max(is.step)).contains(meant));
    if revision.is_some() || attempt.is_some() || step.is_some() {
        tell(
            Invariant::S10,
            format!(
                "{} took effect and was meant for something else",
                order.kind
            ),
        );
    }
}
