//! How good are judges of releases? Ours and those that others use, on the same simulated releases.
//!
//! ```text
//! cargo run --release --example judge_bench -- --seeds 500
//! ```
//!
//! A service of ten pods gets a new version. In ten scenarios it is good, and whoever takes it
//! back has erred; in twenty-two it is bad, and each second until somebody sees it costs requests.
//! Every judge looks at the same releases: Argo's and Flagger's thresholds and Kayenta's test as
//! their documentation has them, a hand-written comparison, a test that is looked at too often,
//! the library's judge, and an oracle that was told what to look for.
//!
//! - `scenario.rs`, `schedule.rs`, `latency.rs`, `world.rs`: the world.
//! - `judge/`: the judges; `judge/ours.rs` is the library's.
//! - `learn.rs`, `play.rs`, `run.rs`: earlier releases, one release, and all of them.
//! - `score.rs`, `table.rs`, `goals.rs`, `json.rs`, `picture.rs`: what came of it.

mod goals;
mod json;
mod judge;
mod latency;
mod learn;
mod options;
mod picture;
mod play;
mod rng;
mod run;
mod scenario;
mod schedule;
mod score;
mod table;
mod world;

#[cfg(test)]
mod tests;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use crate::options::{HELP, Options};
use crate::table::Results;

fn main() -> ExitCode {
    ExitCode::from(answer(std::env::args().skip(1)))
}

/// Does what was asked for, and says how it went.
fn answer(args: impl IntoIterator<Item = String>) -> u8 {
    let options = match Options::read(args) {
        Ok(Some(options)) => options,
        Ok(None) => {
            show(HELP);
            return DONE;
        }
        Err(wrong) => {
            eprintln!("judge_bench: {wrong}; see --help");
            return WRONG_ARGUMENTS;
        }
    };
    let cells = run::run(&options, progress());
    let results = Results {
        options: &options,
        cells: &cells,
    };
    match options.json {
        true => show(&json::write(&results)),
        false => show(&results.to_string()),
    }
    let Some(path) = &options.svg else {
        return DONE;
    };
    match std::fs::write(path, picture::draw(&results)) {
        Ok(()) => DONE,
        Err(error) => {
            eprintln!("judge_bench: {}: {error}", path.display());
            NOT_WRITTEN
        }
    }
}

const DONE: u8 = 0;
const WRONG_ARGUMENTS: u8 = 2;
const NOT_WRITTEN: u8 = 3;

/// Standard output, once; whoever has closed the pipe has read enough.
fn show(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// Says how far it is: a line that changes on a terminal, a line for each tenth elsewhere.
fn progress() -> impl Fn(usize, usize) + Sync {
    let begun = Instant::now();
    let is_terminal = std::io::stderr().is_terminal();
    move |done, all| {
        let seconds = begun.elapsed().as_secs();
        let mut err = std::io::stderr().lock();
        // Nobody has to read it.
        let _ = match is_terminal {
            true => {
                let end = if done == all { "\n" } else { "" };
                write!(
                    err,
                    "\r{:3} % of all releases, {seconds} s{end}",
                    100 * done / all
                )
            }
            false if 10 * done / all > 10 * (done - 1) / all => {
                writeln!(err, "{:3} % of all releases, {seconds} s", 100 * done / all)
            }
            false => Ok(()),
        };
    }
}
