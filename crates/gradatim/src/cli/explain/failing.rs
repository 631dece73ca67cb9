//! What becomes of a version that fails from its first request.

use std::io::{self, Write};
use std::time::Duration;

use gradatim_core::plan::StepKind;
use gradatim_core::plan::forecast::{Change, Failing, FailsAt, Found, Judge, Moment, Suggestion};
use gradatim_core::plan::lint::Rule;

use super::super::Output;
use super::super::look::Tone;
use super::super::text::{clean, list, ordinal, percent, short, wrap};
use super::words::moment;
use super::{Explained, Target};

const HOUR: f64 = 3600.0;

/// Writes when it is found, when its traffic is back, and whom it reaches.
pub(super) fn write(explained: &Explained<'_>, out: &mut Output<'_>) -> io::Result<()> {
    let failing = &explained.forecast.failing;
    if explained.forecast.assumed.replicas == 0 {
        return Ok(());
    }
    let look = out.look();
    writeln!(out)?;
    let head = "If the new version fails from its first request";
    writeln!(out, "{}", look.paint(Tone::Strong, head))?;
    if let Some(first) = failing.first_request {
        entry(
            out,
            "first user",
            &format!("{} at the earliest", moment(first)),
        )?;
    }
    let found = match &failing.found {
        Some(found) => format!(
            "{} at the latest, by {}",
            moment(found.at),
            by(explained, found)
        ),
        None => unfound(failing),
    };
    entry(out, "found", &found)?;
    if let Some(doubtful) = &failing.doubtful {
        let text = format!(
            "at {} if it shows in {}",
            moment(doubtful.at),
            by(explained, doubtful)
        );
        entry(out, "", &text)?;
    }
    if let Some(back) = failing.back {
        entry(out, "back at 0", &way_back(explained, back))?;
    }
    entry(out, "users", &users(explained, failing))?;
    if let Some(target) = &explained.target {
        wished(out, failing, target)?;
    }
    Ok(())
}

pub(super) fn entry(out: &mut Output<'_>, label: &str, text: &str) -> io::Result<()> {
    let width = out.look().width.saturating_sub(14).max(20);
    for (at, line) in wrap(text, width).iter().enumerate() {
        let label = if at == 0 { label } else { "" };
        writeln!(out, "  {label:<11} {line}")?;
    }
    Ok(())
}

fn by(explained: &Explained<'_>, found: &Found) -> String {
    let plan = &explained.rollout.compiled.plan;
    let (run, at) = match found.by {
        Judge::Background => {
            let run = plan.background.as_ref().map(|background| &background.run);
            (run, "beside the steps".to_owned())
        }
        Judge::Step(index) => {
            let step = plan.steps.get(index);
            let run = step.and_then(|step| match &step.kind {
                StepKind::Analysis(run) => Some(run),
                _ => None,
            });
            let at = match explained.forecast.steps.get(index).and_then(|row| row.step) {
                Some(step) => format!("in step {}", step.saturating_add(1)),
                None => "in its analysis".to_owned(),
            };
            (run, at)
        }
    };
    let metric = run.and_then(|run| run.metrics.iter().find(|it| it.name == found.metric));
    let metric = metric.map(gradatim_core::plan::forecast::MetricForecast::from);
    let limit = metric.and_then(|metric| match metric.fails_at.first()? {
        FailsAt::Failures(1) | FailsAt::InARow(1) => Some("its first failure".to_owned()),
        FailsAt::Failures(n) | FailsAt::InARow(n) => Some(format!("its {} failure", ordinal(*n))),
        FailsAt::For(time) => Some(format!("failing for {}", short(*time))),
        _ => None,
    });
    let limit = limit.map(|limit| format!(", {limit}")).unwrap_or_default();
    let mixed = explained
        .advice
        .iter()
        .any(|it| it.is(Rule::SameQuery, &found.metric));
    let mixed = match mixed {
        true => "; it sees both versions together, so this share of failures must be enough for it",
        false => "",
    };
    format!("{} {at}{limit}{mixed}", clean(found.metric.as_str()))
}

/// Why it is not found.
fn unfound(failing: &Failing) -> String {
    match &failing.missed {
        Some(metric) => format!(
            "not for certain: {} may have too few measurements after its first request",
            clean(metric.as_str())
        ),
        None => "never for certain: no test and no metric of errors that could fail".to_owned(),
    }
}

