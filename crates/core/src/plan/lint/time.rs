//! Pauses, and what is measured while they last.

use std::time::Duration;

use super::subject::{Place, Run, Subject};
use super::{Found, Rule};
use crate::go_duration::short;
use crate::plan::StepKind;

pub(super) fn look(subject: &Subject<'_>, found: &mut Found) {
    let background = subject
        .runs
        .iter()
        .find(|run| matches!(run.place, Place::Background(_)));
    if let Some(background) = background {
        unmeasured_pauses(subject, background, found);
        late(subject, background, found);
    }
    unwatched_pauses(subject, background, found);
}

/// The user's step at which the analysis beside the steps begins.
fn start(run: &Run<'_>) -> u32 {
    match run.place {
        Place::Background(step) => step,
        _ => 0,
    }
}

/// Pauses that are shorter than the time from one measurement to the next.
fn unmeasured_pauses(subject: &Subject<'_>, background: &Run<'_>, found: &mut Found) {
    let judging = background
        .metrics
        .iter()
        .filter(|metric| !metric.plan.dry_run);
    for metric in judging {
        let Some(interval) = metric.plan.interval else {
            continue;
        };
        let shorter = subject
            .plan
            .steps
            .iter()
            .filter(|step| step.index >= start(background));
        let shorter = shorter.filter_map(|step| match step.kind {
            StepKind::Pause(Some(pause)) if pause < interval && !pause.is_zero() => {
                Some((step.index, pause))
            }
            _ => None,
        });
        let shorter: Vec<_> = shorter.collect();
        let Some((step, pause)) = shorter.first() else {
            continue;
        };
        let more = match shorter.len() {
            1 => String::new(),
            more => format!(", and {} more like it", more - 1),
        };
        let message = format!(
            "{} is measured every {}: the pause of {} in step {} can pass without a measurement{more}",
            metric.plan.name,
            short(interval),
            short(*pause),
            step.saturating_add(1),
        );
        let site = metric.site.key("interval");
        found.say(
            Rule::IntervalExceedsPause,
            &site,
            message,
            "an interval of at most half the pause",
        );
    }
}

/// Users meet the new version before anything beside the steps looks at it.
fn late(subject: &Subject<'_>, background: &Run<'_>, found: &mut Found) {
    let start = start(background);
    let mut before = subject
        .plan
        .steps
        .iter()
        .take_while(|step| step.index < start);
    let mut exposed = 0;
    for step in before.by_ref() {
        match &step.kind {
            StepKind::SetWeight(weight) => exposed = *weight,
            // What is judged in a step before it is not unwatched.
            StepKind::Analysis(_) if exposed > 0 => return,
            _ => {}
        }
    }
    let moved =
        |step: &&crate::plan::Step| matches!(step.kind, StepKind::Pause(_)) && step.index < start;
    let lasts: Option<Duration> = subject
        .plan
        .steps
        .iter()
        .filter(moved)
        .map(|step| match step.kind {
            StepKind::Pause(duration) => duration,
            _ => Some(Duration::ZERO),
        })
        .try_fold(Duration::ZERO, |sum, it| Some(sum.saturating_add(it?)));
    if exposed == 0 || lasts == Some(Duration::ZERO) {
        return;
    }
    let weight = subject.percent(exposed);
    let message = format!(
        "the analysis begins with step {}: until then {weight} of the users are on the new version \
         and nothing looks at it",
        start.saturating_add(1),
    );
    let site = background.site.key("startingStep");
    found.say(
        Rule::LateBackground,
        &site,
        message,
        "start it with the first weight",
    );
}

/// Pauses without end that users stand in, with nothing measuring.
fn unwatched_pauses(subject: &Subject<'_>, background: Option<&Run<'_>>, found: &mut Found) {
    let rows = subject.timeline.steps.iter().enumerate();
    for (index, row) in rows {
        let endless = subject
            .plan
            .steps
            .get(index)
            .is_some_and(|step| step.kind == StepKind::Pause(None));
        let watched = background.is_some_and(|run| row.step.is_some_and(|step| step >= start(run)));
        if !endless || watched || row.weight == 0 || row.step.is_none() {
            continue;
        }
        let message = format!(
            "this pause ends when somebody ends it, and until then nothing looks at the {} of users \
             on the new version",
            subject.percent(row.weight),
        );
        let site = subject.step_site(index).key("pause");
        let help = "an analysis beside the steps watches a pause too";
        found.say(Rule::UnwatchedPause, &site, message, help);
    }
}
