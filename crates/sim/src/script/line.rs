//! Takes a line apart, word by word.

use std::time::Duration;

use gradatim_core::go_duration;

use super::scenario::{Named, Place, Window};
use super::token::{Kind, Token, written};
use super::{MAX_TIME, spell};

/// What is wrong with a line, before anybody knows which statement it is.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) place: Place,
    pub(super) message: String,
    /// What would be right, where that is more than the statement's form.
    pub(super) help: Option<String>,
}

impl Wrong {
    pub(super) fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

pub(super) type Taken<T> = Result<T, Wrong>;

/// The words of a line, and how many of them are taken.
pub(super) struct Line {
    number: usize,
    tokens: Vec<Token>,
    next: usize,
    /// One column behind the line's last sign.
    end: usize,
    /// How many of the tokens say what happens, and when it does.
    timed: Option<(usize, Window)>,
}

impl Line {
    pub(super) fn new(number: usize, tokens: Vec<Token>) -> Self {
        let end = tokens.last().map_or(1, |last| last.column + last.length);
        Self {
            number,
            tokens,
            next: 0,
            end,
            timed: None,
        }
    }

    /// Whether there is nothing on the line.
    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The word that is next, if a word it is.
    pub(super) fn peek(&self) -> Option<&str> {
        self.peek_at(0)
    }

    /// The word that stands so many places behind the next.
    pub(super) fn peek_at(&self, ahead: usize) -> Option<&str> {
        let token = self.tokens.get(self.next + ahead)?;
        (token.kind == Kind::Word).then_some(token.text.as_str())
    }

    /// The place of what is next; behind the line's end when nothing is.
    pub(super) fn place(&self) -> Place {
        self.tokens.get(self.next).map_or(
            Place {
                line: self.number,
                column: self.end,
                length: 1,
            },
            |token| Place {
                line: self.number,
                column: token.column,
                length: token.length,
            },
        )
    }

    /// What stands next is not what was asked for.
    pub(super) fn unlike(&self, wanted: &str) -> Wrong {
        let message = match self.tokens.get(self.next) {
            None => format!("{wanted} is missing at the line's end"),
            Some(token) if token.kind == Kind::Unclosed => "this quote is never closed".to_owned(),
            Some(token) => format!("expected {wanted}, found {}", found(token)),
        };
        Wrong::new(self.place(), message)
    }

    /// What stands next is none of some words.
    pub(super) fn none_of(&self, words: &[&str]) -> Wrong {
        let wrong = self.unlike(&list(words));
        match self.peek().and_then(|word| spell::nearest(word, words)) {
            Some(near) => Wrong {
                message: format!("{}; did you mean \"{near}\"?", wrong.message),
                ..wrong
            },
            None => wrong,
        }
    }

    fn take(&mut self, kind: &Kind, wanted: &str) -> Taken<String> {
        match self.tokens.get(self.next) {
            Some(token) if token.kind == *kind => {
                self.next += 1;
                Ok(token.text.clone())
            }
            _ => Err(self.unlike(wanted)),
        }
    }

