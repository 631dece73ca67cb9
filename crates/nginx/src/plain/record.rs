//! What the file says in the words of the core, as it stands in its comments.

use gradatim_core::route::{Bindings, HeaderRoute, Route, Split, Stamped};
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The parts of the route that plain NGINX carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) bind: Part<Bindings>,
    pub(super) split: Part<Split>,
    pub(super) headers: Part<Vec<HeaderRoute>>,
}

/// A value, the stamp of its last change, and since when it has been so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Part<T> {
    pub(super) value: T,
    pub(super) stamp: Option<Stamp>,
    pub(super) since: Timestamp,
}

impl Record {
    /// A route as it is written over what is there.
    pub(super) fn of(route: &Route, known: Option<&Self>, now: Timestamp) -> Self {
        Self {
            bind: Part::of(&route.bind, known.map(|it| &it.bind), now),
            split: Part::of(&route.split, known.map(|it| &it.split), now),
            headers: Part::of(&route.headers, known.map(|it| &it.headers), now),
        }
    }

    pub(super) fn newest(&self) -> Option<Stamp> {
        let stamps = [self.bind.stamp, self.split.stamp, self.headers.stamp];
        stamps.into_iter().flatten().max()
    }
}

impl<T: Clone + PartialEq> Part<T> {
    /// A part that stays what it is keeps the instant since when it has been so.
    fn of(wanted: &Stamped<T>, known: Option<&Self>, now: Timestamp) -> Self {
        let (value, stamp) = (wanted.value.clone(), Some(wanted.stamp));
        let same = known.filter(|known| known.value == value && known.stamp == stamp);
        let since = same.map_or(now, |known| known.since);
        Self {
            value,
            stamp,
            since,
        }
    }
}
