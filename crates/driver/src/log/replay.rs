//! Deciding a log again.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::sync::Arc;

use gradatim_core::decision::Decision;
use gradatim_core::id::{Digest, RolloutId};
use gradatim_core::plan::Plan;
use gradatim_core::policy::Policy;
use gradatim_core::time::Timestamp;

use super::{Line, Record};

/// A log cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] io::Error),
    /// A line is none of a decision log, nor the beginning of one.
    #[error("line {line} is none of a decision log")]
    Malformed {
        /// The line's number, from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A round follows a plan that is not in the log.
    #[error("line {line} follows plan {plan}, which does not stand before it")]
    NoPlan {
        /// The line's number, from 1.
        line: usize,
        /// The plan's digest.
        plan: Digest,
    },
}

/// A round that is decided otherwise now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line's number, from 1.
    pub line: usize,
    /// The rollout.
    pub rollout: RolloutId,
    /// When it was decided.
    pub now: Timestamp,
    /// What was decided then.
    pub recorded: Arc<Decision>,
    /// What is decided now.
    pub decided: Box<Decision>,
}

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayReport {
    /// Rounds that were decided again.
    pub rounds: u64,
    /// Rounds that were counted and not written, because they equalled the one before.
    pub skipped: u64,
    /// Rollouts in the log.
    pub rollouts: u64,
    /// Plans in the log.
    pub plans: u64,
    /// Whether a line was cut short by a crash or a full disk; it is left out.
    pub torn: bool,
    /// Rounds that are decided otherwise now.
    pub differences: Vec<Difference>,
}

/// Decides every round of a log again and compares.
///
/// # Errors
/// When the log cannot be read or makes no sense.
pub fn replay(reader: impl BufRead, policy: &dyn Policy) -> Result<ReplayReport, ReplayError> {
    let mut player = Player::default();
    for (text, line) in reader.split(b'\n').zip(1..) {
        match serde_json::from_slice(&text?) {
            Ok(parsed) => player.play(line, parsed, policy)?,
            Err(source) if source.is_eof() => player.report.torn = true,
            Err(source) => return Err(ReplayError::Malformed { line, source }),
        }
    }
    player.report.rollouts = u64::try_from(player.rollouts.len()).unwrap_or(u64::MAX);
    player.report.plans = u64::try_from(player.plans.len()).unwrap_or(u64::MAX);
    Ok(player.report)
}

#[derive(Default)]
struct Player {
    plans: BTreeMap<Digest, Arc<Plan>>,
    rollouts: BTreeMap<RolloutId, ()>,
    report: ReplayReport,
}

impl Player {
    fn play(&mut self, line: usize, parsed: Line, policy: &dyn Policy) -> Result<(), ReplayError> {
        match parsed {
            Line::Plan(plan) => {
                self.plans.insert(plan.digest, plan);
            }
            Line::Round(record) => self.decide(line, record, policy)?,
        }
        Ok(())
    }

    fn decide(
        &mut self,
        line: usize,
        record: Record,
        policy: &dyn Policy,
    ) -> Result<(), ReplayError> {
        let plan = record.plan;
        let plan = self
            .plans
            .get(&plan)
            .ok_or(ReplayError::NoPlan { line, plan })?;
        let decided = policy.decide(plan, &record.saved, &record.observation, record.now);
        self.report.rounds += 1;
        self.report.skipped += record.skipped;
        self.rollouts.insert(record.rollout.clone(), ());
        if decided != *record.decision {
            self.report.differences.push(Difference {
                line,
                rollout: record.rollout,
                now: record.now,
                recorded: record.decision,
                decided: Box::new(decided),
            });
        }
        Ok(())
    }
}
