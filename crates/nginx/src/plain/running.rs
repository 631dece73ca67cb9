//! Which file NGINX has loaded, as it says itself.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use serde::Deserialize;

use super::record::Record;

const LOOK: Duration = Duration::from_millis(3);
/// How long the answers must agree where the workers cannot be told apart: NGINX lets old and
/// new ones accept side by side for a tenth of a second.
const QUIET: Duration = Duration::from_millis(300);

/// An answer of the probe.
#[derive(Debug)]
pub(super) struct Running {
    worker: u32,
    pub(super) loaded: Loaded,
}

#[derive(Debug, Deserialize)]
pub(super) struct Loaded {
    /// Of the file's text.
    pub(super) digest: String,
    pub(super) record: Record,
}

#[derive(Debug)]
pub(super) struct Probe {
    pub(super) address: SocketAddr,
    pub(super) name: String,
    pub(super) patience: Duration,
}

impl Probe {
    /// Asks on a new connection.
    pub(super) fn ask(&self) -> Result<Running, PortError> {
        let unreachable = |error: std::io::Error| {
            let text = format!(
                "NGINX does not answer at {self}: is it running, and has it loaded the file?"
            );
            PortError::new(FaultKind::Unreachable, text).caused_by(error)
        };
        let answer = self.get().map_err(unreachable)?;
        self.read(&answer).ok_or_else(|| {
            let text = format!(
                "what answers at {self} is not NGINX with the file of {}",
                self.name
            );
            PortError::new(FaultKind::Malformed, text)
        })
    }

    fn get(&self) -> std::io::Result<String> {
        let limit = self.patience.min(Duration::from_secs(1));
        let mut stream = TcpStream::connect_timeout(&self.address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let (name, host) = (&self.name, self.address);
        let request = format!("GET /gradatim/{name} HTTP/1.0\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.take(64 * 1024).read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn read(&self, answer: &str) -> Option<Running> {
        let (_, body) = answer.split_once("\r\n\r\n")?;
        let (worker, json) = body.trim().split_once(' ')?;
        Some(Running {
            worker: worker.parse().ok()?,
            loaded: serde_json::from_str(json).ok()?,
        })
    }

    /// The workers that accept connections now; none where that cannot be told.
    pub(super) fn accepting(&self) -> Option<BTreeSet<u32>> {
        workers_beside(self.ask().ok()?.worker)
    }

    /// Waits until a file of this digest is loaded and none of the old workers accepts any more.
    pub(super) fn confirm(
        &self,
        digest: &str,
        old: Option<&BTreeSet<u32>>,
    ) -> Result<(), PortError> {
        let began = Instant::now();
        let mut agreed: Option<Instant> = None;
        loop {
            let answer = self.ask();
            let is_new = answer.as_ref().is_ok_and(|it| it.loaded.digest == digest);
            if is_new {
                let since = *agreed.get_or_insert_with(Instant::now);
                let workers = answer.ok().and_then(|it| workers_beside(it.worker));
                let is_over = match (old, workers) {
                    (Some(old), Some(now)) => old.is_disjoint(&now),
                    _ => since.elapsed() >= QUIET,
                };
                if is_over {
                    return Ok(());
                }
            } else {
                agreed = None;
            }
            if began.elapsed() >= self.patience {
                let text = format!(
                    "NGINX has not loaded the file within {:?}: its error log says why",
                    self.patience
                );
                return Err(PortError::new(FaultKind::Timeout, text));
            }
            sleep(LOOK);
        }
    }
}

impl std::fmt::Display for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}/gradatim/{}", self.address, self.name)
    }
}

/// The workers of this one's master that accept connections, as Linux shows them.
fn workers_beside(worker: u32) -> Option<BTreeSet<u32>> {
    let master = parent(worker)?;
    let mut workers = BTreeSet::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|it| it.parse().ok()) else {
            continue;
        };
        if parent(pid) == Some(master) && is_accepting(pid) {
            workers.insert(pid);
        }
    }
    workers.contains(&worker).then_some(workers)
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, whatever stands in it.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

fn is_accepting(pid: u32) -> bool {
    let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    title.starts_with("nginx: worker process") && !title.contains("shutting down")
}
