//! A store in a directory, for any number of rollouts and processes on one machine.
//!
//! ```text
//! state/<rollout>.json    the state, with the number of its save
//! owner/<rollout>.json    who owns it, and the epoch
//! orders/<rollout>.json   the mailbox
//! status/<rollout>.json   what the last decision said, for people
//! lock/<rollout>          held only around one read-modify-write
//! holders/<holder>.json   the heartbeat of a driver, for all that it owns
//! ```
//!
//! A file is replaced whole: written beside, synced, renamed. A process that is killed leaves
//! the file before or the file after, and its lock is the system's to release.

mod bell;
mod disk;
mod rollout;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gradatim_core::decision::{Decision, Phase, Summary};
use gradatim_core::id::RolloutId;
use gradatim_core::port::PortError;
use gradatim_core::reason::Waiting;
use gradatim_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use self::bell::Bell;
use self::disk::{Area, Disk};
pub use self::rollout::FileRollout;
use crate::clock::wall;
use crate::evidence::Evidence;
use crate::probe::Unmeasurable;
use crate::turn::Turn;
use crate::witness::Witness;

/// How long a heartbeat lasts.
pub(super) const EXPIRY: Duration = Duration::from_secs(30);
/// How long one heartbeat is good enough, whoever asks for the next.
const BEAT: Duration = Duration::from_secs(5);

/// A directory that keeps rollouts; clones share it.
///
/// Several processes may use one directory. It must be on a file system with locks and atomic
/// renames, which a local one has.
#[derive(Clone, Debug)]
pub struct FileStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    disk: Disk,
    bell: Bell,
    beats: Mutex<BTreeMap<String, Timestamp>>,
    published: Mutex<BTreeMap<RolloutId, Published>>,
}

/// What the last decision said, as another process reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// The rollout.
    pub rollout: RolloutId,
    /// Since when it has said so.
    pub since: Timestamp,
    /// Where it stands.
    pub phase: Phase,
    /// The phase's message, as clients of Argo read it.
    pub message: String,
    /// Why, what it waits for, and until when.
    pub waiting: Waiting,
    /// Versions, step and weights.
    pub summary: Summary,
    /// Lines that say why measurements failed, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// What its metrics would not have to measure, as it was when the attempt began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmeasurable: Vec<Unmeasurable>,
}

impl Published {
    fn new(id: &RolloutId, decision: &Decision, now: Timestamp) -> Self {
        Self {
            rollout: id.clone(),
            since: now,
            phase: decision.phase,
            message: decision.message.clone(),
            waiting: decision.waiting.clone(),
            summary: decision.summary.clone(),
            evidence: Vec::new(),
            unmeasurable: Vec::new(),
        }
    }

    fn of(id: &RolloutId, turn: &Turn) -> Self {
        Self {
            evidence: turn.evidence.to_vec(),
            unmeasurable: turn.unmeasurable.to_vec(),
            ..Self::new(id, &turn.decision, turn.now)
        }
    }

    /// Whether another one says the same of where the rollout stands.
    fn says_the_same(&self, other: &Self) -> bool {
        self.phase == other.phase
            && self.message == other.message
            && self.waiting == other.waiting
            && self.summary == other.summary
    }
}

impl FileStore {
    /// A store in a directory, which is made when it is not there.
    ///
    /// # Errors
    /// When the directory cannot be made or used.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, PortError> {
        let disk = Disk::open(dir.as_ref())?;
        let bell = Bell::new(disk.area(Area::Orders));
        let shared = Shared {
            disk,
            bell,
            beats: Mutex::default(),
            published: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The store of one rollout, whether or not there is anything of it yet.
    pub fn rollout(&self, id: impl Into<RolloutId>) -> FileRollout {
        FileRollout::new(self.clone(), id.into())
    }

    /// Every rollout of which anything is kept, by name.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<RolloutId>, PortError> {
        let mut all = BTreeSet::new();
        for area in [Area::State, Area::Owner, Area::Status] {
            all.extend(self.shared.disk.names(area)?);
        }
        Ok(all.into_iter().map(RolloutId::from).collect())
    }

    /// Says that a holder is gone, so that others need not wait for its heartbeat to expire.
    ///
    /// # Errors
    /// When it could not be said.
    pub fn retire(&self, holder: &str) -> Result<(), PortError> {
        let mut beats = self
            .shared
            .beats
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        beats.remove(holder);
        self.shared.disk.remove(Area::Holders, holder)
    }

    /// The directory.
    pub fn dir(&self) -> PathBuf {
        self.shared.disk.dir().to_owned()
    }

    fn is_alive(&self, holder: &str) -> bool {
        let beat: Option<Timestamp> = self.shared.disk.read(Area::Holders, holder).ok().flatten();
        let now = wall();
        // A beat far ahead is one of a clock that was set back since, not a sign of life.
        beat.is_some_and(|beat| now.since(beat) <= EXPIRY && beat.since(now) <= EXPIRY)
    }

    /// Writes a heartbeat, unless one of this process is still fresh.
    fn beat(&self, holder: &str, anew: bool) -> Result<(), PortError> {
        let now = wall();
        let mut beats = self
            .shared
            .beats
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let fresh = |beat: &Timestamp| now.since(*beat) < BEAT && *beat <= now;
        if anew || !beats.get(holder).is_some_and(fresh) {
            self.shared.disk.note(Area::Holders, holder, &now)?;
            beats.insert(holder.to_owned(), now);
        }
        Ok(())
    }

    fn publish(&self, fresh: Published) -> Result<(), PortError> {
        let id = &fresh.rollout.clone();
        let mut all = self
            .shared
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = match all.get(id) {
            Some(known) => Some(known.clone()),
            None => self.published(id)?,
        };
        // Lines that are read later say nothing new of where it stands.
        let same = known.as_ref().filter(|known| known.says_the_same(&fresh));
        let since = same.map_or(fresh.since, |known| known.since);
        let fresh = Published { since, ..fresh };
        if known.as_ref() != Some(&fresh) {
            self.shared.disk.note(Area::Status, id.as_str(), &fresh)?;
            all.insert(id.clone(), fresh);
        } else if let Some(known) = known {
            all.insert(id.clone(), known);
        }
        Ok(())
    }

    fn published(&self, id: &RolloutId) -> Result<Option<Published>, PortError> {
        self.shared.disk.read(Area::Status, id.as_str())
    }
}

/// Publishes every decision that says something new, for `gradatim status`.
impl Witness for FileStore {
    fn turned(&self, rollout: &RolloutId, turn: &Turn) {
        if let Err(error) = self.publish(Published::of(rollout, turn)) {
            warn!(%error, %rollout, "the status could not be published");
        }
    }

    fn left(&self, rollout: &RolloutId) {
        let mut all = self
            .shared
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.remove(rollout);
    }
}
