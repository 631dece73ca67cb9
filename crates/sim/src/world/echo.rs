//! Writes that take effect once more, long after they were made.

use std::time::Duration;

use gradatim_core::time::Timestamp;

use super::World;
use super::writes::{Write, WriteKind};

/// A write that will take effect once more.
#[derive(Clone, Debug)]
pub(crate) struct Echo {
    pub(crate) at: Timestamp,
    driver: usize,
    kind: WriteKind,
}

impl World {
    pub(crate) fn repeat_later(&mut self, after: Duration, driver: usize, kind: WriteKind) {
        let at = self.now + after;
        self.echoes.push(Echo { at, driver, kind });
    }

    /// Repeats what is due, as a network does that delivers a request twice.
    pub(crate) fn echo(&mut self) {
        if self.echoes.is_empty() {
            return;
        }
        let now = self.now;
        let (due, rest): (Vec<Echo>, Vec<Echo>) = std::mem::take(&mut self.echoes)
            .into_iter()
            .partition(|echo| echo.at <= now);
        self.echoes = rest;
        for Echo { driver, kind, .. } in due {
            let done = match &kind {
                WriteKind::Route { router, route } => self.route(*router, route),
                WriteKind::Scale {
                    revision,
                    replicas,
                    stamp,
                } => self.scale(revision, *replicas, *stamp),
                WriteKind::Undo { to, stamp } => self.undo(to, *stamp),
                WriteKind::Restart { .. } | WriteKind::Save { .. } => Ok(false),
            };
            self.writes.push(Write {
                at: now,
                driver,
                kind,
                echo: true,
                fault: None,
                changed: matches!(done, Ok(true)),
                refused: done.err().map(|error| error.kind),
            });
        }
    }
}
