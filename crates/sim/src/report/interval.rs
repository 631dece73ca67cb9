//! Who was sent where and how it went, over time: what strips are drawn from.

use std::time::Duration;

use gradatim_core::id::RevisionId;
use gradatim_core::time::Timestamp;

use crate::world::{Ledger, Tally, World};

/// What went on in a stretch of time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Interval {
    /// Its beginning, since the start.
    pub from: Duration,
    /// Its end, since the start.
    pub to: Duration,
    /// What became of each version's requests, oldest version first.
    pub versions: Vec<Share>,
    /// Requests that reached no version.
    pub nowhere: Tally,
}

/// A version's requests in a stretch of time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Share {
    /// The version.
    pub revision: RevisionId,
    /// What became of them.
    pub tally: Tally,
}

/// The traffic of the whole simulation, to be read in stretches of any length.
#[derive(Clone, Debug)]
pub struct Intervals {
    origin: Timestamp,
    end: Timestamp,
    versions: Vec<(RevisionId, Ledger)>,
    nowhere: Ledger,
}

impl Intervals {
    pub(crate) fn of(world: &World) -> Self {
        let versions = world.revisions.iter();
        Self {
            origin: world.origin,
            end: world.now,
            versions: versions
                .map(|revision| (revision.id.clone(), revision.ledger.clone()))
                .collect(),
            nowhere: world.nowhere.clone(),
        }
    }

    /// What went on, in stretches of this length, the last one shorter. At least a second.
    pub fn every(&self, length: Duration) -> Vec<Interval> {
        let length = length.max(Duration::from_secs(1));
        let mut intervals = Vec::new();
        let mut from = self.origin;
        while from < self.end {
            let to = (from + length).min(self.end);
            intervals.push(self.between(from, to));
            from = to;
        }
        intervals
    }

    fn between(&self, from: Timestamp, to: Timestamp) -> Interval {
        let share = |(revision, ledger): &(RevisionId, Ledger)| Share {
            revision: revision.clone(),
            tally: ledger.between(from, to),
        };
        Interval {
            from: from.since(self.origin),
            to: to.since(self.origin),
            versions: self.versions.iter().map(share).collect(),
            nowhere: self.nowhere.between(from, to),
        }
    }
}
