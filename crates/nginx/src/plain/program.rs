//! The program `nginx`: found, asked whether it takes the configuration, told to load it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gradatim_core::fault::{FaultKind, Retry};
use gradatim_core::port::PortError;

use super::config::{Config, ConfigError};

/// Where it is looked for besides `PATH`.
const PLACES: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"];
const LOOK: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<std::ffi::OsString>,
    patience: Duration,
}

impl Program {
    pub(super) fn of(config: &Config) -> Result<Self, ConfigError> {
        let path = match &config.program {
            Some(path) => find(path),
            None => find(Path::new("nginx")),
        };
        let path = match path {
            Some(path) => path,
            None => {
                let wanted = config.program.clone().unwrap_or_else(|| "nginx".into());
                return Err(ConfigError::Program(wanted.display().to_string()));
            }
        };
        Ok(Self {
            path,
            arguments: config.arguments.clone(),
            patience: config.patience,
        })
    }

    /// Whether NGINX takes the configuration as it stands.
    pub(super) fn test(&self) -> Result<(), PortError> {
        self.call(&["-t", "-q"]).map_err(|words| {
            wrong(
                FaultKind::Invalid,
                "NGINX refuses its configuration",
                &words,
            )
        })
    }

    /// Asks NGINX to load its configuration.
    pub(super) fn reload(&self) -> Result<(), PortError> {
        self.call(&["-s", "reload"]).map_err(|words| {
            let what = "NGINX cannot be reloaded, is it running?";
            wrong(FaultKind::Unreachable, what, &words)
        })
    }

    /// Runs it; an error is what it said.
    fn call(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("{}: {error}", self.path.display()))?;
        let began = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if began.elapsed() < self.patience => sleep(LOOK),
                Ok(None) => {
                    // It may have ended just now.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("no end within {:?}", self.patience));
                }
                Err(error) => return Err(error.to_string()),
            }
        };
        if status.success() {
            return Ok(());
        }
        let mut words = String::new();
        // What cannot be read is not said; the status says that it failed.
        let _ = child
            .stderr
            .take()
            .map(|mut it| it.read_to_string(&mut words));
        Err(words)
    }
}

/// Where a program is: a path is itself, a name is looked for on `PATH` and in the `sbin` folders.
pub fn find(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(PLACES.map(PathBuf::from));
    places.map(|dir| dir.join(program)).find(|it| it.is_file())
}

fn wrong(kind: FaultKind, what: &str, words: &str) -> PortError {
    let lines = words
        .lines()
        .filter(|line| line.contains("[emerg]") || line.contains("[error]"));
    let first = lines.chain(words.lines()).find(|line| !line.is_empty());
    let first = first.unwrap_or("it says nothing");
    // What comes before is the time.
    let first = first.find('[').map_or(first, |at| &first[at..]);
    let mut error = PortError::new(kind, format!("{what}: {first}"));
    // Another part of its configuration may be in the middle of an edit.
    error.retry = Retry::Soon;
    error
}
