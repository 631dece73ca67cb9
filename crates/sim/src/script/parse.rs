//! From text to values: one statement a line, every error with its place.

mod driver;
mod fault;
mod metric;
mod outcome;
mod version;
mod world;

use super::check;
use super::error::{ScriptError, ScriptErrors};
use super::line::{Line, Taken, Wrong, list};
use super::scenario::{Place, Scenario, Told};
use super::token::{tokens, written};
use super::{MAX_BYTES, MAX_ERRORS, MAX_LINES, spell};

/// A kind of statement.
struct Statement {
    /// The word that it begins with.
    word: &'static str,
    /// How one looks.
    example: &'static str,
    /// Reads what stands behind the word.
    read: fn(&mut Line, &mut Scenario) -> Taken<()>,
}

const STATEMENTS: &[Statement] = &[
    Statement {
        word: "seed",
        example: "seed 7",
        read: world::seed,
    },
    Statement {
        word: "replicas",
        example: "replicas 10",
        read: world::replicas,
    },
    Statement {
        word: "stable",
        example: "stable v1 (or stable none, where nothing was deployed yet)",
        read: world::stable,
    },
    Statement {
        word: "wanted",
        example: "wanted v2",
        read: world::wanted,
    },
    Statement {
        word: "traffic",
        example: "traffic 100/s from 2:00 to 4:00",
        read: world::traffic,
    },
    Statement {
        word: "testers",
        example: "testers 2 %",
        read: world::testers,
    },
    Statement {
        word: "quota",
        example: "quota 12 pods from 1:00",
        read: world::quota,
    },
    Statement {
        word: "end",
        example: "end 30:00",
        read: world::end,
    },
    Statement {
        word: "pods",
        example: "pods ready after 12s",
        read: version::every_pod,
    },
    Statement {
        word: "metric",
        example: "metric success-rate: success rate of canary over 1m, or metric x: values 1, NaN, no data",
        read: metric::metric,
    },
    Statement {
        word: "gate",
        example: "gate confirm: opens at 3:00",
        read: metric::gate,
    },
    Statement {
        word: "router",
        example: "router fails from 2:00 to 3:00",
        read: fault::router,
    },
    Statement {
        word: "workload",
        example: "workload cannot be read from 2:00 to 3:00",
        read: fault::workload,
    },
    Statement {
        word: "provider",
        example: "provider prometheus gives no data from 2:00 to 3:00",
        read: fault::provider,
    },
    Statement {
        word: "store",
        example: "store fails from 2:00 to 3:00",
        read: fault::store,
    },
    Statement {
        word: "driver",
        example: "driver crashes at 2:10 for 1m, or driver stands still at 2:10 for 2m",
        read: driver::driver,
    },
    Statement {
        word: "second",
        example: "second driver at 2:10 takes over",
        read: driver::second,
    },
    Statement {
        word: "at",
        example: "at 3:00 promote, or at 5:00 scale 8, or at 6:00 deploy v3",
        read: outcome::at,
    },
    Statement {
        word: "expect",
        example: "expect promoted, or expect rolled back by 3:40, or expect paused",
        read: outcome::expect,
    },
];

const VERSION_EXAMPLE: &str =
    "v2 fails 5 % from 1:10, or v2 answers in 2s, or v2 pods crash after 20s";

/// Whether a word begins a statement of its own, so that no version can have it as its name.
pub(super) fn is_keyword(word: &str) -> bool {
    STATEMENTS.iter().any(|statement| statement.word == word)
}

/// Reads a scenario's text.
pub(super) fn parse(text: &str) -> Result<Scenario, ScriptErrors> {
    let lines: Vec<&str> = text
        .trim_start_matches('\u{feff}')
        .lines()
        .take(MAX_LINES + 1)
        .collect();
    let mut scenario = Scenario::default();
    let mut wrongs = bounds(text, lines.len());
    if wrongs.is_empty() {
        for (index, line) in lines.iter().enumerate() {
            let line = Line::new(index + 1, tokens(line));
            wrongs.extend(statement(line, &mut scenario).err());
        }
        wrongs.extend(check::check(&scenario));
    }
    scenario.source = text.to_owned();
    match wrongs.is_empty() {
        true => Ok(scenario),
        false => Err(report(wrongs, text)),
    }
}

