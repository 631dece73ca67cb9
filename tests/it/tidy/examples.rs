use super::files;
use super::none;

const MENU: &str = "examples/README.md";
const MANIFEST: &str = "examples/Cargo.toml";

#[test]
fn every_program_among_the_examples_is_on_the_menu() {
    let menu = files::read(MENU);
    let missing = programs().filter(|program| !menu.contains(&format!("| `{}` |", program.name)));
    none(missing.map(|program| format!("{MENU}: say in a line what `{}` shows", program.name)));
}

#[test]
fn the_menu_offers_no_program_that_is_not_there() {
    let menu = files::read(MENU);
    let names: Vec<String> = programs().map(|program| program.name).collect();
    let offered = menu
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let gone = offered.filter(|name| !names.iter().any(|one| one == name));
    none(gone.map(|name| format!("{MENU}: there is no program `{name}`")));
}

#[test]
fn every_program_among_the_examples_is_built() {
    let manifest = files::read(MANIFEST);
    let missing = programs().filter(|program| {
        let line = format!("path = \"{}\"", program.path);
        !manifest.contains(&line)
    });
    none(missing.map(|program| {
        format!(
            "{MANIFEST}: add an [[example]] with path = \"{}\"",
            program.path
        )
    }));
}

#[test]
fn every_program_among_the_examples_opens_with_what_it_shows() {
    none(
        programs()
            .filter(|program| !program.text.starts_with("//! "))
            .map(|program| format!("examples/{}: begin with a `//!` comment", program.path)),
    );
}

struct Program {
    name: String,
    /// From the folder of the examples.
    path: String,
    text: String,
}

/// Each file at the top of the folder, and each `main.rs` one folder below it.
fn programs() -> impl Iterator<Item = Program> {
    files::rust().into_iter().filter_map(|file| {
        let path = file.path.strip_prefix("examples/")?;
        let name = path
            .strip_suffix("/main.rs")
            .or_else(|| path.strip_suffix(".rs"))?;
        (!name.contains('/')).then(|| Program {
            name: name.to_owned(),
            path: path.to_owned(),
            text: file.text.clone(),
        })
    })
}
