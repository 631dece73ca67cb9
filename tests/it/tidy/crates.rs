use std::collections::{BTreeMap, BTreeSet};

use super::files;
use super::none;
use super::packages::{Dependency, is_empty, packages, published, short};

/// Where the table of crates stands, which says who may depend on whom.
const TABLE: &str = "docs/architecture.md";
/// What users of the library have in their own manifests too.
const SHARED: [&str; 8] = [
    "async-trait",
    "kube",
    "mockall",
    "proptest",
    "reqwest",
    "serde",
    "thiserror",
    "tokio",
];
/// What is only where the table has it.
const HEAVY: [&str; 2] = ["reqwest", "kube"];

#[test]
fn crates_depend_on_each_other_as_the_architecture_says() {
    let table = table();
    let mut found = Vec::new();
    for package in packages() {
        let Some(allowed) = table.get(package.short()) else {
            found.push(format!(
                "{TABLE}: {} has no line in the table",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(other) = short(&dependency.name) else {
                continue;
            };
            let is_for_tests = other == "conformance" || other == package.short();
            let is_allowed = allowed.contains("everything")
                || allowed.contains(other)
                || (dependency.is_dev && is_for_tests);
            if !is_allowed {
                let (manifest, other) = (&package.manifest, &dependency.name);
                found.push(format!("{manifest}: not {other}: see the table in {TABLE}"));
            }
        }
    }
    none(found);
}

#[test]
fn the_table_of_crates_names_no_crate_that_is_not_there() {
    let packages = packages();
    let names: BTreeSet<&str> = packages.iter().map(|package| package.short()).collect();
    let mut table = table();
    table.retain(|name, _| !names.contains(name.as_str()));
    none(
        table
            .keys()
            .map(|name| format!("{TABLE}: there is no crate {name}: take its line out")),
    );
}

#[test]
fn the_core_has_the_third_party_crates_that_the_architecture_names() {
    let core = published()
        .find(|package| package.short() == "core")
        .unwrap();
    let has: BTreeSet<String> = core.shipped().map(|one| one.name.clone()).collect();
    let (manifest, table) = (&core.manifest, &table()["core"]);
    assert_eq!(
        has, *table,
        "{manifest} (left) and {TABLE} (right) must agree"
    );
}

#[test]
fn heavy_crates_are_only_where_the_architecture_has_them() {
    let table = table();
    let mut found = Vec::new();
    for package in published() {
        for Dependency { name, .. } in package.shipped() {
            if HEAVY.contains(&name.as_str()) && !table[package.short()].contains(name) {
                let manifest = &package.manifest;
                found.push(format!(
                    "{manifest}: not {name}: go through the crate that has it, see {TABLE}"
                ));
            }
        }
    }
    none(found);
}

#[test]
fn what_users_have_too_is_depended_on_directly() {
    let packages = packages();
    let all = packages.iter().flat_map(|package| &package.dependencies);
    let direct: BTreeSet<&str> = all.map(|dependency| dependency.name.as_str()).collect();
    let missing = SHARED.iter().filter(|name| !direct.contains(*name));
    none(missing.map(|name| format!("no crate depends on {name} any more, and users expect it")));
}

#[test]
fn the_version_of_kubernetes_is_left_to_programs() {
    let mut found = Vec::new();
    for package in published() {
        let chosen = package
            .shipped()
            .find(|one| one.name == "k8s-openapi" && one.chooses_a_version());
        if chosen.is_some() {
            let manifest = &package.manifest;
            found.push(format!(
                "{manifest}: k8s-openapi's v1_… stands in dev-dependencies only"
            ));
        }
    }
    none(found);
}

#[test]
fn every_crate_says_what_a_registry_shows() {
    let shown = [
        "description",
        "license",
        "rust_version",
        "readme",
        "keywords",
        "categories",
    ];
    let mut found = Vec::new();
    for package in published() {
        let missing = shown
            .iter()
            .filter(|field| is_empty(&package.metadata[**field]));
        found.extend(missing.map(|field| format!("{}: `{field}` is missing", package.manifest)));
    }
    none(found);
}

#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    let mut packages = packages();
    packages
        .retain(|package| !files::read(&package.manifest).contains("[lints]\nworkspace = true"));
    none(packages.iter().map(|package| {
        format!(
            "{}: add `[lints]` with `workspace = true`",
            package.manifest
        )
    }));
}

#[test]
fn every_readme_of_a_crate_is_tested_with_its_code() {
    let mut found = Vec::new();
    for package in published() {
        let path = package.manifest.replace("Cargo.toml", "src/lib.rs");
        let text = files::read(&path);
        let is_begun = !text.starts_with("//! (in the making)");
        if is_begun && !text.contains("include_str!(\"../README.md\")") {
            found.push(format!(
                "{path}: add the README as a doc test, as crates/driver does"
            ));
        }
    }
    none(found);
}

#[test]
fn every_feature_says_what_it_brings() {
    let mut found = Vec::new();
    for package in published() {
        let text = files::read(&package.manifest);
        for name in package.metadata["features"].as_object().unwrap().keys() {
            let line = text.lines().zip(text.lines().skip(1));
            let mut line = line.filter(|(_, line)| line.starts_with(&format!("{name} = [")));
            let is_told = name == "default" || line.all(|(before, _)| before.starts_with("## "));
            if !is_told {
                let manifest = &package.manifest;
                found.push(format!(
                    "{manifest}: put a line `## …` above the feature `{name}`"
                ));
            }
        }
    }
    none(found);
}

/// The table of crates: for each, what the last column allows.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = files::read(TABLE);
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with("| crate |"))
        .skip(2);
    let rows = lines.take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        let name = cells[0].trim().trim_matches('`').to_owned();
        let words = cells[2]
            .split(['`', ',', ' '])
            .filter(|word| !word.is_empty());
        (name, words.map(str::to_owned).collect())
    });
    let table: BTreeMap<_, _> = rows.collect();
    assert!(
        table.len() > 5,
        "{TABLE}: there is no table that begins with `| crate |`"
    );
    table
}
