//! Conditions as manifests write them, on what providers answer.

use super::{condition, json, says};
use crate::condition::{Bound, BoundOp, Condition, Value};

fn vector(values: &[f64]) -> Value {
    values.to_vec().into()
}

#[test]
fn a_vector_is_judged_by_its_items() {
    let (empty, good, bad) = (vector(&[]), vector(&[0.96]), vector(&[0.93]));
    for (source, on_empty, on_good, on_bad) in [
        ("result[0] >= 0.95", "error", "true", "false"),
        ("result[0] < 0.95", "error", "false", "true"),
        ("result[0] != 10", "error", "true", "true"),
        ("result >= 0.95", "error", "error", "error"),
        ("result == 10", "error", "error", "error"),
        ("result != 10", "error", "error", "error"),
        (
            "len(result) == 0 || result[0] >= 0.95",
            "true",
            "true",
            "false",
        ),
        (
            "len(result) > 0 && result[0] >= 0.95",
            "false",
            "true",
            "false",
        ),
        ("all(result, # >= 0.95)", "true", "true", "false"),
        ("any(result, # >= 0.95)", "false", "true", "false"),
        ("default(result, 0) == 0", "error", "error", "error"),
        ("default(result[0], 0) >= 0.95", "error", "error", "error"),
        ("isNil(result)", "false", "false", "false"),
        ("result == nil", "false", "false", "false"),
        ("asFloat(result[0]) >= 0.95", "error", "true", "false"),
        (
            "isNaN(result[0]) || result[0] >= 0.95",
            "error",
            "true",
            "false",
        ),
        ("result[-1] >= 0.95", "error", "true", "false"),
        ("mean(result) >= 0.95", "false", "true", "false"),
    ] {
        assert_eq!(says(source, &empty), on_empty, "{source} on []");
        assert_eq!(says(source, &good), on_good, "{source} on [0.96]");
        assert_eq!(says(source, &bad), on_bad, "{source} on [0.93]");
    }
}

#[test]
fn no_comparison_with_nan_holds() {
    let (vector, number) = (vector(&[f64::NAN]), Value::Float(f64::NAN));
    for operator in ["<", "<=", ">", ">=", "=="] {
        assert_eq!(says(&format!("result[0] {operator} 1"), &vector), "false");
        assert_eq!(says(&format!("result {operator} result"), &number), "false");
    }
    assert_eq!(says("result != 1", &number), "true");
    assert_eq!(says("isNaN(result) || result < 0.05", &number), "true");
    assert_eq!(says("isNaN(result[0])", &vector), "true");
    assert_eq!(
        says("isInf(result)", &Value::Float(f64::NEG_INFINITY)),
        "true"
    );
}

#[test]
fn nil_is_no_data() {
    for (source, said) in [
        ("result > 1", "error"),
        ("isNil(result)", "true"),
        ("isNil(result) || result > 1", "true"),
        ("default(result, 0) < 0.05", "true"),
        ("default(nil, 7) == 7", "true"),
        ("(result ?? 0) < 1", "true"),
        ("result == nil", "true"),
        ("result.status == 200", "error"),
        ("result contains \"x\"", "error"),
        ("result not contains \"x\"", "error"),
        ("result matches \"x\"", "error"),
        ("5 not in result", "error"),
    ] {
        assert_eq!(says(source, &Value::Nil), said, "{source}");
    }
    assert_eq!(says("default(nil, 7) == 5", &Value::Float(5.0)), "true");
    assert_eq!(says("isNil(nil)", &Value::Float(5.0)), "false");
}

#[test]
fn json_is_judged_by_its_fields() {
    let answer = json(
        r#"{"status": 200, "ok": true, "name": "web", "list": [3, 1, 2],
            "items": [{"value": 1, "name": "x"}, {"value": 7, "name": ""}],
            "nested": {"deep": {"v": 0.5}}, "nothing": null}"#,
    );
    for (source, said) in [
        ("result.status == 200", "true"),
        ("result.status % 7 == 4", "error"),
        ("asInt(result.status) % 7 == 4", "true"),
        (
            "result.ok && result.status >= 200 && result.status < 300",
            "true",
        ),
        ("result[\"name\"] == \"web\"", "true"),
        ("result.name == 5", "error"),
        ("result.status == \"ok\"", "error"),
        ("result.status in [200, 201]", "true"),
        ("result.name in [\"api\"]", "false"),
        ("result.missing == nil", "true"),
        ("result.missing > 1", "error"),
        ("result.missing.deep == nil", "error"),
        ("result.missing?.deep.more == nil", "true"),
        ("result?.nested?.deep?.v == 0.5", "true"),
        ("result.nothing?.x == nil", "true"),
        ("result.missing not contains \"fatal\"", "true"),
        ("(result.missing ?? 1) == 1", "true"),
        ("any(result.items, .value > 5 && .name == \"\")", "true"),
        ("all(result.items, {.value > 0 && .name != \"\"})", "false"),
        ("sum(map(result.items, {.value})) == 8", "true"),
        ("len(filter(result.items, .value >= 5)) == 1", "true"),
        ("result.items[0].value < result.items[-1].value", "true"),
        ("result.items?.[0].value == 1", "true"),
        ("result.list | sort() | first() == 1", "true"),
        ("0 < result.nested.deep.v < 1", "true"),
        ("result.items.value == 1", "error"),
        ("result == 1", "error"),
        ("string(result.status) == \"200\"", "true"),
        ("result.name matches \"^w.b$\"", "true"),
        ("let s = result.status; s >= 200 && s < 300", "true"),
        ("result.ok ? result.status == 200 : false", "true"),
    ] {
        assert_eq!(says(source, &answer), said, "{source}");
    }
}

