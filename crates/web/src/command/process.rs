//! A child with all of its children.

use std::process::Stdio;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use gradatim_core::fault::FaultKind;
use gradatim_core::port::{PortError, Secret};
use gradatim_http::strike;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How much of an output is kept, in bytes: its beginning.
const MOST: usize = 1024 * 1024;

/// How a command ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// Its exit code; none when a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    stderr: String,
}

impl Ended {
    /// The same with secrets struck out: a program may print its environment.
    pub(super) fn without(mut self, hidden: &[Secret]) -> Self {
        self.stdout = strike(&self.stdout, hidden);
        self.stderr = strike(&self.stderr, hidden);
        self
    }

    /// The last line that it printed, one of its errors if there is any.
    pub(super) fn last_line(&self) -> String {
        let mut lines = self.stdout.lines().chain(self.stderr.lines());
        let last = lines
            .rfind(|line| !line.trim().is_empty())
            .unwrap_or_default();
        let plain = last.chars().map(|c| if c.is_control() { ' ' } else { c });
        plain.take(160).collect::<String>().trim().to_owned()
    }
}

type Answer = Option<Result<Ended, (FaultKind, String)>>;

/// A running command: the leader of a group of its own.
#[derive(Debug)]
pub(super) struct Process {
    group: Option<Pid>,
    ended: watch::Receiver<Answer>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Process {
    pub(super) fn spawn(
        program: &[String],
        env: &[(String, String)],
        dir: Option<&str>,
        within: Duration,
    ) -> Result<Self, PortError> {
        let (name, arguments) = program.split_first().ok_or_else(nothing)?;
        let mut command = Command::new(name);
        command
            .args(arguments)
            .envs(env.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        if let Some(dir) = dir {
            command.current_dir(dir);
        }
        let child = command.spawn().map_err(|error| unstarted(name, error))?;
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (sender, ended) = watch::channel(None);
        let name = name.clone();
        let task = tokio::spawn(async move {
            let answer = timeout(within, run(child)).await.unwrap_or_else(|_| {
                kill(group);
                let text = format!("{name} has not ended within {within:?} and was killed");
                Err((FaultKind::Timeout, text))
            });
            // A child of it may have stayed behind.
            kill(group);
            let _ = sender.send(Some(answer));
        });
        Ok(Self {
            group,
            ended,
            task: Mutex::new(Some(task)),
        })
    }

    /// Its end, if that comes soon enough.
    pub(super) async fn wait(&self, patience: Duration) -> Option<Result<Ended, PortError>> {
        let mut ended = self.ended.clone();
        let answer = timeout(patience, ended.wait_for(Option::is_some))
            .await
            .ok()?;
        let answer = match answer {
            Ok(answer) => answer.clone()?,
            Err(_) => Err((FaultKind::Other, "the command was ended".to_owned())),
        };
        Some(answer.map_err(|(kind, text)| PortError::new(kind, text)))
    }

    /// What it is known by.
    pub(super) fn handle(&self) -> String {
        self.group
            .map_or_else(String::new, |pid| format!("pid {}", pid.as_raw_nonzero()))
    }

    /// Ends it with all of its children.
    pub(super) fn kill(&self) {
        if self.ended.borrow().is_none() {
            kill(self.group);
        }
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn nothing() -> PortError {
    PortError::new(FaultKind::Invalid, "there is no program to run")
}

fn unstarted(name: &str, error: std::io::Error) -> PortError {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => FaultKind::NotFound,
        std::io::ErrorKind::PermissionDenied => FaultKind::Forbidden,
        _ => FaultKind::Other,
    };
    PortError::new(kind, format!("{name} cannot be started: {error}")).caused_by(error)
}

fn kill(group: Option<Pid>) {
    if let Some(group) = group {
        // It fails where nobody of the group is left.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Reads both outputs while it runs; one that nobody reads would stop it.
async fn run(mut child: Child) -> Result<Ended, (FaultKind, String)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let read = async { tokio::join!(text(stdout), text(stderr)) };
    // A grandchild that keeps the pipes open does not keep the end from being seen.
    let (status, texts) = {
        let mut read = std::pin::pin!(read);
        tokio::select! {
            texts = &mut read => (child.wait().await, texts),
            status = child.wait() => {
                let texts = timeout(Duration::from_millis(500), read).await;
                (status, texts.unwrap_or_default())
            }
        }
    };
    let status = status.map_err(|error| (FaultKind::Other, error.to_string()))?;
    Ok(Ended {
        code: status.code(),
        stdout: texts.0,
        stderr: texts.1,
    })
}

async fn text(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else {
        return String::new();
    };
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        let room = MOST - kept.len();
        kept.extend_from_slice(buffer.get(..read.min(room)).unwrap_or_default());
    }
    String::from_utf8_lossy(&kept).into_owned()
}
