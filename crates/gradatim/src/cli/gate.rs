//! `gradatim gate`: an analysis by itself, for a pipeline.

mod board;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use gradatim_core::analysis::{AnalysisPhase, RunState};
use gradatim_core::time::Timestamp;
use gradatim_driver::AnalysisRun;

use self::board::Board;
use super::backends::{Analysis, Ready};
use super::diagnostics;
use super::failure::Failure;
use super::{Exit, Io, judged};

/// How long it may take to find out what is there to measure.
const LONGEST_PROBE: Duration = Duration::from_secs(5);

/// Run analysis templates to their end, and say whether they pass
///
/// What a pipeline calls after a deploy. Exits with 0 when they passed, 1 when they failed, 2 when
/// the input is wrong, and 3 when they could not decide.
#[derive(Debug, clap::Args)]
pub(super) struct Gate {
    #[command(flatten)]
    analysis: Analysis,
    /// Begin now, or as if it had been this instant (RFC 3339): then nothing is waited for
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = instant)]
    at: At,
    /// Write each measurement and the verdict as data, an object a line
    #[arg(long)]
    json: bool,
}

/// When an analysis begins.
#[derive(Clone, Copy, Debug)]
enum At {
    Now,
    Past(Timestamp),
}

fn instant(text: &str) -> Result<At, String> {
    match text {
        "now" => Ok(At::Now),
        text => match text.parse() {
            Ok(at) => Ok(At::Past(at)),
            Err(_) => Err("now, or an instant such as 2026-10-01T12:00:00Z".to_owned()),
        },
    }
}

impl Gate {
    pub(super) fn run(&self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let mut ready = self.analysis.ready(io)?;
        match self.at {
            At::Past(_) => {
                has_history(&ready)?;
                judged::end(&mut ready.plan, io)?;
            }
            At::Now => judged::tell_endless(&ready.plan, io)?,
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::undecided(format!("no runtime: {error}")))?;
        runtime.block_on(self.measure(ready, io))
    }

    async fn measure(&self, ready: Ready, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let mut run = AnalysisRun::new(ready.plan).named(format!("gate-{}", std::process::id()));
        for (name, provider) in ready.providers {
            run = run.provider(name, provider);
        }
        if let At::Past(at) = self.at {
            run = run.at(at);
        } else {
            advise(&run, io).await?;
        }
        let mut board = Board::new(self.json);
        while !run.state().phase.is_final() {
            board.show(&run, io)?;
            let interrupted = tokio::select! {
                () = run.step() => false,
                Ok(()) = tokio::signal::ctrl_c() => true,
            };
            if interrupted {
                run.stop().await;
                board.clear(io)?;
                return Err(Failure::undecided("interrupted before there was a verdict"));
            }
            board.measured(&run, io)?;
        }
        run.stop().await;
        let evidence = run.evidence().await;
        board.end(&run, &evidence, io)?;
        io.out.flush()?;
        Ok(exit(run.state()))
    }
}

/// Says what would not be there to measure; a server that is slow to tell is not waited for.
async fn advise(run: &AnalysisRun, io: &mut Io<'_>) -> Result<(), Failure> {
    let probed = tokio::time::timeout(LONGEST_PROBE, run.probe()).await;
    for one in probed.unwrap_or_default() {
        diagnostics::unmeasurable(&mut io.err, &one)?;
    }
    io.err.flush()?;
    Ok(())
}

/// The exit code of a run that has ended.
pub(super) fn exit(state: &RunState) -> Exit {
    match state.phase {
        AnalysisPhase::Successful => Exit::Good,
        AnalysisPhase::Failed => Exit::Bad,
        _ => Exit::Undecided,
    }
}

/// A provider without history cannot say what it would have answered then.
fn has_history(ready: &Ready) -> Result<(), Failure> {
    let without = ready.plan.metrics.iter().find(|metric| {
        let provider = ready.providers.get(&metric.provider);
        !provider
            .map(Arc::as_ref)
            .is_some_and(|provider| provider.has_history())
    });
    match without {
        None => Ok(()),
        Some(metric) => {
            let (name, provider) = (&metric.name, &metric.provider);
            let text = format!("{name} is measured by {provider}, which has no history");
            Err(Failure::input(text).help("leave --at out, or name other templates"))
        }
    }
}
