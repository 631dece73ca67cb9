use crate::plan::{CompileError, CompileErrors, Warning};
use crate::spec::{FieldPath, ObjectRef};

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
}

impl Findings {
    pub(super) fn error(&mut self, finding: Finding) {
        let error = CompileError {
            object: finding.site.object,
            path: finding.site.path,
            value: finding.value,
            message: finding.message,
            help: finding.help,
        };
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    pub(super) fn warn(&mut self, finding: Finding) {
        let warning = Warning {
            object: finding.site.object,
            path: finding.site.path,
            value: finding.value,
            message: finding.message,
            help: finding.help,
        };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
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
