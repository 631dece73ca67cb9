//! What a router can do, said before a plan needs it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::route::Confidence;

/// A part of the route that a router may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// Which revision each slot is bound to.
    Bind,
    /// Who gets how much.
    Split,
    /// Header routes.
    Headers,
    /// Mirrors.
    Mirrors,
}

/// A way to compare a header's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HeaderMatchKind {
    /// The whole value.
    Exact,
    /// Its beginning.
    Prefix,
    /// A regular expression.
    Regex,
}

/// What a router can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// The parts it carries.
    pub parts: BTreeSet<Part>,
    /// The number of equal shares in the total; 1 is all or nothing.
    pub grain: u32,
    /// How it can compare headers.
    pub header_matches: BTreeSet<HeaderMatchKind>,
    /// How sure its reads are.
    pub confidence: Confidence,
    /// How long an unchanged read at [`Confidence::Config`] must stand before it counts.
    pub settle: Duration,
    /// Whether it refuses an older stamp by itself.
    pub fenced: bool,
    /// Whether it keeps a client that saw the canary with it, where the
    /// [frame](crate::registry::RouterFrame::session_affinity) asks for that.
    pub session_affinity: bool,
}

impl Default for Capabilities {
    /// A splitting router of whole percents that says what its configuration says.
    fn default() -> Self {
        Self {
            parts: BTreeSet::from([Part::Bind, Part::Split]),
            grain: 100,
            header_matches: BTreeSet::new(),
            confidence: Confidence::Config,
            settle: Duration::from_secs(10),
            fenced: true,
            session_affinity: false,
        }
    }
}

impl Capabilities {
    /// Everything, at once and for certain: what a simulation offers.
    pub fn all() -> Self {
        use HeaderMatchKind::{Exact, Prefix, Regex};
        Self {
            parts: BTreeSet::from([Part::Bind, Part::Split, Part::Headers, Part::Mirrors]),
            grain: 10_000,
            header_matches: BTreeSet::from([Exact, Prefix, Regex]),
            confidence: Confidence::Proxy,
            settle: Duration::ZERO,
            fenced: true,
            session_affinity: true,
        }
    }

    /// Whether it carries a part.
    pub fn carries(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}
