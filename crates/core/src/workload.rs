//! The workload as it was seen: which revisions there are and how ready each is.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::RevisionId;
use crate::stamp::Stamp;
use crate::time::Timestamp;

/// What keeps pods from serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum TroubleKind {
    /// Containers start, exit and are started again.
    CrashLoop,
    /// A readiness or liveness probe fails.
    ProbeFailure,
    /// An admission policy or a quota refuses new pods.
    PodRefused,
    /// An image cannot be pulled.
    ImagePull,
}

impl fmt::Display for TroubleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CrashLoop => "crash loop",
            Self::ProbeFailure => "probe failure",
            Self::PodRefused => "pod refused",
            Self::ImagePull => "image not pulled",
        })
    }
}

/// Pods of one revision that do not serve, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What is wrong.
    pub kind: TroubleKind,
    /// How many pods it concerns.
    pub pods: u32,
    /// The server's own words.
    pub text: String,
    /// Since when.
    pub since: Timestamp,
}

/// One revision of the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionSeen {
    /// Its name.
    pub id: RevisionId,
    /// The revision number that people see and undo to; higher is newer.
    pub number: u64,
    /// When it was created.
    pub created: Timestamp,
    /// How many pods are asked for.
    pub desired: u32,
    /// The stamp under which that was asked for.
    pub stamp: Option<Stamp>,
    /// How many pods exist.
    pub pods: u32,
    /// How many of them are ready.
    pub ready: u32,
    /// How many have been ready for `minReadySeconds`.
    pub available: u32,
    /// When the oldest pod started.
    pub oldest_pod: Option<Timestamp>,
    /// What keeps pods from serving.
    pub trouble: Vec<Trouble>,
}

impl RevisionSeen {
    /// A revision without pods.
    pub fn new(id: impl Into<RevisionId>, number: u64, created: Timestamp) -> Self {
        Self {
            id: id.into(),
            number,
            created,
            desired: 0,
            stamp: None,
            pods: 0,
            ready: 0,
            available: 0,
            oldest_pod: None,
            trouble: Vec::new(),
        }
    }

    /// The same revision with `count` pods asked for and all of them available.
    #[must_use]
    pub fn serving(mut self, count: u32) -> Self {
        (self.desired, self.pods, self.ready, self.available) = (count, count, count, count);
        self
    }
}

/// The workload as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSeen {
    /// The revision that the user's template asks for.
    pub wanted: RevisionId,
    /// How many pods the whole workload shall have; an autoscaler may move it.
    pub replicas: u32,
    /// Whether the user has paused the rollout (`spec.paused`).
    pub paused: bool,
    /// Pods older than this are to be restarted (`spec.restartAt`).
    pub restart_at: Option<Timestamp>,
    /// Whether the workload can be scaled; fixed servers cannot.
    pub scales: bool,
    /// The stable revision that another controller has recorded.
    pub recorded_stable: Option<RevisionId>,
    /// Every revision that still exists.
    pub revisions: Vec<RevisionSeen>,
    /// Values of the object's fields that arguments refer to, by path.
    pub fields: BTreeMap<String, String>,
}

impl WorkloadSeen {
    /// A workload of `replicas` pods that can be scaled, with these revisions.
    pub fn new(wanted: impl Into<RevisionId>, replicas: u32, revisions: Vec<RevisionSeen>) -> Self {
        Self {
            wanted: wanted.into(),
            replicas,
            paused: false,
            restart_at: None,
            scales: true,
            recorded_stable: None,
            revisions,
            fields: BTreeMap::new(),
        }
    }

    /// A revision by its name.
    pub fn revision(&self, id: &RevisionId) -> Option<&RevisionSeen> {
        self.revisions.iter().find(|revision| revision.id == *id)
    }
}
