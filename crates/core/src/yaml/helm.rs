//! Helm templates are not YAML before they are rendered.

use super::mark::Mark;
use super::tree::{Body, Node};

/// What only Helm writes between `{{` and `}}`; `{{args.x}}` and LogQL's `{{.msg}}` are not.
const WORDS: [&str; 9] = [
    ".Values",
    "$.Values",
    ".Release.",
    "$.Release.",
    ".Chart.",
    ".Capabilities.",
    "include \"",
    "template \"",
    "define \"",
];

/// The first tag of Helm's in a text that is no YAML, `lines` lines further down than in `text`.
pub(super) fn tag(text: &str, lines: u32) -> Option<Mark> {
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        if let Some((column, length)) = line.match_indices("{{").find_map(|(at, _)| helm(line, at))
        {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            return Some(Mark {
                line: index.saturating_add(lines).saturating_add(1),
                column,
                length,
            });
        }
    }
    None
}

/// The first tag of Helm's in the values and keys of a tree; in a comment it says nothing.
pub(super) fn within(node: &Node) -> Option<Mark> {
    match &node.body {
        Body::Scalar(scalar) => tag(&scalar.raw, 0).map(|_| node.at),
        Body::List(items) => items.iter().find_map(|item| within(item)),
        Body::Map(entries) => entries.iter().find_map(|entry| {
            let key = tag(&entry.key, 0).map(|_| entry.at);
            key.or_else(|| within(&entry.value))
        }),
    }
}

fn helm(line: &str, at: usize) -> Option<(u32, u32)> {
    let tag = line.get(at..)?;
    let tag = tag.split_inclusive("}}").next().unwrap_or(tag);
    WORDS.iter().any(|word| tag.contains(word)).then(|| {
        let before = line.get(..at).unwrap_or_default().chars().count();
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (
            narrow(before).saturating_add(1),
            narrow(tag.chars().count()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_helms_own_tags_count() {
        let mark = tag("a: 1\nb: {{ .Values.x }}\n", 10);
        assert_eq!(
            mark,
            Some(Mark {
                line: 12,
                column: 4,
                length: 15
            })
        );
        assert!(tag("{{- include \"chart.name\" . }}", 0).is_some());
        for text in [
            "q: '{{args.x}}'",
            "q: {{ .msg }}",
            "# {{ .Values.x }}",
            "{{",
            "",
        ] {
            assert_eq!(tag(text, 0), None, "{text}");
        }
    }
}
