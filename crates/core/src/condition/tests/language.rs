//! The language itself, without a result.

use super::says;
use crate::condition::{Condition, Value};

fn all_say(expected: &str, sources: &[&str]) {
    for source in sources {
        assert_eq!(says(source, &Value::Nil), expected, "{source}");
    }
}

#[test]
fn operators_bind_as_in_go() {
    all_say(
        "true",
        &[
            "1 + 2 * 3 == 7",
            "(1 + 2) * 3 == 9",
            "2 ** 3 ** 2 == 512",
            "2 ^ 3 == 8",
            "-2 ** 2 == -4",
            "1 - -1 == 2",
            "10 - 3 - 2 == 5",
            "true || false && false",
            "true or false and false",
            "not false == true",
            "not true == false",
            "!true == false",
            "!!true",
            "1..2 + 1 == [1, 2, 3]",
            "2 in 1..3",
            "3 > 2 > 1",
            "1 < 2 == true",
            "1 < 2 <= 2 < 3",
            "true ? true : false ? false : false",
            "1 + nil ?? 2 == 3",
            "nil ?? nil ?? true",
            "(nil ?? 1) + 2 == 3",
            "false ?: true",
            "true ?: 5",
            "[1, 2, 3] | filter(# > 1) | len() == 2",
            "\"a\" | upper() | lower() == \"a\"",
            "::len(\"abc\") == 3",
        ],
    );
    all_say(
        "false",
        &["3 > 2 > 2", "(true || false) && false", "!true && false"],
    );
    all_say(
        "error",
        &[
            "nil ?? 0 < 1",
            "nil ?? 1 + 2 == 3",
            "true ?? 1 or 2",
            "1 == 1 == 1",
            "not 1 in [1]",
            "1 not 2",
            "1 |  2",
        ],
    );
}

#[test]
fn words_may_be_negated() {
    all_say(
        "true",
        &[
            "1 not in [2, 3]",
            "\"abc\" not contains \"z\"",
            "\"abc\" not matches \"z\"",
            "\"abc\" not startsWith \"b\"",
            "\"abc\" not endsWith \"b\"",
            "\"abc\" contains \"b\" and \"abc\" startsWith \"ab\" and \"abc\" endsWith \"c\"",
            "\"abc\" matches \"^a.c$\" and \"abc\" matches (\"a\" + \"b\")",
            "not (\"abc\" contains \"z\")",
        ],
    );
    all_say(
        "error",
        &["1 contains \"a\"", "\"a\" matches \"[\"", "1 matches \"a\""],
    );
}

#[test]
fn literals_are_those_of_go() {
    all_say(
        "true",
        &[
            "1_000 == 1000",
            "0x10 == 16 && 0b11 == 3 && 0o17 == 15",
            ".5 + .5 == 1.",
            "1e3 == 1000 && 1e-3 == 0.001 && 1E3 == 1000",
            "'it\\'s' == \"it's\"",
            "\"\\u0041\\x41\\101\" == 'AAA'",
            "len(\"a\\\\nb\") == 4",
            "len(`raw\\n`) == 5 && `a``b` == 'a`b'",
            "{a: 1, \"b\": 2, 3: 4, (\"c\" + \"d\"): 5,}.cd == 5",
            "{a: 1 + 1}.a == 2",
            "[1, 2,] == [1, 2]",
            "true // a comment",
            "/* a comment */ true",
            "tru\u{65} == true",
        ],
    );
    all_say(
        "error",
        &[
            "1or",
            "1or true",
            "0x",
            "1__ == 1e",
            "1e999 > 0",
            "9223372036854775808 > 0",
            "\"\\q\" == 'q'",
            "\"abc",
            "\"a\nb\" == 1",
            "true # a comment",
            "/* true",
            "{1 + 1: 2} == {}",
            "[,] == []",
            "true &",
            "true @",
            "\u{3000}tr\u{a0}ue",
        ],
    );
}

#[test]
fn numbers_mix_and_compare() {
    all_say(
        "true",
        &[
            "1 == 1.0",
            "7 / 2 == 3.5",
            "type(6 / 2) == \"float\"",
            "5 % 3 == 2 && -5 % 3 == -2",
            "type(2 ** 2) == \"float\"",
            "1 / 0 > 1e308",
            "[1] == [1.0]",
            "2.0 in [1, 2]",
            "+5 == 5",
        ],
    );
    all_say(
        "error",
        &[
            "5.0 % 3 == 2",
            "5 % 0 == 0",
            "1 + \"a\" == 2",
            "-\"a\" == 1",
            "+nil == nil",
        ],
    );
}

