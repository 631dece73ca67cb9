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

    /// Whether its configuration reads a file; none where NGINX does not say what it reads.
    pub(super) fn includes(&self, file: &Path) -> Option<bool> {
        const HEAD: &str = "# configuration file ";
        let mut command = self.command(&["-T", "-q"]);
        let told = command.stdout(Stdio::piped()).output().ok()?;
        let told = String::from_utf8_lossy(&told.stdout);
        let heads = told.lines().filter_map(|line| line.strip_prefix(HEAD));
        let mut read = heads
            .map(|head| Path::new(head.trim_end_matches(':')))
            .peekable();
        read.peek()?;
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let file = real(file);
        Some(read.any(|one| real(one) == file))
    }

    /// What a person types for that.
    pub(super) fn line(&self, arguments: &str) -> String {
        let ours = self.arguments.iter().map(|it| it.to_string_lossy());
        let all = ours.chain([arguments.into()]).filter(|it| !it.is_empty());
        let all: Vec<_> = all.collect();
        format!("{} {}", self.path.display(), all.join(" "))
            .trim_end()
            .to_owned()
    }

    /// Asks NGINX to load its configuration.
    pub(super) fn reload(&self) -> Result<(), PortError> {
        self.call(&["-s", "reload"]).map_err(|words| {
            let start = self.line("");
            let what = format!("NGINX cannot be reloaded, is it running? ({start} starts it)");
            wrong(FaultKind::Unreachable, &what, &words)
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Runs it; an error is what it said.
    fn call(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = self.command(arguments);
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
    const GRAVE: [&str; 4] = ["[emerg]", "[alert]", "[crit]", "[error]"];
    let is_grave = |line: &&str| GRAVE.iter().any(|grave| line.contains(grave));
    let lines = words.lines().filter(is_grave);
    let first = lines.chain(words.lines()).find(|line| !line.is_empty());
    let first = first.map_or("it says nothing".to_owned(), without_process);
    let mut error = PortError::new(kind, format!("{what}: {first}"));
    // Another part of its configuration may be in the middle of an edit.
    error.retry = Retry::Soon;
    error
}

/// A line of NGINX without the time before it and the process that says it, which differs from one
/// try to the next.
fn without_process(line: &str) -> String {
    let line = line.find('[').map_or(line, |at| &line[at..]);
    let Some((level, rest)) = line.split_once("] ") else {
        return line.to_owned();
    };
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '#');
    match rest.split_once(": ") {
        Some((process, words)) if is_number(process) => format!("{level}] {words}"),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nginx_says_first_of_what_is_grave_is_told_the_same_at_each_try() {
        let words = "2026/11/25 19:39:40 [notice] 14632#14632: signal process started\n\
                     2026/11/25 19:39:40 [alert] 14632#14632: kill(14379, 1) failed (3: No such \
                     process)\n";
        let error = wrong(FaultKind::Unreachable, "no", words);
        assert_eq!(
            error.text,
            "no: [alert] kill(14379, 1) failed (3: No such process)"
        );
        for (words, told) in [
            (
                "nginx: [emerg] unknown directive \"x\" in a:1",
                "[emerg] unknown directive \"x\" in a:1",
            ),
            ("", "it says nothing"),
            ("no end within 4s", "no end within 4s"),
            ("[emerg] 1: x", "[emerg] x"),
            ("a [b", "[b"),
        ] {
            let error = wrong(FaultKind::Invalid, "no", words);
            assert_eq!(error.text, format!("no: {told}"));
        }
    }
}
