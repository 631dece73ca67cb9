//! S1, S2, L4: nobody gets more than they can carry, and traffic leaves before pods do.

use std::time::Duration;

use gradatim_core::action::Action;
use gradatim_core::id::RevisionId;
use gradatim_core::plan::Plan;
use gradatim_core::reason::Reason;
use gradatim_core::workload::WorkloadSeen;
use gradatim_driver::Turn;

use super::reading::{Height, Way, share_of, way};
use super::shadow::{Attempt, Shadow, routes, workload};
use super::{Invariant, Scene, Tell};
use crate::world::WriteKind;

/// S1: no side gets more than it can carry by the newest observation.
pub(super) fn s1(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let Some(turn) = scene.turn else {
        return;
    };
    let (Some(seen), Some(attempt)) = (workload(turn), &shadow.attempt) else {
        return;
    };
    if way(&turn.plan) == Way::Ratio {
        return ratio(shadow, scene, turn, seen, tell);
    }
    canary(shadow, scene, turn, seen, tell);
    stable(shadow, scene, seen, attempt, tell);
}

fn canary(
    shadow: &Shadow,
    scene: &Scene<'_>,
    turn: &Turn,
    seen: &WorkloadSeen,
    tell: &mut Tell<'_>,
) {
    let heights = &shadow.heights;
    let unread = matches!(turn.decision.waiting.reason, Reason::StateUnreadable { .. });
    let stable = shadow.stable.as_ref();
    for revision in seen
        .revisions
        .iter()
        .filter(|one| Some(&one.id) != stable && stable.is_some())
    {
        let available = revision.available;
        let carried = heights
            .iter()
            .map(|height| height.carried(available))
            .max()
            .unwrap_or(0);
        let fits = |share: u32| {
            let carries =
                |height: &Height| height.weight >= share && height.carried(available) >= share;
            share == 0 || share <= carried && heights.iter().any(carries)
        };
        let before = shadow.share_written(&revision.id);
        let mut now = routes(scene)
            .map(|route| route.share(&revision.id))
            .peekable();
        // What stands and is not written anew counts as if it were: a loss is answered at once.
        let stands = now.peek().is_none().then_some(before).filter(|_| !unread);
        for share in now.chain(stands) {
            if !fits(share) {
                let id = &revision.id;
                tell(
                    Invariant::S1,
                    format!(
                        "{id} has {share} parts and {available} available pods, which carry {carried} at most"
                    ),
                );
            }
        }
    }
}

fn stable(
    shadow: &Shadow,
    scene: &Scene<'_>,
    seen: &WorkloadSeen,
    attempt: &Attempt,
    tell: &mut Tell<'_>,
) {
    let heights = &shadow.heights;
    if is_emptied(scene) {
        return;
    }
    let Some(stable) = shadow
        .stable
        .as_ref()
        .filter(|stable| **stable != attempt.revision)
    else {
        return;
    };
    let available = |id: &RevisionId| seen.revision(id).map_or(0, |revision| revision.available);
    let (has, canary_has) = (available(stable), available(&attempt.revision));
    // What a stranger has made so and we take over is no raise of ours.
    let before = shadow.share_written(stable).max(share_seen(scene, stable));
    for route in routes(scene).filter(|route| route.share(stable) > before) {
        let (total, share) = (route.split.value.total(), route.share(stable));
        let whole = !shadow.reduced || has >= seen.replicas;
        let carries = match has {
            0 => 0,
            _ if whole => total,
            _ => super::reading::narrow(
                u64::from(total) * u64::from(has) / u64::from(seen.replicas.max(1)),
            ),
        };
        let rest = rest(heights, attempt.highest, canary_has);
        let left = total - share;
        if share > carries && left < rest.min(total - carries) {
            tell(
                Invariant::S1,
                format!(
                    "{stable} gets {share} parts and carries {carries} with {has} available pods, while {} could carry {rest}",
                    attempt.revision
                ),
            );
        }
    }
}

/// What the canary would carry at the height that it had, or at a later and lower one where the
/// plan's weights go down.
fn rest(heights: &[Height], highest: u32, available: u32) -> u32 {
    let reaches = |height: &&Height| height.weight >= highest;
    let first = heights.iter().find(reaches);
    let had = heights.iter().filter(reaches).min_by_key(|one| one.weight);
    let lower = heights.iter().filter(|height| {
        let later = first.is_some_and(|first| height.step > first.step);
        later && height.weight < highest
    });
    let carried = had.into_iter().chain(lower);
    let carried = carried.map(|height| height.carried(available).min(highest));
    carried.min().unwrap_or(0)
}

