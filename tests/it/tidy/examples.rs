use super::files;
use super::none;

#[test]
fn every_program_among_the_examples_is_on_the_menu() {
    let menu = files::read("examples/README.md");
    none(
        programs()
            .filter(|name| !menu.contains(&format!("`{name}`")))
            .map(|name| format!("examples/README.md: say in a line what `{name}` shows")),
    );
}

#[test]
fn every_program_among_the_examples_is_built() {
    let manifest = files::read("examples/Cargo.toml");
    none(
        programs()
            .filter(|name| !manifest.contains(&format!("path = \"{name}.rs\"")))
            .map(|name| {
                format!("examples/Cargo.toml: add an [[example]] with path = \"{name}.rs\"")
            }),
    );
}

#[test]
fn every_program_among_the_examples_opens_with_what_it_shows() {
    none(programs().filter_map(|name| {
        let path = format!("examples/{name}.rs");
        (!files::read(&path).starts_with("//! "))
            .then(|| format!("{path}: begin with a `//!` comment"))
    }));
}

/// Each file at the top of the folder is a program; what one is made of stands below it.
fn programs() -> impl Iterator<Item = String> {
    files::rust().into_iter().filter_map(|file| {
        let name = file.path.strip_prefix("examples/")?.strip_suffix(".rs")?;
        (!name.contains('/')).then(|| name.to_owned())
    })
}
