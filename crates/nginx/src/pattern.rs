//! How a header's value is compared in a `map` of NGINX, which the F5 controller's conditions are too.

use gradatim_core::route::StringMatch;

/// A pattern as the key of a map: a plain key would be compared without regard to case, a pattern
/// is not.
pub(crate) fn pattern(wanted: &StringMatch) -> String {
    match wanted {
        StringMatch::Exact(text) => format!("~^{}$", escaped(text)),
        StringMatch::Prefix(text) => format!("~^{}", escaped(text)),
        StringMatch::Regex(pattern) => format!("~{pattern}"),
    }
}

/// What a pattern, without its `~`, was made of.
pub(crate) fn matched(pattern: &str) -> StringMatch {
    let Some(text) = pattern.strip_prefix('^') else {
        return StringMatch::Regex(pattern.to_owned());
    };
    match (text.strip_suffix('$').and_then(literal), literal(text)) {
        (Some(exact), _) => StringMatch::Exact(exact),
        (None, Some(prefix)) => StringMatch::Prefix(prefix),
        _ => StringMatch::Regex(pattern.to_owned()),
    }
}

fn escaped(text: &str) -> String {
    let mut literal = String::new();
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal
}

/// The text that a pattern without any operator stands for.
fn literal(pattern: &str) -> Option<String> {
    let (mut text, mut chars) = (String::new(), pattern.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(char::is_ascii_punctuation)?),
            c if c.is_ascii_punctuation() => return None,
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pattern_was_made_of_is_read_back() {
        let all = [
            StringMatch::Exact("yes".to_owned()),
            StringMatch::Exact("a.b$\"".to_owned()),
            StringMatch::Prefix("v1-".to_owned()),
            StringMatch::Regex("^v[12]$".to_owned()),
            StringMatch::Regex("no".to_owned()),
        ];
        for wanted in all {
            let text = pattern(&wanted);
            assert_eq!(matched(text.strip_prefix('~').unwrap()), wanted, "{text}");
        }
    }

    #[test]
    fn a_pattern_with_an_operator_is_no_literal() {
        assert_eq!(literal("a\\.b").as_deref(), Some("a.b"));
        assert_eq!(literal("a.b"), None);
        assert_eq!(literal("a\\d"), None);
        assert_eq!(literal("a\\"), None);
    }
}