#[test]
fn nil_equals_only_nil() {
    all_say(
        "true",
        &[
            "nil == nil",
            "nil != 1",
            "[nil] == [nil]",
            "{} != nil",
            "[] != nil",
            "\"\" != nil",
        ],
    );
    all_say("false", &["nil == false", "0 == nil", "nil != nil"]);
    all_say(
        "error",
        &[
            "nil < 1",
            "nil + 1 == 1",
            "!nil",
            "nil && true",
            "nil ? true : false",
            "nil.x == nil",
        ],
    );
}

#[test]
fn what_is_missing_is_an_error_and_what_is_asked_for_with_care_is_nil() {
    all_say(
        "true",
        &[
            "[1, 2][-1] == 2",
            "{}.a == nil",
            "{}.a?.x == nil",
            "{}.a?.x.y.z == nil",
            "get([1], 5) == nil && get({}, \"a\") == nil",
            "first([]) == nil && last([]) == nil",
            "[1, 2, 3][1:] == [2, 3] && [1, 2, 3][:-1] == [1, 2] && [1][5:9] == []",
            "\"héllo\"[1:3] == \"él\"",
        ],
    );
    all_say(
        "error",
        &[
            "[1, 2][2] != 0",
            "[1, 2][-3] != 0",
            "[1, 2][0.5] != 0",
            "{}[0] != 0",
            "{}.a.b != 0",
            "5 .x != 0",
            "\"abc\".x != 0",
            "nil?.x != 0",
            "{}.a?.x[0] != 0",
            "foo != 0",
            "foo(1) != 0",
            "len != 0",
        ],
    );
}

#[test]
fn predicates_ask_every_item() {
    all_say(
        "true",
        &[
            "all([], # > 1) && none([], # > 1)",
            "all([2, 3], # > 1) && all([2, 3], {# > 1})",
            "any([1, 2], # > 1) && one([1, 2], # > 1) && none([1, 2], # > 2)",
            "any([{v: 1}, {v: 5}], .v > 4)",
            "all([{v: 1, n: \"x\"}], {.v > 0 && .n != \"\"})",
            "sum(map([{v: 1}, {v: 2}], {.v})) == 3",
            "filter([1, 2, 3], # > 1) == [2, 3]",
            "map([1, 2], {let x = #; x * 2}) == [2, 4]",
            "map([5, 6], #index) == [0, 1]",
            "count([true, false, true]) == 2 && count([1, 2], # > 1) == 1",
            "sum([]) == 0 && sum([1, 2.5]) == 3.5 && sum([1, 2], # * 2) == 6",
            "find([1, 2, 3], # > 1) == 2 && findLast([1, 2, 3], # > 1) == 3",
            "findIndex([1, 2, 3], # > 1) == 1 && findLastIndex([1, 2, 3], # > 1) == 2",
            "find([1], # > 1) == nil && findIndex([1], # > 1) == nil",
            "groupBy([\"a\", \"b\", \"a\"], #) == {a: [\"a\", \"a\"], b: [\"b\"]}",
            "sortBy([{v: 2}, {v: 1}], .v) == [{v: 1}, {v: 2}]",
            "sortBy([1, 2], #, \"desc\") == [2, 1]",
            "reduce([1, 2, 3], #acc + #) == 6",
            "reduce([], #acc + #, 5) == 5",
            "reduce([1, 2], #acc + #index, 10) == 11",
            "reduce([1, 2], 0) == 0",
            "all([[1], [2]], any(#, # > 0))",
            "any([1, 2], {let y = #; all([3], # > y)})",
        ],
    );
    all_say(
        "false",
        &["any([], # > 1)", "one([], true)", "all([1, 2], # > 1)"],
    );
    all_say(
        "error",
        &[
            "# > 1",
            ".v > 1",
            "all([1], #)",
            "all(5, true)",
            "all(nil, true)",
            "all([1])",
            "count([1]) == 1",
            "sum([\"a\"]) == 0",
            "reduce([], #acc + #) == 0",
            "map([1], #acc) == []",
            "sortBy([1, \"a\"], #) == []",
            "sortBy([1, 2], #, \"up\") == []",
            "all([1], #nope)",
        ],
    );
}

