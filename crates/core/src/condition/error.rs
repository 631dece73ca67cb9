//! What is wrong with a condition, and where.

use thiserror::Error;

/// A condition that is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("column {column}: {message}")]
pub struct ConditionError {
    /// Where, in characters, from 1.
    pub column: usize,
    /// What.
    pub message: String,
}

impl ConditionError {
    pub(super) fn at(source: &str, byte: usize, message: impl Into<String>) -> Self {
        let before = source.get(..byte).unwrap_or(source);
        Self {
            column: before.chars().count() + 1,
            message: message.into(),
        }
    }
}

/// A condition that gives no verdict on a result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{part}: {message}")]
pub struct EvalError {
    /// The part of the condition that failed, cut to 80 characters.
    pub part: String,
    /// Why.
    pub message: String,
}

/// A stretch of the source, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            start: short(start),
            end: short(end),
        }
    }

    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    /// From where the first begins to where the last ends.
    pub(super) fn to(self, last: Self) -> Self {
        Self {
            start: self.start.min(last.start),
            end: self.end.max(last.end),
        }
    }

    /// The source it covers, on one line and at most `most` characters long.
    pub(super) fn text(self, source: &str, most: usize) -> String {
        let covered = source.get(self.start as usize..self.end as usize);
        let words: Vec<_> = covered.unwrap_or_default().split_whitespace().collect();
        shortened(&words.join(" "), most)
    }
}

/// At most so many characters, the last of them a mark when some are missing.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept + "…"
}
