//! One line for a person: when, what, and because of which number.

use std::fmt;
use std::time::Duration;

/// What a line means, beside its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Good,
    Bad,
    Waiting,
    Faint,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    at: Duration,
    word: &'static str,
    text: String,
    pub tone: Tone,
    /// Whether a live view shows the same elsewhere.
    pub is_detail: bool,
}

impl Line {
    pub(crate) fn new(at: Duration, word: &'static str, text: impl Into<String>) -> Self {
        Self {
            at,
            word,
            text: text.into(),
            tone: Tone::Plain,
            is_detail: false,
        }
    }

    #[must_use]
    pub(crate) fn toned(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    #[must_use]
    pub(crate) fn detail(mut self) -> Self {
        self.is_detail = true;
        self
    }

    /// A time since the start, as `m:ss`.
    pub(crate) fn clock(at: Duration) -> String {
        format!("{}:{:02}", at.as_secs() / 60, at.as_secs() % 60)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = Self::clock(self.at);
        write!(f, "{clock:>5}  {:<9} {}", self.word, self.text)
    }
}

/// How often something happened.
pub(crate) fn in_words(times: usize) -> String {
    match times {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        times => format!("{times} times"),
    }
}

/// A number with its thousands apart: 12 345.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let texts = [0, 999, 1000, 12_345, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1 000", "12 345", "1 234 567"]);
    }

    #[test]
    fn a_line_says_when_and_what() {
        let line = Line::new(Duration::from_millis(75_900), "weight", " 25 %");
        assert_eq!(line.to_string(), " 1:15  weight     25 %");
    }
}
