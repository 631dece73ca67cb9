//! A router that several processes share: one file, written under a lock, which keeps a list of
//! everything that anybody tried to write.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use gradatim_core::capability::Capabilities;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::{PortError, TrafficRouter};
use gradatim_core::route::{BoundSlot, Confidence, Route, RouteSeen, Seen, Slot, Stamped};
use gradatim_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What the file holds.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Board {
    route: Option<Route>,
    since: Timestamp,
    pub(super) tries: Vec<Try>,
}

/// Somebody tried to write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Try {
    pub(super) process: u32,
    pub(super) epoch: u64,
    /// The canary's part of 100.
    pub(super) canary: u32,
    pub(super) refused: bool,
}

impl Board {
    pub(super) fn read(dir: &Path) -> Self {
        match fs::read(dir.join("board.json")) {
            Ok(text) => serde_json::from_slice(&text).unwrap(),
            Err(_) => Self::default(),
        }
    }

    fn write(&self, dir: &Path) {
        let beside = dir.join("board.tmp");
        fs::write(&beside, serde_json::to_vec(self).unwrap()).unwrap();
        fs::rename(beside, dir.join("board.json")).unwrap();
    }

    /// The canary's part of 100, as users meet it.
    pub(super) fn canary(&self) -> u32 {
        let part = |route: &Route| route.split.value.part(Slot::Canary);
        self.route.as_ref().map_or(0, part)
    }

    /// The canary's parts as they were written, repeats apart.
    pub(super) fn heights(&self) -> Vec<u32> {
        let written = self.tries.iter().filter(|tried| !tried.refused);
        let mut heights: Vec<u32> = written.map(|tried| tried.canary).collect();
        heights.dedup();
        heights
    }
}

pub(super) struct BoardRouter(pub(super) PathBuf);

#[async_trait]
impl TrafficRouter for BoardRouter {
    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        let lock = File::create(self.0.join("board.lock")).unwrap();
        lock.lock().unwrap();
        let mut board = Board::read(&self.0);
        let newest = board.route.as_ref().map(Route::newest);
        let refused = newest > Some(route.newest());
        board.tries.push(Try {
            process: std::process::id(),
            epoch: route.newest().epoch,
            canary: route.split.value.part(Slot::Canary),
            refused,
        });
        if !refused && board.route.as_ref() != Some(route) {
            (board.route, board.since) = (Some(route.clone()), now());
        }
        board.write(&self.0);
        if refused {
            return Err(PortError::new(FaultKind::Fenced, "the board is newer"));
        }
        Ok(())
    }

    async fn observe(&self) -> Result<RouteSeen, PortError> {
        let board = Board::read(&self.0);
        let Some(route) = board.route else {
            return Ok(RouteSeen::default());
        };
        let bound = |id: &RevisionId| BoundSlot {
            revision: Some(id.clone()),
            ready_endpoints: None,
        };
        let slots = route.bind.value.iter();
        let slots = slots.map(|(slot, id)| (*slot, bound(id))).collect();
        Ok(RouteSeen {
            bind: Some(seen(Stamped::new(slots, route.bind.stamp), board.since)),
            split: Some(seen(route.split, board.since)),
            headers: None,
            mirrors: None,
        })
    }
}

pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        confidence: Confidence::Proxy,
        ..Capabilities::default()
    }
}

fn seen<T: PartialEq>(part: Stamped<T>, since: Timestamp) -> Seen<T> {
    Seen::agreed(part.value, Some(part.stamp), Confidence::Proxy, since)
}

fn now() -> Timestamp {
    Timestamp::ZERO + SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}
