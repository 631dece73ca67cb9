use std::collections::BTreeSet;
use std::process::Command;

use super::files;

/// What would make the core something else than a function.
const IMPURE: [&str; 12] = [
    "tokio",
    "futures",
    "async-std",
    "smol",
    "hyper",
    "reqwest",
    "kube",
    "log",
    "tracing",
    "rand",
    "getrandom",
    "chrono",
];

#[test]
fn the_core_is_at_most_41_crates() {
    at_most(41, &tree(&[]));
}

#[test]
fn the_core_without_yaml_is_at_most_25_crates() {
    at_most(25, &tree(&["--no-default-features"]));
}

#[test]
fn the_core_has_no_runtime_no_client_and_no_chance() {
    let tree = tree(&[]);
    let found: Vec<&str> = IMPURE
        .into_iter()
        .filter(|name| tree.contains(*name))
        .collect();
    assert!(
        found.is_empty(),
        "in the core's tree: {found:?}; `cargo tree -p gradatim-core -i NAME` says why"
    );
}

fn at_most(most: usize, tree: &BTreeSet<String>) {
    let count = tree.len();
    assert!(
        tree.contains("gradatim-core") && count <= most,
        "{count} crates, at most {most}: {tree:?}"
    );
}

/// The names of the crates that a user of the core builds for its use.
fn tree(flags: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "gradatim-core",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .args(flags)
        .current_dir(files::root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}
