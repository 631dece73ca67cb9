//! The packages as cargo reads them.

use std::process::Command;

use serde_json::Value;

use super::files;

/// One of our packages.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) manifest: String,
    pub(super) dependencies: Vec<Dependency>,
    pub(super) metadata: Value,
}

/// A line of its manifest.
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) is_dev: bool,
    pub(super) features: Vec<String>,
}

impl Package {
    /// Its name as the documents have it.
    pub(super) fn short(&self) -> &str {
        short(&self.name).unwrap()
    }

    /// Whether others can depend on it.
    pub(super) fn is_published(&self) -> bool {
        self.metadata["publish"].is_null()
    }

    /// What everyone gets who depends on it.
    pub(super) fn shipped(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies
            .iter()
            .filter(|dependency| !dependency.is_dev)
    }
}

impl Dependency {
    /// Whether it decides for everyone which Kubernetes there is.
    pub(super) fn chooses_a_version(&self) -> bool {
        self.features
            .iter()
            .any(|feature| feature.starts_with("v1_"))
    }
}

/// Our packages by the name that the documents use: `core` for `gradatim-core`.
pub(super) fn short(name: &str) -> Option<&str> {
    match name {
        "gradatim" => Some(name),
        _ => name.strip_prefix("gradatim-"),
    }
}

/// Every package of the workspace.
pub(super) fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(files::root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let root = metadata["workspace_root"].as_str().unwrap();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| read(package, root))
        .collect()
}

fn read(package: &Value, root: &str) -> Package {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let dependencies = package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dependency| {
            let features = dependency["features"].as_array().unwrap();
            Dependency {
                name: text(&dependency["name"]),
                is_dev: dependency["kind"] == "dev",
                features: features.iter().map(text).collect(),
            }
        });
    let manifest = text(&package["manifest_path"]);
    Package {
        name: text(&package["name"]),
        manifest: manifest.strip_prefix(root).unwrap().replace('\\', "/")[1..].to_owned(),
        dependencies: dependencies.collect(),
        metadata: package.clone(),
    }
}

/// Whether a field of the metadata says nothing.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(values) => values.is_empty(),
        _ => false,
    }
}

/// Those that others can depend on.
pub(super) fn published() -> impl Iterator<Item = Package> {
    packages().into_iter().filter(Package::is_published)
}
