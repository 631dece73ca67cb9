//! A rollout without a state of ours: what is observed is taken on, and stable is never lowered.

use std::collections::BTreeMap;

use crate::id::RevisionId;
use crate::observation::Observation;
use crate::plan::{Plan, StepKind};
use crate::route::{Bindings, Route, RouteSeen, Slot, Split, Stamped};
use crate::stamp::Stamp;
use crate::state::{Course, Height, State};
use crate::time::Timestamp;
use crate::workload::WorkloadSeen;

pub(super) fn adopt(plan: &Plan, seen: &Observation, incarnation: u64, now: Timestamp) -> State {
    let workload = seen.workload.seen();
    let route = adopted_route(plan, seen);
    let latest = workload.map_or_else(|| RevisionId::new(""), |workload| workload.wanted.clone());
    let stable = workload.and_then(|workload| stable_of(workload, route.as_ref()));
    let share = route.as_ref().map_or(0, |route| route.share(&latest));
    let settled = workload.is_none() || stable.as_ref() == Some(&latest);
    let highest = highest_stamp(seen);
    let pods = workload
        .and_then(|workload| workload.revision(&latest))
        .map_or(0, |r| r.available);
    State {
        version: State::VERSION,
        now,
        incarnation,
        epoch: seen.epoch.max(highest.epoch),
        sequence: highest.sequence,
        generation: 0,
        attempt: 0,
        plan: plan.digest,
        steps: plan.steps_digest,
        course: if settled {
            Course::Settled
        } else {
            forward(plan, stable.is_some(), share, now)
        },
        height: if settled {
            Height::default()
        } else {
            Height {
                weight: share,
                pods: pods.max(1),
            }
        },
        stable,
        latest,
        held: false,
        drifted: false,
        stable_reduced: false,
        confirmed: None,
        scales: BTreeMap::new(),
        shares: BTreeMap::new(),
        runs: Vec::new(),
        orders: BTreeMap::new(),
        restart: None,
        undo: None,
        unfinished: !settled,
        progress_at: now,
        progress: (0, 0),
        overdue: false,
        events: Vec::new(),
        next_event: 0,
        told: None,
        route,
    }
}

/// The first step whose weight is at least the seen one; past the end for a first version.
fn forward(plan: &Plan, has_stable: bool, share: u32, now: Timestamp) -> Course {
    let reaches = |kind: &StepKind| matches!(kind, StepKind::SetWeight(weight) if *weight >= share);
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
        alive
            .max_by_key(|revision| revision.available)
            .map(|revision| revision.id.clone())
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
