//! A judge that compares canary and stable within each scrape and is right however often it looks.
//!
//! It counts events (failed requests, requests slower than a bound) on both sides in the same
//! seconds. [`Evidence`] grows when the canary has more of them than its share of the traffic; a
//! rollback at 1/α takes back at most α of all good releases, whenever and however often one
//! looks. [`Assurance`] is the same proof the other way round, [`Likelihood`] gives the range that
//! people read, [`Noise`] makes both honest where requests are not independent, and [`WarmUp`] lets
//! pods be young. A [`Stream`] is all of that for one kind of event, and [`evidence`] adds streams
//! up. [`Pace`] says what may be risked next, [`words`] tell a person what was found, and
//! [`preflight`] says beforehand what can be seen at all.
//!
//! Pure functions on counts: no clock, no randomness, the same verdict for the same counts on any
//! machine.

mod cohort;
mod counted;
mod evidence;
mod likelihood;
mod noise;
mod pace;
mod plan;
pub mod preflight;
mod promotion;
pub mod quantile;
mod scrape;
mod state;
mod stream;
mod sum;
mod traffic;
mod warm_up;
mod watched;
pub mod words;

pub use self::counted::Counted;
pub use self::evidence::{Evidence, RATIOS, RESERVE};
pub use self::likelihood::{Assurance, Likelihood};
pub use self::noise::{BLOCK_SECONDS, Noise};
pub use self::pace::{Pace, Risk};
pub use self::plan::{JudgePlan, Undecided};
pub use self::scrape::{Count, Scrape};
pub use self::state::{Finding, JudgeState, Learned, Moment, NoScrape};
pub use self::stream::{Circumstances, Stream, evidence};
pub use self::sum::Sum;
pub use self::warm_up::{Curve, WarmUp};

#[cfg(test)]
mod tests;
