//! Intents under stamps, and the actions that are still needed to make them so.

use super::ratio;
use super::turn::Turn;
use crate::action::Action;
use crate::id::RevisionId;
use crate::route::{Bindings, HeaderRoute, MirrorRoute, Route, Split, Stamped};
use crate::stamp::Stamp;

impl Turn<'_> {
    /// Wants a route; each part that says what it said before keeps its stamp.
    pub(super) fn want_route(
        &mut self,
        bind: Bindings,
        split: Split,
        headers: Vec<HeaderRoute>,
        mirrors: Vec<MirrorRoute>,
    ) {
        let says = |known: &Route| {
            known.bind.value == bind
                && known.split.value == split
                && known.headers.value == headers
                && known.mirrors.value == mirrors
        };
        if !self.state.route.as_ref().is_some_and(says) {
            self.change_route(bind, split, headers, mirrors);
        }
        if self.route_is_shown() {
            return;
        }
        let lowers = self.lowers();
        // What cannot be read is not written, unless that takes the traffic back.
        let blind = self.router_fault().is_some() && !lowers;
        if !blind && let Some(route) = self.state.route.clone() {
            self.actions.push(Action::Route { route, lowers });
        }
    }

    fn change_route(
        &mut self,
        bind: Bindings,
        split: Split,
        headers: Vec<HeaderRoute>,
        mirrors: Vec<MirrorRoute>,
    ) {
        let before = self.state.route.take();
        let mut fresh = None;
        let known = before.as_ref();
        let route = Route {
            bind: self.restamped(known.map(|route| &route.bind), bind, &mut fresh),
            split: self.restamped(known.map(|route| &route.split), split, &mut fresh),
            headers: self.restamped(known.map(|route| &route.headers), headers, &mut fresh),
            mirrors: self.restamped(known.map(|route| &route.mirrors), mirrors, &mut fresh),
        };
        self.set_in_motion(before.as_ref(), &route);
        self.state.route = Some(route);
        self.notice_shares();
    }

    /// A value under the stamp that it was first wanted with; all that is new shares one.
    fn restamped<T: PartialEq>(
        &mut self,
        known: Option<&Stamped<T>>,
        value: T,
        fresh: &mut Option<Stamp>,
    ) -> Stamped<T> {
        let stamp = match known.filter(|known| known.value == value) {
            Some(known) => known.stamp,
            None => *fresh.get_or_insert_with(|| self.next_stamp()),
        };
        Stamped::new(value, stamp)
    }

    /// Whether a route takes something from a version on trial and gives it nothing, by what is
    /// seen, or was when it could be seen.
    fn lowers(&self) -> bool {
        let Some(route) = &self.state.route else {
            return false;
        };
        let trial = |id: &&RevisionId| !self.is_stable(id);
        let mut trials = route.bind.value.values().filter(trial).peekable();
        let on_trial = self.is_back() || trials.peek().is_some();
        on_trial
            && self.takes_something(route)
            && trials.all(|id| route.share(id) <= self.share_known(id))
            && (self.is_back() || self.binds_nothing_new(route))
            && self.tries_nothing_new(route)
    }

    /// What is still on its way may have reached somebody, so that it counts as had.
    fn takes_something(&self, route: &Route) -> bool {
        let mut known = self.state.shares.iter();
        known.any(|(id, known)| {
            let less = known.since.is_none() || route.share(id) < self.share_known(id);
            !self.is_stable(id) && less
        })
    }

    fn binds_nothing_new(&self, route: &Route) -> bool {
        route.bind.value.iter().all(|(slot, id)| {
            let serves = || {
                self.may_serve(*slot, id)
                    .unwrap_or(self.share_known(id) > 0)
            };
            self.is_stable(id) || serves()
        })
    }

    fn tries_nothing_new(&self, route: &Route) -> bool {
        let (headers, mirrors) = self.trials_seen().unwrap_or_default();
        route.headers.value.iter().all(|new| headers.contains(new))
            && route.mirrors.value.iter().all(|new| mirrors.contains(new))
    }

    /// Wants so many pods of a revision.
    pub(super) fn want_scale(&mut self, id: &RevisionId, replicas: u32) {
        let Some(seen) = self.revision(id) else {
            return;
        };
        let stamp = match self.state.scales.get(id) {
            Some(known) if known.value == replicas => known.stamp,
            None if seen.desired == replicas => return,
            _ => self.next_stamp(),
        };
        let scale = Stamped::new(replicas, stamp);
        if self.state.scales.get(id) != Some(&scale) {
            self.state.scales.insert(id.clone(), scale);
        }
        let written = seen.desired == replicas && seen.stamp.is_none_or(|seen| seen == stamp);
        if !written {
            self.actions.push(Action::Scale {
                revision: id.clone(),
                replicas,
                stamp,
            });
        }
    }

    /// Forgets the targets of what is gone, and asks for what is to be replaced or brought back.
    pub(super) fn settle_orders(&mut self) {
        let (Some(workload), None) = (self.workload, self.unreadable) else {
            return;
        };
        let there = |id: &RevisionId| workload.revision(id).is_some();
        let gone = |id: &RevisionId| workload.revision(id).is_none_or(|seen| seen.desired == 0);
        let lasts =
            |(id, scale): (&RevisionId, &Stamped<u32>)| there(id) && (scale.value > 0 || !gone(id));
        if !self.state.scales.iter().all(lasts) {
            self.state.scales.retain(|id, scale| lasts((id, scale)));
        }
        self.settle_restart();
        let undo = self.state.undo.as_ref();
        if undo.is_some_and(|undo| undo.value == workload.wanted || !there(&undo.value)) {
            self.state.undo = None;
        }
        if let Some(undo) = &self.state.undo {
            self.actions.push(Action::Undo {
                to: undo.value.clone(),
                stamp: undo.stamp,
            });
        }
    }

    fn settle_restart(&mut self) {
        let Some(workload) = self.workload else {
            return;
        };
        let known = self.state.restart.as_ref().map(|restart| restart.value);
        if let Some(at) = workload.restart_at.filter(|at| known < Some(*at)) {
            self.state.restart = Some(Stamped::new(at, self.next_stamp()));
        }
        let Some(Stamped { value, stamp }) = self.state.restart else {
            return;
        };
        self.wake_at(value);
        let pods = workload.revisions.iter().filter_map(|r| r.oldest_pod);
        if value <= self.now && pods.into_iter().any(|started| started < value) {
            let (_, unavailable) = ratio::bounds(self.plan, workload.replicas);
            self.actions.push(Action::Restart {
                before: value,
                at_most: unavailable.max(1),
                stamp,
            });
        }
    }
}