fn bounds(text: &str, lines: usize) -> Vec<Wrong> {
    let first = Place {
        line: 1,
        column: 1,
        length: 1,
    };
    let too_long = |message: String| Wrong::new(first, message).help("cut it into several");
    let mut wrongs = Vec::new();
    if text.len() > MAX_BYTES {
        wrongs.push(too_long(format!(
            "a scenario has at most {} KiB, this one has {}",
            MAX_BYTES / 1024,
            text.len().div_ceil(1024)
        )));
    } else if lines > MAX_LINES {
        wrongs.push(too_long(format!(
            "a scenario has at most {MAX_LINES} lines"
        )));
    }
    wrongs
}

fn statement(mut line: Line, scenario: &mut Scenario) -> Taken<()> {
    if line.is_empty() {
        return Ok(());
    }
    let word = line.peek().unwrap_or_default().to_owned();
    let (read, example) = match STATEMENTS.iter().find(|statement| statement.word == word) {
        Some(statement) => {
            line.eat(statement.word);
            (statement.read, statement.example)
        }
        None if line.peek_at(1).is_some_and(version::is_verb) => (
            version::version as fn(&mut Line, &mut Scenario) -> _,
            VERSION_EXAMPLE,
        ),
        None => return Err(unknown(&line, &word)),
    };
    let with_example = |wrong: Wrong| match wrong.help {
        Some(_) => wrong,
        None => wrong.help(format!("such as: {example}")),
    };
    let read = read(&mut line, scenario).and_then(|()| line.end());
    read.map_err(with_example)?;
    scenario.told.extend(told(&line, &word));
    Ok(())
}

/// What a transcript tells of a statement: whatever has a time of its own, and whatever is wrong.
fn told(line: &Line, word: &str) -> Option<Told> {
    let word = match word {
        "router" | "workload" | "provider" | "store" => "fault",
        "metric" | "gate" => "metric",
        _ => "world",
    };
    let (tokens, window) = line.timed()?;
    let text = written(&tokens);
    let text = text.strip_prefix("metric ").unwrap_or(&text).to_owned();
    Some(Told { word, text, window })
}

fn unknown(line: &Line, word: &str) -> Wrong {
    let known: Vec<&str> = STATEMENTS.iter().map(|statement| statement.word).collect();
    let near = spell::nearest(word, &known);
    let message = match (near, word) {
        _ if word.len() > 40 => "no statement begins with this word".to_owned(),
        (Some(near), _) => format!("no statement begins with \"{word}\"; did you mean \"{near}\"?"),
        (None, "") => "a statement begins with a word".to_owned(),
        (None, _) => format!("no statement begins with \"{word}\""),
    };
    let verbs = list(version::VERBS);
    Wrong::new(line.place(), message).help(format!(
        "a statement begins with {}, or with a version and {verbs}",
        list(&known)
    ))
}

/// The errors of a text, from the top.
pub(super) fn report(wrongs: Vec<Wrong>, text: &str) -> ScriptErrors {
    let mut errors: Vec<ScriptError> = wrongs
        .into_iter()
        .map(|wrong| ScriptError {
            line: wrong.place.line,
            column: wrong.place.column,
            length: wrong.place.length.max(1),
            text: shown(text, wrong.place.line),
            message: wrong.message,
            help: wrong.help.unwrap_or_default(),
        })
        .collect();
    errors.sort_by_key(|error| (error.line, error.column));
    let more = errors.len().saturating_sub(MAX_ERRORS);
    errors.truncate(MAX_ERRORS);
    ScriptErrors { errors, more }
}

fn shown(text: &str, line: usize) -> String {
    let text = text.trim_start_matches('\u{feff}');
    let text = text.lines().nth(line.saturating_sub(1));
    text.unwrap_or_default().chars().take(200).collect()
}
