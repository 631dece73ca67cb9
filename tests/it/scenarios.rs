//! Every scenario against its golden transcript.
//!
//! A scenario's first line names its manifests: `# manifests: canary.yaml`. `UPDATE_GOLDEN=1` writes
//! what came and shows what that changes; read it before you keep it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use gradatim::cli::{Exit, Io, run};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn scenarios() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let is_scenario = |path: &PathBuf| path.extension().is_some_and(|end| end == "txt");
    let mut scenarios: Vec<PathBuf> = files.filter(is_scenario).collect();
    scenarios.sort();
    scenarios
}

/// What a person sees of a scenario, and how the command ends: its first line names the manifests
/// that stand beside it.
pub(crate) fn played(path: &Path) -> (String, Exit) {
    let scenario = text(path);
    let first = scenario.lines().next().unwrap_or_default();
    let names = first.strip_prefix("# manifests: ");
    let names = names.unwrap_or_else(|| panic!("{} names no manifests", path.display()));
    let manifests = names.split(' ').map(|name| path.with_file_name(name));
    let files = [path.to_owned()].into_iter().chain(manifests);
    let files = files.map(|path| path.display().to_string());
    let command = ["gradatim", "simulate", "--scenario"].map(str::to_owned);
    let (mut input, mut out, mut err) = (&b""[..], Vec::new(), Vec::new());
    let mut io = Io::plain(&mut input, &mut out, &mut err);
    let exit = run(command.into_iter().chain(files), &mut io);
    assert_ne!(exit, Exit::WrongInput, "{}", String::from_utf8_lossy(&err));
    (String::from_utf8(out).unwrap(), exit)
}

/// The lines that two texts do not share, around the first and the last of them.
fn difference(golden: &str, came: &str) -> String {
    let (golden, came): (Vec<&str>, Vec<&str>) = (golden.lines().collect(), came.lines().collect());
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let head = golden.iter().zip(&came).take_while(same).count();
    let rest = golden.len().min(came.len()) - head;
    let back = golden.iter().rev().zip(came.iter().rev());
    let tail = back.take_while(same).count().min(rest);
    let mut shown = String::new();
    for line in &golden[head..golden.len() - tail] {
        writeln!(shown, "  - {line}").unwrap();
    }
    for line in &came[head..came.len() - tail] {
        writeln!(shown, "  + {line}").unwrap();
    }
    shown
}

#[test]
fn every_scenario_comes_to_its_golden_transcript() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    for path in scenarios() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (came, exit) = played(&path);
        let golden = path.with_extension("out");
        let known = fs::read_to_string(&golden).unwrap_or_default();
        if exit != Exit::Good {
            let told = |line: &&str| line.starts_with("EXPECTED") || line.contains("  VIOLATION ");
            let told: Vec<&str> = came.lines().filter(told).collect();
            writeln!(wrong, "{name}: {exit:?}\n  {}", told.join("\n  ")).unwrap();
        }
        if known == came {
            continue;
        }
        let shown = format!("{name}.out:\n{}", difference(&known, &came));
        if update {
            // The harness hides what a test prints that passes.
            writeln!(std::io::stderr(), "{shown}").unwrap();
            fs::write(&golden, came).unwrap();
        } else {
            wrong.push_str(&shown);
        }
    }
    assert!(
        wrong.is_empty(),
        "UPDATE_GOLDEN=1 accepts what came:\n{wrong}"
    );
}

#[test]
fn every_golden_transcript_has_its_scenario() {
    let entries = fs::read_dir(folder()).unwrap();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "out") {
            assert!(path.with_extension("txt").exists(), "{}", path.display());
        }
    }
    assert!(scenarios().len() >= 25);
}