    /// Takes one of some words.
    pub(super) fn one_of<'a>(&mut self, words: &[&'a str]) -> Taken<&'a str> {
        let found = self
            .peek()
            .and_then(|next| words.iter().find(|word| **word == next));
        match found {
            Some(word) => {
                self.next += 1;
                Ok(word)
            }
            None => Err(self.none_of(words)),
        }
    }

    /// Takes this word, or nothing.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let is = self.peek() == Some(word);
        self.next += usize::from(is);
        is
    }

    /// Takes these words, or nothing.
    pub(super) fn eat_all(&mut self, words: &[&str]) -> bool {
        let is = words
            .iter()
            .enumerate()
            .all(|(ahead, word)| self.peek_at(ahead) == Some(word));
        self.next += if is { words.len() } else { 0 };
        is
    }

    /// Takes these words, one after the other.
    pub(super) fn words(&mut self, words: &[&str]) -> Taken<()> {
        words
            .iter()
            .try_for_each(|word| self.one_of(&[word]).map(drop))
    }

    /// Takes any word.
    pub(super) fn word(&mut self, wanted: &str) -> Taken<String> {
        self.take(&Kind::Word, wanted)
    }

    /// Takes a name: a word or a quoted text.
    pub(super) fn name(&mut self, wanted: &str) -> Taken<Named> {
        let place = self.place();
        let name = match self.quoted() {
            Some(text) if text.is_empty() => {
                return Err(Wrong::new(place, format!("{wanted} is empty")));
            }
            Some(text) => text,
            None => self.word(wanted)?,
        };
        Ok(Named { name, place })
    }

    /// Takes a quoted text, if that is next.
    pub(super) fn quoted(&mut self) -> Option<String> {
        self.take(&Kind::Quoted, "a text").ok()
    }

    /// Takes a text in quotes.
    pub(super) fn text(&mut self, wanted: &str) -> Taken<String> {
        self.take(&Kind::Quoted, wanted)
    }

    pub(super) fn colon(&mut self) -> Taken<()> {
        self.take(&Kind::Colon, "\":\"").map(drop)
    }

    /// Takes a comma, or nothing.
    pub(super) fn comma(&mut self) -> bool {
        self.take(&Kind::Comma, "a comma").is_ok()
    }

    /// Takes a percent sign, or nothing.
    pub(super) fn percent_sign(&mut self) -> bool {
        self.take(&Kind::Percent, "%").is_ok()
    }

    /// Whether a number with a percent sign is next.
    pub(super) fn is_percent(&self) -> bool {
        let sign = self.tokens.get(self.next + 1);
        sign.is_some_and(|token| token.kind == Kind::Percent)
    }

    /// Takes a percentage, as a part of one.
    pub(super) fn percent(&mut self) -> Taken<f64> {
        let place = self.place();
        let number = self.number("a percentage")?;
        if !self.percent_sign() {
            return Err(self.unlike("\"%\""));
        }
        if number > 100.0 {
            return Err(Wrong::new(place, "a percentage is 0 to 100"));
        }
        Ok(number / 100.0)
    }

    /// Takes a number of at least zero.
    pub(super) fn number(&mut self, wanted: &str) -> Taken<f64> {
        let wrong = self.unlike(wanted);
        let word = self.word(wanted)?;
        match word.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
            _ => Err(wrong),
        }
    }

    /// Takes a whole number.
    pub(super) fn count(
        &mut self,
        wanted: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Taken<u64> {
        let (place, wrong) = (self.place(), self.unlike(wanted));
        let word = self.word(wanted)?;
        if word.is_empty() || !word.bytes().all(|sign| sign.is_ascii_digit()) {
            return Err(wrong);
        }
        match word.parse::<u64>() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => {
                let message = format!("{wanted} is {} to {}", range.start(), range.end());
                Err(Wrong::new(place, message))
            }
        }
    }

    /// Takes an instant: `3:00`, `1:02:30` or a Go duration since the start.
    pub(super) fn time(&mut self) -> Taken<Duration> {
        let (place, wrong) = (self.place(), self.unlike("a time"));
        let help = "write a time since the start as 3:00, 1:02:30 or 90s";
        let word = self.word("a time").map_err(|wrong| wrong.help(help))?;
        let time = if word.contains(':') {
            clock(&word)
        } else {
            go_duration::parse_non_negative(&word).ok()
        };
        within_bounds(time.ok_or_else(|| wrong.help(help))?, place)
    }

    /// Takes a length of time as Go writes it.
    pub(super) fn duration(&mut self) -> Taken<Duration> {
        let (place, wrong) = (self.place(), self.unlike("a duration"));
        let help = "write a duration as 90s, 1m30s, 250ms or 1h";
        let word = self.word("a duration").map_err(|wrong| wrong.help(help))?;
        let duration = go_duration::parse_non_negative(&word);
        within_bounds(duration.map_err(|_| wrong.help(help))?, place)
    }

    /// What happens, and when, once a window was taken.
    pub(super) fn timed(&self) -> Option<(Vec<&Token>, Window)> {
        let (count, window) = self.timed?;
        Some((self.tokens.iter().take(count).collect(), window))
    }

    /// What was taken from a place on.
    pub(super) fn text_since(&self, place: Place) -> String {
        let taken = self.tokens.iter().take(self.next);
        let since: Vec<&Token> = taken.filter(|token| token.column >= place.column).collect();
        written(&since)
    }

    /// Says that what stands before a place happens in this window.
    pub(super) fn happens_before(&mut self, place: Place, window: Window) {
        let before = self.tokens.iter();
        let count = before
            .take_while(|token| token.column < place.column)
            .count();
        self.timed = Some((count, window));
    }

    /// Takes `from` and `to`, each where it is there.
    pub(super) fn window(&mut self) -> Taken<Window> {
        let mut window = Window::ALWAYS;
        let before = self.next;
        if self.eat("from") {
            window.from = self.time()?;
        }
        if self.eat("to") || self.eat("until") {
            let place = self.place();
            let to = self.time()?;
            if to <= window.from {
                let message = "this end does not lie after the beginning";
                return Err(Wrong::new(place, message));
            }
            window.to = Some(to);
        }
        self.timed = Some((before, window));
        Ok(window)
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Taken<()> {
        match self.tokens.get(self.next) {
            None => Ok(()),
            Some(token) if token.kind == Kind::Unclosed => Err(self.unlike("")),
            Some(token) => {
                let message = format!("nothing more is expected here, found {}", found(token));
                Err(Wrong::new(self.place(), message))
            }
        }
    }
}

/// A token as an error shows it: its first 40 signs.
fn found(token: &Token) -> String {
    let shown: String = token.text.chars().take(40).collect();
    let more = if shown.len() < token.text.len() {
        "…"
    } else {
        ""
    };
    format!("\"{shown}{more}\"")
}

/// `m:ss` or `h:mm:ss`.
fn clock(word: &str) -> Option<Duration> {
    let mut parts = word.split(':');
    let first = whole(parts.next()?)?;
    let mut seconds = first;
    let mut count = 1;
    for part in parts {
        let below = whole(part).filter(|number| part.len() == 2 && *number < 60)?;
        seconds = seconds.checked_mul(60)?.checked_add(below)?;
        count += 1;
    }
    (count == 2 || count == 3).then(|| Duration::from_secs(seconds))
}

fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|sign| sign.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn within_bounds(time: Duration, place: Place) -> Taken<Duration> {
    match time <= MAX_TIME {
        true => Ok(time),
        false => Err(Wrong::new(place, "a scenario lasts at most 7 days (168h)")),
    }
}

/// `"a", "b" or "c"`.
pub(super) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [many @ .., last] => format!("{} or {last}", many.join(", ")),
    }
}
