//! Conditions on what was measured, in the field's expression language.
//!
//! `result[0] >= 0.95`, `len(result) == 0 || isNaN(result[0])`, `all(result, # < 500)`: the
//! grammar and the meaning are those that Argo's manifests are written for. Where they leave a
//! choice, this module refuses to guess, so that a mistake or a gap in the data is an
//! [`EvalError`] and never a verdict: an index out of range, a member of nil and the comparison
//! of two types are errors.
//!
//! Names are checked when a condition is parsed. Parsing and evaluating are bounded: 16 KiB of
//! text, 60 levels of nesting, a million steps, a few dozen MiB at the worst; no input makes
//! them panic, and 2 MiB of stack are enough.
//!
//! ```
//! use gradatim_core::condition::{Condition, Value};
//!
//! let condition = Condition::parse("result[0] >= 0.95")?;
//! let outcome = condition.evaluate(&Value::from(vec![0.93]))?;
//! assert!(!outcome.holds);
//! assert_eq!(outcome.why, "result[0] = 0.93, wanted >= 0.95");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Left out on purpose: everything that reads a clock (`now`, `date`, `duration`), `toJSON`,
//! base64 and byte strings. Maps have text keys, places in a text count characters, whole numbers
//! do not wrap around, and operands of different types are never simply unequal.

mod ast;
mod error;
mod eval;
mod explain;
mod functions;
mod lexer;
mod meter;
mod operators;
mod parser;
mod shape;
mod text;
mod value;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::error::{ConditionError, EvalError};
pub use self::shape::{Bound, BoundOp};
pub use self::value::Value;

use self::ast::Node;
use self::error::shortened;
use self::eval::{Machine, Stop};

/// The longest explanation, in bytes.
const WHY: usize = 256;

/// A condition that has been read and checked. Cheap to clone; equal when its text is.
#[derive(Clone)]
pub struct Condition {
    source: Arc<str>,
    root: Arc<Node>,
}

/// What a condition says of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it holds.
    pub holds: bool,
    /// The values that decided and what was wanted of them, at most 256 bytes.
    pub why: String,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    ///
    /// When it is not of the language, names what is not there, gives a function the wrong
    /// number of arguments, can never be true or false, or is larger than it may be.
    pub fn parse(source: &str) -> Result<Self, ConditionError> {
        let root = parser::parse(source)?;
        shape::check(&root, source)?;
        Ok(Self {
            source: source.into(),
            root: Arc::new(root),
        })
    }

    /// The text that it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it holds, and why.
    ///
    /// # Errors
    ///
    /// When it has no value for this result.
    pub fn evaluate(&self, result: &Value) -> Result<Outcome, EvalError> {
        let holds = self.holds(result)?;
        let why = self.explain(result);
        Ok(Outcome { holds, why })
    }

    /// Whether it holds; cheaper than [`Self::evaluate`].
    ///
    /// # Errors
    ///
    /// When it has no value for this result.
    pub fn holds(&self, result: &Value) -> Result<bool, EvalError> {
        let holds = Machine::new(result).truth(&self.root, None);
        holds.map_err(|stop| self.fault(stop))
    }

    /// Why it holds, does not, or has no value.
    pub fn explain(&self, result: &Value) -> String {
        match explain::why(&self.root, &self.source, result) {
            Ok(why) => within(&why, WHY),
            Err(stop) => within(&self.fault(stop).to_string(), WHY),
        }
    }

    /// Whether it names the case of an empty answer, so that its verdict on one is meant.
    ///
    /// It does when it says `nil`, `??`, `isNil(…)` or `default(…)`, or asks for the length of
    /// something measured.
    pub fn guards_empty(&self) -> bool {
        shape::any(&self.root, &shape::names_empty)
    }

    /// Whether it names the case of NaN, by `isNaN(…)`.
    pub fn guards_nan(&self) -> bool {
        shape::any(&self.root, &shape::names_nan)
    }

    /// The bound that it sets, when it does nothing but compare one measured number with one
    /// that is written in it, as `result[0] >= 0.95` or `0.95 <= result`.
    pub fn bounds(&self) -> Option<Bound> {
        shape::bound(&self.root)
    }

    /// What it says of every result, when it does not look at the result.
    pub fn constant(&self) -> Option<bool> {
        match self.root.varies {
            true => None,
            false => self.holds(&Value::Nil).ok(),
        }
    }

    fn fault(&self, stop: Stop) -> EvalError {
        match stop {
            Stop::Fault(fault) => EvalError {
                part: fault.span.text(&self.source, 80),
                message: fault.message,
            },
            Stop::Absent => EvalError {
                part: shortened(&self.source, 80),
                message: "nil has no members".to_owned(),
            },
        }
    }
}

/// At most so many bytes, with a mark when some are missing.
fn within(text: &str, bytes: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= bytes {
        return text.to_owned();
    }
    let most = bytes.saturating_sub(MARK.len());
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at));
    let kept = end.and_then(|end| text.get(..end)).unwrap_or_default();
    [kept, MARK].concat()
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Condition {}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(source: &str) -> Result<Self, ConditionError> {
        Self::parse(source)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = String::deserialize(deserializer)?;
        Self::parse(&source).map_err(serde::de::Error::custom)
    }
}
