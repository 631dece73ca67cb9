//! What is wrong with a version or its pods.

use std::time::Duration;

use super::world::{pods as pod_count, version_name};
use crate::script::line::{Line, Taken, Wrong};
use crate::script::scenario::{Named, Scenario, Trait, TraitKind};

/// What can stand behind a version.
pub(super) const VERBS: &[&str] = &["fails", "answers", "pods"];

pub(super) fn is_verb(word: &str) -> bool {
    VERBS.contains(&word)
}

pub(super) fn version(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    let version = version_name(line)?;
    let kind = match line.one_of(VERBS)? {
        "fails" => fails(line)?,
        "answers" => answers(line)?,
        _ => pods(line)?,
    };
    add(line, scenario, Some(version), kind)
}

pub(super) fn every_pod(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    let kind = pods(line)?;
    add(line, scenario, None, kind)
}

fn add(
    line: &mut Line,
    scenario: &mut Scenario,
    version: Option<Named>,
    kind: TraitKind,
) -> Taken<()> {
    let window = line.window()?;
    scenario.traits.push(Trait {
        version,
        kind,
        window,
    });
    Ok(())
}

/// `fails 5 %`, or `fails 1 % growing 2 % a minute`.
fn fails(line: &mut Line) -> Taken<TraitKind> {
    let rate = line.percent()?;
    let growing = match line.eat("growing") {
        true => line.percent()?,
        false => 0.0,
    };
    if growing > 0.0 {
        line.words(&["a", "minute"])?;
    }
    Ok(TraitKind::Fails { rate, growing })
}

fn answers(line: &mut Line) -> Taken<TraitKind> {
    line.words(&["in"])?;
    line.duration().map(TraitKind::Answers)
}

fn pods(line: &mut Line) -> Taken<TraitKind> {
    let verbs = ["ready", "never", "at", "crash", "refused", "cannot", "are"];
    match line.one_of(&verbs)? {
        "ready" => after(line).map(TraitKind::ReadyAfter),
        "crash" => after(line).map(TraitKind::CrashAfter),
        "never" => {
            line.words(&["ready"])?;
            Ok(TraitKind::AtMostReady(0))
        }
        "at" => at_most(line),
        "refused" => Ok(TraitKind::Refused(line.quoted())),
        "cannot" => {
            line.words(&["pull", "their", "image"])?;
            Ok(TraitKind::ImageNotPulled(line.quoted()))
        }
        _ => cold(line),
    }
}

fn after(line: &mut Line) -> Taken<Duration> {
    line.words(&["after"])?;
    line.duration()
}

/// `at most 3 ready`.
fn at_most(line: &mut Line) -> Taken<TraitKind> {
    line.words(&["most"])?;
    let most = pod_count(line, "a number of pods")?;
    line.words(&["ready"])?;
    Ok(TraitKind::AtMostReady(most))
}

/// `are 5 times slower in their first 30s`.
fn cold(line: &mut Line) -> Taken<TraitKind> {
    let place = line.place();
    let times = line.number("how many times slower")?;
    if !(1.0..=1e4).contains(&times) {
        return Err(Wrong::new(place, "pods are 1 to 10000 times slower"));
    }
    line.words(&["times", "slower", "in", "their", "first"])?;
    let lasts = line.duration()?;
    Ok(TraitKind::Cold { times, lasts })
}
