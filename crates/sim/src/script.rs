//! Text scenarios: a described world in, a transcript out.
//!
//! A scenario says what runs, what is wrong with it, what happens when, and what shall come of it,
//! in the words an operator would use: one statement a line, comments behind `#`.
//!
//! ```
//! use gradatim_core::compile;
//! use gradatim_core::spec::{CanarySpec, RolloutSpec, StepSpec, TrafficRouting};
//! use gradatim_sim::script::{Scenario, Transcript};
//!
//! let canary = CanarySpec::new([StepSpec::set_weight(25), StepSpec::pause()])
//!     .with_traffic_routing(TrafficRouting::new("nginx", serde_json::json!({})));
//! let spec = RolloutSpec::new("shop", canary).with_replicas(4);
//! let plan = compile(&spec, &[], &gradatim_sim::registry())?.plan;
//!
//! let scenario = Scenario::parse(
//!     "
//!     pods ready after 12s
//!     v2 fails 5 % from 0:30     # nobody measures anything here
//!     at 1:00 abort              # but somebody looks
//!     expect rolled back by 1:05
//!     ",
//! )?;
//! let report = scenario.simulation(&spec, &plan)?.run();
//! assert_eq!(scenario.unmet(&report), []);
//!
//! let transcript = Transcript::of(&scenario, &plan, &report);
//! let abort = transcript.lines.iter().find(|line| line.word == "ABORT").unwrap();
//! assert_eq!(abort.text, "an operator ordered it");
//! println!("{transcript}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The language
//!
//! A time counts from the start: `3:00`, `1:02:30` or `90s`. A length of time is Go's: `90s`,
//! `1h30m`. Where two statements speak of the same thing at the same time, the later line wins.
//! What lasts may end with `from 1:10`, `to 3:00` or both.
//!
//! | statement | means |
//! |---|---|
//! | `seed 7`, `replicas 10`, `end 30:00` | chances, pods of the workload, when it ends at the latest |
//! | `stable v1`, `wanted v2`, `stable none` | what serves at the start, and what is wanted |
//! | `traffic 100/s scattered`, `testers 2 %`, `quota 12 pods` | users, those that a header route matches, room for pods |
//! | `v2 fails 5 %`, `v2 fails 1 % growing 2 % a minute`, `v2 answers in 2s` | what a version is like |
//! | `pods ready after 12s`, `v2 pods crash after 20s`, `v2 pods never ready`, `v2 pods refused "text"` | what its pods are like; see [`TraitKind`] |
//! | `metric x: success rate of canary over 1m`, `metric x: p95 latency in ms` | what a metric measures; see [`Measures`] |
//! | `metric x: values 1, NaN, no data, error "503"`, `metric x: job fails after 40s` | the same, given |
//! | `gate x: opens at 3:00` | what a gate says |
//! | `router fails`, `router lags 20s`, `provider gives no data`, `store cannot be written` | what breaks; see [`PortFault`] |
//! | `driver crashes at 2:10 for 1m after 1 write`, `second driver at 3:00 takes over` | what happens to drivers; see [`DriverLine`] |
//! | `at 3:00 promote`, `at 6:00 deploy v3`, `at 5:00 scale 8`, `at 4:00 kill 2 pods of v1` | what somebody does; see [`Change`] |
//! | `expect promoted`, `expect rolled back by 3:40`, `expect at most 40 failed requests` | what shall come of it; see [`Expected`] |
//!
//! Reading is bounded ([`MAX_BYTES`], [`MAX_LINES`]), never panics, and finds every mistake at
//! once, each with its line, its column and what would be right.

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
