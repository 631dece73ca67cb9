//! What a version of the program is like: how often it fails, how slow it is, how its pods start.

use std::time::Duration;

use gradatim_core::workload::TroubleKind;

/// A version's latencies, as multiples of their median: so many of all are at most so slow.
const SHAPE: [(f64, f64); 6] = [
    (0.0, 0.4),
    (0.5, 1.0),
    (0.9, 1.8),
    (0.95, 2.2),
    (0.99, 3.5),
    (1.0, 6.0),
];

/// What becomes of a version's pods.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    Serve,
    /// Only so many ever become ready.
    Limited(u32),
    /// They crash so long after they became ready; at once when it is zero.
    Crash(Duration),
    /// None is made.
    Refused(String),
    /// They are made and never start.
    NoImage(String),
}

/// What a version is like. Start from one of the constructors and add defects.
///
/// ```
/// use std::time::Duration;
/// use gradatim_sim::Version;
///
/// // Good for 70 seconds, then one request in twenty fails; its pods need 12 s to start.
/// let v2 = Version::healthy()
///     .starting_in(Duration::from_secs(12))
///     .then(Duration::from_secs(70), Version::failing(0.05));
/// # let _ = v2;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    pub(crate) errors: f64,
    pub(crate) growth: f64,
    pub(crate) median: Duration,
    pub(crate) cold: Option<(Duration, f64)>,
    pub(crate) start: Duration,
    pub(crate) fate: Fate,
    /// When it becomes like something else, since the start of the simulation.
    pub(crate) changes: Vec<(Duration, Self)>,
}

impl Default for Version {
    fn default() -> Self {
        Self::healthy()
    }
}

impl Version {
    /// Never fails, answers half of all requests within 60 ms (95 % within 132 ms), and its pods
    /// are ready 10 s after they were made.
    pub fn healthy() -> Self {
        Self {
            errors: 0.0,
            growth: 0.0,
            median: Duration::from_millis(60),
            cold: None,
            start: Duration::from_secs(10),
            fate: Fate::Serve,
            changes: Vec::new(),
        }
    }

    /// Fails every request.
    pub fn broken() -> Self {
        Self::failing(1.0)
    }

    /// Fails this share of its requests, 0 to 1.
    pub fn failing(share: f64) -> Self {
        Self {
            errors: share.clamp(0.0, 1.0),
            ..Self::healthy()
        }
    }

    /// Answers half of its requests within `median`, and 95 % within 2.2 times that.
    pub fn slow(median: Duration) -> Self {
        Self {
            median,
            ..Self::healthy()
        }
    }

    /// Begins well and fails a larger share of its requests every minute, by this much more, from
    /// the moment its first pod is available.
    pub fn burning(per_minute: f64) -> Self {
        Self {
            growth: per_minute.max(0.0),
            ..Self::healthy()
        }
    }

    /// Each pod is so many times slower for so long after it became ready.
    pub fn cold(span: Duration, times: f64) -> Self {
        Self {
            cold: Some((span, times.max(1.0))),
            ..Self::healthy()
        }
    }

    /// Its pods start, exit and are started again; none is ever ready.
    pub fn crash_looping() -> Self {
        Self::healthy().crashing_after(Duration::ZERO)
    }

    /// Its pods run and are never ready.
    pub fn never_ready() -> Self {
        Self::healthy().with_ready_pods(0)
    }

    /// Its pods are refused by a quota or an admission policy, in the server's words.
    pub fn refused(text: impl Into<String>) -> Self {
        Self {
            fate: Fate::Refused(text.into()),
            ..Self::healthy()
        }
    }

    /// Its image cannot be pulled, in the server's words.
    pub fn image_not_pulled(text: impl Into<String>) -> Self {
        Self {
            fate: Fate::NoImage(text.into()),
            ..Self::healthy()
        }
    }

    /// The same failing this share of its requests, 0 to 1.
    #[must_use]
    pub fn with_errors(mut self, share: f64) -> Self {
        self.errors = share.clamp(0.0, 1.0);
        self
    }

    /// The same with another median latency.
    #[must_use]
    pub fn with_latency(mut self, median: Duration) -> Self {
        self.median = median;
        self
    }

    /// The same with a share of failures that grows by this much every minute, from the moment its
    /// first pod is available.
    #[must_use]
    pub fn with_growth(mut self, per_minute: f64) -> Self {
        self.growth = per_minute.max(0.0);
        self
    }

    /// The same with pods that are so many times slower for so long after they became ready.
    #[must_use]
    pub fn with_cold_start(mut self, span: Duration, times: f64) -> Self {
        self.cold = Some((span, times.max(1.0)));
        self
    }

