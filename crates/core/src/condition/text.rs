//! Escapes in quoted text.

use std::str::Chars;

/// The length of the text up to its closing quote; none when a line or the source ends first.
pub(super) fn length(inside: &str, quote: char) -> Option<usize> {
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\n' => return None,
            '\\' => drop(chars.next()),
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// Resolves escapes; the error is where the wrong one begins.
pub(super) fn unescape(raw: &str, quote: char) -> Result<String, usize> {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        let start = raw.len() - chars.as_str().len() - c.len_utf8();
        text.push(match c {
            '\\' => escape(&mut chars, quote).ok_or(start)?,
            c => c,
        });
    }
    Ok(text)
}

fn escape(chars: &mut Chars<'_>, quote: char) -> Option<char> {
    Some(match chars.next()? {
        'a' => '\u{07}',
        'b' => '\u{08}',
        'f' => '\u{0c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{0b}',
        '\\' => '\\',
        'x' => code(chars, 2, 16, 0)?,
        'u' if chars.as_str().starts_with('{') => braced(chars)?,
        'u' => code(chars, 4, 16, 0)?,
        'U' => code(chars, 8, 16, 0)?,
        c if c == quote => c,
        c => code(chars, 2, 8, c.to_digit(8)?)?,
    })
}

/// A character by its code, in exactly so many digits.
fn code(chars: &mut Chars<'_>, digits: usize, radix: u32, first: u32) -> Option<char> {
    let mut code = first;
    for _ in 0..digits {
        code = code
            .checked_mul(radix)?
            .checked_add(chars.next()?.to_digit(radix)?)?;
    }
    char::from_u32(code)
}

/// `{1F600}`, of one to six digits.
fn braced(chars: &mut Chars<'_>) -> Option<char> {
    let (digits, after) = chars.as_str().strip_prefix('{')?.split_once('}')?;
    let fits = (1..=6).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
    *chars = after.chars();
    char::from_u32(u32::from_str_radix(digits, 16).ok().filter(|_| fits)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_and_wrong_ones_are_pointed_at() {
        for (raw, text) in [
            (r"it\'s", Ok("it's")),
            (r"a\\nb", Ok(r"a\nb")),
            (r"a\nb", Ok("a\nb")),
            (r"\u0041\x41\101\U00000041\u{41}", Ok("AAAAA")),
            (r"\u{1F600}", Ok("😀")),
            (r#"ab\""#, Err(2)),
            (r"ü\q", Err(2)),
            (r"\u{}", Err(0)),
            (r"\u{1234567}", Err(0)),
            (r"\uD800", Err(0)),
            (r"\x4", Err(0)),
        ] {
            assert_eq!(unescape(raw, '\''), text.map(str::to_owned), "{raw}");
        }
    }

    #[test]
    fn an_escaped_quote_does_not_end_the_text() {
        assert_eq!(length(r"a\'b' c", '\''), Some(4));
        assert_eq!(length(r"a\", '"'), None);
        assert_eq!(length("a\nb'", '\''), None);
    }
}
