//! What was counted between two scrapes, on both sides in the same seconds.

use serde::{Deserialize, Serialize};

/// Requests, and how many of them were events: failed, or slower than a bound.
///
/// As text it is a pair: requests, events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Count {
    /// Requests.
    pub requests: u64,
    /// Events among them.
    pub events: u64,
}

impl Count {
    /// Requests with events, of which there are no more than requests.
    pub fn new(requests: u64, events: u64) -> Self {
        Self {
            requests,
            events: events.min(requests),
        }
    }

    /// The share of events, 0–1; none without requests.
    pub fn rate(self) -> Option<f64> {
        (self.requests > 0).then(|| self.events as f64 / self.requests as f64)
    }
}

impl From<(u64, u64)> for Count {
    fn from((requests, events): (u64, u64)) -> Self {
        Self::new(requests, events)
    }
}

impl From<Count> for (u64, u64) {
    fn from(count: Count) -> Self {
        (count.requests, count.events)
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.events = self.events.saturating_add(other.events);
    }
}

/// One scrape of one stream of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrape {
    /// The version on trial.
    pub canary: Count,
    /// The version that users have trusted so far.
    pub stable: Count,
}

impl Scrape {
    /// The canary's share of the requests, 0–1; none where there were no requests at all.
    ///
    /// It is what was seen, never the configured weight.
    pub fn share(&self) -> Option<f64> {
        let (canary, stable) = (self.canary.requests as f64, self.stable.requests as f64);
        (canary + stable > 0.0).then(|| canary / (canary + stable))
    }

    /// The events of both sides.
    pub fn events(&self) -> f64 {
        self.canary.events as f64 + self.stable.events as f64
    }
}

impl std::ops::AddAssign for Scrape {
    fn add_assign(&mut self, other: Self) {
        self.canary += other.canary;
        self.stable += other.stable;
    }
}
