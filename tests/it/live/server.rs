//! A server process: found, started, waited for, stopped.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::manifests::repository;
use crate::signal::signal;

/// How long a server may take until it answers; machines are shared.
const LONGEST_START: Duration = Duration::from_secs(60);

/// A running server; dropped, it is killed.
pub(super) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program that writes into `dir`.
    pub(super) fn start(program: &Path, arguments: &[String], dir: &Path) -> Self {
        Self::start_with(program, arguments, &[], dir)
    }

    /// The same with more in its environment.
    pub(super) fn start_with(
        program: &Path,
        arguments: &[String],
        environment: &[(&str, &str)],
        dir: &Path,
    ) -> Self {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let log = dir.join(format!("{name}.log"));
        let out = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Self { child, log }
    }

    /// Waits until an address answers with success.
    pub(super) async fn ready(&mut self, address: &str) {
        let began = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended with {status}: {}", self.log());
            }
            if is_success(address).await {
                return;
            }
            let waited = began.elapsed();
            assert!(
                waited < LONGEST_START,
                "{address} is not ready: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills it at once, as a machine that fails does.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal by its name, such as `STOP`.
    pub(super) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn is_success(address: &str) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let rest = address.trim_start_matches("http://");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let Ok(mut stream) = tokio::net::TcpStream::connect(host).await else {
        return false;
    };
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    // Its first words are enough: not every server closes what it was asked to close.
    let (mut answer, mut buffer) = (Vec::new(), [0; 512]);
    while answer.len() < "HTTP/1.1 200 ".len() {
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => answer.extend_from_slice(&buffer[..count]),
            _ => return false,
        }
    }
    String::from_utf8_lossy(&answer).split(' ').nth(1) == Some("200")
}

/// A port that nobody listens on.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Where a program is; none when it is missing, which is said aloud, or fails where live servers
/// are required.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/bin"].map(PathBuf::from);
    let cache = std::env::var_os("GRADATIM_LIVE_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/gradatim-live"));
    let built = cache.or(home).map(|cache| cache.join("bin"));
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let places = std::env::split_paths(&places).chain(more);
    let mut places = assets.into_iter().chain(built).chain(places);
    let found = places.find_map(|dir| Some(dir.join(program)).filter(|path| path.is_file()));
    if found.is_none() {
        let required = std::env::var_os("GRADATIM_LIVE").is_some_and(|it| it == "required");
        assert!(!required, "{program} is missing and GRADATIM_LIVE=required");
        // The harness hides what a passing test prints, but not what goes past its macros.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no {program} on this machine");
    }
    found
}

/// A program of the examples, built with these features.
pub(super) fn example(name: &str, features: &str) -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--package", "gradatim-examples"])
        .args(["--example", name, "--features", features])
        .args(["--message-format", "json"])
        .current_dir(repository())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    let lines = String::from_utf8(built.stdout).unwrap();
    let mut artifacts = lines.lines().filter_map(|line| {
        let artifact: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(artifact["executable"].as_str()?))
    });
    let program = artifacts.next_back();
    program.unwrap_or_else(|| panic!("cargo names no program: {said}"))
}
