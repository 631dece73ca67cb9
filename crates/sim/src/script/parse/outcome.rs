//! What is done at an instant, and what shall come of it.

use gradatim_core::order::OrderKind;

use super::world::{pods, version_name};
use crate::script::line::{Line, Taken};
use crate::script::scenario::{Change, Expect, Expected, Planned, Scenario, Told, Window};

const CHANGES: &[&str] = &[
    "promote", "abort", "retry", "pause", "resume", "skip", "restart", "undo", "deploy", "scale",
    "set", "kill", "somebody",
];

pub(super) fn at(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    let place = line.place();
    let at = line.time()?;
    let begins = line.place();
    let change = change(line)?;
    scenario.told.push(Told {
        word: match change {
            Change::Order(_) | Change::Undo(_) => "order",
            Change::Deploy(_) | Change::Scale(_) | Change::Paused(_) => "edit",
            Change::Kill { .. } | Change::StrangerSetsWeight(_) => "world",
        },
        text: line.text_since(begins),
        window: Window { from: at, to: None },
    });
    scenario.changes.push(Planned { at, change, place });
    Ok(())
}

fn change(line: &mut Line) -> Taken<Change> {
    let order = |kind| Ok(Change::Order(kind));
    match line.one_of(CHANGES)? {
        "promote" if line.eat("full") => order(OrderKind::PromoteFull),
        "promote" => order(OrderKind::Promote),
        "abort" => order(OrderKind::Abort),
        "retry" => order(OrderKind::Retry),
        "pause" => order(OrderKind::Pause),
        "resume" => order(OrderKind::Resume),
        "restart" => order(OrderKind::Restart),
        "skip" => {
            line.words(&["step"])?;
            order(OrderKind::SkipStep)
        }
        "undo" if line.eat("to") => version_name(line).map(Change::Undo),
        "undo" => order(OrderKind::Undo(None)),
        "deploy" => version_name(line).map(Change::Deploy),
        "scale" => pods(line, "a number of pods").map(Change::Scale),
        "set" => paused(line),
        "kill" => kill(line),
        _ => stranger(line),
    }
}

/// `set spec.paused true`.
fn paused(line: &mut Line) -> Taken<Change> {
    line.words(&["spec.paused"])?;
    let paused = line.one_of(&["true", "false"])? == "true";
    Ok(Change::Paused(paused))
}

/// `kill 3 pods of v1`.
fn kill(line: &mut Line) -> Taken<Change> {
    let pods = pods(line, "a number of pods")?;
    if !line.eat("pod") {
        line.words(&["pods"])?;
    }
    line.words(&["of"])?;
    let version = version_name(line)?;
    Ok(Change::Kill { pods, version })
}

/// `somebody sets weight 50`.
fn stranger(line: &mut Line) -> Taken<Change> {
    line.words(&["sets", "weight"])?;
    let weight = line.count("a weight", 0..=10_000)?;
    Ok(Change::StrangerSetsWeight(
        u32::try_from(weight).unwrap_or(10_000),
    ))
}

pub(super) fn expect(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    let place = line.place();
    let words = [
        "promoted",
        "rolled",
        "paused",
        "progressing",
        "degraded",
        "at",
    ];
    let what = match line.one_of(&words)? {
        "promoted" => Expected::Promoted,
        "rolled" => {
            line.words(&["back"])?;
            Expected::RolledBack
        }
        "paused" => Expected::Paused,
        "progressing" => Expected::Progressing,
        "degraded" => Expected::Degraded,
        _ => {
            line.words(&["most"])?;
            let count = line.count("a number of requests", 0..=u64::MAX)?;
            line.words(&["failed", "requests"])?;
            Expected::FailedAtMost(count)
        }
    };
    let by = match what == Expected::Promoted || what == Expected::RolledBack {
        true if line.eat("by") => Some(line.time()?),
        _ => None,
    };
    scenario.expects.push(Expect { what, by, place });
    Ok(())
}
