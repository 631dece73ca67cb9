//! What a backtest found, for people and as data.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use gradatim_core::analysis::AnalysisPhase;
use gradatim_core::go_duration;
use gradatim_core::time::Timestamp;
use serde_json::json;

use super::super::look::Tone;
use super::super::table::{Side, Table};
use super::super::{Output, text};
use super::picture::Point;

/// How many of the starts that were taken back are listed.
const LISTED: usize = 12;

/// How one start ended.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) at: Timestamp,
    pub(super) phase: AnalysisPhase,
    /// How long after its start.
    pub(super) after: Duration,
    /// The metrics that decided, with what they last said.
    pub(super) decisive: BTreeMap<String, String>,
    /// What was measured, where it is to be drawn.
    pub(super) points: Vec<Point>,
}

/// How all of them ended.
pub(super) struct Report {
    every: Duration,
    pub(super) starts: Vec<Start>,
}

/// What became of a start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Promoted,
    RolledBack,
    Undecided,
}

impl End {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled back",
            Self::Undecided => "undecided",
        }
    }
}

impl Start {
    fn end(&self) -> End {
        match self.phase {
            AnalysisPhase::Successful => End::Promoted,
            AnalysisPhase::Failed => End::RolledBack,
            _ => End::Undecided,
        }
    }
}

/// `1h`, not `1h0m0s`.
fn short(duration: &str) -> String {
    let minutes = duration.strip_suffix("m0s").map(|head| format!("{head}m"));
    let minutes = minutes.unwrap_or_else(|| duration.to_owned());
    let hours = minutes.strip_suffix("h0m").map(|head| format!("{head}h"));
    hours.unwrap_or(minutes)
}

impl Report {
    pub(super) fn new(every: Duration, starts: Vec<Start>) -> Self {
        Self { every, starts }
    }

    pub(super) fn of(&self, end: End) -> impl Iterator<Item = &Start> {
        self.starts.iter().filter(move |start| start.end() == end)
    }

    pub(super) fn count(&self, end: End) -> usize {
        self.of(end).count()
    }

    pub(super) fn write(&self, out: &mut Output<'_>) -> io::Result<()> {
        writeln!(out, "{}", self.head())?;
        for (end, tone) in [
            (End::Promoted, Tone::Good),
            (End::RolledBack, Tone::Bad),
            (End::Undecided, Tone::Waiting),
        ] {
            let (count, word) = (self.count(end), end.word());
            let line = format!("  {word:<12} {count:>6}  {:>6}", self.percent(count));
            let by = self.by_metric(end);
            let line = out.look().paint(tone, line).into_owned();
            writeln!(out, "{}", format!("{line}   {by}").trim_end())?;
        }
        self.list(out)?;
        writeln!(out, "{}", self.sentence())
    }

    /// How many starts there were, and when.
    pub(super) fn head(&self) -> String {
        let starts = text::count(self.starts.len(), "start");
        let (Some(first), Some(last)) = (self.starts.first(), self.starts.last()) else {
            return starts;
        };
        let every = short(&go_duration::format(self.every));
        format!("{starts}, one every {every}, {} to {}", first.at, last.at)
    }

    fn percent(&self, count: usize) -> String {
        format!(
            "{:.1} %",
            100.0 * count as f64 / self.starts.len().max(1) as f64
        )
    }

    /// `success-rate 61 · p95-latency 13`
    fn by_metric(&self, end: End) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.of(end).flat_map(|start| start.decisive.keys()) {
            *counts.entry(name).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let texts = counts
            .iter()
            .map(|(name, count)| format!("{} {count}", text::clean(name)));
        texts.collect::<Vec<_>>().join(" · ")
    }

    /// The starts that were not promoted, with the value that decided.
    fn list(&self, out: &mut Output<'_>) -> io::Result<()> {
        let other: Vec<&Start> = self
            .starts
            .iter()
            .filter(|start| start.end() != End::Promoted)
            .collect();
        if other.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        let mut table = Table::new();
        table.column("start", Side::Left);
        table.column("after", Side::Right);
        table.column("why", Side::Left);
        for start in other.iter().take(LISTED) {
            let why = start
                .decisive
                .iter()
                .map(|(name, last)| format!("{name}: {last}"));
            let why: Vec<String> = why.collect();
            let seconds = start.after.as_secs();
            let after = format!("{}:{:02}", seconds / 60, seconds % 60);
            let why = text::clean(&why.join("; ")).into_owned();
            table.row(vec![start.at.to_string(), after, why]);
        }
        table.write(out)?;
        if other.len() > LISTED {
            writeln!(
                out,
                "  … and {} more; --json lists them all",
                other.len() - LISTED
            )?;
        }
        writeln!(out)
    }

    pub(super) fn sentence(&self) -> String {
        let (all, back) = (self.starts.len(), self.count(End::RolledBack));
        let undecided = self.count(End::Undecided);
        if back == 0 && undecided == 0 {
            return "If every release was good, none would have been taken back.".to_owned();
        }
        if back == 0 {
            return "None would have been taken back; some could not be decided.".to_owned();
        }
        let one_in = (all as f64 / back as f64).round();
        match back == all {
            true => "If every release was good, all of them would have been taken back.".to_owned(),
            false => format!(
                "If every release was good, these metrics take back about one good release in \
                 {one_in}."
            ),
        }
    }

    pub(super) fn write_json(&self, out: &mut Output<'_>) -> io::Result<()> {
        let starts: Vec<_> = self
            .starts
            .iter()
            .map(|start| {
                json!({
                    "at": start.at.to_string(),
                    "verdict": start.phase,
                    "afterSeconds": start.after.as_secs_f64(),
                    "why": start.decisive,
                })
            })
            .collect();
        let report = json!({
            "starts": starts,
            "promoted": self.count(End::Promoted),
            "rolledBack": self.count(End::RolledBack),
            "undecided": self.count(End::Undecided),
        });
        writeln!(out, "{report:#}")
    }
}