#[test]
fn names_and_branches() {
    all_say(
        "true",
        &[
            "let x = 1; let y = x + 1; x + y == 3",
            "if 1 > 2 { false } else if 2 > 1 { true } else { false }",
            "1; 2; true",
            "true;",
            "(false; true)",
        ],
    );
    all_say(
        "error",
        &[
            "let x = 1; let x = 2; x == 2",
            "let result = 1; true",
            "let len = 1; true",
            "let x = 1",
            "if true { true }",
            "if 1 { true } else { true }",
            "(true",
            "true)",
            "true true",
            "",
            " ",
        ],
    );
}

#[test]
fn functions_of_numbers() {
    all_say(
        "true",
        &[
            "abs(-5) == 5 && abs(-5.5) == 5.5",
            "ceil(1.2) == 2 && floor(-1.2) == -2 && round(2.5) == 3 && round(-2.5) == -3",
            "int(5.9) == 5 && int(-5.9) == -5 && int(\"+5\") == 5",
            "float(\"1.5\") == 1.5 && isInf(float(\"inf\")) && isNaN(float(\"nan\"))",
            "max(1, 2.5, [3]) == 3 && min([4, [2]]) == 2 && max([]) == nil",
            "mean([1, 2, 3]) == 2 && mean([]) == 0",
            "median([3, 1, 2]) == 2 && median([1, 2, 3, 4]) == 2.5 && median([]) == 0",
            "asInt(5.9) == 5 && asInt(\"5\") == 5 && asFloat(\"1.5\") == 1.5",
            "bitand(5, 3) == 1 && bitor(5, 3) == 7 && bitxor(5, 3) == 6 && bitnand(5, 3) == 4",
            "bitnot(5) == -6 && bitshl(1, 4) == 16 && bitshr(-16, 2) == -4",
            "bitushr(-1, 60) == 15",
        ],
    );
    all_say(
        "error",
        &[
            "asInt(\"1.1\") == 1",
            "asInt(true) == 1",
            "asFloat(true) == 1",
            "asInt(nil) == 0",
            "int(true) == 1",
            "float(\"1e999\") > 0",
            "abs(\"a\") == 0",
            "min(1, \"a\") == 1",
            "bitand(5.0, 3) == 1",
            "bitshl(1, -1) == 0",
            "isNaN(\"a\")",
        ],
    );
}

#[test]
fn functions_of_texts() {
    all_say(
        "true",
        &[
            "len(\"héllo\") == 5",
            "upper(\"a\") == \"A\" && lower(\"A\") == \"a\"",
            "trim(\"  a \") == \"a\" && trim(\"xxaxx\", \"x\") == \"a\"",
            "trimPrefix(\"abc\", \"a\") == \"bc\" && trimSuffix(\"abc\", \"c\") == \"ab\"",
            "split(\"a,b,c\", \",\") == [\"a\", \"b\", \"c\"]",
            "split(\"a,b,c\", \",\", 2) == [\"a\", \"b,c\"]",
            "split(\"abc\", \"\") == [\"a\", \"b\", \"c\"] && split(\"\", \",\") == [\"\"]",
            "split(\"a,\", \",\") == [\"a\", \"\"] && split(\"a,b\", \",\", 0) == []",
            "splitAfter(\"a,b\", \",\") == [\"a,\", \"b\"]",
            "join([\"a\", \"b\"], \"-\") == \"a-b\" && join([\"a\", \"b\"]) == \"ab\"",
            "replace(\"aaa\", \"a\", \"b\", 2) == \"bba\" && replace(\"ab\", \"\", \"-\") == \"-a-b-\"",
            "repeat(\"ab\", 2) == \"abab\"",
            "indexOf(\"abc\", \"c\") == 2 && lastIndexOf(\"abca\", \"a\") == 3",
            "indexOf(\"abc\", \"z\") == -1",
            "hasPrefix(\"abc\", \"ab\") && hasSuffix(\"abc\", \"bc\")",
            "string(1.0) == \"1\" && string(0.1) == \"0.1\" && string(1e6) == \"1e+06\"",
            "string(1e-5) == \"1e-05\" && string(nil) == \"<nil>\"",
            "string([1, \"a\"]) == \"[1 a]\" && string({a: 1}) == \"map[a:1]\"",
            "fromJSON(\"{\\\"a\\\": [1.5]}\").a[0] == 1.5",
            "\"a\" < \"b\" && \"a\" + \"b\" == \"ab\"",
        ],
    );
    all_say(
        "error",
        &[
            "upper(1) == \"A\"",
            "join([1], \"-\") == \"1\"",
            "repeat(\"ab\", -1) == \"\"",
            "fromJSON(\"x\") == nil",
            "len(nil) == 0",
            "len(5) == 0",
            "\"a\" in \"abc\"",
        ],
    );
}

