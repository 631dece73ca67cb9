//! Judges that compare both sides: what they hold back, and what a release teaches them.

use std::time::Duration;

use super::advance::Completion;
use super::turn::Turn;
use super::wait::Wait;
use crate::analysis::judge::{Finding, JudgePlan, JudgeState, Undecided, words};
use crate::analysis::{AnalysisPhase, MetricState, RunPlan, RunState};
use crate::decision::JudgeSummary;
use crate::event::EventKind;
use crate::measurement::RunKey;
use crate::number::Number;
use crate::reason::Reason;
use crate::route::Slot;
use crate::state::AbortCause;
use crate::time::Timestamp;

impl Turn<'_> {
    /// The weight that the routers show, 0–1; none where pods make the ratio.
    pub(super) fn weight_shown(&self) -> Option<f64> {
        let seen = self.plan.splits().then(|| self.part_seen(Slot::Canary))??;
        Some(f64::from(seen) / f64::from(self.plan.total.max(1)))
    }

    /// Nothing goes on while a judge is blind: without a scrape for long, or with a canary that
    /// hardly gets any of the requests that it should.
    pub(super) fn judges_can_see(&self) -> Completion {
        if self.is_released() || self.is_waived() {
            return Ok(());
        }
        let runs = self.judging_runs();
        let judges = runs.flat_map(|(plan, run)| {
            let judges = judges(plan, run);
            judges.map(move |(plan, metric)| (plan, metric, run.started_at))
        });
        for (plan, metric, started_at) in judges.filter(|(_, it, _)| !it.phase.is_final()) {
            let name = || metric.name.to_string();
            let seen = metric.measured_at.unwrap_or(started_at);
            if self.now.since(seen) > plan.missing_after {
                return Err(Wait::new(Reason::StaleAnalysis { metric: name() }));
            }
            let known = metric.judge.as_ref();
            if known.is_some_and(|known| known.is_short_of_traffic()) {
                return Err(Wait::new(Reason::ShortOfTraffic { metric: name() }));
            }
        }
        Ok(())
    }

    /// Before the last raise, after which there is nothing to compare with, the judges beside the
    /// steps must have found the canary good enough, or have waited for it as long as they may.
    pub(super) fn judges_let_pass(&mut self) -> Completion {
        if !self.is_last_raise() || self.is_released() || self.is_waived() {
            return Ok(());
        }
        self.judges_are_content(self.entered_at())
    }

    /// The judges beside the steps have found the canary good enough, or have waited for it
    /// since an instant for as long as they may.
    pub(super) fn judges_are_content(&mut self, since: Timestamp) -> Completion {
        let Some((plan, missing)) = self.undecided_judge() else {
            return Ok(());
        };
        let until = since + plan.extend;
        let message = missing.clone();
        let waits = Reason::NotEnoughData { message };
        match plan.undecided {
            Undecided::Hold => {
                let deadline = until + self.progress_deadline(&waits);
                Err(Wait::by(waits, deadline))
            }
            _ if self.now < until => Err(Wait::until(waits, until)),
            Undecided::Proceed => Ok(()),
            Undecided::RollBack => {
                self.abort(AbortCause::Analysis {
                    run: RunKey::Background,
                    error: false,
                    message: missing,
                });
                Err(Wait::new(waits))
            }
        }
    }

    fn is_last_raise(&self) -> bool {
        self.is_started() && self.step_weight() >= self.plan.total
    }

    /// An operator decides instead of the judges that hold the last raise. False where none does.
    pub(super) fn waive_judges(&mut self) -> bool {
        let held = self.undecided_judge().is_some() || self.judges_can_see().is_err();
        if !held || !self.is_last_raise() {
            return false;
        }
        let mut runs = self.state.runs.iter_mut();
        let Some(run) = runs.find(|run| run.key == RunKey::Background) else {
            return false;
        };
        let judges = run.metrics.iter_mut().filter(|it| it.judge.is_some());
        for metric in judges {
            metric.phase = AnalysisPhase::Successful;
            metric.why = "waived by an operator".to_owned();
        }
        true
    }

    /// A judge beside the steps that has proved nothing, and what it misses.
    fn undecided_judge(&self) -> Option<(JudgePlan, String)> {
        let run = self.state.run(RunKey::Background)?;
        let plan = &self.plan.background.as_ref()?.run;
        let nothing = JudgeState::default();
        let mut running = judges(plan, run).filter(|(_, metric)| !metric.phase.is_final());
        running.find_map(|(plan, metric)| {
            let known = metric.judge.as_deref().unwrap_or(&nothing);
            let open = || words::not_enough(&known.open(plan), known.lasted(), plan);
            (known.finding(plan) == Finding::NotEnough).then(|| (plan.clone(), open()))
        })
    }

    /// The judge that a paced step follows: the first that has a budget.
    pub(super) fn pacing(&self) -> Option<(&JudgePlan, Duration, Option<&JudgeState>)> {
        let plans = &self.plan.background.as_ref()?.run.metrics;
        let mut plans = plans
            .iter()
            .filter_map(|it| Some((it, it.judge.as_deref()?)));
        let (metric, plan) = plans.find(|(_, plan)| plan.failure_budget.is_some())?;
        let run = self.state.run(RunKey::Background);
        let mut known = run.into_iter().flat_map(|run| &run.metrics);
        let known = known.find(|it| it.name == metric.name && it.digest == metric.digest);
        let known = known.and_then(|metric| metric.judge.as_deref());
        Some((plan, metric.interval.unwrap_or_default(), known))
    }

    /// What is told of a release that is promoted, and what its young pods teach for the next.
    pub(super) fn learn_from_judges(&mut self) {
        let mut learned = self.state.learned.clone();
        let mut told = Vec::new();
        for (plan, metric) in self.judges() {
            let Some(known) = &metric.judge else { continue };
            known.teach(&mut learned);
            told.push(match known.finding(plan) {
                Finding::GoodEnough => {
                    let why = words::promoted(&known.accounts(), plan);
                    let text = format!("background analysis: Successful {why}");
                    (EventKind::AnalysisRunSuccessful, text)
                }
                _ => {
                    let why = words::not_enough(&known.open(plan), known.lasted(), plan);
                    let text = format!("background analysis: Inconclusive {why}");
                    (EventKind::AnalysisRunInconclusive, text)
                }
            });
        }
        if learned != self.state.learned {
            self.state.learned = learned;
        }
        for (kind, text) in told {
            self.tell(kind, text);
        }
    }

    /// How far the judge is that has found the most.
    pub(super) fn judge_summary(&self) -> Option<JudgeSummary> {
        let summaries = self.judges().filter_map(|(plan, metric)| {
            Some(JudgeSummary {
                metric: metric.name.clone(),
                evidence: Number::new(metric.judge.as_ref()?.evidence()),
                needed: Number::new(plan.needed()),
                text: metric.last.clone(),
            })
        });
        summaries.max_by(|a, b| a.evidence.get().total_cmp(&b.evidence.get()))
    }

    fn judges(&self) -> impl Iterator<Item = (&JudgePlan, &MetricState)> {
        self.judging_runs()
            .flat_map(|(plan, run)| judges(plan, run))
    }

    /// The run beside the steps, and that of the current step.
    fn judging_runs(&self) -> impl Iterator<Item = (&RunPlan, &RunState)> {
        let background = self.plan.background.as_ref().map(|it| &it.run);
        let background = background.zip(self.state.run(RunKey::Background));
        let step = match self.step_kind() {
            Some(crate::plan::StepKind::Analysis(plan)) => {
                let run = self.state.run(RunKey::Step(self.step_index()));
                run.map(|run| (plan, run))
            }
            _ => None,
        };
        background.into_iter().chain(step)
    }
}

/// The judges of a run.
fn judges<'a>(
    plan: &'a RunPlan,
    run: &'a RunState,
) -> impl Iterator<Item = (&'a JudgePlan, &'a MetricState)> {
    let judge = |metric: &'a MetricState| {
        let mut plans = plan.metrics.iter();
        let plan = plans.find(|it| it.name == metric.name && it.digest == metric.digest)?;
        let counts = !plan.dry_run;
        Some((plan.judge.as_deref().filter(|_| counts)?, metric))
    };
    run.metrics.iter().filter_map(judge)
}
