//! What a plan asks for at each of its steps.

use super::{CanaryScale, Plan, StepKind, Threshold};

impl Plan {
    /// The weight at a step: the last one set at or before it, which of a paced one is the most
    /// that it comes to; everything past the last step.
    pub fn weight_at(&self, step: usize) -> u32 {
        if step >= self.steps.len() {
            return self.total;
        }
        let so_far = self.steps.iter().take(step.saturating_add(1)).rev();
        let mut weights = so_far.filter_map(|step| match step.kind {
            StepKind::SetWeight(weight) | StepKind::Pace { most: weight, .. } => Some(weight),
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

/// What a plan asks for at one step after the other, without looking back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reach {
    weight: u32,
    scale: Option<Scale>,
}

/// What was said of the new version's pods, apart from its weight.
#[derive(Clone, Copy, Debug)]
enum Scale {
    Percent(u32),
    Pods(u32),
    All,
}

impl Reach {
    /// Goes on to a step, or past the last one.
    pub(super) fn enter(&mut self, plan: &Plan, step: Option<&StepKind>) {
        match step {
            Some(StepKind::SetWeight(weight) | StepKind::Pace { most: weight, .. }) => {
                self.weight = *weight;
            }
            Some(StepKind::SetCanaryScale(scale)) => {
                self.scale = match scale {
                    CanaryScale::Weight(percent) => Some(Scale::Percent(*percent)),
                    CanaryScale::Replicas(pods) => Some(Scale::Pods(*pods)),
                    CanaryScale::MatchTrafficWeight => None,
                }
            }
            Some(StepKind::Preview(pods)) => {
                self.scale = Some(pods.map_or(Scale::All, Scale::Pods))
            }
            Some(StepKind::Switch) | None => {
                (self.weight, self.scale) = (plan.total, Some(Scale::All));
            }
            Some(_) => {}
        }
    }

    /// As [`Plan::weight_at`].
    pub(super) fn weight(&self) -> u32 {
        self.weight
    }

    /// As [`Plan::canary_pods_at`].
    pub(super) fn canary_pods(&self, plan: &Plan, replicas: u32) -> u32 {
        match self.scale {
            None => plan.side_pods(self.weight, replicas),
            Some(Scale::Percent(percent)) => share_of(replicas, percent, 100),
            Some(Scale::Pods(pods)) => pods,
            Some(Scale::All) => replicas,
        }
    }
}

/// The pods that a share needs, rounded up.
pub(crate) fn share_of(replicas: u32, share: u32, total: u32) -> u32 {
    let pods = (u64::from(replicas) * u64::from(share)).div_ceil(u64::from(total.max(1)));
    u32::try_from(pods).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Step;

    #[test]
    fn one_after_the_other_is_the_same_as_looking_back() {
        let kinds = [
            StepKind::Pause(None),
            StepKind::SetCanaryScale(CanaryScale::Replicas(3)),
            StepKind::SetWeight(10),
            StepKind::SetCanaryScale(CanaryScale::Weight(25)),
            StepKind::SetWeight(40),
            StepKind::SetCanaryScale(CanaryScale::MatchTrafficWeight),
            StepKind::Pause(None),
            StepKind::SetWeight(70),
            StepKind::Preview(Some(2)),
            StepKind::Preview(None),
            StepKind::Switch,
            StepKind::Pause(None),
        ];
        let mut plan = Plan::rolling_update("shop");
        plan.steps = kinds.map(|kind| Step::new(0, kind)).to_vec();
        plan.min_pods = Some(2);
        let mut reach = Reach::default();
        for step in 0..=plan.steps.len() {
            reach.enter(&plan, plan.steps.get(step).map(|step| &step.kind));
            assert_eq!(reach.weight(), plan.weight_at(step), "{step}");
            for replicas in [0, 1, 10] {
                let pods = reach.canary_pods(&plan, replicas);
                assert_eq!(pods, plan.canary_pods_at(step, replicas), "{step}");
            }
        }
    }
}