/// Whether a stranger has left a router without a split: whoever writes it anew raises somebody.
fn is_emptied(scene: &Scene<'_>) -> bool {
    let routes = scene
        .turn
        .into_iter()
        .flat_map(|turn| &turn.observation.routes);
    let mut seen = routes.filter_map(|read| read.seen());
    seen.any(|route| route.split.is_none() && route.bind.is_none())
}

/// The largest share that the routers showed a revision to have.
fn share_seen(scene: &Scene<'_>, id: &RevisionId) -> u32 {
    let routes = scene
        .turn
        .into_iter()
        .flat_map(|turn| &turn.observation.routes);
    let shares = routes.filter_map(|read| {
        let route = read.seen()?;
        let (split, bind) = (
            route.split.as_ref()?.value()?,
            route.bind.as_ref()?.value()?,
        );
        let slots = bind
            .iter()
            .filter(|(_, bound)| bound.revision.as_ref() == Some(id));
        Some(slots.map(|(slot, _)| split.part(*slot)).sum::<u32>())
    });
    shares.max().unwrap_or(0)
}

/// Without a router: available pods never fall below the floor by our doing, nor rise above the
/// ceiling in total.
fn ratio(
    shadow: &Shadow,
    scene: &Scene<'_>,
    turn: &Turn,
    seen: &WorkloadSeen,
    tell: &mut Tell<'_>,
) {
    let targets: Vec<(&RevisionId, u32)> = scales(scene).collect();
    if targets.is_empty() {
        return;
    }
    let target = |id: &RevisionId, desired: u32| {
        let new = targets.iter().rev().find(|(revision, _)| *revision == id);
        new.map_or(desired, |(_, replicas)| *replicas)
    };
    let (mut alive, mut left, mut before, mut after) = (0, 0, 0, 0);
    for revision in &seen.revisions {
        let replicas = target(&revision.id, revision.desired);
        alive += revision.available;
        left += revision.available.min(replicas);
        before += revision.desired;
        after += replicas;
    }
    let (surge, unavailable) = bounds(&turn.plan, seen.replicas);
    let floor = seen.replicas.saturating_sub(unavailable);
    if left < alive && left < floor && shadow.stable.is_some() {
        tell(
            Invariant::S1,
            format!("{left} of {alive} available pods are left, fewer than {floor}"),
        );
    }
    if after > before && after > seen.replicas.saturating_add(surge) {
        tell(
            Invariant::S1,
            format!(
                "{after} pods are asked for, {surge} more than {} at most",
                seen.replicas
            ),
        );
    }
}

/// Surge and unavailability in pods; where both come to nothing one pod may be missing.
fn bounds(plan: &Plan, replicas: u32) -> (u32, u32) {
    let surge = plan.max_surge.rounded_up(replicas);
    let unavailable = plan.max_unavailable.rounded_down(replicas).min(replicas);
    match (surge, unavailable) {
        (0, 0) => (0, replicas.min(1)),
        bounds => bounds,
    }
}

/// The replica targets that were written.
fn scales<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (&'a RevisionId, u32)> {
    let written = scene
        .writes
        .iter()
        .filter(|write| write.refused.is_none() && !write.echo);
    written.filter_map(|write| match &write.kind {
        WriteKind::Scale {
            revision, replicas, ..
        } => Some((revision, *replicas)),
        _ => None,
    })
}

