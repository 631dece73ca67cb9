//! What a plan asks for at each of its steps.

use super::{CanaryScale, Plan, StepKind, Threshold};

impl Plan {
    /// The weight at a step: the last one set at or before it; everything past the last step.
    pub fn weight_at(&self, step: usize) -> u32 {
        if step >= self.steps.len() {
            return self.total;
        }
        let so_far = self.steps.iter().take(step.saturating_add(1)).rev();
        let mut weights = so_far.filter_map(|step| match step.kind {
            StepKind::SetWeight(weight) => Some(weight),
            StepKind::Switch => Some(self.total),
            _ => None,
        });
        weights.next().unwrap_or(0)
    }

    /// How many pods a step asks of the new version, where the router splits or the strategy is
    /// blue-green.
    pub fn canary_pods_at(&self, step: usize, replicas: u32) -> u32 {
        if step >= self.steps.len() {
            return replicas;
        }
        let so_far = self.steps.iter().take(step.saturating_add(1)).rev();
        let mut explicit = so_far.filter_map(|step| match &step.kind {
            StepKind::SetCanaryScale(scale) => Some(match scale {
                CanaryScale::Weight(percent) => Some(share_of(replicas, *percent, 100)),
                CanaryScale::Replicas(pods) => Some(*pods),
                CanaryScale::MatchTrafficWeight => None,
            }),
            StepKind::Preview(pods) => Some(Some(pods.unwrap_or(replicas))),
            StepKind::Switch => Some(Some(replicas)),
            _ => None,
        });
        explicit
            .next()
            .flatten()
            .unwrap_or_else(|| self.side_pods(self.weight_at(step), replicas))
    }

    /// How many pods stable keeps while the new version has `weight`, where the router splits.
    pub fn stable_pods(&self, weight: u32, replicas: u32) -> u32 {
        match self.dynamic_stable_scale {
            true => self.side_pods(self.total.saturating_sub(weight), replicas),
            false => replicas,
        }
    }

    /// How many available pods complete a count.
    pub fn enough(&self, pods: u32) -> u32 {
        let enough = match self.threshold {
            None => pods,
            Some(Threshold::Pods(pods)) => pods,
            Some(Threshold::Percent(percent)) => share_of(pods, percent.min(100), 100),
        };
        enough.clamp(pods.min(1), pods)
    }

    /// The pods of a share; a side with any has at least the plan's fewest.
    fn side_pods(&self, share: u32, replicas: u32) -> u32 {
        let pods = share_of(replicas, share, self.total);
        let fewest = self.min_pods.unwrap_or(0).min(replicas);
        if pods == 0 { 0 } else { pods.max(fewest) }
    }
}

/// The pods that a share needs, rounded up.
pub(crate) fn share_of(replicas: u32, share: u32, total: u32) -> u32 {
    let pods = (u64::from(replicas) * u64::from(share)).div_ceil(u64::from(total.max(1)));
    u32::try_from(pods).unwrap_or(u32::MAX)
}
