//! What drivers wrote.

use gradatim_core::action::Action;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::route::Route;
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;

/// A write that a driver made, whatever came of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Write {
    /// When.
    pub at: Timestamp,
    /// By which driver: 0 is the first.
    pub driver: usize,
    /// What.
    pub kind: WriteKind,
    /// Whether it took effect once more, long after it was made.
    pub echo: bool,
    /// The name of the fault that it met on its way, if it met one.
    pub fault: Option<&'static str>,
    /// Whether anything is another because of it.
    pub changed: bool,
    /// The kind of the error that it was answered with; none when it was answered well.
    pub refused: Option<FaultKind>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WriteKind {
    /// A route, to the router of this place among the plan's.
    Route {
        /// The router's place.
        router: usize,
        /// The route.
        route: Box<Route>,
    },
    /// A replica target.
    Scale {
        /// The revision.
        revision: RevisionId,
        /// How many pods.
        replicas: u32,
        /// Its stamp.
        stamp: Stamp,
    },
    /// A restart.
    Restart {
        /// Pods older than this.
        before: Timestamp,
        /// Its stamp.
        stamp: Stamp,
    },
    /// A way back to an older revision.
    Undo {
        /// The revision.
        to: RevisionId,
        /// Its stamp.
        stamp: Stamp,
    },
    /// A state.
    Save {
        /// The epoch of the driver that saved it.
        epoch: u64,
    },
}

impl WriteKind {
    /// The stamp that it was written under; a save has none.
    pub fn stamp(&self) -> Option<Stamp> {
        match self {
            Self::Route { route, .. } => Some(route.newest()),
            Self::Scale { stamp, .. } | Self::Restart { stamp, .. } | Self::Undo { stamp, .. } => {
                Some(*stamp)
            }
            Self::Save { .. } => None,
        }
    }

    /// Whether it performs this action, as far as one write can.
    pub fn performs(&self, action: &Action) -> bool {
        self.stamp() == Some(action.stamp())
    }
}
