//! Manifests from files and standard input, and what they compile to.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use gradatim_core::compile;
use gradatim_core::plan::{CompileError, Compiled, Warning};
use gradatim_core::registry::Registry;
use gradatim_core::spec::{AnalysisTemplate, FieldRef, RolloutSpec};
use gradatim_core::yaml::{self, Diagnostic, Reading, Skipped, SourceMap};

use serde::Serialize;

use super::diagnostics::{self, Severity};
use super::failure::Failure;
use super::look::Tone;
use super::{Exit, Io, Output, text};

/// How many warnings are shown.
const MOST_WARNINGS: usize = 50;
/// How many skipped objects are named.
const MOST_SKIPPED: usize = 12;

/// The manifests of a command.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Files {
    /// Manifests in YAML; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Manifests without an error, each rollout with what it compiles to.
pub(super) struct Input {
    pub(super) rollouts: Vec<Rollout>,
    pub(super) templates: Vec<AnalysisTemplate>,
    /// What the files say to other programs.
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) sources: SourceMap,
    /// Objects of other kinds.
    pub(super) skipped: Vec<Skipped>,
}

/// A rollout and what it compiles to.
pub(super) struct Rollout {
    pub(super) spec: RolloutSpec,
    pub(super) compiled: Compiled,
    /// What was accepted and is not honoured, with its position.
    pub(super) warnings: Vec<Diagnostic>,
}

/// Everything that is wrong with some manifests.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wrong {
    pub(super) errors: Vec<Diagnostic>,
    /// How many more there are.
    #[serde(rename = "moreErrors")]
    pub(super) more: usize,
}

impl Files {
    /// Reads and compiles everything, and tells what is wrong, what is not honoured and what was
    /// skipped.
    pub(super) fn compiled(&self, registry: &Registry, io: &mut Io<'_>) -> Result<Input, Failure> {
        let input = match self.compile(registry, io)? {
            Ok(input) => input,
            Err(wrong) => return Err(wrong.tell(&mut io.err)?),
        };
        input.tell(&mut io.err)?;
        Ok(input)
    }

    /// Whether standard input is one of them.
    pub(super) fn read_pipe(&self) -> bool {
        self.files.iter().any(|path| path == Path::new("-"))
    }

    /// The same, telling nothing.
    pub(super) fn compile(
        &self,
        registry: &Registry,
        io: &mut Io<'_>,
    ) -> Result<Result<Input, Wrong>, Failure> {
        Ok(check(self.read(io)?, registry))
    }

    /// Reads everything, and compiles nothing.
    pub(super) fn read(&self, io: &mut Io<'_>) -> Result<Reading, Failure> {
        let mut known = BTreeSet::new();
        let mut files = Vec::new();
        for path in &self.files {
            if !known.insert(path) {
                continue;
            }
            let name = match path == Path::new("-") {
                true => "stdin".to_owned(),
                false => path.display().to_string(),
            };
            files.push((name, read_file(path, yaml::MAX_FILE_BYTES, io)?));
        }
        Ok(yaml::read(&files))
    }
}

/// Reads a file, or standard input where it is called `-`, no further than one byte too many.
pub(super) fn read_file(path: &Path, most: usize, io: &mut Io<'_>) -> Result<Vec<u8>, Failure> {
    match path == Path::new("-") {
        true => bytes(path, io.input, most),
        false => open(path, most),
    }
}

fn open(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    if path.is_dir() {
        let failure = Failure::input(format!("{} is a directory", path.display()));
        return Err(failure.help(format!("name its files: {}/*.yaml", path.display())));
    }
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    bytes(path, &mut file, most)
}

/// One byte more than may be read is enough to see that it is too much.
fn bytes(path: &Path, reader: &mut dyn Read, most: usize) -> Result<Vec<u8>, Failure> {
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let read = reader.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(path, &error))?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::input(format!("{} cannot be read: {error}", path.display()))
}

