//! The decision log: what every round knew and decided, so that it can be decided again.
//!
//! JSON lines. A plan stands in full once, before the first round that followed it; a round
//! holds its plan's digest, what was saved, what was seen, the instant, and the decision. A round
//! that knew and decided the same as the one before, time aside, is counted instead of written.

mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gradatim_core::decision::{Decision, Saved};
use gradatim_core::id::{Digest, RolloutId};
use gradatim_core::observation::Observation;
use gradatim_core::plan::Plan;
use gradatim_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

pub use self::replay::{Difference, ReplayError, ReplayReport, replay};
use crate::turn::Turn;
use crate::witness::Witness;

/// One line of a decision log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    /// A plan, once for each digest.
    Plan(Arc<Plan>),
    /// A round.
    Round(Record),
}

/// A round as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The rollout.
    pub rollout: RolloutId,
    /// The digest of the plan that was followed.
    pub plan: Digest,
    /// What was saved before.
    pub saved: Arc<Saved>,
    /// What was seen.
    pub observation: Arc<Observation>,
    /// When it was decided.
    pub now: Timestamp,
    /// What was decided.
    pub decision: Arc<Decision>,
    /// How many rounds of this rollout came between the last line and this one and were equal
    /// to the last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Writes a decision log; a [`Witness`] that a driver tells of every round.
pub struct DecisionLog<W: Write + Send = File> {
    inner: Mutex<Inner<W>>,
}

struct Inner<W> {
    out: W,
    /// Whether what was written last has no end.
    torn: bool,
    plans: BTreeSet<Digest>,
    last: BTreeMap<RolloutId, Last>,
    broken: bool,
}

struct Last {
    turn: Turn,
    skipped: u64,
}

impl DecisionLog<File> {
    /// A log at the end of a file, which is made when it is not there. A line that a crash has cut
    /// short is left as it is, and the next one begins after it.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn append(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).read(true).open(path)?;
        let log = if is_torn(&mut file)? {
            Self::after_a_torn_line(file)
        } else {
            Self::new(file)
        };
        Ok(log)
    }
}

impl<W: Write + Send> DecisionLog<W> {
    /// A log into a writer, which gets each line in one call.
    pub fn new(out: W) -> Self {
        let inner = Inner {
            out,
            torn: false,
            plans: BTreeSet::new(),
            last: BTreeMap::new(),
            broken: false,
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    fn after_a_torn_line(out: W) -> Self {
        let log = Self::new(out);
        {
            let mut inner = log.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.torn = true;
        }
        log
    }

    /// Writes a round, or counts it when it equals the one before.
    ///
    /// # Errors
    /// When the line could not be written.
    pub fn record(&self, rollout: &RolloutId, turn: &Turn) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.record(rollout, turn)
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        let inner = self.inner.into_inner();
        inner.unwrap_or_else(PoisonError::into_inner).out
    }
}

impl<W: Write> Inner<W> {
    fn record(&mut self, rollout: &RolloutId, turn: &Turn) -> io::Result<()> {
        let mut skipped = 0;
        if let Some(last) = self.last.get_mut(rollout) {
            if says_the_same(&last.turn, turn) {
                last.skipped += 1;
                return Ok(());
            }
            skipped = last.skipped;
        }
        if !self.plans.contains(&turn.plan.digest) {
            self.write(&Line::Plan(Arc::clone(&turn.plan)))?;
            self.plans.insert(turn.plan.digest);
        }
        self.write(&Line::Round(Record {
            rollout: rollout.clone(),
            plan: turn.plan.digest,
            saved: Arc::clone(&turn.saved),
            observation: Arc::clone(&turn.observation),
            now: turn.now,
            decision: Arc::clone(&turn.decision),
            skipped,
        }))?;
        let (turn, skipped) = (turn.clone(), 0);
        self.last.insert(rollout.clone(), Last { turn, skipped });
        Ok(())
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = if self.torn { vec![b'\n'] } else { Vec::new() };
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        let written = self.out.write_all(&text);
        self.torn = written.is_err();
        written
    }
}

/// Whether a file ends in the middle of a line.
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn says_the_same(one: &Turn, other: &Turn) -> bool {
    one.plan.digest == other.plan.digest
        && one.saved == other.saved
        && one.observation == other.observation
        && one.decision == other.decision
}

impl<W: Write + Send> Witness for DecisionLog<W> {
    fn turned(&self, rollout: &RolloutId, turn: &Turn) {
        let Err(error) = self.record(rollout, turn) else {
            return;
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut inner.broken, true) {
            warn!(%error, "the decision log cannot be written");
        }
    }

    fn left(&self, rollout: &RolloutId) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.last.remove(rollout);
    }
}

impl<W: Write + Send> std::fmt::Debug for DecisionLog<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecisionLog").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
