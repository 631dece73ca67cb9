//! How a release has ended, what follows from that, and what one can do.

use std::io::{self, Write};

use gradatim_driver::{Outcome, Status};

use crate::cli::look::Tone;
use crate::cli::text::{clean, percent};
use crate::cli::{Exit, Io, diagnostics};

/// What is said last.
pub(super) struct Ending {
    exit: Exit,
    tone: Tone,
    head: &'static str,
    text: String,
    /// What one can do next.
    next: String,
}

/// How the program was called, for those who are to call it again.
pub(super) struct Call<'a> {
    /// What one types behind an order: the rollout, and the store where it is not the default.
    pub(super) target: &'a str,
    /// The file that says which servers are which version.
    pub(super) servers: &'a str,
}

impl Ending {
    pub(super) fn of(outcome: &Outcome, status: &Status, call: &Call<'_>) -> Self {
        let Call { target, servers } = call;
        match outcome {
            Outcome::Promoted { revision } => Self {
                exit: Exit::Good,
                tone: Tone::Good,
                head: "promoted:",
                text: format!("{revision} serves everyone"),
                next: format!("before the next release write stable: {revision} into {servers}"),
            },
            Outcome::RolledBack { revision, why } => Self {
                exit: Exit::Bad,
                tone: Tone::Bad,
                head: "rolled back:",
                text: format!(
                    "{revision}: {why}; {} serves everyone again",
                    stable(status)
                ),
                next: format!(
                    "release a better version under another name; to try {revision} again: \
                     gradatim retry {target}, then the same command"
                ),
            },
            Outcome::Lost { why } => Self {
                exit: Exit::Undecided,
                tone: Tone::Bad,
                head: "lost:",
                text: why.clone(),
                next: format!("it goes on there: gradatim watch {target}"),
            },
            Outcome::Stopped => Self::left("left:", status, target),
            _ => Self::left("broken, please report it; left:", status, target),
        }
    }

    fn left(head: &'static str, status: &Status, target: &str) -> Self {
        let summary = &status.decision.summary;
        let new = summary
            .latest
            .as_ref()
            .map_or("the new version", |it| it.as_str());
        let total = f64::from(summary.total.max(1));
        let text = match summary.weight_seen {
            Some(0) => format!("{new} has no traffic, and nobody goes on with it now"),
            Some(seen) => format!(
                "{new} keeps its {} of all requests, and nobody judges it now",
                percent(f64::from(seen) / total)
            ),
            None => "the split stays as it is, and nobody judges the new version now".to_owned(),
        };
        Self {
            exit: Exit::Undecided,
            tone: Tone::Waiting,
            head,
            text,
            next: format!(
                "the same command goes on from here; after gradatim abort {target} it takes the \
                 traffic back instead"
            ),
        }
    }

    /// The last line, and to whom it may help what to do.
    pub(super) fn tell(&self, io: &mut Io<'_>) -> io::Result<Exit> {
        let head = io.out.look().paint(self.tone, self.head).into_owned();
        writeln!(io.out, "{head} {}", clean(&self.text))?;
        io.out.flush()?;
        diagnostics::note(&mut io.err, &clean(&self.next))?;
        io.err.flush()?;
        Ok(self.exit)
    }
}

fn stable(status: &Status) -> &str {
    let stable = status.decision.summary.stable.as_ref();
    stable.map_or("stable", |it| it.as_str())
}
