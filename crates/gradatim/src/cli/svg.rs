//! Pictures: strips, marks and bands along one axis of time.
//!
//! Written by hand, for they are pictures of ours and the text in them has to be laid out: no label
//! lies on another. They hold no script and no style sheet from elsewhere, read without colour
//! (lines differ in their dashes, areas in their brightness), and print on one page.

pub(super) mod axis;
pub(super) mod element;
pub(super) mod marks;
pub(super) mod strip;

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::failure::Failure;

/// How wide a picture is.
pub(super) const WIDTH: f64 = 1000.0;
/// Where its axis of time begins.
pub(super) const LEFT: f64 = 64.0;
/// Where its axis of time ends.
pub(super) const RIGHT: f64 = 980.0;
/// The room between two strips.
pub(super) const GAP: f64 = 44.0;
/// The ink of a bound.
pub(super) const BOUND: &str = "#b3201f";

/// A value from an instant on, since the start.
pub(super) type Points = Vec<(Duration, Option<f64>)>;

/// How good a thing is; the words say it as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Good,
    Bad,
}

impl Tone {
    pub(super) fn ink(self) -> &'static str {
        match self {
            Self::Plain => "#333333",
            Self::Good => "#1b6e3c",
            Self::Bad => "#b3201f",
        }
    }
}

/// A decision.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) at: Duration,
    /// Two or three words, to stand beside the mark; none where it does not matter that much.
    pub(super) label: Option<String>,
    pub(super) sentence: String,
    pub(super) tone: Tone,
    /// Whether it ends something: then its instant is shown in all strips.
    pub(super) ends: bool,
}

/// A stretch of time in which something is wrong with the world.
#[derive(Clone, Debug)]
pub(super) struct Band {
    pub(super) from: Duration,
    pub(super) to: Duration,
    pub(super) label: String,
}

/// Writes a picture to a file.
pub(super) fn write(path: &Path, svg: &str) -> Result<(), Failure> {
    fs::write(path, svg).map_err(|error| {
        Failure::undecided(format!("{} cannot be written: {error}", path.display()))
    })
}
