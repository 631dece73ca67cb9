//! Routing is one value: which revision each slot is bound to, and who gets how much.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::RevisionId;
use crate::stamp::Stamp;
use crate::time::Timestamp;

/// A role that a revision plays in routing: a Service, a subset, an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Slot {
    /// The version that users have trusted so far.
    Stable,
    /// The version on trial.
    Canary,
    /// Blue-green: what users see.
    Active,
    /// Blue-green: what testers see.
    Preview,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
            Self::Active => "active",
            Self::Preview => "preview",
        })
    }
}

/// Which revision each slot is bound to.
pub type Bindings = BTreeMap<Slot, RevisionId>;

/// The parts do not make a split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A total of nothing cannot be shared.
    #[error("the total of a split is at least 1")]
    Empty,
    /// The parts have another sum than the total.
    #[error("the parts of a split sum to {sum}, not to {total}")]
    Sum {
        /// What the parts sum to.
        sum: u64,
        /// What they should sum to.
        total: u32,
    },
}

/// Shares of traffic over slots: integers that sum to the total.
///
/// No other value can be built, read or written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawSplit")]
pub struct Split {
    total: u32,
    parts: BTreeMap<Slot, u32>,
}

#[derive(Deserialize)]
struct RawSplit {
    total: u32,
    parts: BTreeMap<Slot, u32>,
}

impl TryFrom<RawSplit> for Split {
    type Error = SplitError;

    fn try_from(raw: RawSplit) -> Result<Self, SplitError> {
        Self::new(raw.total, raw.parts)
    }
}

impl Split {
    /// A split of `total` into `parts`; parts of zero are left out.
    ///
    /// # Errors
    /// When `total` is zero or the parts have another sum.
    pub fn new(
        total: u32,
        parts: impl IntoIterator<Item = (Slot, u32)>,
    ) -> Result<Self, SplitError> {
        let mut kept = BTreeMap::new();
        for (slot, part) in parts {
            let sum: &mut u32 = kept.entry(slot).or_default();
            *sum = sum.saturating_add(part);
        }
        kept.retain(|_, part| *part > 0);
        let sum: u64 = kept.values().copied().map(u64::from).sum();
        match total {
            0 => Err(SplitError::Empty),
            _ if sum != u64::from(total) => Err(SplitError::Sum { sum, total }),
            _ => Ok(Self { total, parts: kept }),
        }
    }

    /// Everything to one slot; a total of zero counts as one.
    pub fn all(slot: Slot, total: u32) -> Self {
        let total = total.max(1);
        Self {
            total,
            parts: BTreeMap::from([(slot, total)]),
        }
    }

    /// `canary` parts to the canary slot, at most the total, and the rest to the stable one.
    pub fn canary(canary: u32, total: u32) -> Self {
        let total = total.max(1);
        let canary = canary.min(total);
        let parts = [(Slot::Stable, total - canary), (Slot::Canary, canary)];
        Self {
            total,
            parts: parts.into_iter().filter(|(_, part)| *part > 0).collect(),
        }
    }

    /// What the parts sum to.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// A slot's part, 0 when it has none.
    pub fn part(&self, slot: Slot) -> u32 {
        self.parts.get(&slot).copied().unwrap_or(0)
    }

    /// The slots that have a part, with it.
    pub fn parts(&self) -> impl Iterator<Item = (Slot, u32)> + '_ {
        self.parts.iter().map(|(slot, part)| (*slot, *part))
    }

    /// A revision's share: the sum of the parts of the slots bound to it.
    pub fn share(&self, bind: &Bindings, revision: &RevisionId) -> u32 {
        let bound = |slot: Slot| bind.get(&slot) == Some(revision);
        self.parts()
            .filter(|(slot, _)| bound(*slot))
            .map(|(_, part)| part)
            .sum()
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (slot, part)) in self.parts().enumerate() {
            let gap = if index == 0 { "" } else { ", " };
            write!(f, "{gap}{slot} {part}/{}", self.total)?;
        }
        Ok(())
    }
}

/// How a text is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StringMatch {
    /// The whole text.
    Exact(String),
    /// Its beginning.
    Prefix(String),
    /// A regular expression, in the router's dialect.
    Regex(String),
}

/// A header and what its value must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderMatch {
    /// The header's name.
    pub header_name: String,
    /// What its value must be.
    pub header_value: StringMatch,
}

/// Requests with these headers go to the canary, whatever the split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderRoute {
    /// One of the managed routes' names.
    pub name: String,
    /// Any of these must match.
    pub matches: Vec<HeaderMatch>,
}

