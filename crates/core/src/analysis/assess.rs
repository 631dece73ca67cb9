//! From counted measurements to a metric's phase, and from metrics to the run's.

use std::time::Duration;

use super::judge::{Finding, JudgePlan, JudgeState, Undecided, words};
use super::plan::{MetricPlan, RunPlan};
use super::state::{AnalysisPhase, MetricState, RunState};
use super::verdict::Verdict;
use crate::go_duration;
use crate::time::Timestamp;

/// Counts one verdict on a measurement that speaks of the instant `at` and has arrived since.
pub(super) fn count(state: &mut MetricState, verdict: &Verdict, at: Timestamp, arrived: Timestamp) {
    state.last.clone_from(&verdict.why);
    if verdict.phase == AnalysisPhase::Error {
        state.error = state.error.saturating_add(1);
        state.consecutive_error = state.consecutive_error.saturating_add(1);
        state.consecutive_success = 0;
        return;
    }
    state.measured_at = Some(arrived);
    state.consecutive_error = 0;
    if verdict.phase == AnalysisPhase::Running {
        return;
    }
    state.count = state.count.saturating_add(1);
    match verdict.phase {
        AnalysisPhase::Successful => {
            state.successful = state.successful.saturating_add(1);
            state.consecutive_success = state.consecutive_success.saturating_add(1);
            (state.consecutive_failure, state.failing_since) = (0, None);
        }
        AnalysisPhase::Failed => {
            state.failed = state.failed.saturating_add(1);
            state.consecutive_success = 0;
            state.consecutive_failure = state.consecutive_failure.saturating_add(1);
            state.failing_since.get_or_insert(at);
        }
        _ => {
            state.inconclusive = state.inconclusive.saturating_add(1);
            state.consecutive_success = 0;
        }
    }
}

/// The metric's phase after a measurement, with the sentence that clients of Argo read.
pub(super) fn metric(
    plan: &MetricPlan,
    state: &MetricState,
    at: Timestamp,
) -> (AnalysisPhase, String) {
    let over = |count: u32, limit: Option<u32>| limit.is_some_and(|limit| count > limit);
    let limit = |limit: Option<u32>| limit.unwrap_or(u32::MAX);
    // Later checks override earlier ones, so the gravest is looked at first.
    if over(state.consecutive_error, plan.consecutive_error_limit) {
        let (count, limit) = (state.consecutive_error, limit(plan.consecutive_error_limit));
        let text = format!(
            "consecutiveErrors ({count}) > consecutiveErrorLimit ({limit}): \"Error Message: {}\"",
            state.last
        );
        return (AnalysisPhase::Error, text);
    }
    if over(state.inconclusive, plan.inconclusive_limit) {
        let (count, limit) = (state.inconclusive, limit(plan.inconclusive_limit));
        return (
            AnalysisPhase::Inconclusive,
            format!("inconclusive ({count}) > inconclusiveLimit ({limit})"),
        );
    }
    if let Some(why) = failed(plan, state, at) {
        return (AnalysisPhase::Failed, why);
    }
    let in_a_row = plan.consecutive_success_limit.filter(|limit| *limit > 0);
    if in_a_row.is_some_and(|limit| state.consecutive_success >= limit) {
        return (AnalysisPhase::Successful, String::new());
    }
    let done = plan.count.is_some_and(|count| state.count >= count);
    match (done, in_a_row, plan.failure_limit) {
        (false, _, _) => (AnalysisPhase::Running, String::new()),
        (true, None, _) => (AnalysisPhase::Successful, String::new()),
        (true, Some(limit), failures) => {
            let text = format!(
                "consecutiveSuccess ({}) < consecutiveSuccessLimit ({limit})",
                state.consecutive_success
            );
            let phase = if failures.is_some() {
                AnalysisPhase::Inconclusive
            } else {
                AnalysisPhase::Failed
            };
            (phase, text)
        }
    }
}

