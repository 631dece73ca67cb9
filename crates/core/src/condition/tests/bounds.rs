//! No input makes it panic, overflow the stack, or run without end.

use super::{condition, json};
use crate::condition::{Condition, Value};

/// Runs on the stack that tokio gives a thread.
fn bounded(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    thread.spawn(test).unwrap().join().unwrap();
}

fn parsed_and_run(source: &str) {
    let result = json(r#"{"items": [{"value": 1}], "a": {"a": {}}}"#);
    if let Ok(condition) = Condition::parse(source) {
        let _ = condition.evaluate(&result);
        let _ = (condition.bounds(), condition.constant());
        let _ = (condition.guards_empty(), condition.guards_nan());
    }
}

#[test]
fn nesting_of_every_kind_is_refused_when_it_is_too_deep() {
    bounded(|| {
        for (open, middle, close) in [
            ("(", "true", ")"),
            ("[", "", "]"),
            ("{a: ", "1", "}"),
            ("{(", "", "): 1}"),
            ("!", "true", ""),
            ("!(", "true", ")"),
            ("-", "1", ""),
            ("not ", "true", ""),
            ("len(", "result", ")"),
            ("result[", "0", "]"),
            ("result[1:", "0", "]"),
            ("all(result, ", "true", ")"),
            ("all(result, {", "true", "})"),
            ("true ? ", "true", " : true"),
            ("true ? true : ", "true", ""),
            ("true ?: ", "true", ""),
            ("let x = ", "1", "; true"),
            ("if true { ", "true", " } else { true }"),
            ("if true { true } else ", "{ true }", ""),
            ("1 + (", "1", ")"),
            ("1 ** ", "1", ""),
            ("1 + ", "1", ""),
            ("true && (1 < 2 == (3 + 4 * (", "true", ")))"),
            ("", "result", ".a"),
            ("", "result", "?.a"),
            ("", "result", "[0]"),
            ("", "result", "[0:]"),
            ("", "result", " | map(#)"),
            ("", "true", " && true"),
            ("", "true", " || true"),
            ("", "1", " ?? 1"),
            ("", "true", " == true"),
            ("(", "true", " ?: true)"),
            ("(", "1", " > 1 > 1 == true)"),
        ] {
            for depth in [10, 30, 59, 60, 61, 119, 120, 121, 400, 3000] {
                let source = open.repeat(depth) + middle + &close.repeat(depth);
                parsed_and_run(&source);
                parsed_and_run(&open.repeat(depth));
                parsed_and_run(&close.repeat(depth));
            }
            let source = open.repeat(1200) + middle + &close.repeat(1200);
            let refused = Condition::parse(&source).is_err();
            assert!(refused, "{open}{middle}{close}");
        }
    });
}

#[test]
fn what_people_write_is_not_too_deep() {
    let parentheses = "(".repeat(50) + "true" + &")".repeat(50);
    assert_eq!(condition(&parentheses).constant(), Some(true));
    let parts = "result > 1 && ".repeat(100) + "true";
    assert_eq!(condition(&parts).holds(&Value::Float(2.0)), Ok(true));
    let row = "1 <= ".repeat(1000) + "result";
    assert_eq!(condition(&row).holds(&Value::Float(2.0)), Ok(true));
    let choices = "result == 1 ? true : ".repeat(40) + "false";
    assert_eq!(condition(&choices).holds(&Value::Float(2.0)), Ok(false));
}

#[test]
fn a_condition_that_is_too_long_is_refused() {
    let long = format!("true //{}", "x".repeat(16 * 1024));
    let error = Condition::parse(&long).unwrap_err();
    assert_eq!(error.message, "a condition may have at most 16384 bytes");
    assert!(Condition::parse(&long[..16 * 1024]).is_ok());
}

#[test]
fn what_takes_too_long_or_too_much_ends_with_an_error() {
    bounded(|| {
        let result = json(&format!("[{}]", vec!["1"; 2000].join(",")));
        for source in [
            "len(0..100000000) > 0",
            "len(0..9223372036854775807) > 0",
            "len(-9223372036854775807..9223372036854775807) > 0",
            "all(1..1000000, # > 0)",
            "all(1..2000, all(1..2000, # > 0))",
            "all(result, all(result, # > 0))",
            "len(map(1..2000, {map(1..2000, #)})) > 0",
            "len(repeat(\"abc\", 1000000000)) > 0",
            "len(repeat(\"\", 1000000000)) > 0",
            "len(reduce(1..50, #acc + #acc, \"ab\")) > 0",
            "len(reduce(1..50, concat(#acc, #acc), [1])) > 0",
            "len(reduce(1..100000, [#acc], [])) > 0",
            "len(reduce(1..100000, {{a: #acc}}, {})) > 0",
            "len(replace(repeat(\"a\", 9000), \"a\", repeat(\"b\", 9000))) > 0",
            "len(join(map(1..9000, {repeat(\"b\", 9000)}))) > 0",
            "all(1..900, string(#) not matches (string(#) + \"x{500}\"))",
            "len(uniq(1..5000)) > 0",
            "all(1..10, {len(map(1..100000, {[#, #, #]})) > 0})",
            "none(result, # in (result | map(# + 1)))",
        ] {
            let said = condition(source).evaluate(&result);
            assert!(said.is_err(), "{source}: {said:?}");
        }
    });
}

#[test]
fn patterns_are_bounded() {
    bounded(|| {
        for pattern in [
            "(a{1000}){1000}",
            "\\\\w{5000}",
            "(((((a{99}){99}){99}){99}){99})",
        ] {
            let source = format!("\"a\" matches \"{pattern}\"");
            let error = Condition::parse(&source).unwrap_err();
            assert_eq!(error.message, "this pattern is too large", "{pattern}");
        }
        let source = "\"a\" matches \"a\" && ".repeat(17) + "true";
        assert!(Condition::parse(&source).is_err());
        let deep = "(".repeat(900) + "a" + &")".repeat(900);
        assert!(Condition::parse(&format!("\"a\" matches \"{deep}\"")).is_err());
        // Backtracking would never end here.
        let text = format!("\"{}\" matches \"(a+)+b\"", "a".repeat(5000));
        assert_eq!(condition(&text).constant(), Some(false));
    });
}

#[test]
fn deep_results_are_read_without_harm() {
    bounded(|| {
        let deep = json(&format!("{}1{}", "[".repeat(120), "]".repeat(120)));
        for source in [
            "result == result",
            "len(flatten(result)) == 1",
            "result in [result]",
        ] {
            assert_eq!(condition(source).holds(&deep), Ok(true), "{source}");
        }
        let nested = "reduce(1..150, [#acc], result) != nil";
        let error = condition(nested).holds(&deep).unwrap_err();
        assert!(error.message.contains("too deep"), "{error}");
    });
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn random_tokens_are_never_a_panic() {
    const TOKENS: &[&str] = &[
        "result",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "0",
        "1",
        "2.5",
        "\"a\"",
        "'",
        "`",
        "\\",
        "nil",
        "true",
        "false",
        "not",
        "in",
        "and",
        "||",
        "??",
        "?.",
        "?",
        ":",
        "::",
        ".",
        "..",
        ".value",
        "#",
        "#acc",
        "#index",
        "+",
        "-",
        "*",
        "/",
        "%",
        "**",
        "<",
        ">=",
        "==",
        "!",
        "|",
        ",",
        ";",
        "let x =",
        "x",
        "if",
        "else",
        "matches",
        "contains",
        "len(",
        "all(",
        "map(",
        "reduce(",
        "sortBy(",
        "sum(",
        "max(",
        "string(",
        "split(",
        "\"a\",",
        "[1,2],",
        "result.items,",
        "é",
        "//",
        "/*",
        "*/",
        "0x",
        "1e",
        "\n",
        "\u{0}",
        "😀",
        "default(",
        "isNil(",
        "9223372036854775807",
    ];
    bounded(|| {
        let mut random = Random(5);
        for _ in 0..60_000 {
            let count = 1 + random.below(14);
            let words: Vec<_> = (0..count)
                .map(|_| TOKENS[random.below(TOKENS.len())])
                .collect();
            parsed_and_run(&words.join(" "));
            parsed_and_run(&words.concat());
        }
    });
}

#[test]
fn random_bytes_are_never_a_panic() {
    bounded(|| {
        let mut random = Random(9);
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..random.below(24))
                .map(|_| random.below(256) as u8)
                .collect();
            parsed_and_run(&String::from_utf8_lossy(&bytes));
        }
    });
}

