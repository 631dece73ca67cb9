//! Text for people: safe to print, no wider than the terminal.

use std::borrow::Cow;
use std::time::Duration;

pub(super) use gradatim_core::go_duration::short;

/// The text without control characters: a manifest must not steer the terminal.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    match text.contains(is_unprintable) {
        true => text
            .chars()
            .map(|c| match c {
                '\t' => ' ',
                c if is_unprintable(c) => '\u{fffd}',
                c => c,
            })
            .collect::<String>()
            .into(),
        false => text.into(),
    }
}

/// Controls, and the marks that turn the direction of text.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text in lines of at most `width` characters, broken at spaces where there are any.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        let used = line.chars().count();
        if used > 0 && used + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(std::mem::replace(&mut word, rest).into_iter().collect());
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The number and the word, in the plural where it is not one.
pub(super) fn count(number: usize, word: &str) -> String {
    match number {
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    }
}

/// `1st`, `2nd`, `13th`.
pub(super) fn ordinal(number: u32) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// A percentage without needless digits.
pub(super) fn percent(part: f64) -> String {
    let percent = part * 100.0;
    let digits = if percent >= 10.0 { 1 } else { 2 };
    let text = format!("{percent:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

/// A time since the start, such as `3:30` or `1:02:00`.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time
        .as_secs()
        .saturating_add(u64::from(time.subsec_millis() >= 500));
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_not_printed() {
        assert_eq!(clean("a\x1b[31m\tb\u{202e}"), "a\u{fffd}[31m b\u{fffd}");
        assert_eq!(clean("naïve"), "naïve");
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_anywhere() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("ab cdefgh", 3), ["ab", "cde", "fgh"]);
        assert_eq!(wrap("", 3), Vec::<String>::new());
    }

    #[test]
    fn ordinals_are_english() {
        let ordinals = [1, 2, 3, 4, 11, 12, 21, 113].map(ordinal);
        let wanted = ["1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "113th"];
        assert_eq!(ordinals, wanted);
    }

    #[test]
    fn numbers_have_the_digits_that_they_need() {
        assert_eq!(percent(0.1), "10 %");
        assert_eq!(percent(0.333), "33.3 %");
        assert_eq!(percent(0.0056), "0.56 %");
        assert_eq!(percent(0.29), "29 %");
        assert_eq!(percent(0.005), "0.5 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(clock(Duration::from_secs(210)), "3:30");
        assert_eq!(clock(Duration::from_secs(3720)), "1:02:00");
        assert_eq!(clock(Duration::from_millis(1499)), "0:01");
    }

    #[test]
    fn a_list_reads_as_a_person_says_it() {
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(
            (count(1, "error"), count(0, "error")),
            ("1 error".into(), "0 errors".into())
        );
    }
}
