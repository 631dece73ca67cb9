//! Whether what was expected came.

use std::time::Duration;

use gradatim_core::decision::Phase;

use super::scenario::{Expect, Expected, Place, Scenario};
use super::transcript::clock;
use crate::report::{Outcome, Report};

/// An `expect` that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unmet {
    /// Where it stands.
    pub place: Place,
    /// What was expected and what came.
    pub message: String,
}

impl Scenario {
    /// Every `expect` that does not hold of a report.
    pub fn unmet(&self, report: &Report) -> Vec<Unmet> {
        let unmet = |expect: &Expect| {
            let message = miss(expect, report)?;
            let place = expect.place;
            Some(Unmet { place, message })
        };
        self.expects.iter().filter_map(unmet).collect()
    }
}

fn miss(expect: &Expect, report: &Report) -> Option<String> {
    let came = super::transcript::came(report);
    let outcome = &report.outcome;
    let phase = match outcome {
        Outcome::Undecided { phase, .. } => *phase,
        Outcome::RolledBack { .. } => Some(Phase::Degraded),
        Outcome::Promoted { .. } => Some(Phase::Healthy),
    };
    let ended = super::transcript::ended_at(report);
    let in_time = |by: Option<Duration>| by.is_none_or(|by| ended <= by);
    let (holds, wanted) = match expect.what {
        Expected::Promoted => (outcome.is_promoted() && in_time(expect.by), "promoted"),
        Expected::RolledBack => (
            outcome.is_rolled_back() && in_time(expect.by),
            "rolled back",
        ),
        Expected::Paused => (phase == Some(Phase::Paused), "paused"),
        Expected::Progressing => (phase == Some(Phase::Progressing), "progressing"),
        Expected::Degraded => (phase == Some(Phase::Degraded), "degraded"),
        Expected::FailedAtMost(most) => {
            let failed: f64 = report
                .versions
                .iter()
                .map(|one| one.tally.failed_beyond)
                .sum();
            let failed = failed.round();
            let text = format!("expected at most {most} failed requests, {failed} failed");
            return (failed > most as f64).then_some(text);
        }
    };
    let by = expect
        .by
        .map_or_else(String::new, |by| format!(" by {}", clock(by)));
    (!holds).then(|| format!("expected {wanted}{by}, but it is {came}"))
}
