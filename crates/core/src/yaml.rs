//! Reads manifests from YAML and finds every error in them at once, each with its place.
//!
//! A file is read once into a tree that knows where every key and value stands, aliases and
//! merges included; the spec is collected from the tree field by field. Reading is bounded in
//! time and memory whatever the input is, and never panics.
//!
//! ```
//! use gradatim_core::yaml;
//!
//! let text = "
//! apiVersion: argoproj.io/v1alpha1
//! kind: Rollout
//! metadata: {name: shop}
//! spec:
//!   strategy:
//!     canary:
//!       steps:
//!       - setWieght: 20
//! ";
//! let reading = yaml::read(&[("rollout.yaml", text)]);
//! let error = &reading.errors[0];
//! assert_eq!(error.message, "unknown step \"setWieght\"; did you mean \"setWeight\"?");
//! assert_eq!(error.position.as_ref().map(|at| (at.line, at.column)), Some((9, 9)));
//! ```

mod bytes;
mod cursor;
mod decode;
mod document;
mod extension;
mod helm;
mod mark;
mod reader;
mod scalar;
mod source;
mod stranger;
mod suggest;
#[cfg(test)]
mod tests;
mod tree;

use serde::{Deserialize, Serialize};

pub use self::extension::EXTENSIONS;
pub use self::source::{Diagnostic, Position, SourceMap};
use crate::spec::Manifests;

/// The largest file that is read, in bytes: 4 MiB.
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
/// The most documents that one file may hold.
pub const MAX_DOCUMENTS: u32 = 10_000;
/// The most errors that are reported.
pub const MAX_ERRORS: usize = cursor::MAX_ERRORS;

/// An object of a kind that is not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// The file's name, as it was given.
    pub file: String,
    /// The line that its document begins on, from 1.
    pub line: u32,
    /// Its kind.
    pub kind: String,
    /// Its name, where it has one.
    pub name: Option<String>,
}

/// What was found in some files.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Reading {
    /// The objects without an error.
    pub manifests: Manifests,
    /// What is wrong; the first [`MAX_ERRORS`], file by file from the top.
    pub errors: Vec<Diagnostic>,
    /// How many more errors there were.
    pub more_errors: usize,
    /// What is accepted and does nothing; the first [`MAX_ERRORS`].
    pub warnings: Vec<Diagnostic>,
    /// Objects of other kinds.
    pub skipped: Vec<Skipped>,
    /// Where everything stands.
    pub sources: SourceMap,
}

impl Reading {
    /// The manifests, where nothing is wrong.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub fn into_result(self) -> Result<Manifests, Vec<Diagnostic>> {
        match self.errors.is_empty() {
            true => Ok(self.manifests),
            false => Err(self.errors),
        }
    }
}

/// Reads files, each with the name that errors shall call it by.
///
/// Rollouts and analysis templates of `argoproj.io/v1alpha1` are read, lists are opened, objects
/// of other kinds are skipped and named. A file without any object is an error, and so is a set
/// of files without one of ours.
pub fn read<N: AsRef<str>, T: AsRef<[u8]>>(files: &[(N, T)]) -> Reading {
    let mut reader = reader::Reader::default();
    for (name, bytes) in files {
        reader.file(name.as_ref(), bytes.as_ref());
    }
    reader.finish()
}
