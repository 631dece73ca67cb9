//! The table that fills while an analysis is measured.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use gradatim_core::analysis::{AnalysisPhase, MetricPlan, MetricState};
use gradatim_core::id::MetricName;
use gradatim_core::measurement::{Measurement, Outcome, Reading};
use gradatim_core::time::Timestamp;
use gradatim_driver::{AnalysisRun, Evidence};
use serde_json::json;

use super::super::look::Tone;
use super::super::reading::{value, wanted};
use super::super::table::{Side, Table};
use super::super::{Io, Output, judged, text};

/// What is shown of a run: anew on a terminal, line by line elsewhere.
pub(super) struct Board {
    json: bool,
    last: BTreeMap<MetricName, String>,
    /// How often counters of both sides were read.
    scrapes: BTreeMap<MetricName, u32>,
    /// How many lines stand on the terminal that are to be drawn anew.
    drawn: usize,
    /// When the newest measurement arrived.
    latest: Timestamp,
}

impl Board {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            last: BTreeMap::new(),
            scrapes: BTreeMap::new(),
            drawn: 0,
            latest: Timestamp::ZERO,
        }
    }

    /// The table as it is, where it can be drawn anew.
    pub(super) fn show(&mut self, run: &AnalysisRun, io: &mut Io<'_>) -> io::Result<()> {
        if self.json || !io.err.look().redraw {
            return Ok(());
        }
        self.clear(io)?;
        let mut lines = Vec::new();
        let mut output = Output::new(&mut lines, io.err.look());
        self.table(run, &mut output)?;
        output.flush()?;
        self.drawn = lines.iter().filter(|byte| **byte == b'\n').count();
        io.err.write_all(&lines)?;
        io.err.flush()
    }

    /// Takes what was drawn off the terminal.
    pub(super) fn clear(&mut self, io: &mut Io<'_>) -> io::Result<()> {
        if self.drawn > 0 {
            write!(io.err, "\x1b[{}A\x1b[J", self.drawn)?;
            io.err.flush()?;
        }
        self.drawn = 0;
        Ok(())
    }

    /// What the last step measured.
    pub(super) fn measured(&mut self, run: &AnalysisRun, io: &mut Io<'_>) -> io::Result<()> {
        let began = run.state().started_at;
        for measurement in run.measured() {
            self.latest = self.latest.max(measurement.at);
            let name = &measurement.id.metric;
            let mut metrics = run.plan().metrics.iter().zip(&run.state().metrics);
            let metric = metrics.find(|(_, state)| state.name == *name);
            let (Some((plan, state)), Some(read)) = (metric, value(measurement)) else {
                continue;
            };
            let read_counters = matches!(
                &measurement.outcome,
                Outcome::Done {
                    reading: Reading::Counters(_),
                    ..
                }
            );
            if read_counters {
                *self.scrapes.entry(name.clone()).or_default() += 1;
            }
            let evidence = judged::value(plan, state).filter(|_| read_counters);
            let value = evidence.unwrap_or(read);
            self.last.insert(name.clone(), value.clone());
            let after = text_of(measurement.at.since(began));
            match (self.json, io.err.look().redraw) {
                (true, _) => self.line_of_data(measurement, (plan, state), &value, &mut io.out)?,
                (false, false) => {
                    let said = judged::short_words(plan, state).filter(|_| read_counters);
                    let said = said.unwrap_or_else(|| state.last.clone());
                    let said = text::clean(&said);
                    writeln!(io.err, "{after:>6}  {name}  {value}  {said}")?;
                    io.err.flush()?;
                }
                (false, true) => {}
            }
        }
        Ok(())
    }

    fn line_of_data(
        &self,
        measurement: &Measurement,
        (plan, state): (&MetricPlan, &MetricState),
        value: &str,
        out: &mut Output<'_>,
    ) -> io::Result<()> {
        let mut line = json!({
            "at": measurement.at.to_string(),
            "metric": state.name,
            "value": value,
            "why": state.last,
            "phase": state.phase,
            "successful": state.successful,
            "failed": state.failed,
            "inconclusive": state.inconclusive,
            "error": state.error,
        });
        if let Some(data) = judged::data(plan, state) {
            line["judge"] = data;
        }
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// The table as it ended, and the verdict.
    pub(super) fn end(
        &mut self,
        run: &AnalysisRun,
        evidence: &[Evidence],
        io: &mut Io<'_>,
    ) -> io::Result<()> {
        self.clear(io)?;
        let state = run.state();
        let took = self.latest.since(state.started_at);
        let judged = judged::decided(run.plan(), state);
        if self.json {
            let verdict = json!({
                "verdict": state.phase,
                "message": judged.as_ref().unwrap_or(&state.message),
                "evidence": evidence,
                "seconds": took.as_secs_f64(),
            });
            return writeln!(io.out, "{verdict}");
        }
        self.table(run, &mut io.out)?;
        for evidence in evidence {
            for line in &evidence.lines {
                let line = format!("{}: {}", evidence.metric, text::clean(line));
                writeln!(io.out, "  {}", io.out.look().paint(Tone::Faint, line))?;
            }
        }
        let (tone, word) = verdict(state.phase);
        let took = text_of(took);
        let said = match (&judged, state.message.as_str()) {
            (Some(words), _) => format!("{word} in {took}. {}", text::clean(words)),
            (None, "") => format!("{word} in {took}."),
            (None, message) => format!("{word} in {took}: {}", text::clean(message)),
        };
        let look = io.out.look();
        for line in text::wrap(&said, look.width) {
            match line.strip_prefix(word) {
                Some(rest) => writeln!(io.out, "{}{rest}", look.paint(tone, word))?,
                None => writeln!(io.out, "{line}")?,
            }
        }
        Ok(())
    }

    fn table(&self, run: &AnalysisRun, out: &mut Output<'_>) -> io::Result<()> {
        let mut table = Table::new();
        table.column("metric", Side::Left);
        for head in ["last", "measured", "ok", "failed", "error"] {
            table.column(head, Side::Right);
        }
        table.column("verdict", Side::Left);
        let plans = run.plan().metrics.iter();
        for (plan, state) in plans.zip(&run.state().metrics) {
            table.row(self.row(plan, state, run));
        }
        table.write(out)
    }

    fn row(&self, plan: &MetricPlan, state: &MetricState, run: &AnalysisRun) -> Vec<String> {
        let last = self.last.get(&plan.name).map_or("–", String::as_str);
        let measured = match (plan.count, &plan.judge) {
            (_, Some(_)) => self.scrapes.get(&plan.name).unwrap_or(&0).to_string(),
            (Some(count), None) => format!("{} of {count}", state.count),
            (None, None) => state.count.to_string(),
        };
        // A judge's scrapes are neither: it decides once.
        let counted = |count: u32| match plan.judge {
            Some(_) => "–".to_owned(),
            None => count.to_string(),
        };
        let name = match plan.dry_run {
            true => format!("{} (dry run)", plan.name),
            false => plan.name.to_string(),
        };
        vec![
            text::clean(&name).into_owned(),
            text::clean(last).into_owned(),
            measured,
            counted(state.successful),
            counted(state.failed),
            state.error.to_string(),
            self.said(plan, state, run),
        ]
    }

    /// The verdict in words, with what comes next.
    fn said(&self, plan: &MetricPlan, state: &MetricState, run: &AnalysisRun) -> String {
        let wanted = wanted(plan).map_or_else(String::new, |it| format!(", {it}"));
        let judged = judged::short_words(plan, state);
        let last = judged.as_ref().unwrap_or(&state.last);
        let said = match state.phase {
            AnalysisPhase::Successful if was_cut_short(plan, state) => {
                "not decided before the run ended".to_owned()
            }
            AnalysisPhase::Successful if judged.is_some() => format!("passed: {last}"),
            AnalysisPhase::Successful => format!("passed{wanted}"),
            AnalysisPhase::Failed => format!("failed: {last}"),
            AnalysisPhase::Inconclusive => format!("undecided: {last}"),
            AnalysisPhase::Error => format!("could not be measured: {last}"),
            AnalysisPhase::Pending => format!("not measured yet{wanted}"),
            AnalysisPhase::Running => {
                let next = run.next_at().map(|at| at.since(self.latest).as_secs());
                let next = next.map_or_else(String::new, |wait| format!(", next in {wait} s"));
                let last = match last.is_empty() {
                    true => "being measured",
                    false => last,
                };
                format!("{last}{next}")
            }
        };
        text::clean(&said).into_owned()
    }
}

/// Whether a metric counts as passed only because another one ended the run, as in Argo.
fn was_cut_short(plan: &MetricPlan, state: &MetricState) -> bool {
    let in_a_row = plan.consecutive_success_limit;
    let enough = in_a_row.is_some_and(|limit| state.consecutive_success >= limit);
    plan.count.is_some_and(|count| state.count < count) && !enough
}

fn verdict(phase: AnalysisPhase) -> (Tone, &'static str) {
    match phase {
        AnalysisPhase::Successful => (Tone::Good, "passed"),
        AnalysisPhase::Failed => (Tone::Bad, "failed"),
        AnalysisPhase::Inconclusive => (Tone::Waiting, "undecided"),
        _ => (Tone::Waiting, "could not be measured"),
    }
}

/// `m:ss`.
fn text_of(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
