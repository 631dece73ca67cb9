//! The command line, as a function: the binary `gradatim` is nothing but a call of [`main`].
//!
//! Data goes to standard output; progress, warnings and what went wrong go to standard error.
//! The exit code says how it ended: see [`Exit`].
//!
//! ```
//! use gradatim::cli::{Exit, Io, run};
//!
//! let manifest = b"
//! apiVersion: argoproj.io/v1alpha1
//! kind: Rollout
//! metadata: {name: shop}
//! spec:
//!   strategy:
//!     canary:
//!       steps: [{setWeight: 101}]
//! ";
//! let (mut input, mut out, mut err) = (&manifest[..], Vec::new(), Vec::new());
//! let mut io = Io::plain(&mut input, &mut out, &mut err);
//! assert_eq!(run(["gradatim", "explain", "-"], &mut io), Exit::WrongInput);
//! assert!(String::from_utf8(err).unwrap().contains("setWeight is 0 to 100"));
//! ```

mod backends;
mod backtest;
mod desk;
mod diagnostics;
mod explain;
mod failure;
mod gate;
mod input;
mod io;
mod judged;
mod keys;
mod leave;
mod look;
mod order;
mod reading;
mod replay;
mod run;
mod simulate;
mod status;
mod store;
mod svg;
mod table;
mod text;
mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gradatim_core::order::OrderKind;

use self::failure::Failure;
pub use self::io::{Io, Output};
pub use self::look::Look;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, and the verdict is good.
    Good,
    /// 1: done, and the verdict is bad.
    Bad,
    /// 2: the input is wrong; nothing was run.
    WrongInput,
    /// 3: no verdict: something else went wrong, or there was nothing to decide by.
    Undecided,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Good => 0,
            Exit::Bad => 1,
            Exit::WrongInput => 2,
            Exit::Undecided => 3,
        })
    }
}

/// Progressive delivery: see what a rollout will do, and steer one that is running.
#[derive(Debug, Parser)]
#[command(name = "gradatim", version, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 good, 1 the bad verdict, 2 wrong input, 3 undecided.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Explain(explain::Explain),
    Gate(gate::Gate),
    Backtest(Box<backtest::Backtest>),
    Simulate(simulate::Simulate),
    Replay(replay::Replay),
    Run(Box<run::Run>),
    Status(status::Status),
    Watch(watch::Watch),
    Promote(order::Promote),
    /// Take the traffic back
    Abort(order::Order),
    /// Try the version that was taken back again, from the first step
    Retry(order::Order),
    /// Hold the rollout where it is
    Pause(order::Order),
    /// End a hold
    Resume(order::Order),
    /// Skip the current step
    SkipStep(order::Order),
    /// Replace every pod, a few at a time
    Restart(order::Order),
    Undo(order::Undo),
}

impl Command {
    fn run(&self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        match self {
            Self::Explain(command) => command.run(io),
            Self::Gate(command) => command.run(io),
            Self::Backtest(command) => command.run(io),
            Self::Simulate(command) => command.run(io),
            Self::Replay(command) => command.run(io),
            Self::Run(command) => command.run(io),
            Self::Status(command) => command.run(io),
            Self::Watch(command) => command.run(io),
            Self::Promote(command) => command.run(io),
            Self::Abort(command) => command.run(OrderKind::Abort, io),
            Self::Retry(command) => command.run(OrderKind::Retry, io),
            Self::Pause(command) => command.run(OrderKind::Pause, io),
            Self::Resume(command) => command.run(OrderKind::Resume, io),
            Self::SkipStep(command) => command.run(OrderKind::SkipStep, io),
            Self::Restart(command) => command.run(OrderKind::Restart, io),
            Self::Undo(command) => command.run(io),
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let (mut input, mut out, mut err) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let (out_look, err_look) = (Look::of(&out), Look::of(&err));
    let mut io = Io {
        input: &mut input,
        out: Output::new(&mut out, out_look),
        err: Output::new(&mut err, err_look),
    };
    run(std::env::args_os(), &mut io).into()
}

/// Runs a command line; the first argument is the program's name.
///
/// Whatever goes wrong is said on `io.err`. A reader that closes its end of a pipe is no error:
/// what is written after that is lost, and the exit code stays the verdict's.
pub fn run<A>(arguments: A, io: &mut Io<'_>) -> Exit
where
    A: IntoIterator,
    A::Item: Into<OsString> + Clone,
{
    let exit = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command.run(io),
        Err(error) => usage(&error, io),
    };
    let exit = exit.and_then(|exit| {
        io.out.flush()?;
        io.err.flush()?;
        Ok(exit)
    });
    exit.unwrap_or_else(|failure| failure.tell(&mut io.err))
}

fn usage(error: &clap::Error, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let text = error.render();
    let (output, exit) = match error.use_stderr() {
        true => (&mut io.err, Exit::WrongInput),
        false => (&mut io.out, Exit::Good),
    };
    match output.look().color {
        true => write!(output, "{}", text.ansi())?,
        false => write!(output, "{text}")?,
    }
    output.flush()?;
    Ok(exit)
}

#[cfg(test)]
mod tests;
