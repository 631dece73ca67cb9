//! How many requests the users send.

use std::time::Duration;

/// How many requests the users send: the same number every second, unless it says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    pub(crate) per_second: f64,
    /// When it becomes another, since the start of the simulation.
    pub(crate) changes: Vec<(Duration, f64)>,
    /// How much more than the mean at noon, and less at midnight, 0 to 1.
    pub(crate) day: f64,
    /// The share of requests that a header route matches.
    pub(crate) testers: f64,
    pub(crate) scattered: bool,
}

impl Default for Traffic {
    fn default() -> Self {
        Self::per_second(100.0)
    }
}

impl Traffic {
    /// So many requests a second.
    pub fn per_second(requests: f64) -> Self {
        Self {
            per_second: requests.max(0.0),
            changes: Vec::new(),
            day: 0.0,
            testers: 0.0,
            scattered: false,
        }
    }

    /// Nobody asks for anything.
    pub fn none() -> Self {
        Self::per_second(0.0)
    }

    /// The same until a time since the start of the simulation, and so many from then on.
    #[must_use]
    pub fn then(mut self, at: Duration, per_second: f64) -> Self {
        self.changes.push((at, per_second.max(0.0)));
        self.changes.sort_by_key(|(at, _)| *at);
        self
    }

    /// The same with a day: this share more than the mean at noon and less at midnight, UTC.
    #[must_use]
    pub fn with_day(mut self, share: f64) -> Self {
        self.day = share.clamp(0.0, 1.0);
        self
    }

    /// The same with this share of requests that a header route matches, 0 to 1; 0.01 where a
    /// header route is set and nothing else was said.
    #[must_use]
    pub fn with_testers(mut self, share: f64) -> Self {
        self.testers = share.clamp(0.0, 1.0);
        self
    }

    /// The same with its natural scatter: requests and failures are drawn from the seed, every
    /// five seconds, instead of computed.
    #[must_use]
    pub fn scattered(mut self) -> Self {
        self.scattered = true;
        self
    }

    /// Requests a second, at a time since the start and an hour of the day.
    pub(crate) fn at(&self, elapsed: Duration, hour: f64) -> f64 {
        let begun = self.changes.iter().rev().find(|(at, _)| *at <= elapsed);
        let mean = begun.map_or(self.per_second, |(_, rate)| *rate);
        mean * (1.0 + self.day * daylight(hour))
    }

    /// The first change after a time since the start.
    pub(crate) fn next_change(&self, elapsed: Duration) -> Option<Duration> {
        let later = self.changes.iter().map(|(at, _)| *at);
        later.filter(|at| *at > elapsed).min()
    }

    /// Whether it is another from one moment to the next.
    pub(crate) fn varies(&self) -> bool {
        self.day > 0.0
    }

    pub(crate) fn share_of_testers(&self) -> f64 {
        if self.testers > 0.0 {
            self.testers
        } else {
            0.01
        }
    }
}

/// From -1 at midnight to 1 at noon, along two parabolas that meet at six.
fn daylight(hour: f64) -> f64 {
    let from_noon = (hour - 12.0).abs() / 12.0;
    if from_noon <= 0.5 {
        1.0 - 4.0 * from_noon * from_noon
    } else {
        4.0 * (1.0 - from_noon) * (1.0 - from_noon) - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_follows_its_changes_and_the_hour() {
        let traffic = Traffic::per_second(100.0).then(Duration::from_secs(60), 10.0);
        assert_eq!(traffic.at(Duration::from_secs(59), 12.0), 100.0);
        assert_eq!(traffic.at(Duration::from_secs(60), 12.0), 10.0);
        let day = Traffic::per_second(100.0).with_day(0.5);
        let at = |hour| day.at(Duration::ZERO, hour);
        assert_eq!(
            [at(0.0), at(6.0), at(12.0), at(18.0)],
            [50.0, 100.0, 150.0, 100.0]
        );
    }
}
