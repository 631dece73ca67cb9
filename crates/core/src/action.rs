//! What shall be: absolute, so that doing it twice is doing it once.

use serde::{Deserialize, Serialize};

use crate::id::RevisionId;
use crate::route::Route;
use crate::stamp::Stamp;
use crate::time::Timestamp;

/// One thing that the driver performs; each says what shall be, never a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Action {
    /// The whole route, on every router.
    Route {
        /// What it shall be.
        route: Route,
        /// Whether it only lowers the canary: then it may go out although a save failed.
        lowers: bool,
    },
    /// How many pods a revision shall have.
    Scale {
        /// The revision.
        revision: RevisionId,
        /// How many pods.
        replicas: u32,
        /// When this was first wanted.
        stamp: Stamp,
    },
    /// Every pod that started before this instant shall be replaced.
    Restart {
        /// The instant.
        before: Timestamp,
        /// How many pods may be down for it at once, at least 1.
        at_most: u32,
        /// When this was first wanted.
        stamp: Stamp,
    },
    /// The workload's template shall be this revision's.
    Undo {
        /// The revision.
        to: RevisionId,
        /// When this was first wanted.
        stamp: Stamp,
    },
}

impl Action {
    /// When it was first wanted.
    pub fn stamp(&self) -> Stamp {
        match self {
            Self::Route { route, .. } => route.newest(),
            Self::Scale { stamp, .. } | Self::Restart { stamp, .. } | Self::Undo { stamp, .. } => {
                *stamp
            }
        }
    }
}