/// The pause without end in which users meet it.
fn pause(explained: &Explained<'_>) -> Option<String> {
    let forecast = &explained.forecast;
    let row = forecast.steps.get(forecast.failing.stops_at?)?;
    let step = row
        .step
        .map(|step| format!(" of step {}", step.saturating_add(1)));
    Some(format!("the pause{}", step.unwrap_or_default()))
}

fn way_back(explained: &Explained<'_>, back: Moment) -> String {
    let failing = &explained.forecast.failing;
    let found = failing
        .found
        .as_ref()
        .and_then(|found| back.since(found.at));
    let why = match (failing.first_request, found.unwrap_or_default()) {
        (None, _) => ", before any user has met it".to_owned(),
        (_, Duration::ZERO) => String::new(),
        (_, time) => format!(", {} after that", short(time)),
    };
    let pods = match failing.back_waits_for_pods {
        true => ", as fast as old pods come back",
        false => "",
    };
    format!("{}{why}{pods}", moment(back))
}

fn users(explained: &Explained<'_>, failing: &Failing) -> String {
    let Some(exposed) = failing.exposed else {
        return unbounded(explained, failing);
    };
    if failing.largest_share <= 0.0 {
        return "none".to_owned();
    }
    let share = percent(failing.largest_share);
    let takes = failing.takes().unwrap_or_default();
    let all_the_time = takes.as_secs_f64() * failing.largest_share;
    let up_to = match exposed.as_secs_f64() < all_the_time - 0.5 {
        true => "up to ",
        false => "",
    };
    let hour = percent(exposed.as_secs_f64() / HOUR);
    format!(
        "{up_to}{share} of the requests for {}, {hour} of an hour's",
        short(takes)
    )
}

fn unbounded(explained: &Explained<'_>, failing: &Failing) -> String {
    let share = percent(failing.largest_share);
    let promoted = moment(explained.forecast.promoted.first());
    match pause(explained) {
        Some(pause) => format!("{share} of the requests, for as long as {pause} lasts"),
        None => format!("everyone, from {promoted} on"),
    }
}

fn wished(out: &mut Output<'_>, failing: &Failing, target: &Target) -> io::Result<()> {
    let within = short(target.within);
    if target.met {
        let takes = failing.takes().map(short).unwrap_or_default();
        return entry(
            out,
            "wish",
            &format!("back within {within} of its first request: yes, after {takes}"),
        );
    }
    if target.suggestions.is_empty() {
        let text = format!(
            "back within {within} of its first request: no change of interval, failureLimit, \
             initialDelay or the place of an analysis is enough"
        );
        return entry(out, "wish", &text);
    }
    entry(
        out,
        "wish",
        &format!("back within {within} of its first request, by one of:"),
    )?;
    for suggestion in &target.suggestions {
        let text = format!(
            "– {} (after {})",
            changes(suggestion),
            short(suggestion.takes)
        );
        entry(out, "", &text)?;
    }
    Ok(())
}

fn changes(suggestion: &Suggestion) -> String {
    let words: Vec<_> = suggestion.changes.iter().map(change).collect();
    list(&words)
}

fn change(change: &Change) -> String {
    match change {
        Change::Interval { metric, from, to } => {
            let from = from.map(|from| format!(" instead of {}", short(from)));
            format!(
                "{} every {}{}",
                clean(metric.as_str()),
                short(*to),
                from.unwrap_or_default()
            )
        }
        Change::FailureLimit { metric, from, to } => {
            let from = from.map_or_else(|| "none".to_owned(), |from| from.to_string());
            format!(
                "failureLimit {to} instead of {from} for {}",
                clean(metric.as_str())
            )
        }
        Change::NoInitialDelay { metric } => {
            format!("no initialDelay for {}", clean(metric.as_str()))
        }
        Change::AnalyseBeforePauses { step } => {
            format!(
                "the analysis of step {} before the pauses in front of it",
                step.saturating_add(1)
            )
        }
        Change::StartingStep { from, to } => {
            format!("startingStep {to} instead of {from} for the analysis beside the steps")
        }
        Change::Beside { step: Some(step) } => {
            format!(
                "the analysis of step {} beside all steps too",
                step.saturating_add(1)
            )
        }
        Change::Beside { step: None } => "the analysis beside all steps too".to_owned(),
        _ => "another setting".to_owned(),
    }
}
