//! Analysis: a machine of its own, from measurements to a verdict.

mod plan;
mod state;

pub use self::plan::{LateArg, MetricPlan, NoVerdict, RunPlan};
pub use self::state::{AnalysisPhase, MetricState, RunState};
