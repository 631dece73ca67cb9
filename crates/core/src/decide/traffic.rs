//! Who gets how much: no side gets more than it can carry.

use super::turn::Turn;
use crate::id::RevisionId;
use crate::plan::StrategyKind;
use crate::route::{Bindings, Slot, Split};

impl Turn<'_> {
    /// Wants the route that the course, the capacity and what is seen allow.
    pub(super) fn settle_route(&mut self) {
        let in_flight = self.is_started() || self.is_back();
        if self.plan.routers.is_empty() || (self.unreadable.is_some() && !in_flight) {
            return;
        }
        self.notice_reduction();
        self.follow_height();
        let bind = self.wanted_bind();
        if bind.is_empty() {
            return;
        }
        let split = self.wanted_split(&bind);
        let (headers, mirrors) = self.wanted_trials();
        self.want_route(bind, split, headers, mirrors);
    }

    fn wanted_split(&mut self, bind: &Bindings) -> Split {
        let total = self.plan.total;
        if self.plan.strategy == StrategyKind::BlueGreen || !self.plan.splits() {
            return Split::all(self.resting_slot(), total);
        }
        let part = match bind.get(&Slot::Canary) {
            Some(trial) if self.is_stable(trial) || self.state.stable.is_none() => {
                self.returning_part(bind)
            }
            Some(trial) => self.trial_part(trial),
            None => 0,
        };
        Split::canary(part, total)
    }

    /// After a promotion the traffic stays on the canary slot until the stable one is bound to
    /// the same revision and has endpoints.
    fn returning_part(&mut self, bind: &Bindings) -> u32 {
        let part = self.wanted_part(Slot::Canary);
        let Some(home) = bind.get(&Slot::Stable) else {
            return part;
        };
        let stays = self.state.stable.as_ref().is_some_and(|id| id != home);
        if part == 0 || (!stays && self.slot_is_ready(Slot::Stable, home)) {
            0
        } else {
            part
        }
    }

    /// The canary slot's part: what its course asks for, what it carries, what stable cannot.
    fn trial_part(&mut self, trial: &RevisionId) -> u32 {
        let before = self.wanted_part(Slot::Canary);
        if self.state.stable.is_none() {
            return 0;
        }
        if self.workload.is_none() {
            let holds = self.is_started() || self.state.stable_reduced;
            let known = self.share_known(trial).min(before);
            return if holds { known } else { 0 };
        }
        let carries = self.trial_carries(trial);
        let asked = if self.is_on_trial(trial) {
            self.height_weight().min(self.paced_weight())
        } else {
            0
        };
        let part = self.plan.rounded(asked.max(self.lacking()).min(carries));
        let part = part.min(self.left_by_others(trial));
        if !self.is_on_trial(trial) {
            // Nobody gets more on the way back, a write that is still on its way included.
            return part.min(before).min(self.share_known(trial));
        }
        if part > before && !self.may_grow(trial, before) {
            before
        } else {
            part
        }
    }

    /// What stable cannot carry.
    pub(super) fn lacking(&self) -> u32 {
        let stable = self.state.stable.as_ref();
        let carries = stable.map_or(0, |stable| self.stable_carries(stable));
        self.plan.total.saturating_sub(carries)
    }

    fn is_on_trial(&self, id: &RevisionId) -> bool {
        *id == self.state.latest && self.is_started()
    }

    /// What somebody else's edit of the route leaves to the version on trial.
    fn left_by_others(&self, trial: &RevisionId) -> u32 {
        let lowered = self.state.drifted.then(|| self.lowest_share(trial));
        let before = self.wanted_share(trial);
        lowered.map_or(self.plan.total, |seen| seen.unwrap_or(before).min(before))
    }

    /// Whether the version on trial may get more than before: nobody does before the last write
    /// was seen to have its effect.
    pub(super) fn may_grow(&mut self, trial: &RevisionId, before: u32) -> bool {
        let bars = self.unreadable.is_some()
            || self.state.drifted
            || !self.is_on_trial(trial)
            || self.stale_metric().is_some()
            || !self.route_is_shown();
        !bars && (before > 0 || self.slot_is_ready(self.trial_slot(), trial))
    }
}