#[test]
fn a_condition_must_give_true_or_false() {
    let error = condition("result").holds(&Value::Float(1.0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "result: true or false is wanted, not float"
    );
    assert_eq!(condition("result").holds(&true.into()), Ok(true));
}

#[test]
fn an_error_names_the_part_that_has_no_value() {
    let said = |source, result: &Value| condition(source).holds(result).unwrap_err().to_string();
    assert_eq!(
        said("1 > 2 || result[0] >= 0.95", &vector(&[])),
        "result[0]: no data: index 0 of an empty array"
    );
    assert_eq!(
        said("result[2] > 0", &vector(&[1.0])),
        "result[2]: index 2 is out of range: there are 1 items"
    );
    assert_eq!(
        said("result > 1", &vector(&[1.0])),
        "result > 1: array and int cannot be compared"
    );
    assert_eq!(
        said("result.a.b == 1", &json("{}")),
        "result.a.b: nil has no member \"b\""
    );
    assert_eq!(
        said("asInt(result) > 1", &Value::Float(f64::NAN)),
        "asInt(result): NaN is no whole number"
    );
}

#[test]
fn it_is_known_which_gaps_a_condition_names() {
    for (source, empty, nan) in [
        ("result[0] >= 0.95", false, false),
        ("len(result) == 0 || result[0] >= 0.95", true, false),
        ("result | len() > 0", true, false),
        ("len(\"abc\") == 3 || result > 1", false, false),
        ("isNil(result) || result < 5", true, false),
        ("default(result, 0) < 5", true, false),
        ("result != nil", true, false),
        ("(result ?? 0) < 5", true, false),
        ("all(result, # != nil && # > 1)", true, false),
        ("isNaN(result) || result < 5", false, true),
        ("all(result, {isNaN(#) || # > 1})", false, true),
        ("result contains \"isNaN(nil)\"", false, false),
    ] {
        let condition = condition(source);
        assert_eq!(condition.guards_empty(), empty, "{source}");
        assert_eq!(condition.guards_nan(), nan, "{source}");
    }
}

#[test]
fn the_bound_of_a_simple_condition_is_known() {
    use BoundOp::{Greater, GreaterOrEqual, Less, LessOrEqual};
    for (source, bound) in [
        ("result[0] >= 0.95", Some((GreaterOrEqual, 0.95))),
        ("0.95 <= result[0]", Some((GreaterOrEqual, 0.95))),
        ("result < 500", Some((Less, 500.0))),
        ("result > -1", Some((Greater, -1.0))),
        ("5 >= result.items[0].value", Some((LessOrEqual, 5.0))),
        ("asFloat(result[0]) <= 0.1", Some((LessOrEqual, 0.1))),
        ("(result[0]) >= (0.95)", Some((GreaterOrEqual, 0.95))),
        ("result == 200", None),
        ("result[0] >= result[1]", None),
        ("result[0] >= 0.95 && true", None),
        ("len(result) > 0", None),
        ("result > \"a\"", None),
        ("1 < 2", None),
    ] {
        let bound = bound.map(|(op, value)| Bound { op, value });
        assert_eq!(condition(source).bounds(), bound, "{source}");
    }
}

#[test]
fn what_does_not_look_at_the_result_is_constant() {
    for (source, constant) in [
        ("true", Some(true)),
        ("1 > 2", Some(false)),
        ("all(1..3, # > 0)", Some(true)),
        ("let x = 1; x == 2", Some(false)),
        ("result > 1", None),
        ("isNil(nil)", None),
        ("default(nil, true)", None),
        ("true || result > 1", None),
        ("1 > \"a\"", None),
    ] {
        assert_eq!(condition(source).constant(), constant, "{source}");
    }
}

#[test]
fn a_condition_is_its_text() {
    let condition = condition("result[0] >= 0.95");
    let text = serde_json::to_string(&condition).unwrap();
    assert_eq!(text, "\"result[0] >= 0.95\"");
    let back: Condition = serde_json::from_str(&text).unwrap();
    assert_eq!(back, condition);
    assert_ne!(back, super::condition("result[0] >= 0.950"));
    assert_eq!(format!("{back:?}"), "Condition(\"result[0] >= 0.95\")");
    assert!(serde_json::from_str::<Condition>("\"result >\"").is_err());
    let shared: fn() = || {
        fn is_shared<T: Send + Sync + 'static>() {}
        is_shared::<Condition>();
    };
    shared();
}
