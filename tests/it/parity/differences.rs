//! The differences that are known, each with the row of `docs/differences.md` that says why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::folder;
use super::tracks::Difference;

/// Nobody has said why yet.
const UNKNOWN: &str = "?";

/// What is not explained about a scenario.
pub(super) fn unexplained(scenario: &str, found: &[Difference]) -> Vec<String> {
    let file = folder("differences").join(format!("{scenario}.txt"));
    let kept = fs::read_to_string(&file).unwrap_or_default();
    let reasons = reasons(&kept);
    let mut text = String::new();
    for Difference { track, lines } in found {
        let why = reasons.get(track).map_or(UNKNOWN, String::as_str);
        let _ = writeln!(text, "[{track}] {why}");
        for line in lines {
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    if std::env::var_os("GRADATIM_UPDATE").is_some() {
        write(&file, &text);
        return Vec::new();
    }
    let rows = rows();
    let known = |why: &str| {
        why.split(", ")
            .all(|row| rows.iter().any(|known| known == row))
    };
    let mut wrong: Vec<_> = reasons
        .iter()
        .filter(|(_, why)| !known(why))
        .map(|(track, why)| format!("{scenario} [{track}]: docs/differences.md has no row {why}"))
        .collect();
    if text != kept {
        wrong.push(format!(
            "{scenario} now differs so:\n{text}instead of:\n{kept}"
        ));
    }
    wrong
}

fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    match text.is_empty() {
        true => drop(fs::remove_file(file)),
        false => fs::write(file, text).unwrap(),
    }
}

/// The rows that explain each track.
fn reasons(text: &str) -> BTreeMap<String, String> {
    let heads = text
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("] "));
    heads
        .map(|(track, why)| (track.to_owned(), why.to_owned()))
        .collect()
}

/// The names of the rows of `docs/differences.md`.
fn rows() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/differences.md")).unwrap_or_default();
    let first = |line: &str| {
        line.strip_prefix("| `")?
            .split_once('`')
            .map(|(row, _)| row.to_owned())
    };
    text.lines().filter_map(first).collect()
}
