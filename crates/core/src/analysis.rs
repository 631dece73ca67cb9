//! Analysis: a machine of its own, from measurements to a verdict.
//!
//! [`start`] makes a run's state, [`turn`] takes it on: measurements in, state, wanted
//! measurements and the next instant out. A rollout embeds it; a gate, a backtest or a tool of
//! one's own uses it alone.
//!
//! A metric is due on a fixed grid: `initialDelay` after the run's start, then every `interval`.
//! Of the instants that are due only the newest is asked for, never a burst, and the retry after
//! an error does not move the grid. Limits count as Argo Rollouts counts them: a metric fails
//! when its failures are *more* than `failureLimit`.

mod assess;
pub mod judge;
mod machine;
mod plan;
mod state;
mod verdict;

pub use self::machine::{Frame, Turned, fill, start, turn};
pub(crate) use self::machine::{advance, is_settled, wants};
pub use self::plan::{LateArg, MetricPlan, NoVerdict, RunPlan};
pub use self::state::{AnalysisPhase, MetricState, RunState};
pub use self::verdict::{Verdict, judge};

#[cfg(test)]
mod tests;
