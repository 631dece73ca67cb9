//! Functions of numbers.

use std::cmp::Ordering;

use super::{Arguments, Function, Given, argument, give};
use crate::condition::meter::Meter;
use crate::condition::operators::order;
use crate::condition::value::{Value, truncated};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::quick("asInt", 1, |args, _| int(argument(&args, 0))),
    Function::quick("asFloat", 1, |args, _| give(float(argument(&args, 0))?)),
    Function::quick("isNaN", 1, |args, _| give(number(&args)?.is_nan())),
    Function::quick("isInf", 1, |args, _| give(number(&args)?.is_infinite())),
    Function::quick("int", 1, |args, _| int(argument(&args, 0))),
    Function::quick("float", 1, |args, _| give(float(argument(&args, 0))?)),
    Function::quick("abs", 1, |args, _| abs(argument(&args, 0))),
    Function::quick("ceil", 1, |args, _| give(libm::ceil(number(&args)?))),
    Function::quick("floor", 1, |args, _| give(libm::floor(number(&args)?))),
    Function::quick("round", 1, |args, _| give(libm::round(number(&args)?))),
    Function::new("max", 1, usize::MAX, |args, meter| {
        extreme(&args, Ordering::Less, meter)
    }),
    Function::new("min", 1, usize::MAX, |args, meter| {
        extreme(&args, Ordering::Greater, meter)
    }),
    Function::new("mean", 1, usize::MAX, |args, _| mean(&args)),
    Function::new("median", 1, usize::MAX, |args, _| median(&args)),
    Function::quick("bitand", 2, |args, _| bits(&args, |a, b| Some(a & b))),
    Function::quick("bitor", 2, |args, _| bits(&args, |a, b| Some(a | b))),
    Function::quick("bitxor", 2, |args, _| bits(&args, |a, b| Some(a ^ b))),
    Function::quick("bitnand", 2, |args, _| bits(&args, |a, b| Some(a & !b))),
    Function::quick("bitshl", 2, |args, _| {
        bits(&args, |a, b| {
            shift(b).map(|b| a.checked_shl(b).unwrap_or(0))
        })
    }),
    Function::quick("bitshr", 2, |args, _| {
        bits(&args, |a, b| shift(b).map(|b| a >> b.min(63)))
    }),
    Function::quick("bitushr", 2, |args, _| {
        bits(&args, |a, b| {
            let right = |by| a.cast_unsigned().checked_shr(by).unwrap_or(0);
            shift(b).map(|by| right(by).cast_signed())
        })
    }),
    Function::quick("bitnot", 1, |args, _| match argument(&args, 0) {
        Value::Int(value) => give(!value),
        other => Err(unfit("a whole number", other)),
    }),
];

fn unfit(wanted: &str, value: &Value) -> String {
    format!("{wanted} is wanted, not {}", value.type_name())
}

fn number(arguments: &Arguments<'_>) -> Result<f64, String> {
    let value = argument(arguments, 0);
    value.number().ok_or_else(|| unfit("a number", value))
}

fn int<'v>(value: &Value) -> Given<'v> {
    let whole = match value {
        Value::Int(value) => Some(*value),
        Value::Float(value) => truncated(*value),
        Value::Str(text) => text.parse().ok(),
        other => return Err(unfit("a number or a text", other)),
    };
    give(whole.ok_or_else(|| format!("{value} is no whole number"))?)
}

fn float(value: &Value) -> Result<f64, String> {
    let wrong = || format!("{value} is no number");
    match value {
        Value::Str(text) => {
            let value: f64 = text.parse().map_err(|_| wrong())?;
            // "1e999" is out of range, but "Inf" is what it says.
            let overflow = value.is_infinite() && text.contains(|c: char| c.is_ascii_digit());
            (!overflow).then_some(value).ok_or_else(wrong)
        }
        other => other
            .number()
            .ok_or_else(|| unfit("a number or a text", other)),
    }
}

fn abs<'v>(value: &Value) -> Given<'v> {
    match value {
        Value::Int(value) => give(value.checked_abs().ok_or("this number is too large")?),
        Value::Float(value) => give(value.abs()),
        other => Err(unfit("a number", other)),
    }
}

fn bits<'v>(arguments: &Arguments<'_>, of: fn(i64, i64) -> Option<i64>) -> Given<'v> {
    match (argument(arguments, 0), argument(arguments, 1)) {
        (Value::Int(left), Value::Int(right)) => {
            give(of(*left, *right).ok_or("a shift is never negative")?)
        }
        (Value::Int(_), other) | (other, _) => Err(unfit("a whole number", other)),
    }
}

fn shift(by: i64) -> Option<u32> {
    (by >= 0).then(|| u32::try_from(by).unwrap_or(u32::MAX))
}

/// Every number in the arguments and the arrays in them.
fn numbers<'a>(value: &'a Value, found: &mut Vec<&'a Value>) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| numbers(item, found)),
        Value::Int(_) | Value::Float(_) => {
            found.push(value);
            Ok(())
        }
        other => Err(unfit("a number or an array of them", other)),
    }
}

fn all<'a>(arguments: &'a Arguments<'_>) -> Result<Vec<&'a Value>, String> {
    let mut found = Vec::new();
    for argument in arguments {
        numbers(argument, &mut found)?;
    }
    Ok(found)
}

/// The number that no other one is beyond; nil of none.
fn extreme<'v>(arguments: &Arguments<'_>, beyond: Ordering, meter: &mut Meter) -> Given<'v> {
    let mut best: Option<&Value> = None;
    for value in all(arguments)? {
        let better = match best {
            Some(best) => order(best, value, meter)? == Some(beyond),
            None => true,
        };
        best = if better { Some(value) } else { best };
    }
    give(best.cloned().unwrap_or_default())
}

fn floats(arguments: &Arguments<'_>) -> Result<Vec<f64>, String> {
    Ok(all(arguments)?
        .into_iter()
        .filter_map(Value::number)
        .collect())
}

fn mean<'v>(arguments: &Arguments<'_>) -> Given<'v> {
    let values = floats(arguments)?;
    match values.len() {
        0 => give(0.0),
        count => give(values.iter().sum::<f64>() / count as f64),
    }
}

fn median<'v>(arguments: &Arguments<'_>) -> Given<'v> {
    let mut values = floats(arguments)?;
    // Go puts NaN before all numbers.
    values.sort_by(|left, right| match (left.is_nan(), right.is_nan()) {
        (false, false) => left.total_cmp(right),
        (left, right) => right.cmp(&left),
    });
    let middle = values.len() / 2;
    let at = |at: usize| values.get(at).copied().unwrap_or_default();
    give(match values.len() % 2 {
        1 => at(middle),
        _ if middle == 0 => 0.0,
        _ => f64::midpoint(at(middle - 1), at(middle)),
    })
}