fn check(reading: Reading, registry: &Registry) -> Result<Input, Wrong> {
    let Reading {
        manifests,
        mut errors,
        mut more_errors,
        warnings,
        skipped,
        sources,
        ..
    } = reading;
    let mut rollouts = Vec::new();
    // Two rollouts that use one template find the same errors in it.
    let mut known = BTreeSet::new();
    for spec in manifests.rollouts {
        match compile(&spec, &manifests.templates, registry) {
            Ok(compiled) => {
                let warnings = compiled.warnings.iter();
                let warnings = warnings.map(|one| warning(one, &sources)).collect();
                rollouts.push(Rollout {
                    spec,
                    compiled,
                    warnings,
                });
            }
            Err(wrong) => {
                for one in wrong {
                    if !known.insert((one.object.clone(), one.path.clone(), one.message.clone())) {
                        continue;
                    }
                    match errors.len() < yaml::MAX_ERRORS {
                        true => errors.push(error(&one, &sources)),
                        false => more_errors += 1,
                    }
                }
            }
        }
    }
    match errors.is_empty() {
        true => Ok(Input {
            rollouts,
            templates: manifests.templates,
            warnings,
            sources,
            skipped,
        }),
        false => Err(Wrong {
            errors,
            more: more_errors,
        }),
    }
}

/// An error with its position.
pub(super) fn error(error: &CompileError, sources: &SourceMap) -> Diagnostic {
    let mut diagnostic = sources.diagnose(&field(&error.object, &error.path), &error.message);
    diagnostic.value.clone_from(&error.value);
    diagnostic.help.clone_from(&error.help);
    diagnostic
}

/// A warning with its position.
pub(super) fn warning(warning: &Warning, sources: &SourceMap) -> Diagnostic {
    let mut diagnostic = sources.diagnose(&field(&warning.object, &warning.path), &warning.message);
    diagnostic.value.clone_from(&warning.value);
    diagnostic.help.clone_from(&warning.help);
    diagnostic
}

fn field(
    object: &gradatim_core::spec::ObjectRef,
    path: &gradatim_core::spec::FieldPath,
) -> FieldRef {
    path.clone().of(object.clone())
}

impl Wrong {
    /// Says everything that is wrong.
    pub(super) fn tell(&self, err: &mut Output<'_>) -> io::Result<Failure> {
        for error in &self.errors {
            diagnostics::write(err, Severity::Error, error)?;
        }
        let look = err.look();
        let count = text::count(self.errors.len() + self.more, "error");
        let count = look.paint(Tone::Bad, count);
        let unshown = match self.more {
            0 => String::new(),
            more => format!(" ({more} not shown)"),
        };
        let files = match diagnostics::files(&self.errors) {
            files if files.is_empty() => String::new(),
            files => format!(" in {}", text::list(&files)),
        };
        writeln!(err, "{count}{files}{unshown}. Nothing was run.")?;
        Ok(Failure::told(Exit::WrongInput))
    }
}

impl Input {
    pub(super) fn tell(&self, err: &mut Output<'_>) -> io::Result<()> {
        let compiled = self.rollouts.iter().flat_map(|rollout| &rollout.warnings);
        let (mut known, mut more) = (BTreeSet::new(), 0);
        for warning in self.warnings.iter().chain(compiled) {
            // Two rollouts that use one template are warned of the same.
            let place = warning
                .position
                .as_ref()
                .map(|at| (&at.file, at.line, at.column));
            if !known.insert((place, &warning.object, &warning.path, &warning.message)) {
                continue;
            }
            match known.len() <= MOST_WARNINGS {
                true => diagnostics::write(err, Severity::Warning, warning)?,
                false => more += 1,
            }
        }
        if more > 0 {
            writeln!(err, "… and {}", text::count(more, "more warning"))?;
        }
        skipped(&self.skipped, err)?;
        err.flush()
    }
}

fn skipped(skipped: &[Skipped], err: &mut Output<'_>) -> io::Result<()> {
    if skipped.is_empty() {
        return Ok(());
    }
    let name = |one: &Skipped| match &one.name {
        Some(name) => format!("{} {name}", one.kind),
        None => format!("{} ({}:{})", one.kind, one.file, one.line),
    };
    let mut names: Vec<_> = skipped.iter().take(MOST_SKIPPED).map(name).collect();
    if skipped.len() > MOST_SKIPPED {
        names.push(format!("{} more", skipped.len() - MOST_SKIPPED));
    }
    let look = err.look();
    let line = format!("skipped, not ours to read: {}", text::list(&names));
    for line in text::wrap(&text::clean(&line), look.width) {
        writeln!(err, "{}", look.paint(Tone::Faint, line))?;
    }
    Ok(())
}
