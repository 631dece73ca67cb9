//! Which series a query names: enough of PromQL's surface to say which of them are missing.

/// Words that are no metric, function calls aside.
const WORDS: [&str; 30] = [
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
    "start",
    "end",
    "inf",
    "nan",
    "atan2",
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
    "limitk",
    "limit_ratio",
];
/// Words before a list of labels.
const BEFORE_LABELS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// The selectors of a query, each once, without their ranges.
pub(crate) fn selectors(query: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut scan = Scan { rest: query };
    while let Some(token) = scan.next_token() {
        let selector = match token {
            Token::Name(name) => scan.selector(name),
            Token::Matchers(matchers) => Some(matchers.to_owned()),
            Token::Other => None,
        };
        found.extend(selector.filter(|selector| !found.contains(selector)));
    }
    found
}

enum Token<'q> {
    Name(&'q str),
    Matchers(&'q str),
    Other,
}

struct Scan<'q> {
    rest: &'q str,
}

impl<'q> Scan<'q> {
    fn next_token(&mut self) -> Option<Token<'q>> {
        self.rest = self.rest.trim_start();
        let first = self.rest.chars().next()?;
        Some(match first {
            '#' => {
                self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
                Token::Other
            }
            '"' | '\'' | '`' => {
                self.take(string(self.rest));
                Token::Other
            }
            '[' => {
                self.take(closing(self.rest, ']'));
                Token::Other
            }
            '{' => Token::Matchers(self.take(closing(self.rest, '}'))),
            c if c.is_ascii_alphabetic() || c == '_' || c == ':' => Token::Name(self.name()),
            c if c.is_ascii_digit() => {
                self.name();
                Token::Other
            }
            c => {
                self.take(c.len_utf8());
                Token::Other
            }
        })
    }

    fn take(&mut self, length: usize) -> &'q str {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn name(&mut self) -> &'q str {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// What begins with a name: a selector, unless it is a call or a word of the language.
    fn selector(&mut self, name: &'q str) -> Option<String> {
        let word = name.to_ascii_lowercase();
        let after = self.rest.trim_start();
        if BEFORE_LABELS.contains(&word.as_str()) && after.starts_with('(') {
            self.rest = after;
            self.take(closing(self.rest, ')'));
            return None;
        }
        if after.starts_with('(') || WORDS.contains(&word.as_str()) {
            return None;
        }
        if !after.starts_with('{') {
            return Some(name.to_owned());
        }
        self.rest = after;
        let matchers = self.take(closing(self.rest, '}'));
        Some(format!("{name}{matchers}"))
    }
}

/// How long a text is up to its closing sign, texts in quotes jumped over.
fn closing(text: &str, sign: char) -> usize {
    let mut at = 1;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if c == sign {
            return at + 1;
        }
        at += match c {
            '"' | '\'' | '`' => string(&text[at..]),
            c => c.len_utf8(),
        };
    }
    text.len()
}

/// How long a text in quotes is, with them.
fn string(text: &str) -> usize {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, quote)| quote);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote != Some('`') => drop(chars.next()),
            c if Some(c) == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_of_a_query_are_found_and_nothing_else() {
        for (query, wanted) in [
            ("up", &["up"][..]),
            (
                r#"sum by (le, app) (rate(a:b_total{x="}{",y=~"1\"2"}[5m])) / sum(rate(b[1m:10s])) > 0.5e3"#,
                &[r#"a:b_total{x="}{",y=~"1\"2"}"#, "b"],
            ),
            (
                "topk(3, a) or on(pod) group_left(node) b offset 5m # c\nand {__name__=\"d\"}",
                &["a", "b", "{__name__=\"d\"}"],
            ),
            ("count_values without (x) ('v', a) unless a", &["a"]),
            ("vector(0) + NaN - Inf == bool 1", &[]),
            ("", &[]),
            ("a{", &["a{"]),
            ("\"", &[]),
        ] {
            assert_eq!(selectors(query), wanted, "{query}");
        }
    }
}
