//! `gradatim simulate`: manifests deliver into a described world.

mod data;
mod picture;
mod story;
mod svg;

use std::io::Write;
use std::path::{Path, PathBuf};

use gradatim_core::yaml::{Diagnostic, Position};
use gradatim_sim::script::{Scenario, ScriptError, ScriptErrors, Transcript};
use gradatim_sim::{Report, Simulation};

use super::failure::Failure;
use super::input::{Files, Rollout, Wrong};
use super::look::Tone;
use super::{Exit, Io, text};

/// Run manifests in a described world, and say what comes of it
///
/// A scenario is a text file, one statement a line: what runs, what is wrong with it, what happens
/// when, and what is expected. Backends are the simulation's, whatever a manifest names.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(super) struct Simulate {
    /// The world, as text; without it a healthy one
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// What the world's chances are drawn from, in place of the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Draws weight, errors, pods and decisions over time
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// One JSON object a line for each fact, and one for the outcome
    #[arg(long)]
    json: bool,
    /// Only the rollout of this name
    #[arg(long, value_name = "ROLLOUT")]
    name: Option<String>,
    #[command(flatten)]
    files: Files,
}

const AFTER_HELP: &str = "\
A scenario:
  traffic 100/s
  pods ready after 12s
  v2 fails 5 % from 1:10
  metric success-rate: success rate of canary over 1m
  router fails from 2:00 to 2:30
  at 3:00 promote
  expect rolled back by 3:40

Exit codes: 0 it ran, every expectation and every invariant held; 1 one did not; 2 wrong input,
nothing was run; 3 the output could not be written.";

/// A rollout of the manifests, and the world for it.
struct Prepared {
    rollout: Rollout,
    simulation: Simulation,
}

impl Simulate {
    pub(super) fn run(&self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let (scenario, prepared) = self.prepare(io)?;
        let several = prepared.len() > 1;
        let mut exit = Exit::Good;
        for (place, one) in prepared.into_iter().enumerate() {
            let Prepared {
                rollout,
                simulation,
            } = one;
            let report = simulation.run();
            let unmet = scenario.unmet(&report);
            if !unmet.is_empty() || !report.holds() {
                exit = Exit::Bad;
            }
            self.draw(&scenario, &rollout, &report)?;
            if self.json {
                data::write(&mut io.out, &rollout, &report, &unmet)?;
                continue;
            }
            if several {
                let gap = if place == 0 { "" } else { "\n" };
                let name = rollout.compiled.plan.name.to_string();
                writeln!(io.out, "{gap}{}", io.out.look().paint(Tone::Strong, name))?;
            }
            guesses(&report, io)?;
            let transcript = Transcript::of(&scenario, &rollout.compiled.plan, &report);
            story::tell(&mut io.out, &transcript, &unmet)?;
        }
        Ok(exit)
    }

    /// Reads everything and finds everything that is wrong with it before anything runs.
    fn prepare(&self, io: &mut Io<'_>) -> Result<(Scenario, Vec<Prepared>), Failure> {
        let from_pipe = self.scenario.as_deref() == Some(Path::new("-"));
        if from_pipe && self.files.read_pipe() {
            let failure = Failure::input("standard input can be read once");
            return Err(failure.help("name a file for the scenario, or for the manifests"));
        }
        let source = self
            .scenario
            .as_deref()
            .map(|path| read(path, io))
            .transpose()?;
        let scenario = match &source {
            Some(text) => Scenario::parse(text),
            None => Ok(Scenario::default()),
        };
        let input = self.files.compile(&super::backends::known(), io)?;
        let (mut scenario, input) = match (scenario, input) {
            (Ok(scenario), Ok(input)) => (scenario, input),
            (scenario, input) => {
                let mut wrong = input.err().unwrap_or_default();
                let errors = scenario.err().into_iter();
                errors.for_each(|errors| self.add(errors, &mut wrong));
                return Err(wrong.tell(&mut io.err)?);
            }
        };
        input.tell(&mut io.err)?;
        if let Some(seed) = self.seed {
            scenario.seed = seed;
        }
        let rollouts = self.chosen(input.rollouts)?;
        let prepared = self.simulations(&scenario, rollouts);
        match prepared {
            Ok(prepared) => Ok((scenario, prepared)),
            Err(wrong) => Err(wrong.tell(&mut io.err)?),
        }
    }

