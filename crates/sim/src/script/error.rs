//! What is wrong with a scenario, and where.

use std::fmt;

use thiserror::Error;

/// One thing that is wrong with a scenario's text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("line {line}, column {column}: {message}")]
pub struct ScriptError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub length: usize,
    /// The line itself, cut after 200 characters.
    pub text: String,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// Everything that is wrong with a scenario, from the top; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScriptErrors {
    /// The first [`MAX_ERRORS`](super::MAX_ERRORS) of them.
    pub errors: Vec<ScriptError>,
    /// How many more there were.
    pub more: usize,
}

impl fmt::Display for ScriptErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{error} ({})", error.help)?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for ScriptErrors {}
