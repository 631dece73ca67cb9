//! What the routers show, against what is wanted of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::capability::{Capabilities, Part};
use crate::id::RevisionId;
use crate::plan::StrategyKind;
use crate::route::{Bindings, BoundSlot, Confidence, Route, RouteSeen, Seen, Slot, Split, Stamped};
use crate::stamp::Stamp;
use crate::time::Timestamp;

use super::turn::Turn;

const SLOTS: [Slot; 4] = [Slot::Stable, Slot::Canary, Slot::Active, Slot::Preview];

impl<'a> Turn<'a> {
    /// The routers that carry a part, with what each shows; nothing where one cannot be read.
    pub(super) fn carriers(
        &self,
        part: Part,
    ) -> impl Iterator<Item = Option<(&'a Capabilities, &'a RouteSeen)>> + use<'a> {
        let (routers, seen) = (&self.plan.routers, &self.seen.routes);
        let carrying = routers.iter().enumerate();
        carrying
            .filter(move |(_, router)| router.capabilities.carries(part))
            .map(|(index, router)| Some((&router.capabilities, seen.get(index)?.seen()?)))
    }

    /// From when a part counts as seen: every carrier shows it under its stamp, and has not
    /// changed for its settle time. Nothing while one shows something else or cannot be read.
    fn counts_from<T: PartialEq + 'a>(
        &self,
        part: Part,
        of: impl Fn(&'a RouteSeen) -> Option<&'a Seen<T>>,
        stamp: Stamp,
        same: impl Fn(&T) -> bool,
    ) -> Option<Timestamp> {
        let mut from = None;
        for carrier in self.carriers(part) {
            let (caps, route) = carrier?;
            let seen = of(route)?;
            let ours = seen.stamp.is_none_or(|seen| seen == stamp);
            if !ours || !seen.value().is_some_and(&same) {
                return None;
            }
            let settle = match seen.confidence {
                Confidence::Config => caps.settle,
                Confidence::Proxy | Confidence::Counted => Duration::ZERO,
            };
            from = from.max(Some(seen.since + settle));
        }
        Some(from.unwrap_or(self.now))
    }

    pub(super) fn split_from(&self, wanted: &Stamped<Split>) -> Option<Timestamp> {
        let same = |seen: &Split| *seen == wanted.value;
        self.counts_from(Part::Split, |r| r.split.as_ref(), wanted.stamp, same)
    }

    pub(super) fn bind_from(&self, wanted: &Stamped<Bindings>) -> Option<Timestamp> {
        self.counts_from(
            Part::Bind,
            |r| r.bind.as_ref(),
            wanted.stamp,
            |seen| {
                let bound = |slot| seen.get(slot).and_then(|bound| bound.revision.as_ref());
                wanted
                    .value
                    .iter()
                    .all(|(slot, id)| bound(slot) == Some(id))
            },
        )
    }

    fn trials_from(&self, wanted: &Route) -> Option<Timestamp> {
        let (headers, mirrors) = (&wanted.headers, &wanted.mirrors);
        let headers = self.counts_from(
            Part::Headers,
            |r| r.headers.as_ref(),
            headers.stamp,
            |seen| *seen == headers.value,
        );
        let mirrors = self.counts_from(
            Part::Mirrors,
            |r| r.mirrors.as_ref(),
            mirrors.stamp,
            |seen| *seen == mirrors.value,
        );
        Some(headers?.max(mirrors?))
    }

    pub(super) fn route_from(&self, wanted: &Route) -> Option<Timestamp> {
        let bind = self.bind_from(&wanted.bind)?;
        let split = self.split_from(&wanted.split)?;
        Some(bind.max(split).max(self.trials_from(wanted)?))
    }

    /// Whether an instant from which something counts has come; asks to be woken when it will.
    fn has_come(&mut self, from: Option<Timestamp>) -> bool {
        let Some(from) = from else { return false };
        self.wake_at(from);
        from <= self.now
    }

    /// Whether the split that is wanted is seen on every router.
    pub(super) fn split_is_seen(&mut self) -> bool {
        let route = self.state.route.as_ref();
        self.has_come(route.and_then(|route| self.split_from(&route.split)))
    }

    /// Whether the bindings that are wanted are seen on every router.
    pub(super) fn bind_is_seen(&mut self) -> bool {
        let route = self.state.route.as_ref();
        self.has_come(route.and_then(|route| self.bind_from(&route.bind)))
    }

    /// Whether the header routes and mirrors that are wanted are seen on every router.
    pub(super) fn trials_are_seen(&mut self) -> bool {
        let route = self.state.route.as_ref();
        self.has_come(route.and_then(|route| self.trials_from(route)))
    }

    /// Whether all of the route that is wanted is seen on every router.
    pub(super) fn route_is_seen(&mut self) -> bool {
        let route = self.state.route.as_ref();
        self.has_come(route.and_then(|route| self.route_from(route)))
    }

    /// Whether every router shows the route that is wanted, settled or not.
    pub(super) fn route_is_shown(&self) -> bool {
        let route = self.state.route.as_ref();
        route.is_some_and(|route| self.route_from(route).is_some())
    }

    /// Whether a slot is wanted at a revision, seen there, and has an endpoint that can answer,
    /// as far as any router can tell.
    pub(super) fn slot_is_ready(&mut self, slot: Slot, revision: &RevisionId) -> bool {
        self.wanted_at(slot) == Some(revision) && self.bind_is_seen() && self.has_endpoints(slot)
    }

    fn has_endpoints(&self, slot: Slot) -> bool {
        self.carriers(Part::Bind).all(|carrier| {
            let Some((_, route)) = carrier else {
                return false;
            };
            let values = route.bind.iter().flat_map(|seen| &seen.values);
            let mut counts = values.filter_map(|value| value.get(&slot)?.ready_endpoints);
            counts.all(|ready| ready > 0)
        })
    }

    /// The revision that a slot is wanted to be bound to.
    pub(super) fn wanted_at(&self, slot: Slot) -> Option<&RevisionId> {
        self.state.route.as_ref()?.bind.value.get(&slot)
    }

    /// The part of the total that a slot is wanted to have.
    pub(super) fn wanted_part(&self, slot: Slot) -> u32 {
        let route = self.state.route.as_ref();
        route.map_or(0, |route| route.split.value.part(slot))
    }

    /// The share of the total that a revision is wanted to have.
    pub(super) fn wanted_share(&self, revision: &RevisionId) -> u32 {
        let route = self.state.route.as_ref();
        route.map_or(0, |route| route.share(revision))
    }

    /// The largest part that any router gives a slot; nothing where one cannot be read, or has
    /// lost what was applied to it.
    ///
    /// Where no router splits, the resting slot has everything.
    pub(super) fn part_seen(&self, slot: Slot) -> Option<u32> {
        if !self.plan.splits() {
            let rests = slot == self.resting_slot();
            return Some(if rests { self.plan.total } else { 0 });
        }
        let mut most = 0;
        for carrier in self.carriers(Part::Split) {
            let split = carrier?.1.split.as_ref();
            if split.is_none() && self.was_applied() {
                return None;
            }
            let splits = split.into_iter().flat_map(|seen| &seen.values);
            most = splits.map(|split| split.part(slot)).fold(most, u32::max);
        }
        Some(most)
    }

    /// Whether anybody was seen with traffic before: a part that is absent then was lost.
    fn was_applied(&self) -> bool {
        self.state.shares.values().any(|known| known.share > 0)
    }

    /// Whether a revision is bound to a slot anywhere, by what is wanted or by what is seen.
    pub(super) fn is_bound(&self, revision: &RevisionId) -> bool {
        let wanted = |slot: &Slot| self.wanted_at(*slot) == Some(revision);
        let seen = |slot: &Slot| self.may_serve(*slot, revision) != Some(false);
        SLOTS.iter().any(|slot| wanted(slot) || seen(slot))
    }

    /// The largest share that a revision may have by what the routers show; nothing where one
    /// cannot be read.
    pub(super) fn share_seen(&self, revision: &RevisionId) -> Option<u32> {
        let mut share: u32 = 0;
        for (slot, serves) in SLOTS.into_iter().zip(self.served_slots(revision)?) {
            if serves {
                share = share.saturating_add(self.part_seen(slot)?);
            }
        }
        Some(share.min(self.plan.total))
    }

    /// Which of the [`SLOTS`] may send traffic to a revision by what any router shows.
    fn served_slots(&self, revision: &RevisionId) -> Option<[bool; SLOTS.len()]> {
        if !self.plan.carries(Part::Bind) {
            return Some(SLOTS.map(|slot| self.wanted_at(slot) == Some(revision)));
        }
        let mut serves = [false; SLOTS.len()];
        for carrier in self.carriers(Part::Bind) {
            let bind = self.bind_of(carrier?.1)?;
            let bound = bind.flatten();
            for (slot, _) in bound.filter(|(_, bound)| bound.revision.as_ref() == Some(revision)) {
                let known = SLOTS.iter().position(|known| known == slot);
                if let Some(serves) = known.and_then(|place| serves.get_mut(place)) {
                    *serves = true;
                }
            }
        }
        Some(serves)
    }

    /// What a router's objects show of the bindings; nothing where it has lost them.
    fn bind_of(
        &self,
        route: &'a RouteSeen,
    ) -> Option<impl Iterator<Item = &'a BTreeMap<Slot, BoundSlot>> + use<'a>> {
        let bind = route.bind.as_ref();
        let known = bind.is_some() || !self.was_applied();
        known.then(|| bind.into_iter().flat_map(|seen| &seen.values))
    }

    /// Whether any router may send a slot's traffic to a revision.
    pub(super) fn may_serve(&self, slot: Slot, revision: &RevisionId) -> Option<bool> {
        if !self.plan.carries(Part::Bind) {
            return Some(self.wanted_at(slot) == Some(revision));
        }
        let mut serves = false;
        for carrier in self.carriers(Part::Bind) {
            serves |= self.bind_of(carrier?.1)?.any(|value| {
                let bound = value.get(&slot);
                bound.is_some_and(|bound| bound.revision.as_ref() == Some(revision))
            });
        }
        Some(serves)
    }

    /// Whether every router shows a slot at a revision and nowhere else.
    pub(super) fn shows(&self, slot: Slot, revision: &RevisionId) -> bool {
        self.carriers(Part::Bind).all(|carrier| {
            let bind = carrier.and_then(|(_, route)| route.bind.as_ref());
            bind.is_some_and(|seen| {
                let bound = |value: &BTreeMap<Slot, BoundSlot>| {
                    value.get(&slot).and_then(|bound| bound.revision.clone())
                };
                let mut bound = seen.values.iter().map(bound).peekable();
                bound.peek().is_some() && bound.all(|id| id.as_ref() == Some(revision))
            })
        })
    }

    /// The slot that has everything at rest.
    pub(super) fn resting_slot(&self) -> Slot {
        match self.plan.strategy {
            StrategyKind::BlueGreen => Slot::Active,
            StrategyKind::Canary | StrategyKind::RollingUpdate => Slot::Stable,
        }
    }

    /// Why a router cannot be read.
    pub(super) fn router_fault(&self) -> Option<&'a crate::fault::Fault> {
        self.seen.routes.iter().find_map(|read| read.fault())
    }
}
