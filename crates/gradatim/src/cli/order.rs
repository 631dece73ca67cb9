//! Orders to whoever drives a rollout in a file store.

use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use gradatim_core::decision::Summary;
use gradatim_core::go_duration;
use gradatim_core::id::RevisionId;
use gradatim_core::order::{Acknowledgement, Expects, OrderKind};
use gradatim_core::port::{MailboxOrder, Store};
use gradatim_driver::store::{FileRollout, Published};

use super::failure::Failure;
use super::look::Tone;
use super::store::{self, StoreArgument, unreadable};
use super::text::{clean, short};
use super::{Exit, Io};

/// How often the mailbox is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long the driver may take to publish what an order has changed.
const PUBLISHING: Duration = Duration::from_millis(500);

/// What every order has.
#[derive(Debug, clap::Args)]
pub(super) struct Order {
    /// The rollout
    #[arg(value_name = "ROLLOUT")]
    name: String,
    #[command(flatten)]
    store: StoreArgument,
    /// How long to wait for an answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = go_duration::parse_non_negative)]
    timeout: Duration,
}

/// Go on: end the pause, or skip the step that is running
#[derive(Debug, clap::Args)]
pub(super) struct Promote {
    #[command(flatten)]
    order: Order,
    /// Skip every step, analysis and gate that is left
    #[arg(long)]
    full: bool,
}

/// Go back to the revision before the newest, or to the one that is named
#[derive(Debug, clap::Args)]
pub(super) struct Undo {
    #[command(flatten)]
    order: Order,
    /// The revision to go back to
    #[arg(value_name = "REVISION")]
    revision: Option<String>,
}

impl Promote {
    pub(super) fn run(&self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let kind = if self.full {
            OrderKind::PromoteFull
        } else {
            OrderKind::Promote
        };
        self.order.run(kind, io)
    }
}

impl Undo {
    pub(super) fn run(&self, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let revision = self.revision.as_deref().map(RevisionId::from);
        self.order.run(OrderKind::Undo(revision), io)
    }
}

impl Order {
    /// Leaves the order, waits for its answer, and says what became of it.
    pub(super) fn run(&self, kind: OrderKind, io: &mut Io<'_>) -> Result<Exit, Failure> {
        let rollout = self.store.rollout(&self.name)?;
        let before = rollout.published().map_err(unreadable)?;
        let expects = expects(&kind, before.as_ref().map(|it| &it.summary));
        let order = MailboxOrder {
            kind: kind.clone(),
            expects,
            by: operator(),
        };
        let sequence = blocking(rollout.leave(&order))?.map_err(unreadable)?;
        match self.answer(&rollout, sequence)? {
            None => self.unanswered(&rollout, &kind),
            Some(Acknowledgement {
                refused: Some(why), ..
            }) => {
                let look = io.err.look();
                let head = look.paint(Tone::Bad, "refused:");
                writeln!(
                    io.err,
                    "{head} {} of {}: {}",
                    kind,
                    clean(&self.name),
                    clean(&why)
                )?;
                io.err.flush()?;
                Ok(Exit::Bad)
            }
            Some(_) => {
                let look = io.err.look();
                let head = look.paint(Tone::Good, "done:");
                writeln!(io.err, "{head} {} of {}", kind, clean(&self.name))?;
                io.err.flush()?;
                self.show(&rollout, before.as_ref(), io)
            }
        }
    }

    fn answer(
        &self,
        rollout: &FileRollout,
        sequence: u64,
    ) -> Result<Option<Acknowledgement>, Failure> {
        let began = Instant::now();
        loop {
            let answer = rollout.answer(sequence).map_err(unreadable)?;
            if answer.is_some() || began.elapsed() >= self.timeout {
                return Ok(answer);
            }
            sleep(LOOK.min(self.timeout));
        }
    }

    fn unanswered(&self, rollout: &FileRollout, kind: &OrderKind) -> Result<Exit, Failure> {
        let name = clean(&self.name);
        let waited = short(self.timeout);
        let (why, next) = match rollout.is_driven().map_err(unreadable)? {
            true => (
                format!("its driver is alive and has not answered within {waited}"),
                "it is taken up as soon as the driver can",
            ),
            false => (
                "no driver is alive, and nothing has changed".to_owned(),
                "start the driver again: it takes the order up first",
            ),
        };
        let failure = Failure::undecided(format!("{kind} of {name}: {why}"));
        Err(failure.help(format!(
            "{next}; until then the order stays in the mailbox, for what was seen here and nothing \
             newer"
        )))
    }

    /// Shows where it stands, once the order shows there.
    fn show(
        &self,
        rollout: &FileRollout,
        before: Option<&Published>,
        io: &mut Io<'_>,
    ) -> Result<Exit, Failure> {
        let began = Instant::now();
        loop {
            let seen = store::one(rollout).map_err(unreadable)?;
            let changed = seen.as_ref().map(|seen| &seen.published) != before;
            if changed || began.elapsed() >= PUBLISHING {
                let all: Vec<_> = seen.into_iter().collect();
                store::table(&all, store::now()).write(&mut io.out)?;
                return Ok(Exit::Good);
            }
            sleep(LOOK);
        }
    }
}

/// What the operator sees now is what the order is meant for: it must not hit what comes later.
pub(super) fn expects(kind: &OrderKind, seen: Option<&Summary>) -> Expects {
    let Some(summary) = seen else {
        return Expects::default();
    };
    let revision = summary.latest.clone();
    let attempt = Some(summary.attempt);
    match kind {
        OrderKind::Promote | OrderKind::SkipStep => Expects {
            revision,
            attempt,
            step: Some(summary.step),
        },
        OrderKind::PromoteFull | OrderKind::Retry => Expects {
            revision,
            attempt,
            step: None,
        },
        _ => Expects {
            revision,
            attempt: None,
            step: None,
        },
    }
}

/// Who gives an order, for those who read of it.
pub(super) fn operator() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|name| !name.is_empty());
    set("USER").or_else(|| set("LOGNAME"))
}

pub(super) fn blocking<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::undecided(format!("no runtime: {error}")))?;
    Ok(runtime.block_on(work))
}
