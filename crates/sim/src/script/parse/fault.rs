//! What goes wrong with routers, the workload, providers and the store.

use std::time::Duration;

use crate::script::line::{Line, Taken, Wrong};
use crate::script::scenario::{FaultLine, Named, Port, PortFault, Scenario};

const VERBS: &[&str] = &["fails", "cannot", "hangs", "lags"];
const WRITE_VERBS: &[&str] = &["loses", "repeats", "reads"];

pub(super) fn router(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    let verbs = [VERBS, WRITE_VERBS].concat();
    let name = port_name(line, &verbs)?;
    add(line, scenario, Port::Router(name), &verbs)
}

pub(super) fn workload(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    let verbs = ["fails", "cannot", "hangs", "loses", "repeats", "reads"];
    add(line, scenario, Port::Workload, &verbs)
}

pub(super) fn provider(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    let verbs = ["fails", "hangs", "gives"];
    let name = port_name(line, &verbs)?;
    add(line, scenario, Port::Provider(name), &verbs)
}

pub(super) fn store(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    add(line, scenario, Port::Store, &["fails", "cannot", "hangs"])
}

/// A word that is no verb is the name of one backend, where a verb stands behind it.
fn port_name(line: &mut Line, verbs: &[&str]) -> Taken<Option<Named>> {
    let is_verb = |word: Option<&str>| word.is_some_and(|word| verbs.contains(&word));
    match !is_verb(line.peek()) && is_verb(line.peek_at(1)) {
        true => line.name("a name").map(Some),
        false => Ok(None),
    }
}

fn add(line: &mut Line, scenario: &mut Scenario, port: Port, verbs: &[&str]) -> Taken<()> {
    let place = line.place();
    let verb = line.one_of(verbs)?;
    let kind = kind(line, verb)?;
    if matches!((&port, &kind), (Port::Router(Some(_)), PortFault::Lags(_))) {
        let wrong = Wrong::new(place, "routers lag together");
        return Err(wrong.help("leave the name out: router lags 20s"));
    }
    let window = line.window()?;
    scenario.faults.push(FaultLine { port, kind, window });
    Ok(())
}

fn kind(line: &mut Line, verb: &str) -> Taken<PortFault> {
    match verb {
        "fails" => part(line).map(PortFault::Fails),
        "cannot" => cannot(line),
        "hangs" => Ok(PortFault::Hangs),
        "lags" => line.duration().map(PortFault::Lags),
        "loses" => writes(line).map(PortFault::LosesWrites),
        "repeats" => repeats(line),
        "reads" => old_reads(line).map(PortFault::ReadsOld),
        _ => {
            line.words(&["no", "data"])?;
            Ok(PortFault::GivesNoData)
        }
    }
}

/// A percentage where one is written, else all.
fn part(line: &mut Line) -> Taken<f64> {
    match line.is_percent() {
        true => line.percent(),
        false => Ok(1.0),
    }
}

fn cannot(line: &mut Line) -> Taken<PortFault> {
    line.words(&["be"])?;
    Ok(match line.one_of(&["read", "written"])? {
        "read" => PortFault::CannotBeRead,
        _ => PortFault::CannotBeWritten,
    })
}

/// `writes`, or `20 % of writes`.
fn writes(line: &mut Line) -> Taken<f64> {
    let is_part = line.is_percent();
    let part = part(line)?;
    let words: &[&str] = if is_part {
        &["of", "writes"]
    } else {
        &["writes"]
    };
    line.words(words)?;
    Ok(part)
}

/// `writes after 20s`.
fn repeats(line: &mut Line) -> Taken<PortFault> {
    let part = writes(line)?;
    line.words(&["after"])?;
    let after = line.duration()?;
    Ok(PortFault::RepeatsWrites { part, after })
}

/// `reads are 30s old`.
fn old_reads(line: &mut Line) -> Taken<Duration> {
    line.words(&["are"])?;
    let age = line.duration()?;
    line.words(&["old"])?;
    Ok(age)
}
