//! How fast a release is given traffic.

use std::fmt;
use std::str::FromStr;

/// How long each weight is held, in seconds.
const STEP: u32 = 300;
/// A careful first step: 1 % for a minute.
const FIRST: (f64, u32) = (0.01, 60);

/// Weights, each held for five minutes, and then all of the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// 10, 25 and 50 %.
    Usual,
    /// 20, 40, 60 and 80 %.
    Even,
    /// 10, 30 and 50 %.
    Steep,
}

impl Schedule {
    pub(crate) const ALL: [Self; 3] = [Self::Usual, Self::Even, Self::Steep];

    fn weights(self) -> &'static [u32] {
        match self {
            Self::Usual => &[10, 25, 50],
            Self::Even => &[20, 40, 60, 80],
            Self::Steep => &[10, 30, 50],
        }
    }

    /// The weights (0–1) and how many seconds each is held.
    pub(crate) fn steps(self, small_first: bool) -> Vec<(f64, u32)> {
        let usual = self.weights().iter();
        let usual = usual.map(|weight| (f64::from(*weight) / 100.0, STEP));
        small_first
            .then_some(FIRST)
            .into_iter()
            .chain(usual)
            .collect()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weights: Vec<String> = self.weights().iter().map(u32::to_string).collect();
        f.write_str(&weights.join("-"))
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.to_string() == text);
        found.ok_or_else(|| {
            let all = Self::ALL.map(|it| it.to_string()).join(", ");
            format!("there is no schedule {text:?}, only {all}")
        })
    }
}