/// S2: a side shrinks below what its share needs only after the smaller share was seen and its
/// delay has passed.
pub(super) fn s2(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let Some(turn) = scene.turn else {
        return;
    };
    let (Some(seen), Some(attempt)) = (workload(turn), &shadow.attempt) else {
        return;
    };
    if way(&turn.plan) == Way::Ratio || shadow.stable.is_none() {
        return;
    }
    let shrinking: Vec<(RevisionId, u32)> = scales(scene)
        .filter(|(id, replicas)| shadow.desired(id, seen) > *replicas)
        .map(|(id, replicas)| (id.clone(), replicas))
        .collect();
    for (id, replicas) in shrinking {
        let Some(delay) = delay(shadow, turn, attempt, &id) else {
            tell(
                Invariant::S2,
                format!("{id} loses pods that the plan keeps for ever"),
            );
            continue;
        };
        // A driver whose clock has jumped ahead has waited so much less.
        let waited = delay.saturating_sub(scene.ahead());
        let since = scene.world.now() - waited + Duration::from_millis(1);
        let share = scene.world.largest_share(id.as_str(), since) * f64::from(turn.plan.total);
        let share = (share - 1e-6).ceil().max(0.0) as u32;
        let needed = needed(
            shadow,
            turn,
            seen,
            attempt,
            &id,
            share.max(shadow.share_written(&id)),
        );
        if replicas < needed {
            let delay = super::shadow::told(delay);
            tell(
                Invariant::S2,
                format!(
                    "{id} shrinks to {replicas} pods though it had {share} parts in the last {delay}, which need {needed}"
                ),
            );
        }
    }
}

/// The pods that a share needs.
fn needed(
    shadow: &Shadow,
    turn: &Turn,
    seen: &WorkloadSeen,
    attempt: &Attempt,
    id: &RevisionId,
    share: u32,
) -> u32 {
    let whole = share_of(seen.replicas, share, turn.plan.total);
    if *id != attempt.revision || shadow.stable.as_ref() == Some(id) {
        return whole;
    }
    let stood = shadow
        .heights
        .iter()
        .filter(|height| height.weight >= share);
    let least = stood.map(|height| height.needed(share)).min();
    least.unwrap_or(whole).min(whole)
}

/// How long pods outlive their traffic; none where they are kept for ever.
fn delay(shadow: &Shadow, turn: &Turn, attempt: &Attempt, id: &RevisionId) -> Option<Duration> {
    let plan = &turn.plan;
    let retired = Some(id) != shadow.stable.as_ref() && *id != attempt.revision;
    let settled = shadow.stable.as_ref() == Some(&attempt.revision);
    match attempt.aborted {
        Some(_) if *id == attempt.revision => plan.abort_scale_down_delay,
        None if retired && settled && !plan.dynamic_stable_scale => Some(plan.scale_down_delay),
        // Both sides of a replica count that is smaller now.
        _ => Some(plan.drain_delay),
    }
}

impl Shadow {
    /// How many pods were asked for before this round's writes.
    fn desired(&self, id: &RevisionId, seen: &WorkloadSeen) -> u32 {
        let written = self.scales.get(id).copied();
        written.unwrap_or_else(|| seen.revision(id).map_or(0, |revision| revision.desired))
    }
}

/// L4: stable follows the replica count, whatever the rollout waits for.
pub(super) fn l4(shadow: &Shadow, scene: &Scene<'_>, tell: &mut Tell<'_>) {
    let Some(turn) = scene.turn else {
        return;
    };
    let (Some(seen), Some(stable)) = (workload(turn), shadow.stable.as_ref()) else {
        return;
    };
    let Some(revision) = seen.revision(stable).filter(|_| seen.scales) else {
        return;
    };
    let ratio = way(&turn.plan) == Way::Ratio;
    let follows = |action: &Action| matches!(action, Action::Scale { revision, replicas, .. } if revision == stable && *replicas == seen.replicas);
    let asked = revision.desired == seen.replicas || turn.decision.actions.iter().any(follows);
    if ratio {
        return follows_in_total(scene, turn, seen, tell);
    }
    if turn.plan.dynamic_stable_scale || asked {
        return;
    }
    let (desired, wanted) = (revision.desired, seen.replicas);
    tell(
        Invariant::L4,
        format!("{stable} is asked for {desired} pods where {wanted} are wanted"),
    );
}

/// Where pods make the ratio: when all pods are there and nothing moves, there are enough.
fn follows_in_total(scene: &Scene<'_>, turn: &Turn, seen: &WorkloadSeen, tell: &mut Tell<'_>) {
    let scaling = |action: &Action| matches!(action, Action::Scale { .. });
    if turn.decision.actions.iter().any(scaling) || scales(scene).next().is_some() {
        return;
    }
    let total: u32 = seen.revisions.iter().map(|revision| revision.desired).sum();
    let there = seen
        .revisions
        .iter()
        .all(|one| one.available >= one.desired);
    if there && total < seen.replicas {
        let wanted = seen.replicas;
        tell(
            Invariant::L4,
            format!("{total} pods are asked for in total where {wanted} are wanted"),
        );
    }
}
