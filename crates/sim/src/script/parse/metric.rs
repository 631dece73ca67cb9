//! What metrics measure and what gates say.

use std::time::Duration;

use gradatim_core::measurement::GateState;

use crate::script::MAX_VALUES;
use crate::script::line::{Line, Taken, Wrong};
use crate::script::scenario::{
    GateLine, Measures, Metric, Named, Scenario, Signal, Subject, Value, Window,
};

pub(super) fn metric(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    let name = named(line, "a metric's name")?;
    let measures = measures(line)?;
    let window = line.window()?;
    scenario.metrics.push(Metric {
        name,
        measures,
        window,
    });
    Ok(())
}

fn named(line: &mut Line, wanted: &str) -> Taken<Named> {
    let name = line.name(wanted)?;
    line.colon()?;
    Ok(name)
}

fn measures(line: &mut Line) -> Taken<Measures> {
    let words = [
        "success", "error", "request", "median", "p95", "values", "no", "job",
    ];
    let wrong = line.none_of(&words);
    match line.peek().unwrap_or_default() {
        // An error that is quoted is a value; `error rate` is a signal.
        "no" => values(line),
        "error" if line.peek_at(1) != Some("rate") => values(line),
        "value" | "values" => {
            line.word("values")?;
            values(line)
        }
        "job" => job(line),
        "success" => requests(line, Signal::SuccessRate, &["success", "rate"]),
        "error" => requests(line, Signal::ErrorRate, &["error", "rate"]),
        "request" => requests(line, Signal::RequestRate, &["request", "rate"]),
        "median" => requests(line, Signal::Latency(0.5), &["median", "latency"]),
        word => match quantile(word) {
            Some(quantile) => {
                line.word("a quantile")?;
                requests(line, Signal::Latency(quantile), &["latency"])
            }
            None => Err(wrong),
        },
    }
}

/// `p95` is 0.95 and `p99.9` is 0.999.
fn quantile(word: &str) -> Option<f64> {
    let percent = word.strip_prefix('p')?;
    let (whole, rest) = percent.split_once('.').unwrap_or((percent, ""));
    let is_number = !whole.is_empty() && whole.len() <= 2 && rest.len() <= 6;
    let digits = whole.bytes().chain(rest.bytes());
    let is_digits = is_number && digits.into_iter().all(|sign| sign.is_ascii_digit());
    let quantile: f64 = is_digits.then(|| format!("0.{whole:0>2}{rest}").parse().ok())??;
    (quantile > 0.0).then_some(quantile)
}

fn requests(line: &mut Line, what: Signal, words: &[&str]) -> Taken<Measures> {
    line.words(words)?;
    let (mut factor, mut of, mut over) = (None, None, None);
    loop {
        if factor.is_none() && line.eat("in") {
            factor = Some(unit(line, what)?);
        } else if of.is_none() && line.eat("of") {
            of = Some(subject(line)?);
        } else if over.is_none() && line.eat("over") {
            over = Some(window(line)?);
        } else {
            break;
        }
    }
    Ok(Measures::Requests {
        what,
        of: of.unwrap_or(Subject::Canary),
        over,
        factor: factor.unwrap_or(1.0),
    })
}

fn unit(line: &mut Line, what: Signal) -> Taken<f64> {
    let is_latency = matches!(what, Signal::Latency(_));
    let wrong = match is_latency {
        true => line.none_of(&["ms"]),
        false => line.unlike("\"%\""),
    };
    if is_latency && line.eat("ms") {
        Ok(1000.0)
    } else if !is_latency && line.percent_sign() {
        Ok(100.0)
    } else {
        Err(wrong)
    }
}

fn subject(line: &mut Line) -> Taken<Subject> {
    Ok(match line.one_of(&["canary", "stable", "all"])? {
        "canary" => Subject::Canary,
        "stable" => Subject::Stable,
        _ => Subject::All,
    })
}

fn window(line: &mut Line) -> Taken<Duration> {
    let place = line.place();
    let over = line.duration()?;
    match over.is_zero() {
        true => Err(Wrong::new(place, "a window is longer than nothing")),
        false => Ok(over),
    }
}

fn values(line: &mut Line) -> Taken<Measures> {
    let mut values = vec![value(line)?];
    while line.comma() {
        let place = line.place();
        values.push(value(line)?);
        if values.len() > MAX_VALUES {
            let message = format!("a metric has at most {MAX_VALUES} values");
            return Err(Wrong::new(place, message));
        }
    }
    Ok(Measures::Values(values))
}

fn value(line: &mut Line) -> Taken<Value> {
    let wrong = line
        .unlike("a value")
        .help("a value is a number, NaN, +Inf, -Inf, no data, or error \"its text\"");
    if line.eat_all(&["no", "data"]) {
        return Ok(Value::NoData);
    }
    if line.eat("error") {
        return Ok(Value::Error(line.text("the error's text in quotes")?));
    }
    let word = line.word("a value").ok();
    let number = match word.as_deref() {
        Some("NaN") => Some(f64::NAN),
        Some("+Inf" | "Inf") => Some(f64::INFINITY),
        Some("-Inf") => Some(f64::NEG_INFINITY),
        Some(word) => word.parse().ok().filter(|number: &f64| number.is_finite()),
        None => None,
    };
    number.map(Value::Number).ok_or(wrong)
}

fn job(line: &mut Line) -> Taken<Measures> {
    line.words(&["job"])?;
    let succeeds = line.one_of(&["succeeds", "fails"])? == "succeeds";
    line.words(&["after"])?;
    let after = line.duration()?;
    Ok(Measures::Job { succeeds, after })
}

pub(super) fn gate(line: &mut Line, scenario: &mut Scenario) -> Taken<()> {
    let name = named(line, "a gate's name")?;
    let word = line.one_of(&["opens", "closes", "open", "closed", "unknown"])?;
    let turns = matches!(word, "opens" | "closes");
    let says = match word {
        "open" | "opens" => GateState::Open,
        "closed" | "closes" => GateState::Closed,
        _ => GateState::Unknown,
    };
    let window = match turns {
        true => turning_point(line)?,
        false => line.window()?,
    };
    let is_first = !scenario
        .gates
        .iter()
        .any(|gate| gate.name.name == name.name);
    if turns && is_first && !window.from.is_zero() {
        scenario.gates.push(GateLine {
            name: name.clone(),
            says: opposite(says),
            window: Window::ALWAYS,
        });
    }
    scenario.gates.push(GateLine { name, says, window });
    Ok(())
}

fn turning_point(line: &mut Line) -> Taken<Window> {
    let at = line.place();
    line.words(&["at"])?;
    let window = Window {
        from: line.time()?,
        to: None,
    };
    line.happens_before(at, window);
    Ok(window)
}

fn opposite(says: GateState) -> GateState {
    match says {
        GateState::Open => GateState::Closed,
        _ => GateState::Open,
    }
}
