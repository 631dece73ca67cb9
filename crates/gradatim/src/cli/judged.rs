//! A judge's metric in an analysis by itself: evidence in the place of a value, its words in the
//! place of a condition.

use std::io;
use std::time::Duration;

use gradatim_core::analysis::judge::Undecided;
use gradatim_core::analysis::judge::{JudgePlan, JudgeState, Scrape};
use gradatim_core::analysis::{AnalysisPhase, MetricPlan, MetricState, RunPlan, RunState};
use serde_json::{Value, json};

use super::{Io, diagnostics};

/// What an explanation begins with that says what a rollout does; here nothing is taken back or
/// promoted.
const VERDICTS: [&str; 2] = ["Rolled back: ", "Good enough: "];
const NOT_ENOUGH: &str = "Not enough data";

/// How long one is looked at in the past that has no end.
const RELEASE: Duration = Duration::from_secs(900);

/// Gives an end to every judge that has none, and tells of it: on recorded data it would go on
/// into the future.
pub(super) fn end(plan: &mut RunPlan, io: &mut Io<'_>) -> io::Result<()> {
    for metric in plan.metrics.iter_mut().filter(|metric| is_endless(metric)) {
        let note = format!(
            "{} waits without end (notEnoughData: hold): it is looked at for 15m here",
            metric.name
        );
        diagnostics::note(&mut io.err, &note)?;
        if let Some(judge) = &mut metric.judge {
            judge.extend = RELEASE;
        }
        *metric = metric.clone().sealed();
    }
    Ok(())
}

/// Tells of judges that have no end.
pub(super) fn tell_endless(plan: &RunPlan, io: &mut Io<'_>) -> io::Result<()> {
    for metric in plan.metrics.iter().filter(|metric| is_endless(metric)) {
        let note = format!(
            "{} goes on until it is decided; notEnoughData: extend 30m would end it",
            metric.name
        );
        diagnostics::note(&mut io.err, &note)?;
    }
    Ok(())
}

fn is_endless(metric: &MetricPlan) -> bool {
    let holds = |judge: &JudgePlan| judge.undecided == Undecided::Hold && judge.extend.is_zero();
    metric.judge.as_deref().is_some_and(holds)
}

/// How much evidence there is, up to what is needed; none for other metrics.
pub(super) fn evidence(plan: &MetricPlan, state: &MetricState) -> Option<f64> {
    let (judge, known) = both(plan, state)?;
    Some(known.evidence().min(judge.needed()))
}

/// `3.2 of 100`; none for a metric that is judged by a condition, and before the first scrape.
pub(super) fn value(plan: &MetricPlan, state: &MetricState) -> Option<String> {
    let needed = plan.judge.as_ref()?.needed();
    let evidence = evidence(plan, state)?;
    Some(format!("{} of {}", short(evidence), short(needed)))
}

/// The same with all counts, for a program.
pub(super) fn data(plan: &MetricPlan, state: &MetricState) -> Option<Value> {
    let (judge, known) = both(plan, state)?;
    let seen = known.errors().map(|errors| errors.seen())?;
    Some(json!({
        "evidence": known.evidence(),
        "needed": judge.needed(),
        "canary": {"requests": seen.canary.requests, "failed": seen.canary.events},
        "stable": {"requests": seen.stable.requests, "failed": seen.stable.events},
    }))
}

/// What it has to say, in full; none for other metrics.
pub(super) fn words(plan: &MetricPlan, state: &MetricState) -> Option<String> {
    plan.judge.as_ref()?;
    let text = match state.phase {
        AnalysisPhase::Pending | AnalysisPhase::Running => watching(plan, state),
        _ if !state.why.is_empty() => state.why.clone(),
        _ => state.last.clone(),
    };
    let rest = VERDICTS.iter().find_map(|start| text.strip_prefix(start));
    Some(rest.map(capital).unwrap_or(text))
}

/// What it says first, without the full stop.
pub(super) fn short_words(plan: &MetricPlan, state: &MetricState) -> Option<String> {
    let words = words(plan, state)?;
    if words.starts_with(NOT_ENOUGH) {
        return Some(NOT_ENOUGH.to_lowercase());
    }
    let first = words.split_once(". ").map_or(words.as_str(), |(it, _)| it);
    Some(small(first.trim_end_matches('.')))
}

/// The words of the judge that decided a run; none where none did.
pub(super) fn decided(plan: &RunPlan, state: &RunState) -> Option<String> {
    let mut metrics = plan.metrics.iter().zip(&state.metrics);
    let decided = metrics.find(|(plan, metric)| {
        let decides = metric.phase == state.phase && !plan.dry_run;
        plan.judge.is_some() && metric.judge.is_some() && decides
    });
    let (plan, metric) = decided?;
    words(plan, metric)
}

/// `new version 3 of 120 failed, stable 2 of 380`
fn watching(plan: &MetricPlan, state: &MetricState) -> String {
    let known = both(plan, state).and_then(|(_, known)| known.errors());
    match known.map(|errors| errors.seen()) {
        None if state.last.is_empty() => "not measured yet".to_owned(),
        None => state.last.clone(),
        Some(Scrape { canary, stable }) if canary.requests + stable.requests == 0 => {
            "nothing to compare yet".to_owned()
        }
        Some(Scrape { canary, stable }) => format!(
            "new version {} of {} failed, stable {} of {}",
            canary.events, canary.requests, stable.events, stable.requests
        ),
    }
}

fn both<'a>(
    plan: &'a MetricPlan,
    state: &'a MetricState,
) -> Option<(&'a JudgePlan, &'a JudgeState)> {
    plan.judge.as_deref().zip(state.judge.as_deref())
}

fn short(value: f64) -> String {
    match value >= 9.95 || value.fract() == 0.0 {
        true => format!("{value:.0}"),
        false => format!("{value:.1}"),
    }
}

fn capital(text: &str) -> String {
    begun(text, |sign| sign.to_ascii_uppercase())
}

fn small(text: &str) -> String {
    begun(text, |sign| sign.to_ascii_lowercase())
}

fn begun(text: &str, with: impl Fn(char) -> char) -> String {
    let mut signs = text.chars();
    let first = signs.next().map(with);
    first.into_iter().chain(signs).collect()
}
