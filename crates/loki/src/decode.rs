//! From an answer to lines; pure.

use gradatim_core::port::PortError;
use gradatim_http::Answer;
use gradatim_http::frame::{Data, Stream};

/// How long a line is at most, in characters.
const LONGEST: usize = 200;

/// The newest lines of all streams, newest first.
pub(crate) fn lines(data: Data, answer: &Answer, most: usize) -> Result<Vec<String>, PortError> {
    let streams = match data {
        Data::Streams(streams) => streams,
        _ => return Err(answer.malformed("numbers where lines are wanted")),
    };
    let mut lines: Vec<(u128, String)> = streams.into_iter().flat_map(dated).collect();
    lines.sort_by(|(one, _), (other, _)| other.cmp(one));
    lines.truncate(most);
    Ok(lines
        .iter()
        .map(|(_, line)| cleaned(&answer.strike(line)))
        .collect())
}

fn dated(stream: Stream) -> impl Iterator<Item = (u128, String)> {
    let values = stream.values.into_iter();
    values.map(|(at, line)| (at.parse().unwrap_or(0), line))
}

/// A line that a terminal can be shown: of one row, cut, without control characters.
fn cleaned(line: &str) -> String {
    let plain = without_colours(line);
    let plain = plain.chars().map(|c| if c.is_control() { ' ' } else { c });
    // What reorders text could make a line read as another one.
    let plain = plain.filter(|c| !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    let mut text: String = plain.take(LONGEST + 1).collect();
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text.trim().to_owned()
}

/// A text without its terminal's escape sequences.
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let sequence = part.strip_prefix('[');
        let after =
            sequence.map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
        let after = after.map(|rest| rest.get(1..).unwrap_or_default());
        plain.push_str(after.unwrap_or(part));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_paint_a_terminal_or_fill_it() {
        assert_eq!(
            cleaned("\u{1b}[31mERROR\u{1b}[0m pool\tempty\r\n"),
            "ERROR pool empty"
        );
        assert_eq!(cleaned("\u{1b}]0;title\u{7}x"), "]0;title x");
        assert_eq!(cleaned("a\u{202e}b"), "ab");
        let long = cleaned(&"é".repeat(500));
        assert_eq!(
            (long.chars().count(), long.ends_with('…')),
            (LONGEST + 1, true)
        );
    }
}
