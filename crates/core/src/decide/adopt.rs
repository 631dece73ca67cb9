//! A rollout without a state of ours: what is observed is taken on, and stable is never lowered.

use crate::id::RevisionId;
use crate::observation::Observation;
use crate::plan::{Plan, StepKind, StrategyKind};
use crate::route::{Bindings, Route, RouteSeen, Slot, Split, Stamped};
use crate::stamp::Stamp;
use crate::state::{Course, Height, State};
use crate::time::Timestamp;
use crate::workload::WorkloadSeen;

pub(super) fn adopt(plan: &Plan, seen: &Observation, incarnation: u64, now: Timestamp) -> State {
    let highest = highest_stamp(seen);
    let workload = seen.workload.seen();
    let latest = workload.map_or_else(|| RevisionId::new(""), |workload| workload.wanted.clone());
    let mut state = State::new(incarnation, latest, now);
    (state.plan, state.steps) = (plan.digest, plan.steps_digest);
    state.epoch = seen.epoch.max(highest.epoch);
    state.sequence = highest.sequence;
    state.route = adopted_route(plan, seen);
    let Some(workload) = workload else {
        return state;
    };
    let wanted = workload.revision(&workload.wanted);
    state.number = wanted.map_or(0, |wanted| wanted.number);
    state.stable = stable_of(workload, state.route.as_ref());
    if state.stable.as_ref() == Some(&state.latest) {
        return state;
    }
    state.unfinished = true;
    let share = share_of_latest(plan, workload, state.route.as_ref());
    let pods = workload.revision(&state.latest);
    state.height = Some(Height {
        of: state.latest.clone(),
        weight: share,
        pods: pods.map_or(1, |seen| seen.available.max(1)),
    });
    state.course = forward(plan, state.stable.is_some(), share, now);
    let stable = state.stable.as_ref().and_then(|id| workload.revision(id));
    let short = stable.is_some_and(|stable| stable.desired < workload.replicas);
    state.stable_reduced = plan.dynamic_stable_scale && short;
    state
}

/// Whether the world shows too little to take a rollout on: who serves must be known where
/// more than one version runs.
pub(super) fn is_hidden(plan: &Plan, seen: &Observation) -> bool {
    let Some(workload) = seen.workload.seen() else {
        return true;
    };
    let mut others = workload
        .revisions
        .iter()
        .filter(|r| r.id != workload.wanted);
    let alone = others.all(|other| other.desired == 0 && other.pods == 0);
    let read = seen.routes.iter().filter(|read| read.seen().is_some());
    !alone && read.count() < plan.routers.len()
}

/// The share of the wanted version: by the route, or by the pods where they make the weight.
fn share_of_latest(plan: &Plan, workload: &WorkloadSeen, route: Option<&Route>) -> u32 {
    if plan.splits() || plan.strategy == StrategyKind::BlueGreen {
        return route.map_or(0, |route| route.share(&workload.wanted));
    }
    let all: u64 = workload
        .revisions
        .iter()
        .map(|r| u64::from(r.desired))
        .sum();
    let latest = workload.revision(&workload.wanted).map_or(0, |r| r.desired);
    let share = u64::from(latest) * u64::from(plan.total) / all.max(1);
    u32::try_from(share).unwrap_or(plan.total)
}

/// The first step whose weight is at least the seen one; past the end for a first version.
fn forward(plan: &Plan, has_stable: bool, share: u32, now: Timestamp) -> Course {
    let reaches = |kind: &StepKind| match kind {
        StepKind::SetWeight(weight) | StepKind::Pace { most: weight, .. } => *weight >= share,
        _ => false,
    };
    let resume = plan.steps.iter().position(|step| reaches(&step.kind));
    let index = match resume {
        _ if !has_stable => plan.steps.len(),
        _ if share == 0 => 0,
        Some(index) => index,
        None => plan.steps.len(),
    };
    Course::Forward {
        step: u32::try_from(index).unwrap_or(u32::MAX),
        entered_at: now,
        started: share > 0,
        again: false,
        waived: !has_stable,
        released: false,
    }
}

/// What another controller recorded, else what the stable or active slot is bound to, else the
/// revision with the most available pods.
fn stable_of(workload: &WorkloadSeen, route: Option<&Route>) -> Option<RevisionId> {
    let exists = |id: &RevisionId| workload.revision(id).is_some();
    let recorded = workload.recorded_stable.clone().filter(|id| exists(id));
    let bound = || {
        let bind = &route?.bind.value;
        bind.get(&Slot::Stable)
            .or_else(|| bind.get(&Slot::Active))
            .cloned()
            .filter(|id| exists(id))
    };
    let serving = || {
        let alive = workload
            .revisions
            .iter()
            .filter(|revision| revision.available > 0);
        let serving = alive.max_by_key(|r| (r.available, r.id != workload.wanted));
        serving.map(|revision| revision.id.clone())
    };
    recorded.or_else(bound).or_else(serving)
}

/// The route of the first router that shows one; its stamps are kept, so that what was written
/// before is not written again.
fn adopted_route(plan: &Plan, seen: &Observation) -> Option<Route> {
    let routes: Vec<&RouteSeen> = seen.routes.iter().filter_map(|read| read.seen()).collect();
    let bound = routes.iter().find_map(|route| {
        let part = route.bind.as_ref()?;
        let value = part.value()?;
        let bind: Bindings = value
            .iter()
            .filter_map(|(slot, bound)| Some((*slot, bound.revision.clone()?)))
            .collect();
        Some(Stamped::new(bind, part.stamp.unwrap_or_default()))
    });
    let split = routes.iter().find_map(|route| {
        let part = route.split.as_ref()?;
        let value = part
            .values
            .iter()
            .max_by_key(|split| split.part(Slot::Canary))?;
        (value.total() == plan.total)
            .then(|| Stamped::new(value.clone(), part.stamp.unwrap_or_default()))
    });
    let headers = routes.iter().find_map(|route| {
        let part = route.headers.as_ref()?;
        Some(Stamped::new(
            part.value()?.clone(),
            part.stamp.unwrap_or_default(),
        ))
    });
    let mirrors = routes.iter().find_map(|route| {
        let part = route.mirrors.as_ref()?;
        Some(Stamped::new(
            part.value()?.clone(),
            part.stamp.unwrap_or_default(),
        ))
    });
    let bind = bound.filter(|bind| !bind.value.is_empty())?;
    let resting = if bind.value.contains_key(&Slot::Active) {
        Slot::Active
    } else {
        Slot::Stable
    };
    Some(Route {
        bind,
        split: split
            .unwrap_or_else(|| Stamped::new(Split::all(resting, plan.total), Stamp::default())),
        headers: headers.unwrap_or_else(|| Stamped::new(Vec::new(), Stamp::default())),
        mirrors: mirrors.unwrap_or_else(|| Stamped::new(Vec::new(), Stamp::default())),
    })
}

/// The newest stamp that anything we read bears.
fn highest_stamp(seen: &Observation) -> Stamp {
    let routes = seen
        .routes
        .iter()
        .filter_map(|read| read.seen())
        .flat_map(|route| {
            [
                route.bind.as_ref().and_then(|part| part.stamp),
                route.split.as_ref().and_then(|part| part.stamp),
                route.headers.as_ref().and_then(|part| part.stamp),
                route.mirrors.as_ref().and_then(|part| part.stamp),
            ]
        });
    let pods = seen
        .workload
        .seen()
        .into_iter()
        .flat_map(|w| w.revisions.iter().map(|r| r.stamp));
    routes.chain(pods).flatten().max().unwrap_or_default()
}
