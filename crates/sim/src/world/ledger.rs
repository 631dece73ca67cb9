//! What was asked of a revision and what became of it: lines in time, added up when somebody asks.

use gradatim_core::time::Timestamp;

use crate::version::{share_within, times_at};

/// A stretch of time in which nothing about a revision's traffic changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) flow: Flow,
}

/// What flows to a revision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Flow {
    /// Requests of users, a second.
    pub(crate) users: f64,
    /// Copies of requests whose answers are thrown away, a second.
    pub(crate) mirrored: f64,
    /// The share of both that fails.
    pub(crate) errors: f64,
    /// The share of both that fails and would not have failed on the trusted revision.
    pub(crate) beyond: f64,
    /// The median latency, in milliseconds.
    pub(crate) median: f64,
}

/// Requests and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Tally {
    /// Requests of users.
    pub requests: f64,
    /// Those of them that failed.
    pub failed: f64,
    /// Those that failed and would not have failed on the version that was trusted then.
    pub failed_beyond: f64,
    /// Copies of requests, by mirrors.
    pub mirrored: f64,
    /// Those of them that failed.
    pub mirrored_failed: f64,
}

impl Tally {
    /// Requests of users and copies.
    pub fn all(&self) -> f64 {
        self.requests + self.mirrored
    }

    /// Failures of both.
    pub fn all_failed(&self) -> f64 {
        self.failed + self.mirrored_failed
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.failed_beyond += other.failed_beyond;
        self.mirrored += other.mirrored;
        self.mirrored_failed += other.mirrored_failed;
    }

    fn flow(&mut self, flow: &Flow, seconds: f64) {
        self.requests += flow.users * seconds;
        self.failed += flow.users * flow.errors * seconds;
        self.failed_beyond += flow.users * flow.beyond * seconds;
        self.mirrored += flow.mirrored * seconds;
        self.mirrored_failed += flow.mirrored * flow.errors * seconds;
    }
}

/// The traffic of one revision so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    stretches: Vec<Stretch>,
}

impl Ledger {
    pub(crate) fn write(&mut self, from: Timestamp, to: Timestamp, flow: Flow) {
        if let Some(last) = self.stretches.last_mut()
            && last.to == from
            && last.flow == flow
        {
            last.to = to;
        } else {
            self.stretches.push(Stretch { from, to, flow });
        }
    }

    /// Every stretch, oldest first.
    pub(crate) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// What came between two instants.
    pub(crate) fn between(&self, from: Timestamp, to: Timestamp) -> Tally {
        let mut tally = Tally::default();
        for (stretch, seconds) in self.overlap(from, to) {
            tally.flow(&stretch.flow, seconds);
        }
        tally
    }

    /// Whether any request ever came.
    pub(crate) fn is_known(&self) -> bool {
        let asked = |stretch: &Stretch| stretch.flow.users + stretch.flow.mirrored > 0.0;
        self.stretches.iter().any(asked)
    }

    /// The stretches that have a part between two instants, newest first, with its seconds.
    fn overlap(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = (&Stretch, f64)> {
        let newest_first = self.stretches.iter().rev();
        let within = newest_first.take_while(move |stretch| stretch.to > from);
        within.filter_map(move |stretch| {
            let span = stretch.to.min(to).since(stretch.from.max(from));
            (!span.is_zero()).then_some((stretch, span.as_secs_f64()))
        })
    }
}

/// Requests between two instants and the weight of each median latency among them.
pub(crate) fn latencies(ledgers: &[&Ledger], from: Timestamp, to: Timestamp) -> Vec<(f64, f64)> {
    let parts = ledgers.iter().flat_map(|ledger| ledger.overlap(from, to));
    let weighed = parts.map(|(stretch, seconds)| {
        let flow = &stretch.flow;
        (flow.median, (flow.users + flow.mirrored) * seconds)
    });
    weighed.filter(|(_, requests)| *requests > 0.0).collect()
}

/// The latency, in milliseconds, that this share of the requests does not exceed; none without
/// requests.
pub(crate) fn quantile(latencies: &[(f64, f64)], share: f64) -> Option<f64> {
    let share = share.clamp(0.0, 1.0);
    let all: f64 = latencies.iter().map(|(_, requests)| requests).sum();
    let medians = || latencies.iter().map(|(median, _)| *median);
    let (low, high) = (medians().reduce(f64::min)?, medians().reduce(f64::max)?);
    if low == high {
        return Some(low * times_at(share));
    }
    let below = |millis: f64| -> f64 {
        let within = |(median, requests): &(f64, f64)| requests * share_within(millis / median);
        latencies.iter().map(within).sum::<f64>() / all
    };
    let (mut low, mut high) = (low * times_at(share), high * times_at(share));
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if below(middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(high)
}

/// How many of the requests took at most so many milliseconds.
pub(crate) fn at_most(latencies: &[(f64, f64)], millis: f64) -> f64 {
    let within = |(median, requests): &(f64, f64)| requests * share_within(millis / median);
    latencies.iter().map(within).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: i64) -> Timestamp {
        Timestamp::from_secs(at)
    }

    fn flow(users: f64, errors: f64, median: f64) -> Flow {
        Flow {
            users,
            errors,
            median,
            ..Flow::default()
        }
    }

    #[test]
    fn a_window_takes_its_part_of_every_stretch() {
        let mut ledger = Ledger::default();
        ledger.write(second(0), second(10), flow(10.0, 0.0, 60.0));
        ledger.write(second(10), second(15), flow(10.0, 0.0, 60.0));
        ledger.write(second(15), second(30), flow(10.0, 0.5, 60.0));
        assert_eq!(ledger.stretches().len(), 2);
        let tally = ledger.between(second(5), second(20));
        assert_eq!((tally.requests, tally.failed), (150.0, 25.0));
        assert_eq!(ledger.between(second(40), second(50)), Tally::default());
    }

    #[test]
    fn the_quantile_of_a_mixture_lies_where_that_share_is_reached() {
        let one = quantile(&[(100.0, 7.0)], 0.95).unwrap();
        assert!((one - 220.0).abs() < 1e-9);
        let mixture = [(100.0, 90.0), (2000.0, 10.0)];
        let p95 = quantile(&mixture, 0.95).unwrap();
        let below = at_most(&mixture, p95) / 100.0;
        assert!((below - 0.95).abs() < 1e-6, "{p95} {below}");
        assert_eq!(quantile(&[], 0.5), None);
    }
}
