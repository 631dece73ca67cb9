//! Arguments in text: `{{args.service-name}}`.
//!
//! A tag is everything between `{{` and the next `}}`; spaces around its name do not count.
//! What is filled in is never read again for tags, and a `{{` that nothing closes is text.
//! Every tag must be an argument: there is no way to write `{{` and a later `}}` literally.

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
const PREFIX: &str = "args.";

/// Why a text cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// An argument that has no value.
    #[error("failed to resolve {{{{args.{0}}}}}: no such argument")]
    Unknown(String),
    /// A tag of another language, such as `{{ .msg }}`.
    #[error(
        "failed to resolve {{{{{0}}}}}: only {{{{args.NAME}}}} may stand between double braces, \
         and there is no way to write them literally"
    )]
    Foreign(String),
}

/// Fills in the arguments of a text.
///
/// # Errors
///
/// When a tag has no value or is no argument.
pub fn resolve(text: &str, args: &BTreeMap<String, String>) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tag, after)) = next_tag(rest) {
        filled.push_str(before);
        filled.push_str(value(tag, args)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Fills in the arguments of every text and every key in a JSON tree.
///
/// Texts stay texts: `"{{args.count}}"` becomes `"5"`, not `5`.
///
/// # Errors
///
/// When a tag has no value or is no argument.
pub fn resolve_json(tree: &Value, args: &BTreeMap<String, String>) -> Result<Value, TemplateError> {
    Ok(match tree {
        Value::String(text) => Value::String(resolve(text, args)?),
        Value::Array(items) => items
            .iter()
            .map(|item| resolve_json(item, args))
            .collect::<Result<_, _>>()?,
        Value::Object(fields) => fields
            .iter()
            .map(|(key, field)| Ok((resolve(key, args)?, resolve_json(field, args)?)))
            .collect::<Result<_, _>>()?,
        Value::Null | Value::Bool(_) | Value::Number(_) => tree.clone(),
    })
}

/// Fills in the arguments that have a value and leaves every other tag as it stands.
pub fn resolve_known(text: &str, args: &BTreeMap<String, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tag, after)) = next_tag(rest) {
        filled.push_str(before);
        match value(tag, args) {
            Ok(value) => filled.push_str(value),
            Err(_) => filled.extend([OPEN, tag, CLOSE]),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// The names of the arguments that a text uses, in the order in which they stand.
pub fn tags(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((_, tag, after)) = next_tag(rest) {
        names.extend(tag.trim().strip_prefix(PREFIX));
        rest = after;
    }
    names
}

/// What stands before the first tag, its inside, and what stands after it.
fn next_tag(text: &str) -> Option<(&str, &str, &str)> {
    let (before, inside) = text.split_once(OPEN)?;
    let (tag, after) = inside.split_once(CLOSE)?;
    Some((before, tag, after))
}

fn value<'a>(tag: &str, args: &'a BTreeMap<String, String>) -> Result<&'a str, TemplateError> {
    let name = tag
        .trim()
        .strip_prefix(PREFIX)
        .ok_or_else(|| TemplateError::Foreign(tag.to_owned()))?;
    args.get(name)
        .map(String::as_str)
        .ok_or_else(|| TemplateError::Unknown(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> BTreeMap<String, String> {
        [
            ("service-name", "web.prod"),
            ("bound", "0.95"),
            ("braces", "{{args.bound}}"),
            ("quote", r#"a "b" \c"#),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn tags_are_replaced_whatever_spaces_surround_them() {
        for (text, filled) in [
            ("result[0] >= {{args.bound}}", "result[0] >= 0.95"),
            ("{{ args.bound }}{{args.bound\t}}", "0.950.95"),
            ("{{args.service-name}}", "web.prod"),
            ("no tag", "no tag"),
            ("", ""),
            ("ü{{args.bound}}ü", "ü0.95ü"),
        ] {
            assert_eq!(resolve(text, &args()).as_deref(), Ok(filled), "{text}");
        }
    }

    #[test]
    fn what_has_no_value_yet_may_be_left_as_it_stands() {
        let text = "{{args.later}} {{ .msg }} {{ args.bound}} {{args.braces}} {{";
        let filled = "{{args.later}} {{ .msg }} 0.95 {{args.bound}} {{";
        assert_eq!(resolve_known(text, &args()), filled);
    }

    #[test]
    fn a_value_is_not_read_for_tags() {
        let filled = resolve("{{args.braces}} {{args.bound}}", &args());
        assert_eq!(filled.as_deref(), Ok("{{args.bound}} 0.95"));
    }

    #[test]
    fn an_open_tag_that_nothing_closes_stays_text() {
        for text in [
            "a {{args.bound",
            "{{",
            "}}",
            "{ {args.bound}}",
            "{{args.bound} }",
        ] {
            assert_eq!(resolve(text, &args()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn an_argument_without_a_value_is_named() {
        let error = resolve("{{args.nope}}", &args()).unwrap_err();
        assert_eq!(error, TemplateError::Unknown("nope".to_owned()));
        assert_eq!(
            error.to_string(),
            "failed to resolve {{args.nope}}: no such argument"
        );
    }

    #[test]
    fn a_tag_of_another_language_is_refused_with_the_reason() {
        for tag in [" .msg ", "", "$value", "Args.bound", "args", "{{args.bound"] {
            let error = resolve(&format!("x {{{{{tag}}}}}"), &args()).unwrap_err();
            assert_eq!(error, TemplateError::Foreign(tag.to_owned()));
        }
        let error = TemplateError::Foreign(" .msg ".to_owned()).to_string();
        assert!(error.starts_with("failed to resolve {{ .msg }}: only {{args.NAME}} may"));
    }

    #[test]
    fn the_names_used_are_listed_in_order() {
        let text = "{{args.b}} {{ .msg }} {{ args.a }} {{args.b}} {{args.open";
        assert_eq!(tags(text), ["b", "a", "b"]);
    }

    #[test]
    fn texts_and_keys_of_a_tree_are_filled_in_and_nothing_else() {
        let tree = serde_json::json!({
            "{{args.service-name}}": ["{{args.quote}}", 5, null, true, {"q": "<{{args.bound}}>"}],
        });
        let filled = serde_json::json!({
            "web.prod": [r#"a "b" \c"#, 5, null, true, {"q": "<0.95>"}],
        });
        assert_eq!(resolve_json(&tree, &args()), Ok(filled));
        let wrong = serde_json::json!([[{"deep": "{{args.nope}}"}]]);
        assert!(resolve_json(&wrong, &args()).is_err());
    }
}