/// What a request must be like to be mirrored; an absent field matches anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MirrorMatch {
    /// The method.
    pub method: Option<StringMatch>,
    /// The path.
    pub path: Option<StringMatch>,
    /// The headers.
    pub headers: BTreeMap<String, StringMatch>,
}

/// A copy of these requests goes to the canary; its answers are thrown away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MirrorRoute {
    /// One of the managed routes' names.
    pub name: String,
    /// Any of these must match.
    pub matches: Vec<MirrorMatch>,
    /// The percentage of them that is copied, 0 to 100.
    pub percentage: u32,
}

/// A value under the stamp of its own last change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamped<T> {
    /// What shall be.
    pub value: T,
    /// When it was first wanted.
    pub stamp: Stamp,
}

impl<T> Stamped<T> {
    /// A value under a stamp.
    pub fn new(value: T, stamp: Stamp) -> Self {
        Self { value, stamp }
    }
}

/// The whole route of a rollout, as it shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Which revision each slot is bound to.
    pub bind: Stamped<Bindings>,
    /// Who gets how much.
    pub split: Stamped<Split>,
    /// Header routes, in the order of the managed routes.
    pub headers: Stamped<Vec<HeaderRoute>>,
    /// Mirrors, in the order of the managed routes.
    pub mirrors: Stamped<Vec<MirrorRoute>>,
}

impl Route {
    /// A revision's share by split and bindings.
    pub fn share(&self, revision: &RevisionId) -> u32 {
        self.split.value.share(&self.bind.value, revision)
    }

    /// The newest stamp among the parts: what an object that holds them all bears.
    pub fn newest(&self) -> Stamp {
        let parts = [
            self.bind.stamp,
            self.split.stamp,
            self.headers.stamp,
            self.mirrors.stamp,
        ];
        parts.into_iter().max().unwrap_or_default()
    }
}

/// How sure a router is that what it read is what the data plane does; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Confidence {
    /// The object says so.
    Config,
    /// The data plane acknowledged it.
    Proxy,
    /// Requests were counted.
    Counted,
}

/// A part of the route as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen<T> {
    /// The value of each object that carries the part; one entry where all agree.
    pub values: Vec<T>,
    /// The oldest stamp that those objects bear, none where one bears none.
    pub stamp: Option<Stamp>,
    /// How sure this is; the lowest of the objects.
    pub confidence: Confidence,
    /// Since when it has been so, unchanged.
    pub since: Timestamp,
}

impl<T: PartialEq> Seen<T> {
    /// A part that all objects agree on.
    pub fn agreed(
        value: T,
        stamp: Option<Stamp>,
        confidence: Confidence,
        since: Timestamp,
    ) -> Self {
        Self {
            values: vec![value],
            stamp,
            confidence,
            since,
        }
    }

    /// The value, if all objects agree.
    pub fn value(&self) -> Option<&T> {
        match self.values.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// A binding as it was read, with the endpoints that can answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BoundSlot {
    /// The revision, none when the slot is bound to nothing the workload knows.
    pub revision: Option<RevisionId>,
    /// How many endpoints are ready; none where the router cannot tell.
    pub ready_endpoints: Option<u32>,
}

/// The route as it was read; a part that the router does not carry is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSeen {
    /// Which revision each slot is bound to.
    pub bind: Option<Seen<BTreeMap<Slot, BoundSlot>>>,
    /// Who gets how much.
    pub split: Option<Seen<Split>>,
    /// Header routes.
    pub headers: Option<Seen<Vec<HeaderRoute>>>,
    /// Mirrors.
    pub mirrors: Option<Seen<Vec<MirrorRoute>>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_that_does_not_sum_cannot_be_built_or_read() {
        assert!(Split::new(100, [(Slot::Stable, 80), (Slot::Canary, 19)]).is_err());
        assert!(Split::new(0, []).is_err());
        let text = r#"{"total":100,"parts":{"stable":80,"canary":21}}"#;
        assert!(serde_json::from_str::<Split>(text).is_err());
    }

    #[test]
    fn a_share_is_the_sum_of_the_slots_bound_to_a_revision() {
        let v2 = RevisionId::new("v2");
        let bind = Bindings::from([(Slot::Stable, v2.clone()), (Slot::Canary, v2.clone())]);
        assert_eq!(Split::canary(30, 100).share(&bind, &v2), 100);
        assert_eq!(Split::canary(130, 100), Split::all(Slot::Canary, 100));
    }
}
