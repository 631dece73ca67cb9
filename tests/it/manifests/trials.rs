//! Each set of `examples/manifests` tried on good and on bad versions.
//!
//! A scenario stands beside its manifests and names them in its first line; beside it stands what
//! came of it. `UPDATE_GOLDEN=1` writes that anew: read it before you keep it.

use std::fs;
use std::path::{Path, PathBuf};

use gradatim::cli::Exit;

use super::repository;
use crate::scenarios::played;

/// Every scenario below a folder.
fn scenarios(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scenarios(&path, found);
        } else if path.extension().is_some_and(|end| end == "txt") {
            found.push(path);
        }
    }
}

#[test]
fn each_set_delivers_what_is_good_and_says_what_becomes_of_the_rest() {
    let mut paths = Vec::new();
    scenarios(&repository().join("examples/manifests"), &mut paths);
    paths.sort();
    assert!(paths.len() >= 20, "{}", paths.len());
    let mut wrong = Vec::new();
    for path in paths {
        let (came, exit) = played(&path);
        let golden = path.with_extension("out");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &came).unwrap();
        }
        let known = fs::read_to_string(&golden).unwrap_or_default();
        if exit != Exit::Good || known != came {
            wrong.push(format!("{} {exit:?}:\n{came}", path.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "UPDATE_GOLDEN=1 accepts what came:\n{}",
        wrong.join("\n")
    );
}
