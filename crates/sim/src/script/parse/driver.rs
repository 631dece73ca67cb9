//! What happens to the driver: crashes, stand-stills, and a second one.

use std::time::Duration;

use crate::script::line::{Line, Taken};
use crate::script::scenario::{DriverLine, Scenario, Told, Window};

pub(super) fn driver(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    let happening = match line.one_of(&["crashes", "stands"])? {
        "crashes" => crashes(line)?,
        _ => stands(line)?,
    };
    scenario.drivers.push(happening);
    Ok(())
}

fn crashes(line: &mut Line) -> Taken<DriverLine> {
    if line.one_of(&["at", "after"])? == "after" {
        let part = line.percent()?;
        line.words(&["of", "writes"])?;
        let away = away(line)?;
        return Ok(DriverLine::CrashesAfterWrites { part, away });
    }
    let at = line.time()?;
    let away = away(line)?;
    let after_writes = after_writes(line)?;
    Ok(DriverLine::Crashes {
        at,
        away,
        after_writes,
    })
}

/// `for 20s`; at once where nothing is written.
fn away(line: &mut Line) -> Taken<Duration> {
    match line.eat("for") {
        true => line.duration(),
        false => Ok(Duration::ZERO),
    }
}

fn stands(line: &mut Line) -> Taken<DriverLine> {
    line.words(&["still", "at"])?;
    let at = line.time()?;
    line.words(&["for"])?;
    let lasts = line.duration()?;
    let after_writes = after_writes(line)?;
    Ok(DriverLine::Stands {
        at,
        lasts,
        after_writes,
    })
}

/// `after 2 writes`, where it is written.
fn after_writes(line: &mut Line) -> Taken<Option<u32>> {
    if !line.eat("after") {
        return Ok(None);
    }
    let count = line.count("a number of writes", 0..=100)?;
    if !line.eat("write") {
        line.words(&["writes"])?;
    }
    Ok(u32::try_from(count).ok())
}

pub(super) fn second(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    line.words(&["driver", "at"])?;
    let at = line.time()?;
    let takes_over = line.eat_all(&["takes", "over"]);
    let second = scenario.drivers.iter();
    let second = second
        .filter(|line| matches!(line, DriverLine::Second { .. }))
        .count()
        + 1;
    let takes_over_too = if takes_over { " and takes over" } else { "" };
    scenario.told.push(Told {
        word: "driver",
        text: format!("driver-{second} is started{takes_over_too}"),
        window: Window { from: at, to: None },
    });
    scenario.drivers.push(DriverLine::Second { at, takes_over });
    Ok(())
}
