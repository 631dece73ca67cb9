//! What is refused, where, and what would be right.

use crate::script::*;

fn wrong(text: &str) -> Vec<ScriptError> {
    Scenario::parse(text).expect_err(text).errors
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let table = [
        (
            "trafic 100/s",
            1,
            "no statement begins with \"trafic\"; did you mean \"traffic\"?",
        ),
        (", 3", 1, "a statement begins with a word"),
        ("v2 explodes", 1, "no statement begins with \"v2\""),
        ("seed many", 6, "expected a seed, found \"many\""),
        ("seed -1", 6, "expected a seed, found \"-1\""),
        (
            "seed 99999999999999999999",
            6,
            "a seed is 0 to 18446744073709551615",
        ),
        ("replicas 10001", 10, "replicas is 0 to 10000"),
        ("replicas", 9, "replicas is missing at the line's end"),
        (
            "stable router",
            8,
            "a version cannot be called \"router\" here",
        ),
        (
            "traffic 100",
            12,
            "\"requests/s\" or \"requests/min\" is missing at the line's end",
        ),
        ("traffic 100/h", 9, "expected a rate, found \"100/h\""),
        ("traffic -5/s", 9, "expected a rate, found \"-5/s\""),
        (
            "traffic 1e7/s",
            9,
            "a world has at most 1000000 requests a second",
        ),
        (
            "traffic 5/s from 3:00 to 2:00",
            26,
            "this end does not lie after the beginning",
        ),
        ("traffic 5/s from 3", 18, "expected a time, found \"3\""),
        ("traffic 5/s from 3:5", 18, "expected a time, found \"3:5\""),
        (
            "traffic 5/s from 1:60:00",
            18,
            "expected a time, found \"1:60:00\"",
        ),
        (
            "traffic 5/s from 1:2:3:4",
            18,
            "expected a time, found \"1:2:3:4\"",
        ),
        (
            "traffic 5/s from 169h",
            18,
            "a scenario lasts at most 7 days (168h)",
        ),
        ("v2 fails 5", 11, "\"%\" is missing at the line's end"),
        ("v2 fails 101 %", 10, "a percentage is 0 to 100"),
        ("v2 fails NaN %", 10, "expected a percentage, found \"NaN\""),
        ("v2 answers in 2", 15, "expected a duration, found \"2\""),
        ("v2 pods crsh after 2s", 9, "did you mean \"crash\"?"),
        (
            "v2 fails 5 % form 1:10",
            14,
            "nothing more is expected here, found \"form\"",
        ),
        (
            "pods are 0.5 times slower in their first 3s",
            10,
            "pods are 1 to 10000 times slower",
        ),
        ("metric x values 1", 10, "expected \":\", found \"values\""),
        (
            "metric x: values 1,",
            20,
            "a value is missing at the line's end",
        ),
        (
            "metric x: values 1 2",
            20,
            "nothing more is expected here, found \"2\"",
        ),
        (
            "metric x: values inf",
            18,
            "expected a value, found \"inf\"",
        ),
        ("metric x: p100 latency", 11, "expected \"success\""),
        (
            "metric x: success rate in ms",
            27,
            "expected \"%\", found \"ms\"",
        ),
        (
            "metric x: success rate of v2",
            27,
            "expected \"canary\", \"stable\" or \"all\"",
        ),
        (
            "metric x: success rate over 0s",
            29,
            "a window is longer than nothing",
        ),
        ("metric \"x: 3", 8, "this quote is never closed"),
        ("metric \"\": no data", 8, "a metric's name is empty"),
        ("gate x: ajar", 9, "expected \"opens\""),
        ("gate x: opens 3:00", 15, "expected \"at\", found \"3:00\""),
        ("router nginx failed", 8, "expected \"fails\""),
        ("router gives no data", 8, "expected \"fails\""),
        ("router nginx lags 5s", 14, "routers lag together"),
        ("provider loses writes", 10, "expected \"fails\""),
        ("store reads are 3s old", 7, "expected \"fails\""),
        (
            "driver crashes",
            15,
            "\"at\" or \"after\" is missing at the line's end",
        ),
        (
            "driver stands still at 1:00",
            28,
            "\"for\" is missing at the line's end",
        ),
        ("at 3:00 promot", 9, "did you mean \"promote\"?"),
        ("at 3:00", 8, "\"promote\""),
        ("at noon promote", 4, "expected a time, found \"noon\""),
        (
            "at 3:00 set spec.paused maybe",
            25,
            "expected \"true\" or \"false\", found \"maybe\"",
        ),
        (
            "expect paused by 3:00",
            15,
            "nothing more is expected here, found \"by\"",
        ),
        ("end 0:00", 5, "an end lies after the start"),
        ("v3 fails 5 %", 1, "nothing deploys v3"),
        ("at 3:00 kill 1 pod of v3", 23, "nothing deploys v3"),
        (
            "end 3:00\nat 3:00 promote",
            4,
            "this lies at the scenario's end or after it",
        ),
    ];
    for (text, column, message) in table {
        let found = wrong(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(
            found[0].message.contains(message),
            "{text}: {}",
            found[0].message
        );
        assert_eq!(found[0].column, column, "{text}");
        assert!(!found[0].help.is_empty(), "{text}");
        assert_eq!(found[0].line, text.lines().count(), "{text}");
    }
}

#[test]
fn all_mistakes_come_at_once_from_the_top() {
    let text = "seed x\ntraffic 100/s\n\nv3 fails 5 %\nexpect glory\n";
    let found = wrong(text);
    let places: Vec<_> = found.iter().map(|one| (one.line, one.column)).collect();
    assert_eq!(places, [(1, 6), (4, 1), (5, 8)]);
    assert_eq!(found[1].text, "v3 fails 5 %");
    let shown = Scenario::parse(text).unwrap_err().to_string();
    let first = "line 1, column 6: expected a seed, found \"x\" (such as: seed 7)";
    assert_eq!(shown.lines().next(), Some(first));
}

#[test]
fn a_version_that_is_deployed_later_is_known_from_the_top() {
    let scenario = Scenario::parse("v3 fails 5 %\nat 6:00 deploy v3\nat 7:00 undo to v1");
    assert!(scenario.is_ok(), "{scenario:?}");
}

#[test]
fn input_without_bounds_is_refused_in_bounds() {
    let long = "# x\n".repeat(MAX_BYTES);
    assert!(wrong(&long)[0].message.contains("at most 64 KiB"));
    let many = "#\n".repeat(MAX_LINES + 1);
    assert!(wrong(&many)[0].message.contains("at most 2000 lines"));
    let lines = "x\n".repeat(MAX_LINES);
    let errors = Scenario::parse(&lines).unwrap_err();
    assert_eq!(errors.errors.len(), MAX_ERRORS);
    assert_eq!(errors.more, MAX_LINES - MAX_ERRORS);
    assert!(errors.to_string().ends_with("and 1950 more"));
    let values = format!("metric x: values 1{}", ", 1".repeat(MAX_VALUES));
    assert!(wrong(&values)[0].message.contains("at most 1000 values"));
    for before in [
        "seed ",
        "seed x",
        "",
        "at ",
        "metric x: values ",
        "v2 pods ",
    ] {
        let wide = wrong(&format!("{before}{}", "9".repeat(60_000)));
        assert_eq!(wide[0].text.chars().count(), 200);
        assert!(wide[0].message.len() < 300, "{before}");
    }
}

#[test]
fn no_text_makes_it_panic() {
    let pieces = [
        "at",
        "3:00",
        "deploy",
        "v3",
        "metric",
        ":",
        "x:",
        "values",
        ",",
        "1",
        "NaN",
        "\"",
        "%",
        "5",
        "fails",
        "from",
        "to",
        "é",
        "\u{0}",
        "router",
        "gate",
        "expect",
        "driver",
        "over",
        "-",
        "1e309",
        "99999999999:00",
        "p",
        "p.",
        "100/s",
        "/",
        "second",
        "pods",
        "\t",
        "#",
    ];
    let mut seed: u64 = 1;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..8 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let index = usize::try_from(seed >> 33).unwrap_or(0) % pieces.len();
            text.push_str(pieces[index]);
            text.push_str(if seed & (1 << 20) == 0 { " " } else { "\n" });
        }
        let _ = Scenario::parse(&text);
    }
}
