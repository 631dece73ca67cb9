use super::super::advance::Completion;
use super::super::turn::Turn;
use super::super::wait::Wait;
use crate::analysis::{AnalysisPhase, RunPlan};
use crate::measurement::RunKey;
use crate::reason::Reason;

impl Turn<'_> {
    /// An analysis passes. A failed one takes the traffic back and an undecided one waits for
    /// an operator, both before it is asked here.
    pub(in super::super) fn complete_analysis(&mut self, plan: &RunPlan) -> Completion {
        if self.is_released() {
            return Ok(());
        }
        let key = RunKey::Step(self.step_index());
        if self.state.run(key).is_none() {
            self.start_run(key, plan);
            self.act_on_verdicts();
        }
        let Some(run) = self.state.run(key) else {
            let metric = String::new();
            return Err(Wait::new(Reason::Analysis { metric }));
        };
        if run.phase == AnalysisPhase::Successful {
            return Ok(());
        }
        if run.phase == AnalysisPhase::Inconclusive {
            let message = run.message.clone();
            return Err(Wait::new(Reason::Inconclusive { message }));
        }
        let running = run.metrics.iter().find(|metric| !metric.phase.is_final());
        let metric = running.map_or_else(String::new, |metric| metric.name.to_string());
        let end = run.started_at + plan.longest().unwrap_or_default();
        let reason = Reason::Analysis { metric };
        let deadline = end + self.progress_deadline(&reason);
        Err(Wait::by(reason, deadline))
    }
}
