//! What one evaluation may cost.

use std::borrow::Cow;

use super::value::Value;

/// Steps, items and 16-byte blocks of text that one evaluation may take.
const BUDGET: usize = 1_000_000;
/// How deep a value that is copied may be nested.
pub(super) const VALUE_DEPTH: usize = 200;
/// What compiling a pattern costs that is known only now.
const PATTERN: usize = 20_000;

/// Counts what an evaluation costs, so that none runs or grows without end.
#[derive(Debug)]
pub(super) struct Meter {
    left: usize,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { left: BUDGET }
    }

    /// Takes so many steps off the budget.
    pub(super) fn charge(&mut self, steps: usize) -> Result<(), String> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(format!("more than {BUDGET} steps are needed")),
        }
    }

    /// For a text of so many bytes.
    pub(super) fn text(&mut self, bytes: usize) -> Result<(), String> {
        self.charge(1 + bytes / 16)
    }

    /// For compiling a pattern.
    pub(super) fn pattern(&mut self) -> Result<(), String> {
        self.charge(PATTERN)
    }

    /// For reading a whole value.
    pub(super) fn whole(&mut self, value: &Value) -> Result<(), String> {
        let weight = value.weight(VALUE_DEPTH);
        self.charge(weight.ok_or("a value is nested too deep")?)
    }

    /// A value of its own, copied where it is only borrowed.
    pub(super) fn own(&mut self, value: Cow<'_, Value>) -> Result<Value, String> {
        if let Cow::Borrowed(value) = value {
            self.whole(value)?;
        }
        Ok(value.into_owned())
    }
}
