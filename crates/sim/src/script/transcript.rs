//! A report as text that is made to be read and to be compared.

mod ending;
mod telling;
mod value;

use std::fmt;
use std::time::Duration;

use gradatim_core::plan::Plan;
use serde::Serialize;

pub use self::value::clock;
use super::scenario::{Scenario, Window};
use crate::report::Report;

/// How good a thing is; the words say it as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Tone {
    /// Neither.
    #[default]
    Plain,
    /// It goes on, or has come to a good end.
    Good,
    /// It goes back, or something is wrong.
    Bad,
    /// It waits.
    Waiting,
}

/// One line: when, what sort of thing, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Line {
    /// Since the start.
    pub at: Duration,
    /// What sort of thing happened, in one word.
    pub word: &'static str,
    /// What happened.
    pub text: String,
    /// How good it is.
    pub tone: Tone,
    /// Whether it is one of the few that a picture has room for.
    pub matters: bool,
}

/// What happened, one line for each change, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transcript {
    /// What happened.
    pub lines: Vec<Line>,
    /// How it ended.
    pub verdict: String,
    /// How good that is.
    pub tone: Tone,
    /// What it cost, and whether the invariants held.
    pub ending: Vec<String>,
}

impl Transcript {
    /// Tells a report of a scenario in the scenario's own words.
    pub fn of(scenario: &Scenario, plan: &Plan, report: &Report) -> Self {
        let mut lines = notes(scenario, report);
        lines.extend(telling::tell(scenario, plan, report));
        // What happens to the world comes before what it leads to at the same instant.
        let start = |line: &Line| line.word != "start";
        lines.sort_by_key(|line| (line.at, start(line)));
        Self {
            lines,
            verdict: ending::verdict(report),
            tone: ending::tone(report),
            ending: ending::ending(report),
        }
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = self.lines.iter().map(|line| clock(line.at).len());
        let width = times.max().unwrap_or(0).max(5);
        for line in &self.lines {
            writeln!(
                f,
                "{:>width$}  {:<10} {}",
                clock(line.at),
                line.word,
                line.text
            )?;
        }
        writeln!(f, "{}", self.verdict)?;
        self.ending
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// How it ended, in one line.
pub(super) fn came(report: &Report) -> String {
    ending::verdict(report)
}

/// When it ended for its users.
pub(super) fn ended_at(report: &Report) -> Duration {
    ending::ended_at(report)
}

/// What is so from the start to the end.
fn opening(scenario: &Scenario) -> Vec<String> {
    let always = scenario
        .told
        .iter()
        .filter(|told| told.window == Window::ALWAYS);
    let said = always.filter(|told| told.word != "metric" && !told.text.starts_with("traffic"));
    let said = said.map(|told| told.text.clone());
    let wanted = Some(&scenario.wanted).filter(|wanted| scenario.stable.as_ref() != Some(wanted));
    let wanted = wanted.map(|wanted| format!("{wanted} is wanted"));
    wanted.into_iter().chain(said).collect()
}

/// What begins and ends in the scenario's own time.
fn notes(scenario: &Scenario, report: &Report) -> Vec<Line> {
    let mut notes = Vec::new();
    let mut note = |at: Duration, word: &'static str, text: &str| {
        if at <= report.lasted {
            let matters = matches!(word, "order" | "edit");
            notes.push(Line {
                at,
                word,
                text: text.to_owned(),
                tone: Tone::Plain,
                matters,
            });
        }
    };
    for told in scenario
        .told
        .iter()
        .filter(|told| told.window != Window::ALWAYS)
    {
        note(told.window.from, told.word, &told.text);
        if let Some(to) = told.window.to {
            note(to, "over", &told.text);
        }
    }
    notes
}
