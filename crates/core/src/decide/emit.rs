//! Intents under stamps, and the actions that are still needed to make them so.

use super::ratio;
use super::turn::Turn;
use crate::action::Action;
use crate::capability::Part;
use crate::decision::Decision;
use crate::id::RevisionId;
use crate::route::{Bindings, HeaderRoute, MirrorRoute, Route, Slot, Split, Stamped};
use crate::stamp::Stamp;

impl Turn<'_> {
    /// Keeps the stamp of each part that says what it said before.
    pub(super) fn want_route(
        &mut self,
        bind: Bindings,
        split: Split,
        headers: Vec<HeaderRoute>,
        mirrors: Vec<MirrorRoute>,
    ) {
        let before = self.state.route.take();
        let lowers = self.lowers(before.as_ref(), &split);
        let mut fresh: Option<Stamp> = None;
        let mut stamp = |turn: &mut Self| *fresh.get_or_insert_with(|| turn.next_stamp());
        let route = match before {
            None => {
                let stamp = stamp(self);
                Route {
                    bind: Stamped::new(bind, stamp),
                    split: Stamped::new(split, stamp),
                    headers: Stamped::new(headers, stamp),
                    mirrors: Stamped::new(mirrors, stamp),
                }
            }
            Some(mut route) => {
                if route.bind.value != bind {
                    route.bind = Stamped::new(bind, stamp(self));
                }
                if route.split.value != split {
                    route.split = Stamped::new(split, stamp(self));
                }
                if route.headers.value != headers {
                    route.headers = Stamped::new(headers, stamp(self));
                }
                if route.mirrors.value != mirrors {
                    route.mirrors = Stamped::new(mirrors, stamp(self));
                }
                route
            }
        };
        self.state.route = Some(route.clone());
        if !self.route_is_written(&route) {
            self.actions.push(Action::Route { route, lowers });
        }
    }

    /// Whether a split gives the canary less than what is wanted and seen, and moves nobody.
    fn lowers(&self, before: Option<&Route>, split: &Split) -> bool {
        let part = split.part(Slot::Canary);
        let wanted = before.map_or(0, |route| route.split.value.part(Slot::Canary));
        self.plan.splits()
            && part <= wanted
            && self.part_seen(Slot::Canary).is_none_or(|seen| part <= seen)
    }

    /// Whether every router shows the route's parts under their stamps, settled or not.
    fn route_is_written(&self, route: &Route) -> bool {
        self.plan
            .routers
            .iter()
            .zip(&self.seen.routes)
            .all(|(router, read)| {
                let Some(seen) = read.seen() else {
                    return false;
                };
                let carries = |part| router.capabilities.carries(part);
                let ours =
                    |seen: Option<Stamp>, wanted: Stamp| seen.is_none_or(|seen| seen == wanted);
                let bind = seen.bind.as_ref().is_some_and(|part| {
                    let bound = part.value().is_some_and(|value| {
                        let same = |(slot, id): (&Slot, &RevisionId)| {
                            value
                                .get(slot)
                                .is_some_and(|bound| bound.revision.as_ref() == Some(id))
                        };
                        route.bind.value.iter().all(same)
                    });
                    bound && ours(part.stamp, route.bind.stamp)
                });
                let split = seen.split.as_ref().is_some_and(|part| {
                    part.value() == Some(&route.split.value) && ours(part.stamp, route.split.stamp)
                });
                let headers = seen.headers.as_ref().is_some_and(|part| {
                    part.value() == Some(&route.headers.value)
                        && ours(part.stamp, route.headers.stamp)
                });
                let mirrors = seen.mirrors.as_ref().is_some_and(|part| {
                    part.value() == Some(&route.mirrors.value)
                        && ours(part.stamp, route.mirrors.stamp)
                });
                let held = self.state.drifted
                    && self.part_seen(Slot::Canary) < Some(route.split.value.part(Slot::Canary));
                (!carries(Part::Bind) || bind)
                    && (!carries(Part::Split) || split || held)
                    && (!carries(Part::Headers) || headers)
                    && (!carries(Part::Mirrors) || mirrors)
            })
            && self.seen.routes.len() >= self.plan.routers.len()
    }

    pub(super) fn want_scale(&mut self, id: &RevisionId, replicas: u32) {
        let known = self.state.scales.get(id);
        let stamp = match known {
            Some(known) if known.value == replicas => known.stamp,
            None if self
                .revision(id)
                .is_some_and(|seen| seen.desired == replicas) =>
            {
                return;
            }
            _ => self.next_stamp(),
        };
        self.state
            .scales
            .insert(id.clone(), Stamped::new(replicas, stamp));
        let Some(seen) = self.revision(id) else {
            return;
        };
        let written = seen.desired == replicas && seen.stamp.is_none_or(|seen| seen == stamp);
        if !written {
            self.actions.push(Action::Scale {
                revision: id.clone(),
                replicas,
                stamp,
            });
        }
    }

    /// Forgets what is gone, and asks for what an order or `spec.restartAt` wants replaced.
    pub(super) fn settle_restart(&mut self) {
        let Some(workload) = self.workload else {
            return;
        };
        self.state
            .scales
            .retain(|id, _| workload.revision(id).is_some());
        let known = self.state.restart.as_ref().map(|restart| restart.value);
        if let Some(at) = workload
            .restart_at
            .filter(|at| known.is_none_or(|known| *at > known))
        {
            let stamp = self.next_stamp();
            self.state.restart = Some(Stamped::new(at, stamp));
        }
        let (_, unavailable) = ratio::bounds(self.plan, workload.replicas);
        if let Some(restart) = &self.state.restart {
            let old = workload
                .revisions
                .iter()
                .any(|r| r.oldest_pod.is_some_and(|pod| pod < restart.value));
            if old && restart.value <= self.now {
                let (before, stamp) = (restart.value, restart.stamp);
                self.actions.push(Action::Restart {
                    before,
                    at_most: unavailable.max(1),
                    stamp,
                });
            }
        }
        match &self.state.undo {
            Some(undo) if undo.value == workload.wanted => self.state.undo = None,
            Some(undo) => self.actions.push(Action::Undo {
                to: undo.value.clone(),
                stamp: undo.stamp,
            }),
            None => {}
        }
    }

    /// Whether all of stable's pods are available and no other revision has any.
    pub(super) fn is_complete(&self) -> bool {
        let replicas = self.replicas();
        let available = self.latest_available() >= self.enough(replicas);
        available && self.is_stable(&self.state.latest) && self.route_is_resting()
    }

    /// Whether every router was seen at its resting route and nobody but stable carries traffic.
    pub(super) fn route_is_resting(&self) -> bool {
        if self.plan.routers.is_empty() {
            let others = |id: &RevisionId| !self.is_stable(id);
            return self
                .workload
                .is_some_and(|w| w.revisions.iter().all(|r| !others(&r.id) || r.desired == 0));
        }
        let Some(route) = &self.state.route else {
            return false;
        };
        let slot = self.resting_slot();
        let home = route.bind.value.get(&slot) == self.state.stable.as_ref();
        home && route.split.value.part(slot) == self.plan.total && self.route_is_written(route)
    }

    pub(super) fn finish(mut self) -> Decision {
        self.announce_end();
        let (phase, message) = self.phase();
        let summary = self.summary();
        let waiting = self.reason();
        if self.unreadable.is_some() {
            // Nothing of it can be saved, so that each order is taken anew in every round.
            self.acknowledged.clear();
        }
        let events = self.state.events.clone();
        let changed = self.before != Some(&self.state);
        let state = (changed && self.unreadable.is_none()).then(|| {
            self.state.now = self.now;
            Box::new(self.state)
        });
        Decision {
            state,
            actions: self.actions,
            wanted: self.wanted,
            events,
            acknowledged: self.acknowledged,
            wake: self.wake,
            waiting,
            phase,
            message,
            summary,
        }
    }
}
