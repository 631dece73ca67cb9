//! Selectors taken apart, so that several of them are one question.

use std::collections::BTreeMap;

use regex::Regex;

use crate::labels::quoted;

/// A selector of one metric: its name and its matchers.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    name: String,
    matchers: Vec<Matcher>,
}

#[derive(Clone, Debug)]
struct Matcher {
    /// As it stands in the selector.
    text: String,
    label: String,
    holds: Holds,
}

#[derive(Clone, Debug)]
enum Holds {
    Is(String),
    IsNot(String),
    Like(Regex),
    Unlike(Regex),
}

impl Plain {
    /// Takes a selector apart; none when it is more than a name and matchers, or says its name in
    /// another way.
    pub(crate) fn parse(selector: &str) -> Option<Self> {
        let (name, rest) = word(selector.trim(), |c| c == ':')?;
        let mut matchers = Vec::new();
        let mut rest = rest.trim();
        if !rest.is_empty() {
            rest = rest.strip_prefix('{')?.strip_suffix('}')?.trim();
        }
        while !rest.is_empty() {
            let (matcher, after) = matcher(rest)?;
            matchers.push(matcher);
            rest = after.trim_start();
            if !rest.is_empty() {
                rest = rest.strip_prefix(',')?.trim_start();
            }
        }
        Some(Self {
            name: name.to_owned(),
            matchers,
        })
    }

    /// Whether it selects a series.
    pub(crate) fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get("__name__") == Some(&self.name)
            && self.matchers.iter().all(|it| it.holds(labels))
    }

    /// Whether every series that `other` selects among its own metric's, this one would.
    fn is_wider_than(&self, other: &Self) -> bool {
        let has = |matcher: &Matcher| other.matchers.iter().any(|it| it.text == matcher.text);
        self.matchers.iter().all(has)
    }
}

impl Matcher {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.label).map_or("", String::as_str);
        match &self.holds {
            Holds::Is(wanted) => value == wanted,
            Holds::IsNot(other) => value != other,
            Holds::Like(regex) => regex.is_match(value),
            Holds::Unlike(regex) => !regex.is_match(value),
        }
    }
}

/// One selector for all of them, with one more matcher; none when it would select much that no one
/// of them does.
pub(crate) fn joined(all: &[&Plain], more: &str) -> Option<String> {
    let widest = all
        .iter()
        .find(|one| all.iter().all(|it| one.is_wider_than(it)))?;
    let mut names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut matchers: Vec<&str> = widest.matchers.iter().map(|it| it.text.as_str()).collect();
    matchers.push(more);
    Some(match names.as_slice() {
        [name] => format!("{name}{{{}}}", matchers.join(",")),
        names => {
            let names = quoted(&names.join("|"));
            format!("{{__name__=~{names},{}}}", matchers.join(","))
        }
    })
}

/// A matcher that a label has one of these values.
pub(crate) fn one_of(label: &str, values: &[&str]) -> String {
    let values: Vec<String> = values.iter().map(|value| literal(value)).collect();
    format!("{label}=~{}", quoted(&values.join("|")))
}

/// A text that a regular expression takes as it is.
fn literal(text: &str) -> String {
    let escaped = text.chars().flat_map(|c| {
        let special = c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_';
        special.then_some('\\').into_iter().chain([c])
    });
    escaped.collect()
}

/// A name at the start of a text, and what follows it.
fn word(text: &str, more: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || more(c);
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let starts = text.starts_with(|c: char| !c.is_ascii_digit() && is_part(c));
    starts.then(|| text.split_at(end))
}

/// A matcher at the start of a text, and what follows it.
fn matcher(text: &str) -> Option<(Matcher, &str)> {
    let (label, rest) = word(text, |_| false)?;
    // A name in braces may be a pattern: that is more than one metric.
    if label == "__name__" {
        return None;
    }
    let rest = rest.trim_start();
    let operator = ["=~", "!~", "!=", "="]
        .into_iter()
        .find(|it| rest.starts_with(it))?;
    let rest = rest[operator.len()..].trim_start();
    let (value, after) = string(rest)?;
    let holds = match operator {
        "=" => Holds::Is(value.clone()),
        "!=" => Holds::IsNot(value.clone()),
        "=~" => Holds::Like(anchored(&value)?),
        _ => Holds::Unlike(anchored(&value)?),
    };
    let text = format!("{label}{operator}{}", quoted(&value));
    let label = label.to_owned();
    Some((Matcher { text, label, holds }, after))
}

fn anchored(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{pattern})$")).ok()
}

/// A string in double quotes at the start of a text, and what follows it; none where it holds
/// what needs a reader of Go's strings.
fn string(text: &str) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix('"')?.char_indices();
    let mut value = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 2..])),
            '\\' => value.push(match chars.next()?.1 {
                c @ ('\\' | '"') => c,
                'n' => '\n',
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn plain(selector: &str) -> Plain {
        Plain::parse(selector).unwrap_or_else(|| panic!("{selector}"))
    }

    #[test]
    fn a_selector_selects_what_it_would_select_on_the_server() {
        let series = labels([("__name__", "requests"), ("app", "a\"b\\"), ("code", "503")]);
        for (selector, selects) in [
            ("requests", true),
            (" requests {} ", true),
            ("request", false),
            (r#"requests{app="a\"b\\",}"#, true),
            (r#"requests { app != "x" , code =~ "5.." }"#, true),
            (r#"requests{code=~"5"}"#, false),
            (r#"requests{code!~"5..|4.."}"#, false),
            (r#"requests{pod=""}"#, true),
            (r#"requests{pod!=""}"#, false),
        ] {
            assert_eq!(plain(selector).selects(&series), selects, "{selector}");
        }
    }

    #[test]
    fn what_is_more_than_a_name_and_matchers_is_not_taken_apart() {
        for selector in [
            "",
            "rate(requests[1m])",
            "requests offset 5m",
            "requests{app='a'}",
            "{__name__=\"requests\"}",
            "{\"requests\", app=\"a\"}",
            "requests{__name__=~\"x\"}",
            "requests{code=~\"(\"}",
            "requests{app=\"a\"",
            "requests{app=\"a\\x41\"}",
            "requests{app=\"a\" code=\"b\"}",
            "5xx",
            "one or two",
        ] {
            assert!(Plain::parse(selector).is_none(), "{selector}");
        }
    }

    #[test]
    fn selectors_are_joined_where_one_of_them_is_as_wide_as_all() {
        let [all, failed, buckets, other] = [
            r#"requests{app="shop"}"#,
            r#"requests{app="shop",code=~"5.."}"#,
            r#"seconds_bucket{app="shop"}"#,
            r#"seconds_bucket{service="shop"}"#,
        ]
        .map(plain);
        let sides = one_of("version", &["v1.2", ""]);
        assert_eq!(
            joined(&[&all, &failed], &sides).unwrap(),
            r#"requests{app="shop",version=~"v1\\.2|"}"#
        );
        assert_eq!(
            joined(&[&failed, &all, &buckets], &sides).unwrap(),
            r#"{__name__=~"requests|seconds_bucket",app="shop",version=~"v1\\.2|"}"#
        );
        assert_eq!(joined(&[&all, &other], &sides), None);
    }
}
