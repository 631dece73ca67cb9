//! Selectors as PromQL and LogQL write them, some of whose values are not known yet.

use gradatim_core::template::tags;

/// The selectors without a name that a query holds: what stands in braces outside of quotes.
///
/// ```
/// use gradatim_http::selector::in_braces;
///
/// let query = r#"sum(count_over_time({app="shop"} |= "{" [1m])) / sum(rate({app="shop"}[1m]))"#;
/// assert_eq!(in_braces(query), [r#"{app="shop"}"#]);
/// ```
pub fn in_braces(query: &str) -> Vec<&str> {
    let (mut quotes, mut open, mut found) = (Quotes::default(), None, Vec::new());
    for (at, c) in query.char_indices() {
        let quoted = quotes.hold(c);
        match (c, open) {
            _ if quoted => {}
            ('{', None) => open = Some(at),
            ('}', Some(start)) => {
                let selector = &query[start..=at];
                if !found.contains(&selector) {
                    found.push(selector);
                }
                open = None;
            }
            _ => {}
        }
    }
    found
}

/// A selector without the matchers that hold an argument's placeholder, and the labels of those:
/// before a release starts nothing bears the new version's value, but its label must be there.
///
/// ```
/// use gradatim_http::selector::known;
///
/// let selector = r#"requests{app="shop",version="{{args.canary-hash}}"}"#;
/// let (selector, labels) = known(selector);
/// assert_eq!((selector.as_str(), labels), (r#"requests{app="shop"}"#, vec!["version"]));
/// ```
pub fn known(selector: &str) -> (String, Vec<&str>) {
    let whole = || (selector.to_owned(), Vec::new());
    let Some((name, inside)) = selector.trim_end().split_once('{') else {
        return whole();
    };
    let Some(inside) = inside.strip_suffix('}') else {
        return whole();
    };
    let matchers: Vec<&str> = matchers(inside).collect();
    let (open, known): (Vec<&str>, Vec<&str>) = matchers
        .into_iter()
        .partition(|matcher| !tags(matcher).is_empty());
    let labels = open.iter().filter_map(|matcher| {
        let label = matcher.split(['=', '!']).next()?;
        Some(label.trim())
    });
    (format!("{name}{{{}}}", known.join(",")), labels.collect())
}

/// What stands between commas; those in quotes separate nothing.
fn matchers(inside: &str) -> impl Iterator<Item = &str> {
    let mut quotes = Quotes::default();
    let parts = inside.split(move |c: char| !quotes.hold(c) && c == ',');
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// Whether a text is inside quotes, character by character.
#[derive(Default)]
struct Quotes {
    open: Option<char>,
    escaped: bool,
}

impl Quotes {
    /// Whether this character, the next one, belongs to a text in quotes.
    fn hold(&mut self, c: char) -> bool {
        let escaped = std::mem::take(&mut self.escaped);
        match self.open {
            None if matches!(c, '"' | '\'' | '`') => self.open = Some(c),
            None => return false,
            Some(_) if escaped => {}
            Some('"' | '\'') if c == '\\' => self.escaped = true,
            Some(open) if c == open => self.open = None,
            Some(_) => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_takes_its_matcher_with_it_and_leaves_its_label() {
        for (selector, wanted, labels) in [
            ("up", "up", &[][..]),
            ("up{}", "up{}", &[]),
            ("up{", "up{", &[]),
            (r#"a{b="c,{d}\",",e='f'}"#, r#"a{b="c,{d}\",",e='f'}"#, &[]),
            (
                r#"a{ pod =~ "web-{{args.hash}}-.*", b!="c\\", v != "{{args.old}}", }"#,
                r#"a{b!="c\\"}"#,
                &["pod", "v"],
            ),
            (r#"{v="{{args.hash}}"}"#, "{}", &["v"]),
        ] {
            assert_eq!(
                known(selector),
                (wanted.to_owned(), labels.to_vec()),
                "{selector}"
            );
        }
    }
}
