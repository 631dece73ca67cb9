//! Tests by table; the verdicts are Go's unless a test says otherwise.

mod argo;
mod bounds;
mod explain;
mod language;

use super::{Condition, Value};

fn condition(source: &str) -> Condition {
    Condition::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn json(text: &str) -> Value {
    Value::from(serde_json::from_str::<serde_json::Value>(text).unwrap())
}

/// What a condition says: `true`, `false`, or `error` when it does not parse or has no value.
fn says(source: &str, result: &Value) -> &'static str {
    let holds = Condition::parse(source)
        .ok()
        .and_then(|it| it.holds(result).ok());
    match holds {
        Some(true) => "true",
        Some(false) => "false",
        None => "error",
    }
}
