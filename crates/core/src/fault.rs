//! What went wrong in a backend, as a value.

use serde::{Deserialize, Serialize};

use crate::id::cut;

/// Why a port could not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FaultKind {
    /// No answer within the call's deadline.
    Timeout,
    /// The other side could not be reached.
    Unreachable,
    /// The other side is overloaded.
    Overloaded,
    /// The object is not there.
    NotFound,
    /// The object belongs to somebody else, or the caller is not allowed.
    Forbidden,
    /// Somebody else wrote in between; observe again.
    Conflict,
    /// A newer stamp is there: another driver has taken over.
    Fenced,
    /// The request itself is wrong: a query that does not parse, a route that cannot be expressed.
    Invalid,
    /// The answer could not be understood.
    Malformed,
    /// Anything else.
    Other,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Retry {
    /// It may work the next time.
    Soon,
    /// It may work once this many milliseconds have passed (a server's Retry-After).
    After(u64),
    /// It will fail until somebody changes something.
    Never,
}

/// A port's error as the core sees it: plain data, at most 256 bytes of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of failure it was.
    pub kind: FaultKind,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What a person should read.
    pub text: String,
}

impl Fault {
    /// A fault that is worth another try, unless its kind says that none can help.
    pub fn new(kind: FaultKind, text: impl AsRef<str>) -> Self {
        let retry = match kind {
            FaultKind::Forbidden | FaultKind::Invalid | FaultKind::Fenced => Retry::Never,
            _ => Retry::Soon,
        };
        Self {
            kind,
            retry,
            text: cut(text.as_ref()),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
