//! Operators of two values.

use std::cmp::Ordering;

use super::ast::Operator;
use super::meter::Meter;
use super::parser::pattern;
use super::value::Value;

/// What an operator makes of two values.
pub(super) fn apply(
    operator: Operator,
    left: &Value,
    right: &Value,
    meter: &mut Meter,
) -> Result<Value, String> {
    if operator.decides() {
        return holds(operator, left, right, meter).map(Value::Bool);
    }
    match operator {
        Operator::Range => range(left, right, meter),
        Operator::Add => add(left, right, meter),
        _ => arithmetic(operator, left, right),
    }
}

/// Whether two values stand in a relation.
pub(super) fn holds(
    operator: Operator,
    left: &Value,
    right: &Value,
    meter: &mut Meter,
) -> Result<bool, String> {
    match operator {
        Operator::Equal => equal(left, right, meter),
        Operator::NotEqual => Ok(!equal(left, right, meter)?),
        Operator::Less => Ok(order(left, right, meter)? == Some(Ordering::Less)),
        Operator::Greater => Ok(order(left, right, meter)? == Some(Ordering::Greater)),
        Operator::LessOrEqual => Ok(order(left, right, meter)?.is_some_and(Ordering::is_le)),
        Operator::GreaterOrEqual => Ok(order(left, right, meter)?.is_some_and(Ordering::is_ge)),
        Operator::In => is_in(left, right, meter),
        _ => text(operator, left, right, meter),
    }
}

fn mismatch(left: &Value, right: &Value) -> String {
    let (left, right) = (left.type_name(), right.type_name());
    format!("{left} and {right} cannot be compared")
}

/// Whether two values can be equal at all, or one of them is nil.
fn comparable(left: &Value, right: &Value) -> bool {
    let both_numbers = left.number().is_some() && right.number().is_some();
    let nil = Value::Nil.type_name();
    let (left, right) = (left.type_name(), right.type_name());
    both_numbers || left == right || left == nil || right == nil
}

/// Equality of two values that a person compares: different types are a mistake.
fn equal(left: &Value, right: &Value, meter: &mut Meter) -> Result<bool, String> {
    match comparable(left, right) {
        true => same(left, right, meter),
        false => Err(mismatch(left, right)),
    }
}

/// Equality of items: different types are different.
pub(super) fn same(left: &Value, right: &Value, meter: &mut Meter) -> Result<bool, String> {
    meter.charge(1)?;
    match (left, right) {
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (left, right) in left.iter().zip(right) {
                if !same(left, right, meter)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Map(left), Value::Map(right)) if left.len() == right.len() => {
            for ((key, left), (other, right)) in left.iter().zip(right) {
                if key != other || !same(left, right, meter)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Str(left), Value::Str(right)) => {
            meter.text(left.len().min(right.len()))?;
            Ok(left == right)
        }
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Int(left), Value::Int(right)) => Ok(left == right),
        (Value::Nil, Value::Nil) => Ok(true),
        _ => Ok(matches!((left.number(), right.number()), (Some(l), Some(r)) if l == r)),
    }
}

/// The order of two numbers or two texts; none beside NaN.
pub(super) fn order(
    left: &Value,
    right: &Value,
    meter: &mut Meter,
) -> Result<Option<Ordering>, String> {
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => Ok(left.partial_cmp(right)),
        (Value::Int(left), Value::Int(right)) => Ok(Some(left.cmp(right))),
        (Value::Str(left), Value::Str(right)) => {
            meter.text(left.len().min(right.len()))?;
            Ok(Some(left.cmp(right)))
        }
        _ => match (left.number(), right.number()) {
            (Some(left), Some(right)) => Ok(left.partial_cmp(&right)),
            _ => Err(mismatch(left, right)),
        },
    }
}

fn is_in(needle: &Value, hay: &Value, meter: &mut Meter) -> Result<bool, String> {
    match (hay, needle) {
        (Value::Nil, _) => Ok(false),
        (Value::Array(items), _) => {
            for item in items {
                if same(item, needle, meter)? {
                    return Ok(true);
                }
            }
            match items.first() {
                // Nothing of its type is there: the same mistake as with ==.
                Some(first) if !items.iter().any(|item| comparable(item, needle)) => {
                    Err(mismatch(needle, first))
                }
                _ => Ok(false),
            }
        }
        (Value::Map(fields), Value::Str(key)) => Ok(fields.contains_key(key)),
        (Value::Map(_), _) => Err(format!("a map has no key of type {}", needle.type_name())),
        _ => Err(format!("nothing is in a value of type {}", hay.type_name())),
    }
}

/// Nil contains nothing and matches nothing.
fn text(
    operator: Operator,
    left: &Value,
    right: &Value,
    meter: &mut Meter,
) -> Result<bool, String> {
    let (left, right) = match (left, right) {
        (Value::Nil, _) | (_, Value::Nil) => return Ok(false),
        (Value::Str(left), Value::Str(right)) => (left.as_str(), right.as_str()),
        _ => {
            let (left, right) = (left.type_name(), right.type_name());
            return Err(format!(
                "{} wants two texts, not {left} and {right}",
                operator.sign()
            ));
        }
    };
    meter.text(left.len())?;
    match operator {
        Operator::Contains => Ok(left.contains(right)),
        Operator::StartsWith => Ok(left.starts_with(right)),
        Operator::EndsWith => Ok(left.ends_with(right)),
        _ => {
            meter.pattern()?;
            Ok(pattern(right)?.is_match(left))
        }
    }
}

fn range(from: &Value, to: &Value, meter: &mut Meter) -> Result<Value, String> {
    let (Some(from), Some(to)) = (from.whole(), to.whole()) else {
        return Err("a range wants two whole numbers".to_owned());
    };
    if from > to {
        return Ok(Value::Array(Vec::new()));
    }
    meter
        .charge(usize::try_from(to.abs_diff(from)).map_or(usize::MAX, |it| it.saturating_add(1)))?;
    Ok(Value::Array((from..=to).map(Value::Int).collect()))
}

/// The sum of two numbers, or two texts in a row.
pub(super) fn add(left: &Value, right: &Value, meter: &mut Meter) -> Result<Value, String> {
    let (Value::Str(left), Value::Str(right)) = (left, right) else {
        return arithmetic(Operator::Add, left, right);
    };
    meter.text(left.len() + right.len())?;
    Ok(Value::Str([left.as_str(), right].concat()))
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Value, String> {
    let wrong = || {
        let (left, right) = (left.type_name(), right.type_name());
        format!("{} does not work on {left} and {right}", operator.sign())
    };
    if let (Value::Int(left), Value::Int(right)) = (left, right)
        && let Some(whole) = whole(operator, *left, *right)
    {
        return whole.map(Value::Int);
    }
    let left = left.number().ok_or_else(wrong)?;
    let right = right.number().ok_or_else(wrong)?;
    Ok(Value::Float(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Power => libm::pow(left, right),
        _ => return Err("% wants two whole numbers; measured ones are floats".to_owned()),
    }))
}

/// What stays a whole number; none for the operators that give floats.
fn whole(operator: Operator, left: i64, right: i64) -> Option<Result<i64, String>> {
    let value = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Modulo if right == 0 => return Some(Err("division by zero".to_owned())),
        Operator::Modulo => Some(left.wrapping_rem(right)),
        _ => return None,
    };
    Some(value.ok_or_else(|| "this number is too large".to_owned()))
}
