use std::path::Path;

use super::files::{self, File};
use super::none;
use super::packages::packages;

const SMALLEST: &str = "examples/embed.rs";

#[test]
fn the_smallest_program_in_the_readme_is_the_example() {
    let program = files::read(SMALLEST);
    let code = skip_comment(&program);
    let readme = files::read("README.md");
    assert!(
        readme.contains(&format!("```rust,no_run\n{code}```\n")),
        "README.md: paste {SMALLEST} without its opening comment into the block ```rust,no_run",
    );
}

#[test]
fn the_commands_of_the_readme_are_run_before_a_change_lands() {
    let readme = files::read("README.md");
    let script = files::read(".ci/run");
    let commands = block(&readme, "sh").filter(|line| line.starts_with("cargo "));
    let commands: Vec<&str> = commands
        .map(|line| line.split('#').next().unwrap().trim())
        .collect();
    assert_eq!(
        commands.len(),
        2,
        "README.md: its first ```sh block has the two commands of a fresh checkout"
    );
    none(
        commands
            .iter()
            .filter(|command| !script.contains(**command))
            .map(|command| {
                format!(".ci/run: it does not run `{command}`, which README.md promises")
            }),
    );
}

#[test]
fn every_feature_of_the_library_is_in_the_readmes() {
    let library = packages()
        .into_iter()
        .find(|package| package.name == "gradatim")
        .unwrap();
    let features = library.metadata["features"].as_object().unwrap();
    let mut found = Vec::new();
    for path in ["README.md", "crates/gradatim/README.md"] {
        let text = files::read(path);
        let rows: String = text
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        let missing = features
            .keys()
            .filter(|name| !rows.contains(&format!("`{name}`")));
        let missing = missing.filter(|name| *name != "default");
        found.extend(missing.map(|name| format!("{path}: give `{name}` a row among the features")));
    }
    none(found);
}

#[test]
fn links_between_documents_lead_somewhere() {
    none(files::ending(&[".md"]).iter().flat_map(|file| {
        links(&file.text)
            .filter(|link| !leads_somewhere(file, link))
            .map(|link| format!("{}: nothing is at {link}", file.path))
            .collect::<Vec<_>>()
    }));
}

#[test]
fn the_changelog_tells_what_is_not_released_yet() {
    let text = files::read("CHANGELOG.md");
    assert!(
        text.contains("\n## [Unreleased]\n"),
        "CHANGELOG.md: keep a section [Unreleased] at the top"
    );
}

/// What follows the comment that a file opens with.
fn skip_comment(text: &str) -> &str {
    let end: usize = text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .map(|line| line.len() + 1)
        .sum();
    text.get(end..).unwrap_or_default().trim_start()
}

/// The lines of the first fenced block in a language.
fn block<'a>(text: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}");
    text.lines()
        .skip_while(move |line| *line != fence)
        .skip(1)
        .take_while(|line| *line != "```")
}

/// The targets of the links in a text, outside its fenced blocks.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    text.lines()
        .filter(move |line| {
            in_block ^= line.trim_start().starts_with("```");
            !in_block
        })
        .flat_map(|line| {
            line.split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
        })
}

fn leads_somewhere(from: &File, link: &str) -> bool {
    let path = link.split('#').next().unwrap_or_default();
    if path.is_empty() || link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let folder = Path::new(&from.path).parent().unwrap();
    files::root().join(folder).join(path).exists()
}