/// What a judge says of a scrape: nothing that counts, unless the canary is worse.
pub(super) fn compared(plan: &JudgePlan, known: &JudgeState, weight: Option<f64>) -> Verdict {
    let accounts = known.accounts();
    match known.finding(plan) {
        Finding::Worse => {
            let percent = weight.map(|weight| weight * 100.0);
            let why = words::rolled_back(percent, &accounts, plan.needed());
            Verdict::explained(AnalysisPhase::Failed, &why)
        }
        Finding::GoodEnough => Verdict::explained(
            AnalysisPhase::Successful,
            &words::good_enough(&accounts, plan),
        ),
        Finding::NotEnough => {
            let why = words::watching(&accounts, plan.needed());
            Verdict::explained(AnalysisPhase::Running, &why)
        }
    }
}

/// The phase of a judge's metric. `waited` is how long an analysis has run that is to come to an
/// end; one beside the steps goes on for as long as they do.
pub(super) fn judged(
    plan: &JudgePlan,
    state: &MetricState,
    waited: Option<Duration>,
) -> (AnalysisPhase, String) {
    let running = (AnalysisPhase::Running, String::new());
    let Some(known) = &state.judge else {
        return running;
    };
    let finding = known.finding(plan);
    if finding == Finding::Worse {
        return (AnalysisPhase::Failed, state.last.clone());
    }
    let Some(waited) = waited else {
        return running;
    };
    if finding == Finding::GoodEnough {
        return (AnalysisPhase::Successful, String::new());
    }
    let missing = || words::not_enough(&known.open(plan), known.lasted(), plan);
    match plan.undecided {
        _ if waited < plan.extend => running,
        Undecided::Proceed => (AnalysisPhase::Successful, missing()),
        Undecided::RollBack => (AnalysisPhase::Failed, missing()),
        Undecided::Hold if plan.extend.is_zero() => running,
        Undecided::Hold => (AnalysisPhase::Inconclusive, missing()),
    }
}

fn failed(plan: &MetricPlan, state: &MetricState, at: Timestamp) -> Option<String> {
    if let Some(limit) = plan.failure_limit.filter(|limit| state.failed > *limit) {
        return Some(format!(
            "failed ({}) > failureLimit ({limit})",
            state.failed
        ));
    }
    if let Some(limit) = plan
        .consecutive_failure_limit
        .filter(|limit| *limit > 0 && state.consecutive_failure >= *limit)
    {
        return Some(format!(
            "consecutiveFailures ({}) >= consecutiveFailureLimit ({limit})",
            state.consecutive_failure
        ));
    }
    let wanted = plan.failure_for?;
    let lasted = at.since(state.failing_since?);
    let long = lasted >= wanted && state.consecutive_failure > 1;
    long.then(|| {
        format!(
            "failing for {} >= failureFor ({})",
            go_duration::format(lasted),
            go_duration::format(wanted)
        )
    })
}

/// The run's phase: the worst of its metrics, once nothing more has to come.
pub(super) fn run(plan: &RunPlan, state: &mut RunState) {
    let mut worst = (AnalysisPhase::Successful, String::new());
    let mut open = false;
    for (metric, plan) in state.metrics.iter().zip(&plan.metrics) {
        open |= !metric.phase.is_final();
        if !plan.dry_run && metric.phase.is_final() && metric.phase > worst.0 {
            worst = (
                metric.phase,
                format!(
                    "Metric \"{}\" assessed {} due to {}",
                    metric.name, metric.phase, metric.why
                ),
            );
        }
    }
    match (worst.0, open) {
        (AnalysisPhase::Successful, true) => state.phase = AnalysisPhase::Running,
        (phase, _) => {
            (state.phase, state.message) = (phase, worst.1);
            let running = state
                .metrics
                .iter_mut()
                .filter(|metric| !metric.phase.is_final());
            running.for_each(|metric| metric.phase = AnalysisPhase::Successful);
        }
    }
}
