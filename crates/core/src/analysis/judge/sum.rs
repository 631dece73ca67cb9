//! A sum that is a value.

use serde::{Deserialize, Serialize};

use crate::number::Number;

/// A sum of finite numbers: 0 at first, equal when its bits are, exact through text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sum(Number);

impl Default for Sum {
    fn default() -> Self {
        Self(Number::new(0.0))
    }
}

impl Sum {
    /// Adds a number; one that is not finite is left out.
    pub fn add(&mut self, value: f64) {
        let sum = self.0.get() + value;
        if sum.is_finite() {
            self.0 = Number::new(sum);
        }
    }

    /// The sum so far.
    pub fn get(self) -> f64 {
        self.0.get()
    }
}
