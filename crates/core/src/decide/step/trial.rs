use super::super::advance::Completion;
use super::super::turn::Turn;
use crate::route::Slot;

impl Turn<'_> {
    /// A header route or a mirror is seen as the steps have set it.
    pub(in super::super) fn complete_trial(&mut self) -> Completion {
        if self.is_released() || (self.trials_are_wanted() && self.trials_are_seen()) {
            return Ok(());
        }
        Err(self.wait_for_route(self.wanted_part(Slot::Canary)))
    }
}
