use std::io::Write;

use gradatim_core::registry::Registry;

use super::failure::Failure;
use super::input::Files;
use super::look::Tone;
use super::{Exit, Io, text};

/// Says what manifests will do, before anyone runs them
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    #[command(flatten)]
    files: Files,
}

impl Explain {
    pub(super) fn run(&self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let input = self.files.compiled(&Registry::lenient(), io)?;
        for rollout in &input.rollouts {
            let replicas = text::count(
                usize::try_from(rollout.spec.replicas).unwrap_or(0),
                "replica",
            );
            writeln!(io.out, "{} · {replicas}", rollout.compiled.plan.name)?;
        }
        let templates = text::count(input.templates.len(), "template");
        let verdict = io.out.look().paint(Tone::Good, "no error");
        writeln!(io.out, "{templates}, {verdict}.")?;
        Ok(Exit::Good)
    }
}
