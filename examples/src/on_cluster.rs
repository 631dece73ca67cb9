//! What the programs on a cluster share: arguments, a line for whatever is new, orders, an end.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use futures::future::LocalBoxFuture;
use gradatim::driver::Status;
use gradatim::kubernetes::store::KubeStore;
use gradatim::order::OrderKind;
use gradatim::spec::Manifests;
use gradatim::yaml::Diagnostic;
use gradatim::{Driver, Outcome, Release, yaml};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::watch;

/// What a program was told.
pub struct Asked {
    /// The manifests of the file.
    pub manifests: Manifests,
    /// Where the Rollout is. Default `default`.
    pub namespace: String,
    /// The addresses after `--istiod`.
    pub istiod: Vec<String>,
}

/// Arguments or a file that make no sense.
#[derive(Debug)]
pub struct WrongInput(pub String);

impl std::fmt::Display for WrongInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; see --help", self.0)
    }
}

impl Error for WrongInput {}

/// A rollout under way.
pub struct Delivery {
    /// What drives it.
    pub driver: Driver,
    /// A handle on it.
    pub release: Release,
    /// Where its state is kept.
    pub store: KubeStore,
    /// The driver's name in that store.
    pub holder: String,
}

/// A rollout under way, or why there is none.
pub type Started = Result<Delivery, Box<dyn Error>>;

/// A name that no other driver has: of the pod, or of the machine, and of the process.
pub fn holder() -> String {
    let machine = std::env::var("HOSTNAME").unwrap_or_else(|_| "here".to_owned());
    format!("{machine}-{}", std::process::id())
}

/// A whole program: reads its arguments, starts a rollout, tells how it goes until it ends.
pub async fn run(
    help: &str,
    start: impl FnOnce(Asked) -> LocalBoxFuture<'static, Started>,
) -> ExitCode {
    let ended = match read(std::env::args().skip(1)) {
        Ok(None) => {
            say(help);
            return ExitCode::SUCCESS;
        }
        Ok(Some(asked)) => match start(asked).await {
            Ok(delivery) => follow(delivery).await,
            Err(error) => Err(error),
        },
        Err(wrong) => Err(wrong.into()),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("{error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            eprintln!("  {error}");
            cause = error.source();
        }
        ExitCode::from(if error.is::<WrongInput>() { 2 } else { 3 })
    })
}

fn read(mut args: impl Iterator<Item = String>) -> Result<Option<Asked>, WrongInput> {
    let (mut file, mut namespace, mut istiod) = (None, "default".to_owned(), Vec::new());
    while let Some(arg) = args.next() {
        let mut value = || {
            args.next()
                .ok_or_else(|| WrongInput(format!("{arg} needs a value")))
        };
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--namespace" | "-n" => namespace = value()?,
            "--istiod" => istiod.push(value()?),
            _ if arg.starts_with('-') => {
                return Err(WrongInput(format!("unknown argument {arg:?}")));
            }
            _ if file.is_some() => return Err(WrongInput(format!("one FILE, not {arg:?} too"))),
            _ => file = Some(arg),
        }
    }
    let file = file.ok_or_else(|| WrongInput("a FILE is needed".to_owned()))?;
    let text =
        std::fs::read_to_string(&file).map_err(|error| WrongInput(format!("{file}: {error}")))?;
    let manifests = yaml::read(&[(file.as_str(), text.as_str())]).into_result();
    let manifests = manifests.map_err(|wrong| {
        let line = |one: &Diagnostic| match &one.position {
            Some(at) => format!("{}:{}:{}: {}", at.file, at.line, at.column, one.message),
            None => one.message.clone(),
        };
        WrongInput(wrong.iter().map(line).collect::<Vec<_>>().join("\n"))
    })?;
    match manifests.rollouts.len() {
        1 => Ok(Some(Asked {
            manifests,
            namespace,
            istiod,
        })),
        number => Err(WrongInput(format!(
            "{file}: {number} Rollouts, where one is meant"
        ))),
    }
}

/// Until it ends, or Ctrl-C: then everything stays as it is, and the next start goes on.
async fn follow(delivery: Delivery) -> Result<ExitCode, Box<dyn Error>> {
    let release = &delivery.release;
    let shown = tokio::spawn(show(release.watch()));
    let obeying = tokio::spawn(obey(release.clone()));
    let outcome = tokio::select! {
        outcome = release.outcome() => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
    };
    obeying.abort();
    delivery.driver.shut_down().await;
    let _ = shown.await;
    // Whoever comes next need not wait until this one counts as gone.
    delivery.store.retire(&delivery.holder).await?;
    let (line, code) = match outcome {
        Some(Outcome::Promoted { revision }) => (format!("{revision} serves everyone"), 0),
        Some(Outcome::RolledBack { revision, why }) => {
            (format!("{revision} was taken back: {why}"), 1)
        }
        Some(other) => (format!("undecided: {other:?}"), 3),
        None => (
            "stopped; started again it goes on from here".to_owned(),
            130,
        ),
    };
    say(&line);
    Ok(ExitCode::from(code))
}

async fn show(mut status: watch::Receiver<Status>) {
    let mut last = String::new();
    loop {
        let decision = Arc::clone(&status.borrow_and_update().decision);
        let summary = &decision.summary;
        let weight = summary
            .weight_seen
            .map_or_else(|| "?".to_owned(), |weight| weight.to_string());
        let line = format!(
            "step {} of {}, {weight} of {} to the new version: {}",
            summary.step, summary.steps, summary.total, decision.waiting.reason
        );
        if line != last {
            say(&line);
            last = line;
        }
        if status.changed().await.is_err() {
            return;
        }
    }
}

/// `promote` and `abort`, typed while it runs.
async fn obey(release: Release) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let order = match line.trim() {
            "promote" => OrderKind::Promote,
            "abort" => OrderKind::Abort,
            "" => continue,
            other => {
                eprintln!("{other:?} is no order: promote or abort");
                continue;
            }
        };
        if let Err(error) = release.order(order).await {
            eprintln!("{error}");
        }
    }
}

/// Standard output; whoever has closed the pipe has read enough.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
