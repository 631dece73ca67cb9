//! `gradatim replay`: a decision log, decided again.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use gradatim_core::policy::Standard;
use gradatim_driver::log::{Difference, ReplayError, ReplayReport, replay};
use serde::Serialize;
use serde_json::Value;

use super::failure::Failure;
use super::look::Tone;
use super::text::{clean, count, wrap};
use super::{Exit, Io, Output};

/// How many rounds are shown in full.
const MOST_ROUNDS: usize = 10;
/// How many fields of a round are shown.
const MOST_FIELDS: usize = 12;
/// How much of a value is shown, in characters.
const MOST_TEXT: usize = 200;

/// Decide a decision log again, and compare
///
/// Exits with 1 when a round is decided otherwise now.
#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    /// The log, as JSON lines; - reads standard input
    #[arg(value_name = "LOG")]
    log: PathBuf,
    /// Write the same as JSON
    #[arg(long)]
    json: bool,
}

/// What a replay found, as data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    rounds: u64,
    skipped: u64,
    rollouts: u64,
    plans: u64,
    torn: bool,
    differences: Vec<Otherwise>,
}

/// A round that is decided otherwise now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Otherwise {
    line: usize,
    rollout: String,
    now: String,
    fields: Vec<Field>,
}

/// A field of a decision that differs; none where one of the two has no such field.
#[derive(Debug, PartialEq, Serialize)]
struct Field {
    path: String,
    recorded: Option<Value>,
    decided: Option<Value>,
}

impl Replay {
    pub(super) fn run(&self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let report = match self.log == Path::new("-") {
            true => replay(BufReader::new(&mut *io.input), &Standard),
            false => {
                let file = File::open(&self.log).map_err(|error| self.unreadable(&error))?;
                replay(BufReader::new(file), &Standard)
            }
        };
        let report = told(report.map_err(|error| self.failed(&error))?);
        let exit = match report.differences.is_empty() {
            true => Exit::Good,
            false => Exit::Bad,
        };
        match self.json {
            true => {
                let text = serde_json::to_string_pretty(&report).map_err(io::Error::from)?;
                writeln!(io.out, "{text}")?;
            }
            false => write(&report, &mut io.out)?,
        }
        Ok(exit)
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::input(format!("{} cannot be read: {error}", self.log.display()))
    }

    fn failed(&self, error: &ReplayError) -> Failure {
        let name = self.log.display();
        match error {
            ReplayError::Read(error) => self.unreadable(error),
            ReplayError::Malformed { line, source } => Failure::input(format!(
                "{name}: line {line} is none of a decision log: {source}"
            )),
            error => Failure::input(format!("{name}: {error}")),
        }
    }
}

fn told(report: ReplayReport) -> Report {
    Report {
        rounds: report.rounds,
        skipped: report.skipped,
        rollouts: report.rollouts,
        plans: report.plans,
        torn: report.torn,
        differences: report.differences.iter().map(otherwise).collect(),
    }
}

fn otherwise(difference: &Difference) -> Otherwise {
    let mut fields = Vec::new();
    let value = |decision| serde_json::to_value(decision).unwrap_or_default();
    let recorded = value(&*difference.recorded);
    let decided = value(&*difference.decided);
    compare("", Some(&recorded), Some(&decided), &mut fields);
    Otherwise {
        line: difference.line,
        rollout: difference.rollout.to_string(),
        now: difference.now.to_string(),
        fields,
    }
}

/// Collects what differs, as deep inside as possible.
fn compare(path: &str, one: Option<&Value>, other: Option<&Value>, fields: &mut Vec<Field>) {
    match (one, other) {
        (one, other) if one == other => {}
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(&path, one.get(key), other.get(key), fields);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for at in 0..one.len().max(other.len()) {
                compare(&format!("{path}[{at}]"), one.get(at), other.get(at), fields);
            }
        }
        (one, other) => fields.push(Field {
            path: path.to_owned(),
            recorded: one.cloned(),
            decided: other.cloned(),
        }),
    }
}

fn write(report: &Report, out: &mut Output<'_>) -> io::Result<()> {
    for round in report.differences.iter().take(MOST_ROUNDS) {
        round.write(out)?;
    }
    let hidden = report.differences.len().saturating_sub(MOST_ROUNDS);
    if hidden > 0 {
        writeln!(out, "… and {}", count(hidden, "more round"))?;
        writeln!(out)?;
    }
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let mut counts = format!(
        "{} of {} under {}",
        count(number(report.rounds), "round"),
        count(number(report.rollouts), "rollout"),
        count(number(report.plans), "plan"),
    );
    if report.skipped > 0 {
        counts.push_str(&format!(
            ", {} more that were equal to the one before",
            report.skipped
        ));
    }
    let torn = match report.torn {
        true => " The last line was cut short and is left out.",
        false => "",
    };
    let look = out.look();
    let verdict = match report.differences.len() {
        0 => look.paint(Tone::Good, "All are decided the same."),
        1 => look.paint(Tone::Bad, "1 is decided otherwise."),
        differ => look.paint(Tone::Bad, format!("{differ} are decided otherwise.")),
    };
    for line in wrap(&format!("{counts}.{torn}"), look.width) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{verdict}")
}

impl Otherwise {
    fn write(&self, out: &mut Output<'_>) -> io::Result<()> {
        let look = out.look();
        let head = format!("line {}, {}, {}", self.line, clean(&self.rollout), self.now);
        writeln!(out, "{}", look.paint(Tone::Strong, head))?;
        for field in self.fields.iter().take(MOST_FIELDS) {
            writeln!(out, "  {}", clean(&field.path))?;
            let sides = [
                ("was", &field.recorded, Tone::Faint),
                ("is", &field.decided, Tone::Bad),
            ];
            for (word, value, tone) in sides {
                let lines = wrap(&shown(value.as_ref()), look.width.saturating_sub(8));
                for (at, line) in lines.iter().enumerate() {
                    let word = if at == 0 { word } else { "" };
                    writeln!(out, "    {word:<3} {}", look.paint(tone, line.as_str()))?;
                }
            }
        }
        let hidden = self.fields.len().saturating_sub(MOST_FIELDS);
        if hidden > 0 {
            writeln!(out, "  … and {}", count(hidden, "more field"))?;
        }
        writeln!(out)
    }
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let text = clean(&text).into_owned();
    match text.chars().count() > MOST_TEXT {
        true => text.chars().take(MOST_TEXT).chain(['…']).collect(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_named() {
        let mut fields = Vec::new();
        let one = json!({"a": 1, "b": {"c": [1, 2], "d": 3}, "gone": true});
        let other = json!({"a": 1, "b": {"c": [1, 5, 6], "d": 3}, "new": null});
        compare("", Some(&one), Some(&other), &mut fields);
        let paths: Vec<_> = fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["b.c[1]", "b.c[2]", "gone", "new"]);
        assert_eq!(fields[0].recorded, Some(json!(2)));
        assert_eq!(
            (fields[1].recorded.clone(), fields[1].decided.clone()),
            (None, Some(json!(6)))
        );
    }
}
