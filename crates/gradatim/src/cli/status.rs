//! `gradatim status`: where rollouts in a file store stand.

use std::io::Write;

use gradatim_core::decision::Phase;

use super::failure::Failure;
use super::look::Tone;
use super::store::{self, StoreArgument};
use super::text::clean;
use super::{Exit, Io};

/// Say where the rollouts in a file store stand
///
/// Exits with 1 when one that is shown is Degraded, and with 3 when one cannot be read.
#[derive(Debug, clap::Args)]
pub(super) struct Status {
    /// Show this rollout only
    #[arg(value_name = "ROLLOUT")]
    name: Option<String>,
    #[command(flatten)]
    store: StoreArgument,
    /// Write the same as JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(&self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let store = self.store.open()?;
        let (all, broken) = store::seen(&store, self.name.as_deref())?;
        match self.json {
            true => {
                let text = serde_json::to_string_pretty(&all).map_err(std::io::Error::from)?;
                writeln!(io.out, "{text}")?;
            }
            false if all.is_empty() => writeln!(io.err, "No rollout has been decided on yet.")?,
            false => {
                let (now, look) = (store::now(), io.out.look());
                store::table(&all, now).write(&mut io.out)?;
                for seen in &all {
                    let judge = store::judge(seen, look).into_iter();
                    for line in judge.chain(store::remarks(seen, None, now, look)) {
                        writeln!(io.out, "{line}")?;
                    }
                }
            }
        }
        for text in &broken {
            let head = io.err.look().paint(Tone::Waiting, "warning:");
            writeln!(io.err, "{head} {}", clean(text))?;
        }
        let degraded = all
            .iter()
            .any(|seen| seen.published.phase == Phase::Degraded);
        Ok(match (degraded, broken.is_empty()) {
            (true, _) => Exit::Bad,
            (false, true) => Exit::Good,
            (false, false) => Exit::Undecided,
        })
    }
}
