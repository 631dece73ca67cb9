//! Text scenarios.

mod build;
mod check;
mod error;
mod line;
mod outcome;
mod parse;
mod scenario;
mod spell;
mod token;
mod transcript;

use std::time::Duration;

pub use self::error::{ScriptError, ScriptErrors};
pub use self::outcome::Unmet;
pub use self::scenario::{
    Change, DriverLine, Expect, Expected, FaultLine, GateLine, Measures, Metric, Named, Place,
    Planned, Port, PortFault, Scenario, Signal, Subject, Timed, Told, Trait, TraitKind, Value,
    Window,
};
pub use self::transcript::{Line, Tone, Transcript, clock};

/// The largest scenario that is read, in bytes: 64 KiB.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most lines that a scenario has.
pub const MAX_LINES: usize = 2_000;
/// The most errors that are reported.
pub const MAX_ERRORS: usize = 50;
/// The longest scenario: 7 days.
pub const MAX_TIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The most pods that a scenario speaks of.
pub const MAX_PODS: u32 = 10_000;
/// The most requests a second.
pub const MAX_RATE: f64 = 1e6;
/// The most values of one metric in one statement.
pub const MAX_VALUES: usize = 1_000;

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with line, column and what would be right.
    pub fn parse(text: &str) -> Result<Self, ScriptErrors> {
        parse::parse(text)
    }
}

#[cfg(test)]
mod tests;
