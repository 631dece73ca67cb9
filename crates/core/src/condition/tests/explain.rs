//! What a verdict says of itself.

use super::{condition, json};
use crate::condition::Value;

fn why(source: &str, result: &Value) -> String {
    condition(source).evaluate(result).unwrap().why
}

#[test]
fn a_comparison_tells_the_value_and_what_was_wanted() {
    let result = Value::from(vec![0.93, 0.97]);
    for (source, told) in [
        ("result[0] >= 0.95", "result[0] = 0.93, wanted >= 0.95"),
        ("result[1] >= 0.95", "result[1] = 0.97, which is >= 0.95"),
        ("0.95 <= result[0]", "result[0] = 0.93, wanted >= 0.95"),
        ("!(result[0] < 0.95)", "result[0] = 0.93, wanted not < 0.95"),
        (
            "!(result[1] < 0.95)",
            "result[1] = 0.97, which is not < 0.95",
        ),
        (
            "result[0] > result[1]",
            "result[0] = 0.93, wanted > result[1] = 0.97",
        ),
        (
            "mean(result) >= 0.9  +\n 0.09",
            "mean(result) = 0.95, wanted >= 0.9 + 0.09",
        ),
        ("len(result) == 3", "len(result) = 2, wanted == 3"),
        (
            "result[0] not in [1, 2]",
            "result[0] = 0.93, which is not in [1, 2]",
        ),
        ("0 < result[0] < 0.9", "result[0] = 0.93, wanted < 0.9"),
        (
            "0 < result[0] < 1",
            "result[0] = 0.93, which is > 0 and result[0] = 0.93, which is < 1",
        ),
    ] {
        assert_eq!(why(source, &result), told, "{source}");
    }
}

#[test]
fn of_several_parts_those_that_decide_are_told() {
    let result = Value::from(vec![0.93, 0.97]);
    for (source, told) in [
        (
            "result[1] > 0.9 && result[0] > 0.95 && result[0] > 0.99",
            "result[0] = 0.93, wanted > 0.95",
        ),
        (
            "len(result) == 0 || result[0] >= 0.95",
            "len(result) = 2, wanted == 0 and result[0] = 0.93, wanted >= 0.95",
        ),
        (
            "result[0] > 0.95 || result[1] > 0.95",
            "result[1] = 0.97, which is > 0.95",
        ),
        (
            "result[0] > 0.9 && result[1] > 0.9",
            "result[0] = 0.93, which is > 0.9 and result[1] = 0.97, which is > 0.9",
        ),
        ("let x = result[0]; x > 0.95", "x = 0.93, wanted > 0.95"),
        (
            "len(result) > 5 ? true : result[0] > 0.95",
            "result[0] = 0.93, wanted > 0.95",
        ),
        (
            "all(result, # > 0.95)",
            "item 0 of result: # = 0.93, wanted > 0.95",
        ),
        (
            "any(result, # > 0.95)",
            "item 1 of result: # = 0.97, which is > 0.95",
        ),
        (
            "none(result, # > 0.95)",
            "item 1 of result: # = 0.97, wanted not > 0.95",
        ),
        (
            "all(result, # > 0.5)",
            "all(result, # > 0.5) is true (result = [0.93, 0.97])",
        ),
        (
            "isNaN(result[0])",
            "isNaN(result[0]) is false (result[0] = 0.93)",
        ),
        ("true", "true is true"),
    ] {
        assert_eq!(why(source, &result), told, "{source}");
    }
}

#[test]
fn texts_are_told_in_quotes() {
    let result = json(r#"{"phase": "down", "ok": false}"#);
    for (source, told) in [
        (
            "result.phase == \"up\"",
            "result.phase = \"down\", wanted == \"up\"",
        ),
        (
            "result.phase matches '^up'",
            "result.phase = \"down\", wanted matches '^up'",
        ),
        (
            "result.phase contains \"ow\"",
            "result.phase = \"down\", which contains \"ow\"",
        ),
        ("result.ok", "result.ok is false"),
        ("result.missing == 1", "result.missing = nil, wanted == 1"),
    ] {
        assert_eq!(why(source, &result), told, "{source}");
    }
}

#[test]
fn an_explanation_is_short_whatever_it_speaks_of() {
    let long = "ü".repeat(500);
    let result = json(&format!(
        r#"{{"{long}": "{long}", "list": [1, 2, 3, 4, 5, 6, 7]}}"#
    ));
    let part = format!("result[\"{long}\"] != \"x\" && ");
    let source = part.repeat(10) + "result.list == [1]";
    let outcome = condition(&source).evaluate(&result).unwrap();
    assert!(!outcome.holds);
    assert_eq!(
        outcome.why,
        "result.list = [1, 2, 3, 4, 5, …], wanted == [1]"
    );
    let all = condition(&(part.repeat(10) + "true"))
        .evaluate(&result)
        .unwrap();
    assert!(all.holds && all.why.len() <= 256, "{}", all.why.len());
    assert!(all.why.ends_with('…'), "{}", all.why);
}

#[test]
fn what_has_no_value_is_explained_by_its_error() {
    let condition = condition("result[0] >= 0.95");
    let none = Value::Array(Vec::new());
    assert_eq!(
        condition.explain(&none),
        condition.holds(&none).unwrap_err().to_string()
    );
}
