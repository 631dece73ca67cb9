//! Blue-green: the preview comes up, and the active slot switches.

use super::super::advance::Completion;
use super::super::turn::Turn;
use crate::route::Slot;

impl Turn<'_> {
    /// The preview's pods are available and its slot, where there is one, is seen at them.
    pub(in super::super) fn complete_preview(&mut self) -> Completion {
        if !self.is_released() {
            self.pods_are_available(self.step_pods())?;
        }
        let absent = !self.plan.slots.contains(&Slot::Preview);
        self.slot_is_seen(Slot::Preview, 0, absent)
    }

    /// The switch needs a version that can carry everyone.
    pub(in super::super) fn complete_switch(&mut self) -> Completion {
        self.pods_are_available(self.replicas())?;
        self.reach_height()?;
        self.slot_is_seen(Slot::Active, self.plan.total, false)
    }

    fn slot_is_seen(&mut self, slot: Slot, weight: u32, absent: bool) -> Completion {
        let bound = self.wanted_at(slot) == Some(&self.state.latest);
        if absent || (bound && self.bind_is_seen()) {
            Ok(())
        } else {
            Err(self.wait_for_route(weight))
        }
    }
}
