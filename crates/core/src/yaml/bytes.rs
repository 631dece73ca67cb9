//! From bytes to text.

use std::borrow::Cow;

use super::MAX_FILE_BYTES;

/// The line, what is wrong there, and what would be right.
type Refused = (u32, String, &'static str);

/// The text of a file: UTF-8, or UTF-16 where a byte order mark says so, as PowerShell writes it.
///
/// Byte order marks are left out, at the beginning and where files were put together.
pub(super) fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, Refused> {
    if bytes.len() > MAX_FILE_BYTES {
        // A caller may have stopped reading there: how much there is, is not known.
        let most = MAX_FILE_BYTES / (1024 * 1024);
        let message = format!("the file is larger than {most} MiB, the most that is read");
        return Err((1, message, "split it"));
    }
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)?),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)?),
        _ => Cow::Borrowed(utf8(bytes)?),
    };
    Ok(unmarked(text))
}

fn utf8(bytes: &[u8]) -> Result<&str, Refused> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        refused(lines, "the file is not UTF-8 text")
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Refused> {
    let mut text = String::with_capacity(bytes.len());
    let units = bytes.chunks(2).map(|pair| match pair {
        [one, two] => unit([*one, *two]),
        // Half a unit is none: a lone surrogate is refused below.
        _ => 0xd800,
    });
    for character in char::decode_utf16(units) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => {
                let lines = text.matches('\n').count();
                return Err(refused(lines, "the file is not UTF-16 text"));
            }
        }
    }
    Ok(text)
}

fn refused(lines: usize, message: &str) -> Refused {
    let line = u32::try_from(lines).unwrap_or(u32::MAX).saturating_add(1);
    (line, message.to_owned(), "save it as UTF-8")
}

fn unmarked(text: Cow<'_, str>) -> Cow<'_, str> {
    const MARK: char = '\u{feff}';
    if !text.contains(MARK) {
        return text;
    }
    let marked = |line: &str| line.trim_start_matches(MARK).to_owned();
    Cow::Owned(text.split_inclusive('\n').map(marked).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let marked = format!("\u{feff}{text}");
        marked.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn what_powershell_writes_is_read() {
        let text = "a: é\r\nb: 𝄞\r\n";
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(decoded(&in_utf16(text, bytes)).unwrap(), text);
        }
    }

    #[test]
    fn byte_order_marks_at_the_beginning_of_lines_are_left_out() {
        assert_eq!(
            decoded("\u{feff}a: 1\n\u{feff}---\nb: 2".as_bytes()).unwrap(),
            "a: 1\n---\nb: 2"
        );
        assert_eq!(decoded("a: \u{feff}".as_bytes()).unwrap(), "a: \u{feff}");
    }

    #[test]
    fn broken_text_is_refused_with_its_line() {
        let mut odd = in_utf16("a: 1\n", u16::to_le_bytes);
        odd.push(b'x');
        let (line, message, _) = decoded(&odd).unwrap_err();
        assert_eq!((line, message.as_str()), (2, "the file is not UTF-16 text"));
        let (line, message, _) = decoded(b"a\nb\xff").unwrap_err();
        assert_eq!((line, message.as_str()), (2, "the file is not UTF-8 text"));
    }
}
