use std::fmt;

use serde::{Deserialize, Serialize};

use crate::registry::RouterFrame;
use crate::spec::{FieldPath, ObjectRef};

use super::Plan;

/// What is wrong with one field of a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{object}: {path}: {message}")]
pub struct CompileError {
    /// The object that it stands in.
    pub object: ObjectRef,
    /// Where in the object.
    pub path: FieldPath,
    /// The value that is wrong, as it was written.
    pub value: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

/// Everything that is wrong with a spec, in the order in which it was found; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CompileErrors(pub Vec<CompileError>);

impl CompileErrors {
    /// The errors, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, CompileError> {
        self.0.iter()
    }
}

impl fmt::Display for CompileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            let gap = if at == 0 { "" } else { "\n" };
            write!(f, "{gap}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CompileErrors {}

impl IntoIterator for CompileErrors {
    type Item = CompileError;
    type IntoIter = std::vec::IntoIter<CompileError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a CompileErrors {
    type Item = &'a CompileError;
    type IntoIter = std::slice::Iter<'a, CompileError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A field that is accepted and does not do all that it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// The object that it stands in.
    pub object: ObjectRef,
    /// Where in the object.
    pub path: FieldPath,
    /// The value, where it helps to see it.
    pub value: Option<String>,
    /// What is lost.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            path,
            message,
            ..
        } = self;
        write!(f, "{object}: {path}: {message}")
    }
}

/// What a spec was compiled to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compiled {
    /// The plan.
    pub plan: Plan,
    /// The frame that the plan's routers were parsed in, and are built in.
    pub frame: RouterFrame,
    /// What was accepted and is not honoured, in the order in which it was found.
    pub warnings: Vec<Warning>,
}
