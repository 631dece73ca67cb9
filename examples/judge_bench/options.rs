//! The command line.

use std::path::PathBuf;

use crate::scenario::{SCENARIOS, Scenario};
use crate::schedule::Schedule;

pub(crate) const HELP: &str = "\
How good judges of releases are: the library's, and those that others use. Each release is
simulated once and shown to all of them.

Usage: judge_bench [--seeds N] [--good-seeds N] [--seed S] [--schedule W-W-W] [--scenario ID]...
                   [--threads N] [--json] [--svg FILE]

  --seeds N        how many releases of each scenario; 100 by default, 1 to 1000000
  --good-seeds N   how many of the good ones, where that differs
  --seed S         the first of them; 0 by default. Each release depends on its seed alone
  --schedule W-W   10-25-50 (the default), 20-40-60-80 or 10-30-50, five minutes for each weight
  --scenario ID    only this one: B2@100, or B2 at any rate, or all good (G) or bad (B) ones;
                   once for each that is wanted
  --threads N      by default one for each core; the results are the same
  --json           everything as JSON instead of tables
  --svg FILE       draws failed requests against false rollbacks, a point for each judge
  --help           this text

G1 to G7 are good versions: the judge should let them pass. B1 to B10 are bad. @ is followed by
requests a second. Build with --release: the tables of 500 seeds take about a minute then.

Exit code: 0 done, 2 wrong arguments, 3 the picture could not be written.";

/// What was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub seed: u64,
    bad_seeds: u64,
    good_seeds: Option<u64>,
    pub schedule: Schedule,
    pub scenarios: Vec<Scenario>,
    pub threads: usize,
    pub json: bool,
    pub svg: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            bad_seeds: 100,
            good_seeds: None,
            schedule: Schedule::Usual,
            scenarios: SCENARIOS.to_vec(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            json: false,
            svg: None,
        }
    }
}

impl Options {
    /// Reads arguments; nothing when only the help is wanted.
    pub(crate) fn read(args: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let (mut options, mut wanted) = (Self::default(), Vec::new());
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (arg.as_str(), None),
            };
            let mut value = |what| {
                let value = inline.clone().or_else(|| args.next());
                value.ok_or_else(|| format!("{name} needs {what}"))
            };
            match name {
                "--help" | "-h" => return Ok(None),
                "--json" if inline.is_none() => options.json = true,
                "--seeds" => options.bad_seeds = number(name, &value("a number")?, 1, MOST)?,
                "--good-seeds" => {
                    options.good_seeds = Some(number(name, &value("a number")?, 1, MOST)?);
                }
                "--seed" => options.seed = number(name, &value("a number")?, 0, MOST_SEED)?,
                "--schedule" => options.schedule = value("weights")?.parse()?,
                "--scenario" => wanted.push(meant(&value("the name of one")?)?),
                "--threads" => {
                    options.threads = number(name, &value("a number")?, 1, 1024)? as usize;
                }
                "--svg" => options.svg = Some(value("a file")?.into()),
                _ => return Err(format!("unknown argument {arg:?}")),
            }
        }
        if !wanted.is_empty() {
            let is_wanted = |it: &Scenario| wanted.iter().any(|text| it.is_meant(text));
            options.scenarios.retain(is_wanted);
        }
        Ok(Some(options))
    }

    /// How many releases there are of a scenario.
    pub(crate) fn seeds(&self, scenario: &Scenario) -> u64 {
        match self.good_seeds {
            Some(seeds) if scenario.is_good() => seeds,
            _ => self.bad_seeds,
        }
    }
}

const MOST: u64 = 1_000_000;
const MOST_SEED: u64 = 1 << 53;

fn number(name: &str, text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|it| (least..=most).contains(it));
    number.ok_or_else(|| format!("{name} is a whole number from {least} to {most}, not {text:?}"))
}

fn meant(text: &str) -> Result<String, String> {
    if SCENARIOS.iter().any(|it| it.is_meant(text)) {
        return Ok(text.to_owned());
    }
    let first = "there are G1 to G7 and B1 to B10, most at 100 requests a second";
    Err(format!(
        "there is no scenario {text:?}: {first}, as in B2@100"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &str) -> Result<Option<Options>, String> {
        Options::read(args.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn everything_is_played_unless_somebody_says_otherwise() {
        let options = read("").unwrap().unwrap();
        assert_eq!((options.scenarios.len(), options.seed), (32, 0));
        assert_eq!(options.seeds(&SCENARIOS[0]), 100);
        assert_eq!(read("--seeds 5 --help"), Ok(None));
    }

    #[test]
    fn a_value_stands_after_a_space_or_an_equals_sign() {
        let one =
            read("--seeds=7 --good-seeds 9 --scenario B2@100 --scenario=G1 --schedule 10-30-50");
        let options = one.unwrap().unwrap();
        assert_eq!(options.scenarios.len(), 4);
        let (good, bad) = (&options.scenarios[0], &options.scenarios[3]);
        assert_eq!((options.seeds(good), options.seeds(bad)), (9, 7));
        assert_eq!(options.schedule, Schedule::Steep);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (args, part) in [
            ("--seeds", "--seeds needs a number"),
            ("--seeds 0", "from 1 to 1000000, not \"0\""),
            ("--seeds many", "whole number"),
            ("--seed -1", "whole number"),
            ("--seed 99999999999999999999", "whole number"),
            ("--threads 0", "from 1 to 1024"),
            ("--scenario B11", "no scenario \"B11\""),
            ("--scenario G8@100", "no scenario"),
            ("--schedule 10-20", "only 10-25-50"),
            ("--json=yes", "unknown argument"),
            ("--svg", "needs a file"),
            ("G1", "unknown argument \"G1\""),
        ] {
            let error = read(args).unwrap_err();
            assert!(error.contains(part), "{args}: {error}");
        }
    }
}
