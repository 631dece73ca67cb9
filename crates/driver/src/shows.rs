//! Whether the world shows something else than it did before a write, so that it is due again.

use std::collections::BTreeMap;

use gradatim_core::action::Action;
use gradatim_core::id::RevisionId;
use gradatim_core::observation::{Observation, Read};
use gradatim_core::route::{Bindings, BoundSlot, Route, RouteSeen, Seen, Slot, Stamped};
use gradatim_core::stamp::Stamp;
use gradatim_core::workload::WorkloadSeen;

/// Whether what an action changes looks different from how it did; who cannot be read shows
/// nothing else.
pub(crate) fn shows_else(action: &Action, before: &Observation, now: &Observation) -> bool {
    match action {
        Action::Route { route, .. } => {
            let mut pairs = before.routes.iter().zip(&now.routes);
            pairs.any(|(before, now)| route_shows_else(route, before, now))
        }
        Action::Scale { revision, .. } => match (&before.workload, &now.workload) {
            (Read::Seen(before), Read::Seen(now)) => {
                target(before, revision) != target(now, revision)
            }
            _ => false,
        },
        _ => before.workload != now.workload,
    }
}

/// Whether what an action changes cannot be read.
pub(crate) fn is_unread(action: &Action, seen: &Observation) -> bool {
    match action {
        Action::Route { .. } => seen.routes.iter().any(|read| read.fault().is_some()),
        _ => seen.workload.fault().is_some(),
    }
}

/// What a revision is asked for, and under which stamp; how many pods it has is not what it was
/// told.
fn target(workload: &WorkloadSeen, revision: &RevisionId) -> Option<(u32, Option<Stamp>)> {
    let seen = workload.revision(revision)?;
    Some((seen.desired, seen.stamp))
}

fn route_shows_else(route: &Route, before: &Read<RouteSeen>, now: &Read<RouteSeen>) -> bool {
    let (Read::Seen(before), Read::Seen(now)) = (before, now) else {
        return false;
    };
    let (before, now) = (said(before.clone()), said(now.clone()));
    let bound = |seen: &BTreeMap<Slot, BoundSlot>, wanted: &Bindings| {
        let same = |(slot, id): (&Slot, &RevisionId)| {
            seen.get(slot).and_then(|bound| bound.revision.as_ref()) == Some(id)
        };
        wanted.iter().all(same)
    };
    strays(&before.bind, &now.bind, &route.bind, bound)
        || strays(&before.split, &now.split, &route.split, PartialEq::eq)
        || strays(&before.headers, &now.headers, &route.headers, PartialEq::eq)
        || strays(&before.mirrors, &now.mirrors, &route.mirrors, PartialEq::eq)
}

/// What a router's objects say: how many endpoints are ready is not what it was told.
fn said(mut route: RouteSeen) -> RouteSeen {
    let values = route.bind.iter_mut().flat_map(|bind| &mut bind.values);
    for bound in values.flat_map(|slots| slots.values_mut()) {
        bound.ready_endpoints = None;
    }
    route
}

/// Whether a part is another, and neither what is wanted nor an earlier write of ours that shows
/// itself late.
fn strays<T: PartialEq, W>(
    before: &Option<Seen<T>>,
    now: &Option<Seen<T>>,
    wanted: &Stamped<W>,
    is: impl Fn(&T, &W) -> bool,
) -> bool {
    let ours = |now: &Seen<T>| {
        let arrived = now.value().is_some_and(|value| is(value, &wanted.value));
        now.stamp
            .is_some_and(|stamp| stamp < wanted.stamp || (stamp == wanted.stamp && arrived))
    };
    before != now && !now.as_ref().is_some_and(ours)
}

#[cfg(test)]
mod tests {
    use gradatim_core::route::{Confidence, Split};
    use gradatim_core::time::Timestamp;

    use super::*;
    use crate::testing::{route, seen_workload, stamp};

    fn shows(weight: u32, sequence: u64) -> Observation {
        let since = Timestamp::from_secs(i64::from(weight));
        let (split, stamp) = (Split::canary(weight, 100), Some(stamp(sequence)));
        let seen = RouteSeen {
            split: Some(Seen::agreed(split, stamp, Confidence::Proxy, since)),
            ..RouteSeen::default()
        };
        Observation::new(1, seen_workload(), vec![seen])
    }

    #[test]
    fn an_earlier_write_that_shows_itself_late_is_nothing_else() {
        let action = route(0, 7, true);
        assert!(!shows_else(&action, &shows(60, 5), &shows(60, 5)));
        assert!(!shows_else(&action, &shows(60, 5), &shows(72, 6)));
        assert!(!shows_else(&action, &shows(60, 5), &shows(0, 7)));
        assert!(shows_else(&action, &shows(60, 5), &shows(72, 7)));
        assert!(shows_else(&action, &shows(60, 5), &shows(72, 8)));
    }

    #[test]
    fn who_cannot_be_read_shows_nothing_else() {
        let fault = gradatim_core::fault::Fault::new(gradatim_core::fault::FaultKind::Timeout, "");
        let mut unread = shows(60, 5);
        unread.routes = vec![Read::Failed(fault.clone())];
        unread.workload = Read::Failed(fault);
        let scale = Action::Scale {
            revision: "v1".into(),
            replicas: 5,
            stamp: stamp(9),
        };
        for action in [route(0, 7, true), scale] {
            assert!(!shows_else(&action, &shows(60, 5), &unread));
        }
    }

    #[test]
    fn a_target_is_another_when_it_is_asked_for_another_count_and_not_when_pods_come() {
        let scale = Action::Scale {
            revision: "v1".into(),
            replicas: 5,
            stamp: stamp(9),
        };
        let before = shows(60, 5);
        let with = |change: fn(&mut gradatim_core::workload::RevisionSeen)| {
            let mut workload = seen_workload();
            workload.revisions.iter_mut().for_each(change);
            Observation::new(1, workload, Vec::new())
        };
        assert!(!shows_else(
            &scale,
            &before,
            &with(|seen| seen.available = 1)
        ));
        assert!(shows_else(&scale, &before, &with(|seen| seen.desired = 1)));
    }
}