/// Grows a condition that parses, so that evaluation is reached far more often than by chance.
fn grown(random: &mut Random, depth: usize) -> String {
    const LEAVES: &[&str] = &[
        "result",
        "result.items",
        "nil",
        "true",
        "0",
        "-1",
        "2.5",
        "\"a\"",
        "[]",
        "{}",
        "[1, 2]",
        "result.a",
        "9223372036854775807",
        "(1 / 0)",
        "\"é\"",
        "[\"b\", \"a\"]",
        "(0 / 0)",
    ];
    const CALLS: &[&str] = &[
        "len",
        "type",
        "abs",
        "round",
        "int",
        "float",
        "string",
        "trim",
        "upper",
        "first",
        "last",
        "keys",
        "values",
        "reverse",
        "uniq",
        "flatten",
        "sort",
        "median",
        "mean",
        "max",
        "asInt",
        "isNaN",
        "fromJSON",
        "toPairs",
        "fromPairs",
        "isNil",
        "join",
        "count",
        "sum",
        "bitnot",
    ];
    const PAIRS: &[&str] = &[
        "split",
        "get",
        "take",
        "concat",
        "indexOf",
        "repeat",
        "hasPrefix",
        "default",
        "min",
        "bitshl",
        "bitushr",
        "trimSuffix",
    ];
    const EACH: &[&str] = &[
        "all",
        "any",
        "none",
        "one",
        "filter",
        "map",
        "count",
        "sum",
        "find",
        "findLastIndex",
        "groupBy",
        "sortBy",
        "reduce",
    ];
    const OPERATORS: &[&str] = &[
        "+",
        "-",
        "*",
        "/",
        "%",
        "**",
        "==",
        "!=",
        "<",
        ">=",
        "in",
        "not in",
        "contains",
        "matches",
        "startsWith",
        "and",
        "or",
        "..",
        "??",
    ];
    if depth == 0 {
        return LEAVES[random.below(LEAVES.len())].to_owned();
    }
    let inner = grown(random, depth - 1);
    match random.below(9) {
        0 => format!("{}({inner})", CALLS[random.below(CALLS.len())]),
        1 => {
            let other = grown(random, depth - 1);
            format!("{}({inner}, {other})", PAIRS[random.below(PAIRS.len())])
        }
        2 => {
            let items = ["#", "# > 1", "#.value", "#index", "string(#)", "#?.a"];
            let item = items[random.below(items.len())];
            format!("{}({inner}, {item})", EACH[random.below(EACH.len())])
        }
        3 => format!("({inner})[{}]", random.below(3)),
        4 => format!("({inner})[{}:{}]", random.below(4), random.below(4)),
        5 => format!("({inner})?.value"),
        6 => format!("(({inner}) ? {} : {inner})", grown(random, depth - 1)),
        _ => {
            let other = grown(random, depth - 1);
            format!(
                "({inner} {} {other})",
                OPERATORS[random.below(OPERATORS.len())]
            )
        }
    }
}

#[test]
fn random_conditions_are_never_a_panic_and_some_have_a_value() {
    bounded(|| {
        let mut random = Random(1);
        let result = json(r#"{"items": [{"value": 1}, {"value": 3}], "a": [1, 2, 3]}"#);
        let mut valued = 0;
        for _ in 0..20_000 {
            let depth = 1 + random.below(4);
            let source = format!("({}) == nil", grown(&mut random, depth));
            if let Ok(condition) = Condition::parse(&source) {
                let outcome = condition.evaluate(&result);
                valued += usize::from(outcome.is_ok());
                if let Ok(outcome) = outcome {
                    assert!(outcome.why.len() <= 256, "{source}");
                }
            }
        }
        assert!(valued > 1_000, "only {valued}");
    });
}
