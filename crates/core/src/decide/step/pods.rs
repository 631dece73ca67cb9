//! Pods apart from the weight, and whether there are enough of them.

use super::super::advance::Completion;
use super::super::turn::Turn;
use super::super::wait::Wait;
use crate::reason::Reason;

impl Turn<'_> {
    /// `setCanaryScale`: its pods are available.
    pub(in super::super) fn complete_scale(&mut self) -> Completion {
        let pods = self.step_pods();
        if !self.is_released() {
            self.pods_are_available(pods)?;
        }
        if self.latest_available() >= self.plan.enough(pods) {
            self.set_height(self.height_weight(), pods);
        }
        Ok(())
    }

    /// Whether enough pods of the new version are available, and all were asked for.
    pub(in super::super) fn pods_are_available(&self, pods: u32) -> Completion {
        let (available, wanted) = (self.latest_available(), self.plan.enough(pods));
        let scales = self.workload.is_some_and(|workload| workload.scales);
        if self.replicas() == 0 && scales {
            return Err(Wait::new(Reason::ScaledToZero));
        }
        let seen = self.revision(&self.state.latest);
        let asked = seen.map_or(0, |revision| revision.desired);
        if available >= wanted && (!scales || asked >= pods) {
            return Ok(());
        }
        let trouble = seen.and_then(|revision| revision.trouble.first());
        Err(Wait::new(Reason::Pods {
            available,
            wanted,
            trouble: trouble.map(|trouble| trouble.text.clone()),
        }))
    }
}
