//! How many pods each revision shall have. Traffic leaves before pods do.

use std::time::Duration;

use super::ratio::{self, SideCount};
use super::turn::Turn;
use crate::id::RevisionId;
use crate::plan::{StrategyKind, share_of};
use crate::state::Course;
use crate::workload::WorkloadSeen;

impl Turn<'_> {
    pub(super) fn settle_replicas(&mut self) {
        let Some(workload) = self.workload else {
            return;
        };
        let known = self.state.stable.is_some() || workload.revision(&workload.wanted).is_some();
        if !workload.scales || !known {
            return;
        }
        if !self.plan.splits() && self.plan.strategy != StrategyKind::BlueGreen {
            return self.settle_ratio();
        }
        for revision in &workload.revisions {
            let target = self.target(&revision.id);
            let target = self.gated(&revision.id, target);
            if !self.would_return(&revision.id, target) {
                self.want_scale(&revision.id, target);
            }
        }
        self.notice_reduction();
    }

    /// Whether a target would bring back pods that were wanted gone already: a read that is old
    /// or missing shows them still needed, and nothing is written before a newer one tells.
    fn would_return(&self, id: &RevisionId, target: u32) -> bool {
        let on_trial = *id == self.state.latest && self.is_started();
        let known = self.state.scales.get(id);
        !self.is_stable(id) && !on_trial && known.is_some_and(|known| target > known.value)
    }

    fn target(&self, id: &RevisionId) -> u32 {
        if self.is_stable(id) {
            return self.stable_target();
        }
        if *id != self.state.latest {
            return 0;
        }
        let current = self.revision(id).map_or(0, |revision| revision.desired);
        match &self.state.course {
            Course::Settled if self.state.stable.is_none() => self.replicas(),
            Course::Settled => 0,
            Course::Forward { started: true, .. } => self.batched(id, self.trial_target()),
            Course::Forward { started: false, .. } => current,
            Course::Back { .. } if self.plan.abort_scale_down_delay.is_none() => current,
            Course::Back { .. } => 0,
        }
    }

    /// The pods of the step, and those of the height as long as a lower step is not reached.
    fn trial_target(&self) -> u32 {
        let height = self.height_of(&self.state.latest);
        let higher = height.filter(|height| height.weight > self.step_weight());
        self.step_pods().max(higher.map_or(0, |height| height.pods))
    }

    /// No more pods start at once than the plan's surge, where it has one.
    fn batched(&self, id: &RevisionId, target: u32) -> u32 {
        let (Some(batch), Some(seen)) = (self.plan.canary_surge, self.revision(id)) else {
            return target;
        };
        let batch = batch.rounded_up(self.replicas()).max(1);
        let reachable = seen.available.saturating_add(batch).max(seen.desired);
        target.min(reachable)
    }

    pub(super) fn stable_target(&self) -> u32 {
        let trial = match self.is_started() {
            // Stable's pods come before a lower weight does.
            true => self
                .wanted_share(&self.state.latest)
                .min(self.step_weight()),
            false => 0,
        };
        self.plan.stable_pods(trial, self.replicas())
    }

    /// A target that never takes pods from traffic that they may still get.
    fn gated(&mut self, id: &RevisionId, target: u32) -> u32 {
        let desired = self.revision(id).map_or(0, |revision| revision.desired);
        if target >= desired || self.replicas() == 0 {
            return target;
        }
        let resized = self.is_stable(id) && !self.plan.dynamic_stable_scale;
        let on_trial = *id == self.state.latest && self.is_started();
        let delay = self.drain_delay_of(id);
        if target == 0 && !resized && !on_trial {
            // All go at once, when nobody is sent to them any more.
            let idle = self.is_drained(id, delay) && !self.is_bound(id);
            return if idle { 0 } else { desired };
        }
        if !resized && !on_trial && !self.is_steady(id, delay) {
            return desired;
        }
        let bound = u32::from(!resized && self.is_bound(id));
        let floor = self.pods_for_share(id).max(bound);
        target.max(floor).min(desired)
    }

    /// How long a revision keeps the pods of a share it has lost; for ever when absent.
    pub(super) fn drain_delay_of(&self, id: &RevisionId) -> Option<Duration> {
        let plan = self.plan;
        match &self.state.course {
            Course::Back { .. } if *id == self.state.latest => plan.abort_scale_down_delay,
            Course::Settled if !self.is_stable(id) => Some(plan.scale_down_delay),
            _ => Some(plan.drain_delay),
        }
    }

    /// The pods that a revision's share needs: its part of the count that carries its height,
    /// else its part of all.
    fn pods_for_share(&mut self, id: &RevisionId) -> u32 {
        let share = self.largest_share(id);
        let plain = share_of(self.replicas(), share, self.plan.total);
        match self.height_of(id) {
            Some(height) if !self.is_stable(id) && height.weight > 0 => {
                let needed = share_of(height.pods, share, height.weight);
                needed.min(height.pods.max(plain))
            }
            _ => plain,
        }
    }

    /// Without a router the pods are the weight.
    fn settle_ratio(&mut self) {
        let Some(workload) = self.workload else {
            return;
        };
        let replicas = self.replicas();
        if self.unreadable.is_some() && !self.is_back() {
            return self.hold_ratio(workload);
        }
        let (surge, unavailable) = ratio::bounds(self.plan, replicas);
        let wanted = self.ratio_pair();
        let latest = self.state.latest.clone();
        let stable = self.state.stable.clone().filter(|stable| *stable != latest);
        let wanted = self.held_pair(wanted, stable.as_ref());
        // One pod stays behind a slot, unless there is room for one alone.
        let bound = |id: &RevisionId| u32::from(surge + replicas > 1 && self.is_bound(id));
        let count = |id: Option<&RevisionId>, wanted: u32| {
            let seen = id.and_then(|id| workload.revision(id));
            let wanted = wanted.max(id.map_or(0, bound));
            SideCount::of(seen).to(wanted)
        };
        let rest: Vec<_> = workload
            .revisions
            .iter()
            .filter(|r| r.id != latest && Some(&r.id) != stable.as_ref())
            .collect();
        let others = rest
            .iter()
            .map(|seen| SideCount::of(Some(seen)).to(bound(&seen.id)));
        let (pair, mut left) = ratio::next(
            replicas,
            (surge, unavailable),
            count(stable.as_ref(), wanted.stable),
            count(Some(&latest), wanted.canary),
            others.fold(SideCount::default(), SideCount::and),
        );
        for other in rest {
            let keep = other.desired.min(left);
            left -= keep;
            self.want_scale(&other.id, keep);
        }
        if let Some(stable) = stable {
            self.want_scale(&stable, pair.stable);
        }
        self.want_scale(&latest, pair.canary);
    }

    /// The pair, but nothing in the canary's favour while its metrics were not measured since an
    /// outage: the pods are the weight.
    fn held_pair(&self, pair: ratio::Pair, stable: Option<&RevisionId>) -> ratio::Pair {
        if !self.is_started() || self.stale_metric().is_none() {
            return pair;
        }
        let wanted = |id: &RevisionId| {
            let wanted = self.state.scales.get(id).map(|scale| scale.value);
            wanted.or(self.revision(id).map(|seen| seen.desired))
        };
        let before = stable.and_then(wanted).unwrap_or(0).min(self.replicas());
        ratio::Pair {
            canary: pair.canary.min(wanted(&self.state.latest).unwrap_or(0)),
            stable: pair.stable.max(before),
        }
    }

    /// Follows the replica count on stable's side alone.
    fn hold_ratio(&mut self, workload: &WorkloadSeen) {
        if let Some(stable) = self.state.stable.clone() {
            let others = workload.revisions.iter().filter(|r| r.id != stable);
            let others = others.fold(0, |sum: u32, other| sum.saturating_add(other.desired));
            self.want_scale(&stable, self.replicas().saturating_sub(others));
        }
    }

    /// The counts that the course asks for without a router.
    pub(super) fn ratio_pair(&self) -> ratio::Pair {
        let replicas = self.replicas();
        let latest_is_all = self.state.stable.is_none() || self.is_stable(&self.state.latest);
        if latest_is_all {
            return ratio::Pair {
                canary: replicas,
                stable: 0,
            };
        }
        let (surge, _) = ratio::bounds(self.plan, replicas);
        match self.state.course {
            Course::Forward { started: true, .. } => {
                let weight = self.step_weight().min(self.height_weight());
                ratio::nearest(replicas, weight, self.plan.total, surge)
            }
            _ => ratio::Pair {
                canary: 0,
                stable: replicas,
            },
        }
    }
}
