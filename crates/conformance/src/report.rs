//! What checks find: sentences, each under the number of its rule.

use std::error::Error;
use std::fmt;

use gradatim_core::fault::{FaultKind, Retry};
use gradatim_core::port::PortError;

/// A rule of a port, by its number in the port's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The port, by the name of its trait.
    pub port: &'static str,
    /// The rule's number.
    pub number: u8,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rule {}", self.port, self.number)
    }
}

/// A rule that a backend breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The rule.
    pub rule: Rule,
    /// What was done, what came of it, and what should have.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// A rule, or a part of one, that could not be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The rule.
    pub rule: Rule,
    /// What the backend does not do, or the bench cannot.
    pub why: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} skipped: {}", self.rule, self.why)
    }
}

/// Why one check did not find its rule kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unkept {
    /// It could not be checked: the backend does not do this, or the bench cannot show it.
    Skipped(String),
    /// It is broken.
    Broken(String),
}

/// What one check finds; it stops at the first thing that is wrong.
pub type Check = Result<(), Unkept>;

/// What all checks of a port found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The rules that were found kept.
    pub kept: Vec<Rule>,
    /// The rules that could not be checked.
    pub skipped: Vec<Skipped>,
    /// The rules that are broken.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Whether no rule is broken.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }

    /// The numbers of the broken rules.
    pub fn broken(&self) -> Vec<u8> {
        let numbers = self.failures.iter().map(|failure| failure.rule.number);
        numbers.collect()
    }

    /// The numbers of the rules that could not be checked.
    pub fn unchecked(&self) -> Vec<u8> {
        let numbers = self.skipped.iter().map(|skipped| skipped.rule.number);
        numbers.collect()
    }

    /// The end of a test: nothing when no rule is broken.
    ///
    /// # Panics
    /// When a rule is broken, with the whole report.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "\n{self}");
    }

    pub(crate) fn note(&mut self, port: &'static str, number: u8, check: Check) {
        let rule = Rule { port, number };
        match check {
            Ok(()) => self.kept.push(rule),
            Err(Unkept::Skipped(why)) => self.skipped.push(Skipped { rule, why }),
            Err(Unkept::Broken(what)) => self.failures.push(Failure { rule, what }),
        }
    }
}

/// A line for each rule, the broken ones last.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in &self.kept {
            writeln!(f, "{rule} kept")?;
        }
        for skipped in &self.skipped {
            writeln!(f, "{skipped}")?;
        }
        for failure in &self.failures {
            writeln!(f, "BROKEN {failure}")?;
        }
        Ok(())
    }
}

pub(crate) fn broken<T>(what: impl Into<String>) -> Result<T, Unkept> {
    Err(Unkept::Broken(what.into()))
}

pub(crate) fn skipped<T>(why: impl Into<String>) -> Result<T, Unkept> {
    Err(Unkept::Skipped(why.into()))
}

/// Broken with this sentence, unless it holds.
pub(crate) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { broken(what()) }
}

/// Broken with this sentence, unless both are equal.
pub(crate) fn same<T: PartialEq + fmt::Debug>(found: T, wanted: T, what: &str) -> Check {
    let equal = found == wanted;
    ensure(equal, || {
        format!("{what}: found {found:?}, wanted {wanted:?}")
    })
}

/// A call that must succeed.
pub(crate) fn done<T>(answer: Result<T, PortError>, what: &str) -> Result<T, Unkept> {
    answer.or_else(|error| broken(format!("{what} fails: {}", told(&error))))
}

/// A call that must be refused for this reason.
pub(crate) fn refused<T>(answer: Result<T, PortError>, kind: FaultKind, what: &str) -> Check {
    match answer {
        Ok(_) => broken(format!(
            "{what} is accepted, wanted an error of kind {kind:?}"
        )),
        Err(error) if error.kind == kind => Ok(()),
        Err(error) => broken(format!(
            "{what} is an error of kind {:?}, wanted {kind:?}: {}",
            error.kind,
            told(&error),
        )),
    }
}

/// The same for one that no retry helps.
pub(crate) fn refused_for_good<T>(
    answer: Result<T, PortError>,
    kind: FaultKind,
    what: &str,
) -> Check {
    let retry = answer.as_ref().err().map(|error| error.retry);
    refused(answer, kind, what)?;
    let never = retry == Some(Retry::Never);
    ensure(never, || {
        format!("{what} is refused, but the error says that another try may help")
    })
}

/// An error with its causes, as a person reads them.
pub(crate) fn told(error: &PortError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
