//! What runs at the start, how much traffic there is, and when it ends.

use super::is_keyword;
use crate::script::line::{Line, Taken, Wrong};
use crate::script::scenario::{Named, Scenario, Timed};
use crate::script::{MAX_PODS, MAX_RATE};

pub(super) fn seed(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    scenario.seed = line.count("a seed", 0..=u64::MAX)?;
    Ok(())
}

pub(super) fn replicas(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    scenario.replicas = Some(pods(line, "replicas")?);
    Ok(())
}

pub(super) fn stable(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    scenario.stable = match line.eat("none") {
        true => None,
        false => Some(version_name(line)?.name),
    };
    Ok(())
}

pub(super) fn wanted(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    scenario.wanted = version_name(line)?.name;
    Ok(())
}

pub(super) fn traffic(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    let value = rate(line)?;
    scenario.scattered |= line.eat("scattered");
    let window = line.window()?;
    scenario.traffic.push(Timed { value, window });
    Ok(())
}

pub(super) fn testers(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    scenario.testers = line.percent()?;
    Ok(())
}

pub(super) fn quota(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    let value = pods(line, "a quota")?;
    line.words(&["pods"])?;
    let window = line.window()?;
    scenario.quota.push(Timed { value, window });
    Ok(())
}

pub(super) fn end(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    line.eat("at");
    let place = line.place();
    let end = line.time()?;
    if end.is_zero() {
        return Err(Wrong::new(place, "an end lies after the start"));
    }
    scenario.end = Some(end);
    Ok(())
}

/// A number of pods.
pub(super) fn pods(line: &mut Line, wanted: &str) -> Taken<u32> {
    let pods = line.count(wanted, 0..=u64::from(MAX_PODS))?;
    Ok(u32::try_from(pods).unwrap_or(MAX_PODS))
}

/// The name of a version.
pub(super) fn version_name(line: &mut Line) -> Taken<Named> {
    let named = line.name("a version")?;
    match is_keyword(&named.name) || named.name == "none" {
        true => {
            let message = format!("a version cannot be called \"{}\" here", named.name);
            Err(Wrong::new(named.place, message))
        }
        false => Ok(named),
    }
}

/// `100/s`, `6000/min` or `100 requests/s`.
fn rate(line: &mut Line) -> Taken<f64> {
    let help = "write a rate as 100/s or 6000/min";
    let (place, wrong) = (line.place(), line.unlike("a rate").help(help));
    let word = line.word("a rate").map_err(|wrong| wrong.help(help))?;
    let (number, unit) = match word.split_once('/') {
        Some((number, unit)) => (number.to_owned(), unit.to_owned()),
        None => (word, rate_unit(line)?),
    };
    let seconds = match unit.as_str() {
        "s" => 1.0,
        "m" | "min" => 60.0,
        _ => return Err(wrong),
    };
    match number.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 && number / seconds <= MAX_RATE => {
            Ok(number / seconds)
        }
        Ok(number) if number > 0.0 => {
            let message = format!("a world has at most {MAX_RATE} requests a second");
            Err(Wrong::new(place, message))
        }
        _ => Err(wrong),
    }
}

fn rate_unit(line: &mut Line) -> Taken<String> {
    let word = line.one_of(&["requests/s", "requests/min"])?;
    Ok(word.trim_start_matches("requests/").to_owned())
}
