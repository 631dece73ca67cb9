//! A naive reading of a plan: which weights it climbs, and how many pods carry each.

use gradatim_core::plan::{CanaryScale, Plan, StepKind, StrategyKind, Threshold};

/// A weight that a plan climbs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Height {
    /// The index of the step that sets it; the number of steps for the end.
    pub(crate) step: usize,
    /// The weight, in parts of the total.
    pub(crate) weight: u32,
    /// How many pods it asks for.
    pub(crate) pods: u32,
    /// How many of them are enough.
    pub(crate) enough: u32,
}

impl Height {
    /// The largest share that so many available pods of it carry.
    pub(crate) fn carried(&self, available: u32) -> u32 {
        if available == 0 {
            0
        } else if available >= self.enough {
            self.weight
        } else {
            narrow(u64::from(self.weight) * u64::from(available) / u64::from(self.pods.max(1)))
        }
    }

    /// The pods that a share of it needs.
    pub(crate) fn needed(&self, share: u32) -> u32 {
        let pods = u64::from(share.min(self.weight)) * u64::from(self.pods);
        narrow(pods.div_ceil(u64::from(self.weight.max(1))))
    }
}

/// How a plan moves traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A router splits it.
    Split,
    /// One switch moves all of it.
    Switch,
    /// The ratio of pods does.
    Ratio,
}

pub(crate) fn way(plan: &Plan) -> Way {
    match plan.strategy {
        StrategyKind::BlueGreen => Way::Switch,
        _ if plan.splits() => Way::Split,
        _ => Way::Ratio,
    }
}

/// Every height of a plan, in its order, for a replica count; `servers` is the number of the new
/// version's pods where nothing is scaled.
pub(crate) fn heights(plan: &Plan, replicas: u32, servers: Option<u32>) -> Vec<Height> {
    let (mut weight, mut scale) = (0, None);
    let mut heights = Vec::new();
    let mut climb = |step: usize, weight: u32, pods: u32| {
        let pods = servers.unwrap_or(pods);
        let enough = enough(plan, pods);
        heights.push(Height {
            step,
            weight,
            pods,
            enough,
        });
    };
    for (index, step) in plan.steps.iter().enumerate() {
        match &step.kind {
            StepKind::SetWeight(to) | StepKind::Pace { most: to, .. } => weight = *to,
            StepKind::Switch => (weight, scale) = (plan.total, Some(replicas)),
            StepKind::SetCanaryScale(CanaryScale::Weight(percent)) => {
                scale = Some(share_of(replicas, *percent, 100));
            }
            StepKind::SetCanaryScale(CanaryScale::Replicas(pods)) => scale = Some(*pods),
            StepKind::SetCanaryScale(CanaryScale::MatchTrafficWeight) => scale = None,
            StepKind::Preview(pods) => scale = Some(pods.unwrap_or(replicas)),
            _ => continue,
        }
        climb(
            index,
            weight,
            scale.unwrap_or_else(|| by_weight(plan, replicas, weight)),
        );
    }
    climb(plan.steps.len(), plan.total, replicas);
    heights
}

fn by_weight(plan: &Plan, replicas: u32, weight: u32) -> u32 {
    match share_of(replicas, weight, plan.total) {
        0 => 0,
        pods => pods.max(plan.min_pods.unwrap_or(0).min(replicas)),
    }
}

fn enough(plan: &Plan, pods: u32) -> u32 {
    let enough = match plan.threshold {
        None => pods,
        Some(Threshold::Pods(pods)) => pods,
        Some(Threshold::Percent(percent)) => share_of(pods, percent.min(100), 100),
    };
    enough.clamp(pods.min(1), pods.max(1))
}

/// The pods that a share needs, rounded up.
pub(crate) fn share_of(replicas: u32, share: u32, total: u32) -> u32 {
    narrow((u64::from(replicas) * u64::from(share)).div_ceil(u64::from(total.max(1))))
}

pub(crate) fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use gradatim_core::plan::Step;

    use super::*;

    #[test]
    fn every_height_has_its_pods() {
        let mut plan = Plan::rolling_update("shop");
        let kinds = [
            StepKind::SetWeight(10),
            StepKind::SetCanaryScale(CanaryScale::Replicas(4)),
            StepKind::SetWeight(50),
            StepKind::SetCanaryScale(CanaryScale::MatchTrafficWeight),
        ];
        let steps = kinds.into_iter().zip(0..);
        plan.steps = steps.map(|(kind, index)| Step::new(index, kind)).collect();
        let heights = heights(&plan, 10, None);
        let pairs: Vec<(u32, u32)> = heights.iter().map(|one| (one.weight, one.pods)).collect();
        assert_eq!(pairs, [(10, 1), (10, 4), (50, 4), (50, 5), (100, 10)]);
        let half = Height {
            pods: 4,
            enough: 4,
            ..heights[2]
        };
        assert_eq!(
            [half.carried(0), half.carried(1), half.carried(4)],
            [0, 12, 50]
        );
        assert_eq!(
            [half.needed(0), half.needed(13), half.needed(50)],
            [0, 2, 4]
        );
    }
}
