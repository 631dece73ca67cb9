//! `provider.command`: any program's exit code and output.

mod process;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::fault::FaultKind;
use gradatim_core::go_duration;
use gradatim_core::measurement::{Ask, MeasurementId, Outcome, Reading, WorkPhase};
use gradatim_core::port::{MetricProvider, PortError, Secret, Secrets};
use gradatim_core::registry::{PartError, ProviderTraits, SecretRef};
use gradatim_http::Part;
use serde_json::Value;

use self::process::{Ended, Process};

/// How long a command may take whose manifest does not say.
const TIMEOUT: Duration = Duration::from_secs(600);
/// How long one call waits for a command before it says that it runs on.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a running command is asked for again.
const POLL: Duration = Duration::from_secs(2);

/// What a manifest runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    program: Vec<String>,
    env: Vec<(String, String)>,
    dir: Option<String>,
    timeout: Duration,
    reads: Reads,
}

/// What of a command is the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// Exit code 0 is success, any other failure.
    ExitCode,
    /// The JSON on its standard output, when it exits with 0.
    Json,
}

impl Command {
    /// Reads a part: `command` (program and arguments; no shell), `env`, `dir`, `timeout` (a Go
    /// duration, default 10 min) and `result` (`exitCode`, the default, or `json`).
    ///
    /// # Errors
    /// With everything that is wrong.
    pub fn parse(value: &Value) -> Result<Self, Vec<PartError>> {
        let mut part = Part::new(value);
        let program = part.texts("command");
        if program.first().is_none_or(|name| name.trim().is_empty()) {
            part.refuse(
                "command",
                "a program and its arguments are wanted",
                "[k6, run, t.js]",
            );
        }
        let env = part.list("env", |entry| {
            let value = entry.text("value").unwrap_or_default();
            (entry.required("name"), value)
        });
        let command = Self {
            program,
            env,
            dir: part.text("dir"),
            timeout: timeout(&mut part),
            reads: reads(&mut part),
        };
        part.finish()?;
        Ok(command)
    }

    fn reading(&self, ended: Ended) -> Result<Reading, PortError> {
        match (self.reads, ended.code) {
            (Reads::Json, Some(0)) => match serde_json::from_str(ended.stdout.trim()) {
                Ok(json) => Ok(Reading::Json(json)),
                Err(error) => {
                    let text = format!("{} prints no JSON: {error}", self.name());
                    Err(PortError::new(FaultKind::Malformed, text))
                }
            },
            (_, Some(0)) => Ok(work(WorkPhase::Successful, ended.last_line())),
            (_, Some(code)) => {
                let says = ended.last_line();
                let text = format!("{} exits with {code}: {says}", self.name());
                Ok(work(WorkPhase::Failed, text))
            }
            (_, None) => {
                let text = format!("{} was killed by a signal", self.name());
                Err(PortError::new(FaultKind::Other, text))
            }
        }
    }

    fn name(&self) -> &str {
        self.program.first().map_or("", String::as_str)
    }
}

fn work(phase: WorkPhase, text: impl Into<String>) -> Reading {
    Reading::Work {
        phase,
        text: text.into(),
    }
}

fn timeout(part: &mut Part<'_>) -> Duration {
    let Some(text) = part.text("timeout") else {
        return TIMEOUT;
    };
    let timeout = go_duration::parse_non_negative(&text).ok();
    timeout
        .filter(|timeout| !timeout.is_zero())
        .unwrap_or_else(|| {
            part.refuse("timeout", "a time above zero is wanted", "such as 5m");
            TIMEOUT
        })
}

fn reads(part: &mut Part<'_>) -> Reads {
    match part.text("result").as_deref() {
        None | Some("exitCode") => Reads::ExitCode,
        Some("json") => Reads::Json,
        Some(_) => {
            part.refuse("result", "no such result", "exitCode or json");
            Reads::ExitCode
        }
    }
}

/// How many ends of commands are remembered.
const REMEMBERED: usize = 1000;

