//! What a condition computes with.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use crate::number::Number;

/// A value of the language: what was measured, or what was computed from it.
///
/// Integers and floats compare and mix, but measured numbers are always floats: those of JSON
/// and those of Prometheus.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing; equal to itself alone.
    #[default]
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number, as a literal or a length gives it.
    Int(i64),
    /// Any other number, NaN and the infinities included.
    Float(f64),
    /// Text.
    Str(String),
    /// A list.
    Array(Vec<Self>),
    /// Values by key.
    Map(BTreeMap<String, Self>),
}

impl Value {
    /// The value's type, by the name that the language gives it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "string",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
        }
    }

    /// The value as a float, when it is a number.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The value as a whole number, when it is one: `2` and `2.0`, not `2.5`.
    pub(super) fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Float(value) => truncated(*value).filter(|whole| *whole as f64 == *value),
            _ => None,
        }
    }

    /// How many values and 16-byte blocks of text stand in it.
    ///
    /// None when it is nested deeper than `depth`.
    pub(super) fn weight(&self, depth: usize) -> Option<usize> {
        let below = depth.checked_sub(1)?;
        match self {
            Self::Str(text) => Some(1 + text.len() / 16),
            Self::Array(items) => items
                .iter()
                .try_fold(1, |sum, item| Some(sum + item.weight(below)?)),
            Self::Map(fields) => fields.iter().try_fold(1, |sum, (key, field)| {
                Some(sum + 1 + key.len() / 16 + field.weight(below)?)
            }),
            _ => Some(1),
        }
    }
}

/// A float cut to a whole number; none for NaN and what is out of range.
pub(super) fn truncated(value: f64) -> Option<i64> {
    // 2^63 is exact in a float; i64::MAX is not.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (-LIMIT..LIMIT).contains(&value).then_some(value as i64)
}

/// Short and for people: texts quoted, long lists cut.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => Number::new(*value).fmt(f),
            Self::Str(text) if text.chars().count() > 48 => {
                write!(f, "{:?}…", text.chars().take(48).collect::<String>())
            }
            Self::Str(text) => write!(f, "{text:?}"),
            Self::Array(items) => {
                let shown = items.iter().take(SHOWN).map(|item| (None, item));
                list(f, ['[', ']'], shown, items.len() > SHOWN)
            }
            Self::Map(fields) => {
                let shown = fields.iter().take(SHOWN);
                let shown = shown.map(|(key, field)| (Some(key.as_str()), field));
                list(f, ['{', '}'], shown, fields.len() > SHOWN)
            }
        }
    }
}

fn list<'a>(
    f: &mut fmt::Formatter<'_>,
    [open, close]: [char; 2],
    items: impl Iterator<Item = (Option<&'a str>, &'a Value)>,
    more: bool,
) -> fmt::Result {
    f.write_char(open)?;
    for (at, (key, item)) in items.enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        if let Some(key) = key {
            write!(f, "{key}: ")?;
        }
        match item {
            Value::Array(items) if !items.is_empty() => f.write_str("[…]")?,
            Value::Map(fields) if !fields.is_empty() => f.write_str("{…}")?,
            item => fmt::Display::fmt(item, f)?,
        }
    }
    if more {
        f.write_str(", …")?;
    }
    f.write_char(close)
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Self {
        Self::Float(value.get())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Str(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Str(value)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl From<BTreeMap<String, Self>> for Value {
    fn from(fields: BTreeMap<String, Self>) -> Self {
        Self::Map(fields)
    }
}

/// Every number of JSON is a float, as in Go.
impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(value) => Self::Float(value.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Self::Str(text),
            serde_json::Value::Array(items) => items.into(),
            serde_json::Value::Object(fields) => fields
                .into_iter()
                .map(|(key, field)| (key, Self::from(field)))
                .collect::<BTreeMap<_, _>>()
                .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_json_are_floats() {
        let json = serde_json::json!({"status": 200, "ok": [true, null, "x"]});
        let ok = Value::Array(vec![true.into(), Value::Nil, "x".into()]);
        let fields = [("status", Value::Float(200.0)), ("ok", ok)];
        let fields = fields.map(|(key, field)| (key.to_owned(), field));
        assert_eq!(Value::from(json), Value::Map(fields.into()));
    }

    #[test]
    fn a_value_is_shown_short() {
        for (value, shown) in [
            (Value::Float(0.93), "0.93"),
            (Value::Float(f64::INFINITY), "+Inf"),
            (Value::Float(f64::NAN), "NaN"),
            (Value::Nil, "nil"),
            ("a\"b".into(), r#""a\"b""#),
            (vec![1, 2, 3, 4, 5, 6].into(), "[1, 2, 3, 4, 5, …]"),
            (vec![vec![1_i64], vec![]].into(), "[[…], []]"),
        ] {
            assert_eq!(value.to_string(), shown);
        }
        assert_eq!(Value::from("x".repeat(99)).to_string().len(), 53);
    }

    #[test]
    fn a_float_is_whole_only_without_a_fraction_and_in_range() {
        assert_eq!(Value::Float(2.0).whole(), Some(2));
        assert_eq!(Value::Float(2.5).whole(), None);
        assert_eq!(Value::Float(f64::NAN).whole(), None);
        assert_eq!(truncated(-2.9), Some(-2));
        assert_eq!(truncated(9_223_372_036_854_775_808.0), None);
        assert_eq!(truncated(-9_223_372_036_854_775_808.0), Some(i64::MIN));
    }

    #[test]
    fn what_is_nested_too_deep_has_no_weight() {
        let nested = Value::Array(vec![Value::Array(vec![1.into(), 2.into()])]);
        assert_eq!(nested.weight(3), Some(4));
        assert_eq!(nested.weight(2), None);
    }
}
