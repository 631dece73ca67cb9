//! Somebody else has changed the route.
//!
//! What gives the canary more than is wanted is answered by the next write, every time, and
//! needs no memory. What gives it less is never raised back by us: the rollout holds.

use super::turn::Turn;
use crate::capability::Part;
use crate::event::EventKind;
use crate::id::RevisionId;
use crate::plan::StrategyKind;
use crate::route::{Seen, Slot};
use crate::stamp::Stamp;

impl Turn<'_> {
    pub(super) fn notice_drift(&mut self) {
        // A first version has the resting slot, and nobody to give traffic back to.
        let first = self.state.stable.is_none();
        if self.state.drifted || !self.is_started() || first {
            return;
        }
        let latest = self.state.latest.clone();
        let lowered = self.lowest_share(&latest);
        if let Some(share) = lowered.filter(|share| *share < self.wanted_share(&latest)) {
            self.state.drifted = true;
            let text = format!("the new version's weight was lowered to {share} by somebody else");
            self.tell(EventKind::RouteDrift, text);
        }
    }

    /// The least that any router gives the version on trial where it shows our stamp, so that
    /// neither a late read nor a write on its way is taken for somebody's edit.
    pub(super) fn lowest_share(&self, latest: &RevisionId) -> Option<u32> {
        let route = self.state.route.as_ref()?;
        let split = self.carriers(Part::Split).flatten();
        let split = split.filter_map(|(_, seen)| seen.split.as_ref());
        let split = split.filter(|seen| self.is_edit(seen, route.split.stamp));
        let slot = self.trial_slot();
        let parts = split.flat_map(|seen| &seen.values);
        let parts = parts.map(|split| split.part(slot));
        let bind = self.carriers(Part::Bind).flatten();
        let bind = bind.filter_map(|(_, seen)| seen.bind.as_ref());
        let bind = bind.filter(|seen| self.is_edit(seen, route.bind.stamp));
        let bound = bind.flat_map(|seen| &seen.values);
        let bound = bound.filter_map(|value| value.get(&slot)?.revision.as_ref());
        let taken = bound
            .filter(|id| *id != latest && self.is_stable(id))
            .map(|_| 0);
        parts.chain(taken).min()
    }

    /// The slot that gives the version on trial its traffic.
    pub(super) fn trial_slot(&self) -> Slot {
        match self.plan.strategy {
            StrategyKind::BlueGreen => Slot::Active,
            StrategyKind::Canary | StrategyKind::RollingUpdate => Slot::Canary,
        }
    }

    /// Whether what is read bears our stamp; a router without stamps must have shown our write.
    fn is_edit<T>(&self, seen: &Seen<T>, stamp: Stamp) -> bool {
        let known = self.state.shares.get(&self.state.latest);
        let shown = known.is_some_and(|known| known.since.is_some());
        seen.stamp.map_or(shown, |seen| seen == stamp)
    }
}
