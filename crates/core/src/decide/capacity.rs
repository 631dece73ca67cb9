//! How many pods a step asks for, and what weight they carry.

use super::turn::Turn;
use crate::id::RevisionId;
use crate::state::Height;

impl Turn<'_> {
    /// The last weight set at or before the current step; everything past the last one.
    pub(super) fn step_weight(&self) -> u32 {
        match self.started_step() {
            Some(step) => self.plan.weight_at(step),
            None => 0,
        }
    }

    /// How many pods the current step asks of the new version.
    pub(super) fn step_pods(&self) -> u32 {
        let Some(step) = self.started_step() else {
            return 0;
        };
        if self.workload.is_some_and(|workload| !workload.scales) {
            let servers = self.revision(&self.state.latest);
            return servers.map_or(1, |revision| revision.pods.max(1));
        }
        self.plan.canary_pods_at(step, self.replicas())
    }

    fn started_step(&self) -> Option<usize> {
        let step = usize::try_from(self.step_index()).unwrap_or(usize::MAX);
        self.is_started().then_some(step)
    }

    /// The height that a revision has reached.
    pub(super) fn height_of(&self, id: &RevisionId) -> Option<&Height> {
        self.state.height.as_ref().filter(|height| height.of == *id)
    }

    /// The weight of the height that the version on trial has reached.
    pub(super) fn height_weight(&self) -> u32 {
        let height = self.height_of(&self.state.latest);
        height.map_or(0, |height| height.weight)
    }

    pub(super) fn set_height(&mut self, weight: u32, pods: u32) {
        self.state.height = Some(Height {
            of: self.state.latest.clone(),
            weight,
            pods,
        });
    }

    /// The count that carries the height follows the replica count.
    pub(super) fn follow_height(&mut self) {
        let pods = self.step_pods();
        let same = self.is_started() && self.step_weight() == self.height_weight();
        let other = self.height_of(&self.state.latest).map(|height| height.pods) != Some(pods);
        if same && other && pods > 0 && self.latest_available() >= self.plan.enough(pods) {
            let weight = self.height_weight();
            self.set_height(weight, pods);
        }
    }

    /// What a version on trial carries by its available pods: its height, or a part of it.
    pub(super) fn trial_carries(&self, id: &RevisionId) -> u32 {
        let (Some(height), available) = (self.height_of(id), self.available(id)) else {
            return 0;
        };
        match available {
            0 => 0,
            available if available >= self.plan.enough(height.pods) => height.weight,
            available => part_of(height.weight, available, height.pods),
        }
    }

    /// What stable carries: all, but a part while it is coming back from being scaled down by us.
    pub(super) fn stable_carries(&self, stable: &RevisionId) -> u32 {
        let (available, replicas) = (self.available(stable), self.replicas());
        match available {
            0 => 0,
            _ if !self.state.stable_reduced || available >= replicas => self.plan.total,
            _ => part_of(self.plan.total, available, replicas).min(self.plan.total),
        }
    }

    /// Whether stable was scaled below the whole by us and is not yet back.
    pub(super) fn notice_reduction(&mut self) {
        let (Some(stable), Some(_)) = (&self.state.stable, self.workload) else {
            return;
        };
        let replicas = self.replicas();
        let wanted = self.state.scales.get(stable).map(|scale| scale.value);
        let desired = self.revision(stable).map_or(0, |stable| stable.desired);
        let below = wanted.unwrap_or(replicas).min(desired) < replicas;
        let back = self.available(stable) >= replicas && !below;
        let by_us = self.state.stable_reduced || (self.plan.dynamic_stable_scale && below);
        let reduced = by_us && !back;
        if self.state.stable_reduced != reduced {
            self.state.stable_reduced = reduced;
        }
    }
}

/// A part of a weight, rounded down.
pub(super) fn part_of(weight: u32, available: u32, pods: u32) -> u32 {
    let part = u64::from(weight) * u64::from(available) / u64::from(pods.max(1));
    u32::try_from(part).unwrap_or(u32::MAX)
}
