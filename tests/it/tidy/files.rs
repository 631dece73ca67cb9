//! The files of the checkout.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file.
pub(super) struct File {
    /// Its path from the root, with slashes.
    pub(super) path: String,
    /// What is in it.
    pub(super) text: String,
}

/// The root of the checkout.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package stands one folder below the root")
        .to_owned()
}

/// A file by its path from the root.
pub(super) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every text file whose path ends in one of `endings`.
pub(super) fn ending(endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root(), "", endings, &mut found);
    assert!(!found.is_empty(), "no file ends in {endings:?}");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The Rust files.
pub(super) fn rust() -> Vec<File> {
    ending(&[".rs"])
}

fn collect(folder: &Path, path: &str, endings: &[&str], found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{path}{name}");
        if entry.file_type().unwrap().is_dir() {
            if !["target", ".git", "node_modules"].contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), endings, found);
            }
        } else if endings.iter().any(|ending| path.ends_with(ending)) {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            found.push(File { path, text });
        }
    }
}