    fn chosen(&self, rollouts: Vec<Rollout>) -> Result<Vec<Rollout>, Failure> {
        let names = |rollouts: &[Rollout]| {
            let names = rollouts
                .iter()
                .map(|one| one.compiled.plan.name.to_string());
            text::list(&names.collect::<Vec<_>>())
        };
        let known = names(&rollouts);
        let is_chosen = |one: &Rollout| {
            let name = self.name.as_deref();
            name.is_none_or(|name| one.compiled.plan.name.as_str() == name)
        };
        let chosen: Vec<Rollout> = rollouts.into_iter().filter(is_chosen).collect();
        match (&self.name, chosen.len()) {
            (Some(name), 0) => {
                let failure = Failure::input(format!("there is no rollout {name}"));
                Err(failure.help(format!("the manifests hold {known}")))
            }
            (None, 0) => Err(Failure::input("the manifests hold no Rollout to simulate")),
            (_, 2..) if self.svg.is_some() => {
                let failure = Failure::input("a picture shows one rollout");
                Err(failure.help(format!("choose one with --name: {known}")))
            }
            _ => Ok(chosen),
        }
    }

    /// What no rollout knows is wrong; what one of them knows is meant for that one.
    fn simulations(
        &self,
        scenario: &Scenario,
        rollouts: Vec<Rollout>,
    ) -> Result<Vec<Prepared>, Wrong> {
        let plans: Vec<_> = rollouts
            .iter()
            .map(|one| one.compiled.plan.clone())
            .collect();
        let mut wrong = Wrong::default();
        let mut prepared = Vec::new();
        for rollout in rollouts {
            let scenario = scenario.meant_for(&rollout.compiled.plan, &plans);
            match scenario.simulation(&rollout.spec, &rollout.compiled.plan) {
                Ok(simulation) => prepared.push(Prepared {
                    rollout,
                    simulation,
                }),
                Err(errors) => self.add(errors, &mut wrong),
            }
        }
        match wrong.errors.is_empty() {
            true => Ok(prepared),
            false => Err(wrong),
        }
    }

    fn add(&self, errors: ScriptErrors, wrong: &mut Wrong) {
        let path = self.scenario.as_deref().unwrap_or(Path::new("scenario"));
        let file = match path == Path::new("-") {
            true => "stdin".to_owned(),
            false => path.display().to_string(),
        };
        wrong.more += errors.more;
        for error in &errors.errors {
            let diagnostic = diagnostic(error, &file);
            if !wrong.errors.contains(&diagnostic) {
                wrong.errors.push(diagnostic);
            }
        }
    }

    fn draw(&self, scenario: &Scenario, rollout: &Rollout, report: &Report) -> Result<(), Failure> {
        let Some(path) = &self.svg else {
            return Ok(());
        };
        let picture = picture::picture(scenario, &rollout.compiled.plan, report);
        super::svg::write(path, &svg::draw(&picture))
    }
}

fn read(path: &Path, io: &mut Io<'_>) -> Result<String, Failure> {
    let bytes = super::input::read_file(path, gradatim_sim::script::MAX_BYTES, io)?;
    String::from_utf8(bytes)
        .map_err(|_| Failure::input(format!("{} is not UTF-8 text", path.display())))
}

fn diagnostic(error: &ScriptError, file: &str) -> Diagnostic {
    let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut diagnostic = Diagnostic::new(&error.message);
    diagnostic.help = Some(error.help.clone()).filter(|help| !help.is_empty());
    diagnostic.position = Some(Position {
        file: file.to_owned(),
        document: 1,
        line: narrow(error.line),
        column: narrow(error.column),
        length: narrow(error.length),
        text: error.text.clone(),
    });
    diagnostic
}

/// Says what was taken for granted.
fn guesses(report: &Report, io: &mut Io<'_>) -> Result<(), Failure> {
    for guess in &report.guesses {
        let line = format!("{} is taken to measure {}", guess.metric, guess.measure);
        writeln!(io.err, "note: {}", text::clean(&line))?;
    }
    io.err.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
