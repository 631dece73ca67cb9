use std::io::{self, Write};

use super::look::Tone;
use super::{Exit, Output, diagnostics, text};

/// Why a command could not do its work.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    /// What to say; nothing where it has been said.
    message: Option<String>,
    help: Option<String>,
}

impl Failure {
    /// The input is wrong.
    pub(super) fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::WrongInput, message)
    }

    /// Something else went wrong.
    pub(super) fn undecided(message: impl Into<String>) -> Self {
        Self::new(Exit::Undecided, message)
    }

    /// What is wrong has been said already.
    pub(super) fn told(exit: Exit) -> Self {
        Self {
            exit,
            message: None,
            help: None,
        }
    }

    /// The same with what to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what is wrong.
    pub(super) fn tell(&self, err: &mut Output<'_>) -> Exit {
        // Where standard error cannot be written, there is nobody left to tell.
        let _ = self.write(err);
        self.exit
    }

    fn write(&self, err: &mut Output<'_>) -> io::Result<()> {
        let look = err.look();
        if let Some(message) = &self.message {
            let mut head = look.paint(Tone::Bad, "error:").into_owned();
            for line in text::wrap(&text::clean(message), look.width - 7) {
                writeln!(err, "{head} {line}")?;
                head = " ".repeat(6);
            }
        }
        if let Some(help) = &self.help {
            diagnostics::note(err, &text::clean(help))?;
        }
        err.flush()
    }

    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: Some(message.into()),
            help: None,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::undecided(format!("the output cannot be written: {error}"))
    }
}
