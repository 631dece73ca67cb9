//! The command line, as a user calls it.

mod bad_input;
mod explaining;
mod forecasts;
mod ordering;
mod replaying;
pub(crate) mod world;

use std::fs;
use std::path::Path;

use gradatim::cli::{Exit, Io, run};

/// How a command line ended, and what it wrote.
#[derive(Debug)]
struct Ran {
    exit: Exit,
    out: String,
    err: String,
}

/// Runs a command line in this process, with text as its standard input.
fn gradatim(arguments: &[&str], input: &[u8]) -> Ran {
    let (mut input, mut out, mut err) = (input, Vec::new(), Vec::new());
    let mut io = Io::plain(&mut input, &mut out, &mut err);
    let exit = run(std::iter::once(&"gradatim").chain(arguments), &mut io);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ran = Ran {
        exit,
        out: text(out),
        err: text(err),
    };
    let text = ran.out.lines().filter(|_| !arguments.contains(&"--json"));
    for line in text.chain(ran.err.lines()) {
        assert!(line.chars().count() <= 100, "too wide: {line}");
    }
    ran
}

/// The same on a file of this text.
fn on(command: &[&str], text: impl AsRef<[u8]>) -> Ran {
    gradatim(&[command, &["-"]].concat(), text.as_ref())
}

/// A file of a directory, as an argument.
fn file(dir: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A manifest of a canary with these steps, as YAML in flow style.
fn canary(steps: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: shop}}
spec:
  replicas: 10
  strategy:
    canary:
      canaryService: shop-canary
      stableService: shop
      trafficRouting: {{nginx: {{stableIngress: shop}}}}
      steps: [{steps}]
"
    )
}