/// Runs commands of this machine; one value serves all.
///
/// A command starts once for each measurement, in a process group of its own, which is killed as
/// a whole when its time is over, when the measurement is no longer wanted, and when this value
/// is dropped. One that was running when this process died cannot be found again: its
/// measurement is an error.
pub struct Commands {
    secrets: Arc<dyn Secrets>,
    running: Mutex<BTreeMap<MeasurementId, Arc<Running>>>,
    /// Held while a command starts, so that one asked for twice at once starts once.
    starting: tokio::sync::Mutex<()>,
    /// What has ended is not done again.
    ended: Mutex<VecDeque<(MeasurementId, Outcome)>>,
}

/// A command, with what must be struck out of its output.
struct Running {
    process: Process,
    hidden: Vec<Secret>,
}

impl Commands {
    /// A runner that gets the secrets of `env` here.
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self {
            secrets,
            running: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            ended: Mutex::default(),
        }
    }

    /// What a plan needs to know of a part.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn parse(part: &Value) -> Result<ProviderTraits, Vec<PartError>> {
        Command::parse(part).map(|_| ProviderTraits::default())
    }

    fn known(&self, id: &MeasurementId) -> Option<Arc<Running>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(id).cloned()
    }

    fn forget(&self, id: &MeasurementId) -> Option<Arc<Running>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(id)
    }

    fn end_of(&self, id: &MeasurementId) -> Option<Outcome> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let known = ended.iter().find(|(known, _)| known == id);
        known.map(|(_, outcome)| outcome.clone())
    }

    fn remember(&self, id: &MeasurementId, outcome: &Outcome) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.push_back((id.clone(), outcome.clone()));
        let more = ended.len().saturating_sub(REMEMBERED);
        ended.drain(..more);
    }

    async fn start(
        &self,
        command: &Command,
        id: &MeasurementId,
    ) -> Result<Arc<Running>, PortError> {
        let mut env = command.env.clone();
        let mut hidden = Vec::new();
        for (_, value) in &mut env {
            for reference in SecretRef::all_in(value) {
                let secret = self.secrets.get(&reference.name, &reference.key).await?;
                *value = reference.fill(value, secret.reveal());
                hidden.push(secret);
            }
        }
        let dir = command.dir.as_deref();
        let process = Process::spawn(&command.program, &env, dir, command.timeout)?;
        let started = Arc::new(Running { process, hidden });
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(id.clone(), Arc::clone(&started));
        Ok(started)
    }
}

#[async_trait]
impl MetricProvider for Commands {
    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let command =
            Command::parse(&ask.query).map_err(|errors| gradatim_http::misread(&errors))?;
        let running = {
            let _one_at_a_time = self.starting.lock().await;
            if let Some(outcome) = self.end_of(&ask.id) {
                return Ok(outcome);
            }
            match (self.known(&ask.id), &ask.handle) {
                (Some(running), _) => running,
                (None, None) => self.start(&command, &ask.id).await?,
                (None, Some(handle)) => return Err(lost(&command, handle)),
            }
        };
        let Some(ended) = running.process.wait(PATIENCE).await else {
            return Ok(Outcome::Running {
                handle: running.process.handle(),
                ask_again_at: gradatim_http::now() + POLL,
            });
        };
        let reading = ended.and_then(|ended| command.reading(ended.without(&running.hidden)));
        let outcome = reading.map(Outcome::done);
        if let Ok(outcome) = &outcome {
            self.remember(&ask.id, outcome);
        }
        self.forget(&ask.id);
        outcome
    }

    async fn terminate(&self, id: &MeasurementId, _handle: &str) -> Result<(), PortError> {
        if let Some(running) = self.forget(id) {
            running.process.kill();
        }
        Ok(())
    }
}

fn lost(command: &Command, handle: &str) -> PortError {
    let text = format!(
        "{} ({handle}) was lost: its end is not known",
        command.name()
    );
    PortError::new(FaultKind::NotFound, text)
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commands").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
