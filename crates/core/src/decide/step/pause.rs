use std::time::Duration;

use super::super::advance::Completion;
use super::super::turn::Turn;
use super::super::wait::Wait;
use crate::reason::Reason;

impl Turn<'_> {
    /// A pause ends with its time, or by an order.
    pub(in super::super) fn complete_pause(&self, duration: Option<Duration>) -> Completion {
        let end = duration.map(|duration| self.entered_at() + duration);
        match end {
            _ if self.is_released() => Ok(()),
            Some(end) if end <= self.now => Ok(()),
            Some(end) => Err(Wait::until(Reason::Pause, end)),
            None => Err(Wait::for_ever(Reason::Pause)),
        }
    }
}
