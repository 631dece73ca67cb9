//! What can be said of a condition without a result.

use super::ast::{Each, Kind, Node, Operator};
use super::error::ConditionError;
use super::value::Value;

/// A bound on one measured number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// How the measured number, on the left, stands to the value.
    pub op: BoundOp,
    /// The value.
    pub value: f64,
}

/// How a measured number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundOp {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Whether a test holds of a part or of any part in it.
pub(super) fn any(node: &Node, test: &dyn Fn(&Node) -> bool) -> bool {
    test(node)
        || node
            .kind
            .children()
            .into_iter()
            .any(|child| any(child, test))
}

pub(super) fn names_empty(node: &Node) -> bool {
    match &node.kind {
        Kind::IsNil(_) | Kind::Default(_) | Kind::Coalesce(_) => true,
        Kind::Literal(value) => *value == Value::Nil,
        Kind::Call(function, _) => function.name == "len" && node.varies,
        _ => false,
    }
}

pub(super) fn names_nan(node: &Node) -> bool {
    matches!(&node.kind, Kind::Call(function, _) if function.name == "isNaN")
}

pub(super) fn bound(node: &Node) -> Option<Bound> {
    let Kind::Binary(operator, pair) = &node.kind else {
        return None;
    };
    let [left, right] = pair.as_ref();
    let (operator, value) = match (is_measured(left), is_measured(right)) {
        (true, false) => (*operator, number(right)?),
        (false, true) => (operator.mirrored()?, number(left)?),
        _ => return None,
    };
    let op = match operator {
        Operator::Less => BoundOp::Less,
        Operator::LessOrEqual => BoundOp::LessOrEqual,
        Operator::Greater => BoundOp::Greater,
        Operator::GreaterOrEqual => BoundOp::GreaterOrEqual,
        _ => return None,
    };
    Some(Bound { op, value })
}

/// `result`, a member of it at a fixed place, or that as a number.
fn is_measured(node: &Node) -> bool {
    match &node.kind {
        Kind::Result => true,
        Kind::Member { object, key, .. } => !key.varies && is_measured(object),
        Kind::Chain(inner) => is_measured(inner),
        Kind::Call(function, arguments) => {
            matches!(function.name, "asFloat" | "asInt" | "float" | "int")
                && arguments.iter().all(is_measured)
        }
        _ => false,
    }
}

fn number(node: &Node) -> Option<f64> {
    match &node.kind {
        Kind::Literal(value) => value.number(),
        Kind::Negate(inner) => number(inner).map(|value| -value),
        Kind::Plus(inner) => number(inner),
        _ => None,
    }
}

/// Refuses a condition that can never be true or false.
pub(super) fn check(root: &Node, source: &str) -> Result<(), ConditionError> {
    match never_decides(root) {
        Some(what) => {
            let message = format!("a condition is true or false, but this gives {what}");
            Err(ConditionError::at(source, root.span.start(), message))
        }
        None => Ok(()),
    }
}

/// Functions that give numbers alone, of those that are likely to be forgotten alone.
const NUMBERS: [&str; 9] = [
    "len", "asInt", "asFloat", "int", "float", "abs", "mean", "median", "round",
];

/// What a part always gives, when that is neither true nor false.
fn never_decides(node: &Node) -> Option<&'static str> {
    match &node.kind {
        Kind::Literal(Value::Bool(_)) => None,
        Kind::Literal(Value::Str(_)) => Some("a text"),
        Kind::Literal(Value::Nil) => Some("nil"),
        Kind::Literal(_) | Kind::Negate(_) | Kind::Plus(_) | Kind::Index(_) => Some("a number"),
        Kind::Binary(Operator::Range, _) | Kind::Array(_) => Some("an array"),
        Kind::Binary(operator, _) if !operator.decides() => Some("a number or a text"),
        Kind::Map(_) => Some("a map"),
        Kind::Slice { .. } => Some("an array or a text"),
        Kind::Each(Each::Count | Each::Sum | Each::FindIndex | Each::FindLastIndex, _) => {
            Some("a number")
        }
        Kind::Each(Each::Filter | Each::Map | Each::SortBy, _) => Some("an array"),
        Kind::Each(Each::GroupBy, _) => Some("a map"),
        Kind::Call(function, _) if NUMBERS.contains(&function.name) => Some("a number"),
        Kind::Let(pair) => never_decides(pair.last()?),
        Kind::Sequence(nodes) => never_decides(nodes.last()?),
        _ => None,
    }
}