    /// The same with pods that are refused, in the server's words.
    #[must_use]
    pub fn with_refused_pods(mut self, text: impl Into<String>) -> Self {
        self.fate = Fate::Refused(text.into());
        self
    }

    /// The same with an image that cannot be pulled, in the server's words.
    #[must_use]
    pub fn without_image(mut self, text: impl Into<String>) -> Self {
        self.fate = Fate::NoImage(text.into());
        self
    }

    /// The same with pods that are ready so long after they were made.
    #[must_use]
    pub fn starting_in(mut self, start: Duration) -> Self {
        self.start = start;
        self
    }

    /// The same with at most so many pods that ever become ready.
    #[must_use]
    pub fn with_ready_pods(mut self, most: u32) -> Self {
        self.fate = Fate::Limited(most);
        self
    }

    /// The same with pods that crash so long after they became ready.
    #[must_use]
    pub fn crashing_after(mut self, span: Duration) -> Self {
        self.fate = Fate::Crash(span);
        self
    }

    /// The same until a time since the start of the simulation, and `other` from then on.
    #[must_use]
    pub fn then(mut self, at: Duration, other: Self) -> Self {
        self.changes.push((at, other));
        self.changes.sort_by_key(|(at, _)| *at);
        self
    }

    /// What it is like at a time since the start.
    pub(crate) fn at(&self, elapsed: Duration) -> &Self {
        let begun = self.changes.iter().rev().find(|(at, _)| *at <= elapsed);
        begun.map_or(self, |(_, other)| other)
    }

    /// The first change after a time since the start.
    pub(crate) fn next_change(&self, elapsed: Duration) -> Option<Duration> {
        let later = self.changes.iter().map(|(at, _)| *at);
        later.filter(|at| *at > elapsed).min()
    }

    /// Whether it is another from one moment to the next.
    pub(crate) fn varies(&self) -> bool {
        self.growth > 0.0 || self.cold.is_some()
    }

    /// The server's words on a pod that does not serve.
    pub(crate) fn words(&self, revision: &str) -> (TroubleKind, String) {
        match &self.fate {
            Fate::Crash(_) => (
                TroubleKind::CrashLoop,
                format!("back-off 40s restarting failed container=app pod={revision}"),
            ),
            Fate::Refused(text) => (TroubleKind::PodRefused, text.clone()),
            Fate::NoImage(text) => (TroubleKind::ImagePull, text.clone()),
            Fate::Serve | Fate::Limited(_) => (
                TroubleKind::ProbeFailure,
                "Readiness probe failed: HTTP probe failed with statuscode: 503".to_owned(),
            ),
        }
    }
}

/// The share of requests that take at most `times` the median.
pub(crate) fn share_within(times: f64) -> f64 {
    interpolate(
        times,
        SHAPE.iter().map(|(share, multiple)| (*multiple, *share)),
    )
}

/// How many times the median the slowest of this share of requests takes.
pub(crate) fn times_at(share: f64) -> f64 {
    interpolate(share, SHAPE.iter().copied())
}

/// The value at `x` on a line through points with rising `x`; its ends beyond them.
fn interpolate(x: f64, points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let mut before: Option<(f64, f64)> = None;
    for (right, above) in points {
        match before {
            _ if x > right => before = Some((right, above)),
            None => return if x < right { above.min(0.0) } else { above },
            Some((left, below)) => {
                return below + (above - below) * (x - left) / (right - left);
            }
        }
    }
    before.map_or(0.0, |(_, last)| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_its_last_change_says() {
        let version = Version::healthy()
            .then(Duration::from_secs(90), Version::broken())
            .then(Duration::from_secs(70), Version::failing(0.05));
        let errors = |secs| version.at(Duration::from_secs(secs)).errors;
        assert_eq!([errors(69), errors(70), errors(90)], [0.0, 0.05, 1.0]);
        let next = version.next_change(Duration::from_secs(70));
        assert_eq!(next, Some(Duration::from_secs(90)));
    }

    #[test]
    fn a_latency_and_its_share_are_each_other_s_inverse() {
        assert_eq!(times_at(0.5), 1.0);
        assert_eq!(times_at(0.95), 2.2);
        for share in [0.1, 0.5, 0.7, 0.95, 0.99, 1.0] {
            assert!(
                (share_within(times_at(share)) - share).abs() < 1e-12,
                "{share}"
            );
        }
        assert_eq!(share_within(0.1), 0.0);
        assert_eq!(share_within(7.0), 1.0);
    }
}
