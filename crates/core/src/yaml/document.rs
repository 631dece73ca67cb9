//! A file as its documents, so that a broken one does not hide the others.

/// A piece of a file that holds a document, and how many lines stand above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    pub(super) lines: u32,
    pub(super) text: &'a str,
}

/// Cuts a file before each `---`; pieces that hold nothing are left out.
pub(super) fn chunks(text: &str) -> impl Iterator<Item = Chunk<'_>> {
    let (mut rest, mut lines) = (text, 0_u32);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (length, count) = measure(rest);
        let (chunk, after) = rest.split_at(length);
        let chunk = Chunk { lines, text: chunk };
        rest = after;
        lines = lines.saturating_add(count);
        Some(chunk)
    })
    .filter(|chunk| !chunk.text.lines().all(says_nothing))
}

/// How many bytes and lines there are before the next `---` below the first line.
fn measure(text: &str) -> (usize, u32) {
    let (mut length, mut lines) = (0, 0_u32);
    for line in text.split_inclusive('\n') {
        if lines > 0 && begins_document(line) {
            break;
        }
        length += line.len();
        lines = lines.saturating_add(1);
    }
    (length, lines)
}

fn begins_document(line: &str) -> bool {
    let after = line.strip_prefix("---");
    after.is_some_and(|after| after.is_empty() || after.starts_with([' ', '\t', '\r', '\n']))
}

fn says_nothing(line: &str) -> bool {
    let content = match begins_document(line) {
        true => line.trim_start_matches("---"),
        false => line,
    };
    let content = content.trim();
    content.is_empty() || content == "..." || content.starts_with('#') || line.starts_with('%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(u32, &str)> {
        chunks(text)
            .map(|chunk| (chunk.lines, chunk.text))
            .collect()
    }

    #[test]
    fn documents_are_cut_where_their_markers_stand() {
        let text = "# head\n---\na: 1\n--- # two\nb: |\n  ---\n---\n\n---\nc: 3";
        let wanted = vec![
            (1, "---\na: 1\n"),
            (3, "--- # two\nb: |\n  ---\n"),
            (8, "---\nc: 3"),
        ];
        assert_eq!(cut(text), wanted);
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        for text in [
            "",
            "\n\n",
            "---\n---\n",
            "# only\r\n---\r\n",
            "%YAML 1.2\n---\n",
            "...\n",
        ] {
            assert_eq!(cut(text), vec![], "{text:?}");
        }
        assert_eq!(cut("----\n"), vec![(0, "----\n")]);
    }
}