#[test]
fn functions_of_lists() {
    all_say(
        "true",
        &[
            "take([1, 2, 3], 2) == [1, 2] && take([1], 9) == [1]",
            "reverse([1, 2]) == [2, 1] && concat([1], [2]) == [1, 2]",
            "uniq([1, 1, 2, 1.0]) == [1, 2]",
            "flatten([[1], [2, [3]]]) == [1, 2, 3]",
            "sort([3, 1, 2]) == [1, 2, 3] && sort([\"b\", \"a\"], \"desc\") == [\"b\", \"a\"]",
            "keys({a: 1}) == [\"a\"] && values({a: 1}) == [1]",
            "toPairs({a: 1}) == [[\"a\", 1]] && fromPairs([[\"a\", 1]]) == {a: 1}",
            "\"a\" in {a: 1} && nil in [nil] && 1 in [\"a\", 1]",
            "len({a: 1}) == 1 && len([]) == 0",
            "type([]) == \"array\" && type({}) == \"map\" && type(nil) == \"nil\"",
        ],
    );
    all_say(
        "error",
        &[
            "sort([1, \"a\"]) == []",
            "sort([2, 1], \"up\") == []",
            "keys([1]) == []",
            "concat([1], 2) == []",
            "1 in {a: 1}",
            "first(5) == nil",
        ],
    );
}

/// Here Go gives a verdict and this module does not.
#[test]
fn what_is_likely_a_mistake_is_an_error() {
    all_say(
        "error",
        &[
            "[\"a\"][0] != 1",
            "\"5\" == 5 || true",
            "5 in [\"a\", \"b\"]",
            "9223372036854775807 + 1 < 0",
            "asInt(1 / 0) < 0",
            "1 in nil",
        ],
    );
}

#[test]
fn an_error_points_at_its_column() {
    for (source, said) in [
        (
            "reslt > 1",
            "column 1: unknown name reslt: a condition knows result",
        ),
        (
            "é > 1 && x",
            "column 1: unknown name é: a condition knows result",
        ),
        (
            "\"é\" == y",
            "column 8: unknown name y: a condition knows result",
        ),
        ("result > 1 && foo(2)", "column 15: unknown function foo"),
        (
            "now() > 1",
            "column 1: now is not there: a condition reads no clock",
        ),
        (
            "len(result, 1) > 0",
            "column 1: len wants 1 argument and was given 2",
        ),
        (
            "len(result)",
            "column 1: a condition is true or false, but this gives a number",
        ),
        (
            "trim() == \"\"",
            "column 1: trim wants 1 to 2 arguments and was given 0",
        ),
        (
            "max() > 1",
            "column 1: max wants at least 1 arguments and was given 0",
        ),
        (
            "isNil()",
            "column 1: isNil wants 1 argument and was given 0",
        ),
        (
            "all(result) > 1",
            "column 1: all wants 2 arguments and was given 1",
        ),
        (
            "result.len() > 1",
            "column 8: values have no method len: write len(…) as a function",
        ),
        ("result >", "column 9: the condition ends too early"),
        ("(result > 1", "column 12: \")\" is missing at the end"),
        ("result > 1)", "column 11: unexpected )"),
        ("result = 1", "column 8: unexpected ="),
        ("result > 'x", "column 10: this text does not end"),
        (
            "result matches \"(\"",
            "column 16: \"(\" is not a regular expression",
        ),
        (
            "result[0] + 1",
            "column 1: a condition is true or false, but this gives a number or a text",
        ),
        (
            "1",
            "column 1: a condition is true or false, but this gives a number",
        ),
        ("", "column 1: the condition ends too early"),
    ] {
        let error = Condition::parse(source).unwrap_err().to_string();
        assert_eq!(error, said, "{source}");
    }
}
