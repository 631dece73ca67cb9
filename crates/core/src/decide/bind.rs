//! Which revision each slot is bound to: a slot is bound anew only while it has no traffic, and
//! leaves a revision before its last pod goes. The active slot's rebind is the switch.

use super::ratio;
use super::turn::Turn;
use crate::id::RevisionId;
use crate::plan::StrategyKind;
use crate::route::{Bindings, Slot};

impl Turn<'_> {
    pub(super) fn wanted_bind(&mut self) -> Bindings {
        let slots = &self.plan.slots;
        let route = self.state.route.as_ref();
        let mut bind = route
            .map(|route| route.bind.value.clone())
            .unwrap_or_default();
        bind.retain(|slot, _| slots.contains(slot));
        if bind.is_empty() || self.serves_nobody_any_more(&bind) {
            if let Some(first) = self.first_to_bind() {
                bind = slots.iter().map(|slot| (*slot, first.clone())).collect();
            }
            return bind;
        }
        match self.plan.strategy {
            StrategyKind::BlueGreen => self.bind_blue_green(&mut bind),
            StrategyKind::Canary | StrategyKind::RollingUpdate => self.bind_canary(&mut bind),
        }
        bind.retain(|slot, _| slots.contains(slot));
        bind
    }

    /// The first version is bound as soon as one pod of it is available.
    fn first_to_bind(&self) -> Option<RevisionId> {
        let (stable, latest) = (self.state.stable.as_ref(), &self.state.latest);
        let first = stable.unwrap_or(latest);
        let empty = self.workload.is_some() && self.replicas() == 0;
        (empty || self.available(first) > 0).then(|| first.clone())
    }

    /// Whether a first version was bound that has no pod, and another one is wanted now.
    fn serves_nobody_any_more(&self, bind: &Bindings) -> bool {
        let alive = |id: &RevisionId| *id == self.state.latest || self.available(id) > 0;
        self.workload.is_some() && self.state.stable.is_none() && !bind.values().any(alive)
    }

    /// Whether no pod answers at the end of a slot: nobody is worse off wherever it leads instead.
    fn leads_to_nobody(&self, bound: Option<&RevisionId>) -> bool {
        self.workload.is_some() && bound.is_some_and(|id| self.available(id) == 0)
    }

    fn bind_canary(&mut self, bind: &mut Bindings) {
        let (Some(stable), latest) = (self.state.stable.clone(), self.state.latest.clone()) else {
            return;
        };
        let home = self.wanted_home(&stable);
        if bind.get(&Slot::Stable) != Some(&home)
            && self.available(&home) > 0
            && (self.leads_to_nobody(bind.get(&Slot::Stable)) || self.slot_is_idle(Slot::Stable))
        {
            bind.insert(Slot::Stable, home);
        }
        let trial = bind.get(&Slot::Canary).cloned();
        if let Some(next) = self.wanted_trial(trial.as_ref(), &stable, &latest)
            && self.slot_is_idle(Slot::Canary)
        {
            bind.insert(Slot::Canary, next);
        }
    }

    /// Where the stable slot belongs. Without a split the last pods of the old version go only
    /// after it has left them, which is when all steps are done.
    fn wanted_home(&self, stable: &RevisionId) -> RevisionId {
        let latest = &self.state.latest;
        let done = self.is_started() && self.step_kind().is_none();
        let (_, unavailable) = ratio::bounds(self.plan, self.replicas());
        let fewest = self.replicas().saturating_sub(unavailable).max(1);
        if !self.plan.splits() && done && self.available(latest) >= fewest {
            latest.clone()
        } else {
            stable.clone()
        }
    }

    /// Where the canary slot shall go from the revision that has it; none where it may stay.
    fn wanted_trial(
        &mut self,
        trial: Option<&RevisionId>,
        stable: &RevisionId,
        latest: &RevisionId,
    ) -> Option<RevisionId> {
        let trial = trial?;
        if trial == latest && trial != stable {
            return self.may_leave(trial).then(|| stable.clone());
        }
        if self.is_started() && self.available(latest) > 0 {
            return (trial != latest).then(|| latest.clone());
        }
        (trial != stable).then(|| stable.clone())
    }

    /// Whether the way back has come so far that a slot leaves the version on trial: its pods
    /// may go.
    fn may_leave(&mut self, trial: &RevisionId) -> bool {
        let delay = self.plan.abort_scale_down_delay;
        // Without a split the pods go as the ratio falls, so the slot leaves them at once.
        let ratio = !self.plan.splits() && self.plan.strategy != StrategyKind::BlueGreen;
        self.is_back() && (ratio || self.is_drained(trial, delay))
    }

    /// Whether a slot is wanted and seen without traffic.
    fn slot_is_idle(&mut self, slot: Slot) -> bool {
        if !self.plan.splits() {
            return true;
        }
        let route = self.state.route.as_ref();
        let tried = route.is_some_and(|route| {
            !route.headers.value.is_empty() || !route.mirrors.value.is_empty()
        });
        let tried = slot == Slot::Canary && (tried || !self.trials_are_seen());
        !tried
            && self.wanted_part(slot) == 0
            && self.part_seen(slot) == Some(0)
            && self.split_is_seen()
    }

    fn bind_blue_green(&mut self, bind: &mut Bindings) {
        let (Some(stable), latest) = (self.state.stable.clone(), self.state.latest.clone()) else {
            return;
        };
        if let Some(active) = self.wanted_active(&stable, &latest) {
            bind.insert(Slot::Active, active);
        }
        let preview = bind.get(&Slot::Preview).cloned();
        if self.is_started() && self.available(&latest) > 0 {
            bind.insert(Slot::Preview, latest);
        } else if let Some(preview) = preview
            && preview != stable
            && !self.is_started()
            && (preview != latest || self.may_leave(&preview))
        {
            bind.insert(Slot::Preview, stable);
        }
    }

    /// The revision that shall serve everyone: the new one once it is switched to, as long as it
    /// carries all and somebody else has not switched back; else stable, if it has a pod.
    fn wanted_active(&mut self, stable: &RevisionId, latest: &RevisionId) -> Option<RevisionId> {
        let before = self.wanted_at(Slot::Active).cloned();
        let switched = self.is_started() && self.height_weight() == self.plan.total;
        if self.workload.is_none() {
            return (!switched).then(|| stable.clone());
        }
        let carries = self.trial_carries(latest) >= self.plan.total;
        let alone = self.available(stable) == 0 && before.as_ref() == Some(latest);
        if switched && (carries || alone) {
            let stays = before.as_ref() == Some(latest) && !self.state.drifted;
            if stays || self.may_grow(latest, self.plan.total) {
                return Some(latest.clone());
            }
        }
        (self.available(stable) > 0).then(|| stable.clone())
    }
}
