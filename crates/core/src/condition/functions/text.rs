//! Functions of texts.

use super::{Arguments, Function, Given, argument, give, list_of, text_of, whole_of};
use crate::condition::meter::Meter;
use crate::condition::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("string", 1, 1, |args, _| give(shown(argument(&args, 0)))),
    Function::new("trim", 1, 2, |args, _| give(trim(&args)?)),
    Function::new("trimPrefix", 1, 2, |args, _| {
        let (text, prefix) = (text_of(&args, 0)?, or_space(&args)?);
        give(text.strip_prefix(prefix).unwrap_or(text))
    }),
    Function::new("trimSuffix", 1, 2, |args, _| {
        let (text, suffix) = (text_of(&args, 0)?, or_space(&args)?);
        give(text.strip_suffix(suffix).unwrap_or(text))
    }),
    Function::new("upper", 1, 1, |args, _| {
        give(text_of(&args, 0)?.to_uppercase())
    }),
    Function::new("lower", 1, 1, |args, _| {
        give(text_of(&args, 0)?.to_lowercase())
    }),
    Function::new("split", 2, 3, |args, meter| split(&args, false, meter)),
    Function::new("splitAfter", 2, 3, |args, meter| split(&args, true, meter)),
    Function::new("replace", 3, 4, |args, meter| replace(&args, meter)),
    Function::new("repeat", 2, 2, |args, meter| repeat(&args, meter)),
    Function::new("join", 1, 2, |args, meter| join(&args, meter)),
    Function::new("indexOf", 2, 2, |args, _| {
        let (text, part) = (text_of(&args, 0)?, text_of(&args, 1)?);
        give(characters(text, text.find(part)))
    }),
    Function::new("lastIndexOf", 2, 2, |args, _| {
        let (text, part) = (text_of(&args, 0)?, text_of(&args, 1)?);
        give(characters(text, text.rfind(part)))
    }),
    Function::new("hasPrefix", 2, 2, |args, _| {
        give(text_of(&args, 0)?.starts_with(text_of(&args, 1)?))
    }),
    Function::new("hasSuffix", 2, 2, |args, _| {
        give(text_of(&args, 0)?.ends_with(text_of(&args, 1)?))
    }),
    Function::new("fromJSON", 1, 1, |args, meter| {
        let text = text_of(&args, 0)?;
        // In the worst case every two bytes are a value.
        meter.charge(text.len())?;
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))?;
        give(json)
    }),
];

/// How many characters stand before a byte; -1 for none.
fn characters(text: &str, byte: Option<usize>) -> i64 {
    let before = byte.and_then(|byte| text.get(..byte));
    before.map_or(-1, |before| {
        i64::try_from(before.chars().count()).unwrap_or(i64::MAX)
    })
}

fn trim(arguments: &Arguments<'_>) -> Result<String, String> {
    let text = text_of(arguments, 0)?;
    if arguments.len() == 1 {
        return Ok(text.trim().to_owned());
    }
    let set = text_of(arguments, 1)?;
    Ok(text.trim_matches(|c| set.contains(c)).to_owned())
}

fn or_space<'a>(arguments: &'a Arguments<'_>) -> Result<&'a str, String> {
    match arguments.len() {
        1 => Ok(" "),
        _ => text_of(arguments, 1),
    }
}

/// At most so many times: a number below zero, or none, is no limit.
fn limit(arguments: &Arguments<'_>, at: usize) -> Result<usize, String> {
    if arguments.len() <= at {
        return Ok(usize::MAX);
    }
    Ok(usize::try_from(whole_of(arguments, at)?).unwrap_or(usize::MAX))
}

fn split<'v>(arguments: &Arguments<'_>, keep: bool, meter: &mut Meter) -> Given<'v> {
    let (text, separator) = (text_of(arguments, 0)?, text_of(arguments, 1)?);
    let most = limit(arguments, 2)?;
    meter.charge(text.len())?;
    let mut pieces = Vec::new();
    let mut rest = text;
    while pieces.len() + 1 < most {
        // An empty separator stands after each character.
        let cut = match separator {
            "" => rest.chars().next().map(|c| (c.len_utf8(), 0)),
            _ => rest.find(separator).map(|at| (at, separator.len())),
        };
        let Some((at, length)) = cut.filter(|(at, length)| at + length < rest.len() || *length > 0)
        else {
            break;
        };
        let end = if keep { at + length } else { at };
        pieces.push(rest.get(..end).unwrap_or_default());
        rest = rest.get(at + length..).unwrap_or_default();
    }
    if most > 0 && !(text.is_empty() && separator.is_empty()) {
        pieces.push(rest);
    }
    give(pieces)
}

fn replace<'v>(arguments: &Arguments<'_>, meter: &mut Meter) -> Given<'v> {
    let (text, from) = (text_of(arguments, 0)?, text_of(arguments, 1)?);
    let to = text_of(arguments, 2)?;
    let most = limit(arguments, 3)?;
    let times = text.matches(from).count().min(most);
    meter.text(text.len().saturating_add(times.saturating_mul(to.len())))?;
    give(text.replacen(from, to, times))
}

fn repeat<'v>(arguments: &Arguments<'_>, meter: &mut Meter) -> Given<'v> {
    let text = text_of(arguments, 0)?;
    let times = usize::try_from(whole_of(arguments, 1)?)
        .map_err(|_| "a text cannot be repeated less than 0 times")?;
    meter.text(times.max(times.saturating_mul(text.len())))?;
    give(text.repeat(times))
}

fn join<'v>(arguments: &Arguments<'_>, meter: &mut Meter) -> Given<'v> {
    let glue = match arguments.len() {
        1 => "",
        _ => text_of(arguments, 1)?,
    };
    let mut pieces = Vec::new();
    for item in list_of(arguments, 0)? {
        match item {
            Value::Str(text) => pieces.push(text.as_str()),
            other => return Err(format!("texts are joined, not {}", other.type_name())),
        }
        meter.text(glue.len())?;
    }
    give(pieces.join(glue))
}

/// A value as Go prints it with `%v`.
fn shown(value: &Value) -> String {
    let spaced = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(" ");
    match value {
        Value::Nil => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => float(*value),
        Value::Str(text) => text.clone(),
        Value::Array(items) => format!("[{}]", spaced(&mut items.iter().map(shown))),
        Value::Map(fields) => {
            let mut pairs = fields
                .iter()
                .map(|(key, field)| format!("{key}:{}", shown(field)));
            format!("map[{}]", spaced(&mut pairs))
        }
    }
}

/// Shortest, with an exponent below 0.0001 and from a million on.
fn float(value: f64) -> String {
    match value {
        _ if value.is_nan() => return "NaN".to_owned(),
        f64::INFINITY => return "+Inf".to_owned(),
        f64::NEG_INFINITY => return "-Inf".to_owned(),
        _ => {}
    }
    let text = format!("{value:e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    if (-4..6).contains(&power.parse().unwrap_or(0)) {
        return value.to_string();
    }
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |it| ('-', it));
    format!("{digits}e{sign}{power:0>2}")
}
