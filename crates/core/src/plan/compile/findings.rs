use std::collections::BTreeSet;

use crate::plan::{CompileError, CompileErrors, Warning};
use crate::spec::{FieldPath, ObjectRef};

/// How much one compilation may do, in bytes filled in and things looked at. A rollout of a
/// hundred steps with ten metrics each takes a tenth of it.
const ALLOWANCE: usize = 20_000_000;
/// More than this helps nobody.
const MOST: usize = 1_000;

/// A field that a finding can speak of.
#[derive(Clone, Debug)]
pub(super) struct Site {
    object: ObjectRef,
    path: FieldPath,
}

impl Site {
    /// The `spec` of an object.
    pub(super) fn spec(object: ObjectRef) -> Self {
        let path = FieldPath::from("spec");
        Self { object, path }
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.at(self.path.key(key))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.at(self.path.index(index))
    }

    pub(super) fn join(&self, rest: &FieldPath) -> Self {
        self.at(self.path.join(rest))
    }

    /// Something to say about the field.
    pub(super) fn says(&self, message: impl Into<String>) -> Finding {
        Finding {
            site: self.clone(),
            value: None,
            message: message.into(),
            help: None,
        }
    }

    fn at(&self, path: FieldPath) -> Self {
        let object = self.object.clone();
        Self { object, path }
    }
}

/// What is to be said about a field, as an error or as a warning.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    site: Site,
    value: Option<String>,
    message: String,
    help: Option<String>,
}

impl Finding {
    pub(super) fn value(mut self, value: impl ToString) -> Self {
        self.value = Some(value.to_string());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Collects what is found, each thing once: a template that many steps use is wrong only once.
#[derive(Debug, Default)]
pub(super) struct Findings {
    errors: Vec<CompileError>,
    warnings: Vec<Warning>,
    /// What was said already, errors and warnings apart.
    said: BTreeSet<(bool, ObjectRef, FieldPath, String)>,
    spent: usize,
}

impl Findings {
    pub(super) fn error(&mut self, finding: Finding) {
        if self.errors.len() >= MOST || !self.is_new(true, &finding) {
            return;
        }
        self.errors.push(CompileError {
            object: finding.site.object,
            path: finding.site.path,
            value: finding.value,
            message: finding.message,
            help: finding.help,
        });
    }

    pub(super) fn warn(&mut self, finding: Finding) {
        if self.warnings.len() >= MOST || !self.is_new(false, &finding) {
            return;
        }
        self.warnings.push(Warning {
            object: finding.site.object,
            path: finding.site.path,
            value: finding.value,
            message: finding.message,
            help: finding.help,
        });
    }

    fn is_new(&mut self, wrong: bool, finding: &Finding) -> bool {
        let Finding { site, message, .. } = finding;
        let value = finding.value.as_deref().unwrap_or_default();
        let text = format!("{message}\0{value}");
        self.said
            .insert((wrong, site.object.clone(), site.path.clone(), text))
    }

    /// Takes so much from the allowance: what a few lines of YAML ask for may be more than any
    /// machine has. Where nothing is left, that is the error.
    pub(super) fn spend(&mut self, cost: usize, site: &Site) -> bool {
        let before = self.spent;
        self.spent = before.saturating_add(cost);
        if self.spent <= ALLOWANCE {
            return true;
        }
        if before <= ALLOWANCE {
            let finding = site.says("too much: the analyses up to here ask for more than is read");
            // It must not be lost among a thousand others.
            self.errors.truncate(MOST - 1);
            self.error(finding.help("fewer steps, metrics, templates or arguments"));
        }
        false
    }

    /// Warns at the first of the places where the same is to be said of the same value.
    pub(super) fn warn_first(&mut self, finding: Finding) {
        let same = |w: &Warning| w.message == finding.message && w.value == finding.value;
        if !self.warnings.iter().any(same) {
            self.warn(finding);
        }
    }

    /// The warnings, when there is no error.
    pub(super) fn finish(self) -> Result<Vec<Warning>, CompileErrors> {
        match self.errors.is_empty() {
            true => Ok(self.warnings),
            false => Err(CompileErrors(self.errors)),
        }
    }
}
