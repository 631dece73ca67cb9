//! The one way back.

use super::turn::Turn;
use crate::event::EventKind;
use crate::state::{AbortCause, Course};

impl Turn<'_> {
    /// Takes the traffic back, unless there is nothing to take back.
    pub(super) fn abort(&mut self, cause: AbortCause) {
        if !self.is_forward() {
            return;
        }
        self.state.course = Course::Back {
            cause,
            at: self.now,
        };
        self.state.runs.clear();
        self.state.drifted = false;
        self.wait = None;
        let message = self.abort_message();
        self.tell(EventKind::RolloutAborted, message);
    }

    /// Aborts when pods of the new version are in a trouble on which the plan aborts.
    pub(super) fn abort_on_trouble(&mut self) {
        if !self.is_started() || self.state.stable.is_none() {
            return;
        }
        let Some(latest) = self.revision(&self.state.latest) else {
            return;
        };
        let fatal = latest
            .trouble
            .iter()
            .find(|trouble| self.plan.abort_on.contains(&trouble.kind));
        if let Some(trouble) = fatal {
            let text = format!("{}: {}", trouble.kind, trouble.text);
            self.abort(AbortCause::Trouble(crate::id::cut(&text)));
        }
    }
}
