//! What can be seen of a PromQL or LogQL query without parsing it: its code, without its strings,
//! and the windows in it.

use std::time::Duration;

/// The query without what stands in quotes and in comments.
fn code(query: &str) -> String {
    let mut code = String::with_capacity(query.len());
    let mut chars = query.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' | '`' => {
                code.push(c);
                while let Some(inner) = chars.next() {
                    match inner {
                        '\\' if c != '`' => drop(chars.next()),
                        inner if inner == c => break,
                        _ => {}
                    }
                }
                code.push(c);
            }
            '#' => drop(chars.by_ref().find(|c| *c == '\n')),
            c => code.push(c),
        }
    }
    code
}

/// Whether the query says what stands for no series.
pub(super) fn is_never_empty(query: &str) -> bool {
    let code = code(query);
    ["vector(", "absent(", "absent_over_time("]
        .iter()
        .any(|call| code.contains(call))
}

/// Functions that are zero where nothing was counted.
const COUNTS: [&str; 5] = ["rate(", "increase(", "delta(", "count_over_time(", "_total"];

/// Whether no requests make the query NaN, and nothing in it keeps that from happening.
pub(super) fn may_be_nan(query: &str) -> bool {
    let code = code(query);
    let kept = ["clamp_min(", "> 0", ">0", "!= 0"];
    if kept.iter().any(|guard| code.contains(guard)) {
        return false;
    }
    let divided = code
        .split_once('/')
        .is_some_and(|(_, by)| COUNTS.iter().any(|it| by.contains(it)));
    divided || code.contains("histogram_quantile(")
}

/// Whether the whole query is something divided by itself.
pub(super) fn divides_itself(query: &str) -> bool {
    let (mut depth, mut quote) = (0_i32, None);
    let mut at = None;
    for (index, c) in query.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '(' | '{' | '[') => depth += 1,
            (None, ')' | '}' | ']') => depth -= 1,
            (None, '#') => return false,
            (None, '/') if depth == 0 && at.is_some() => return false,
            (None, '/') if depth == 0 => at = Some(index),
            _ => {}
        }
    }
    let Some((above, below)) = at.and_then(|at| query.split_at_checked(at)) else {
        return false;
    };
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    let above = squeezed(above);
    !above.is_empty() && above == squeezed(below.trim_start_matches('/'))
}

/// The longest window that the query looks back over: of `[5m]` and `[1h:1m]`, an hour.
pub(super) fn window(query: &str) -> Option<Duration> {
    let code = code(query);
    let ranges = code
        .split('[')
        .skip(1)
        .filter_map(|rest| rest.split(']').next());
    let ranges = ranges.filter_map(|range| duration(range.split(':').next()?.trim()));
    ranges.max()
}

/// A selection by label: `code=~"5.."`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matcher {
    pub(super) label: String,
    /// Whether it takes what does not match.
    pub(super) negated: bool,
    pub(super) value: String,
}

/// The selections in a query.
pub(super) fn matchers(query: &str) -> Vec<Matcher> {
    let mut matchers = Vec::new();
    let mut rest = query;
    while let Some(at) = rest.find(['"', '\'', '`']) {
        let (before, quoted) = rest.split_at(at);
        let (value, after) = text(quoted);
        let before = before.trim_end();
        let label = before.trim_end_matches(['=', '!', '~']);
        let sign = before.get(label.len()..).unwrap_or_default();
        let label = label.trim_end();
        let start = label.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let label = label
            .get(start.map_or(0, |start| start + 1)..)
            .unwrap_or_default();
        if ["=", "=~", "!=", "!~"].contains(&sign) && !label.is_empty() {
            matchers.push(Matcher {
                label: label.to_owned(),
                negated: sign.starts_with('!'),
                value: value.to_owned(),
            });
        }
        rest = after;
    }
    matchers
}

/// What stands between the quote that `quoted` begins with and the next like it, and what
/// follows.
fn text(quoted: &str) -> (&str, &str) {
    let mut chars = quoted.char_indices();
    let quote = chars.next().map(|(_, c)| c);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote != Some('`') => drop(chars.next()),
            c if Some(c) == quote => {
                let value = quoted.get(1..at).unwrap_or_default();
                return (value, quoted.get(at + 1..).unwrap_or_default());
            }
            _ => {}
        }
    }
    (quoted.get(1..).unwrap_or_default(), "")
}

/// A duration as Prometheus writes it: `5m`, `1h30m`, `1d`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let end = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "y" => 31_536_000_000,
            _ => return None,
        };
        let part = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(millis)?);
        total = total.checked_add(part)?;
        rest = after;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_window_counts() {
        let secs = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(window("rate(a[1m]) / rate(b[5m])"), secs(300));
        assert_eq!(window("max_over_time(rate(a[1m])[1h30m:30s])"), secs(5400));
        assert_eq!(window("a{b=\"[9h]\"} # [8h]\n[30s]"), secs(30));
        assert_eq!(window("a{b=~\"x\\\"[9h]\"}"), None);
        for text in [
            "",
            "a[",
            "a[]",
            "a[m]",
            "a[5]",
            "a[5x]",
            "a[99999999999999999999y]",
            "a[$__interval]",
        ] {
            assert_eq!(window(text), None, "{text}");
        }
    }

    #[test]
    fn a_query_over_itself_is_seen() {
        assert!(divides_itself(
            "sum(rate(a{x=\"1\"}[1m])) by (y) /\n sum( rate(a{x=\"1\"}[1m])) by (y)"
        ));
        assert!(!divides_itself("sum(a{x=\"1\"}) / sum(a{x=\"2\"})"));
        assert!(!divides_itself("a / a / a"));
        assert!(!divides_itself("(a / a)"));
        assert!(!divides_itself("a{x=\"b/b\"}"));
        assert!(!divides_itself("/") && !divides_itself("") && !divides_itself("é / ü"));
    }

    #[test]
    fn selections_are_found_with_their_sense() {
        let found = matchers("a{x=\"1\", y !~ 'b\\'c' , z!=`\\`} |= \"ERROR\" == 2");
        let shown: Vec<_> = found
            .iter()
            .map(|it| (it.label.as_str(), it.negated, it.value.as_str()))
            .collect();
        assert_eq!(
            shown,
            [("x", false, "1"), ("y", true, "b\\'c"), ("z", true, "\\")]
        );
        assert_eq!(
            matchers("a{x=\"open"),
            [Matcher {
                label: "x".into(),
                negated: false,
                value: "open".into()
            }]
        );
        assert_eq!(matchers("é=\"ü\""), []);
    }

    #[test]
    fn strings_and_comments_are_no_code() {
        assert!(may_be_nan("rate(a[1m]) / rate(b[1m])"));
        assert!(!may_be_nan("rate(cpu[1m]) / limits"));
        assert!(may_be_nan("histogram_quantile(0.95, x)"));
        assert!(!may_be_nan("a{path=\"/rate(\"} # a / b_total"));
        assert!(!may_be_nan("a / (b_total > 0)"));
        assert!(is_never_empty("a or vector(0)"));
        assert!(!is_never_empty("a{b=\"vector(\"}"));
    }
}
