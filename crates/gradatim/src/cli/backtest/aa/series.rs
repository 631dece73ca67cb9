//! Raw counters of stable as counts between instants.

use std::collections::BTreeMap;

use gradatim_core::analysis::judge::Count;
use gradatim_core::measurement::{Counter, CounterKind, Sample, Side};
use gradatim_core::time::Timestamp;

/// What counts as an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Events {
    Errors,
    /// Requests slower than a bucket's bound.
    Slower(String),
}

/// Stable's counters, by pod.
pub(super) struct Pods<'a> {
    pods: BTreeMap<&'a str, Vec<&'a Counter>>,
}

impl<'a> Pods<'a> {
    pub(super) fn of(counters: &'a [Counter]) -> Self {
        let mut pods: BTreeMap<&str, Vec<&Counter>> = BTreeMap::new();
        for counter in counters.iter().filter(|it| it.side == Side::Stable) {
            pods.entry(&counter.pod).or_default().push(counter);
        }
        Self { pods }
    }

    /// The names of the pods that served requests between two instants.
    pub(super) fn serving(&self, from: Timestamp, to: Timestamp) -> Vec<&'a str> {
        let serving = self
            .pods
            .iter()
            .filter(|(_, counters)| count(counters, &Events::Errors, from, to).requests > 0);
        serving.map(|(name, _)| *name).collect()
    }

    /// What a pod counted between two instants.
    pub(super) fn count(
        &self,
        pod: &str,
        events: &Events,
        from: Timestamp,
        to: Timestamp,
    ) -> Count {
        let counters = self.pods.get(pod).map(Vec::as_slice).unwrap_or_default();
        count(counters, events, from, to)
    }

    /// Whether anything was scraped of these pods between two instants.
    pub(super) fn was_scraped(&self, pods: &[&str], from: Timestamp, to: Timestamp) -> bool {
        let mut counters = pods.iter().filter_map(|pod| self.pods.get(pod)).flatten();
        counters.any(|counter| last(&counter.samples, to) != last(&counter.samples, from))
    }

    /// The bounds of all buckets, the infinite one apart, from the lowest up.
    pub(super) fn bounds(&self) -> Vec<String> {
        let mut bounds: Vec<(f64, &str)> = Vec::new();
        for counter in self.pods.values().flatten() {
            if let CounterKind::Bucket(bound) = &counter.kind
                && let Ok(seconds) = bound.parse::<f64>()
                && seconds.is_finite()
            {
                bounds.push((seconds, bound));
            }
        }
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
        bounds.dedup();
        bounds
            .into_iter()
            .map(|(_, bound)| bound.to_owned())
            .collect()
    }
}

fn count(counters: &[&Counter], events: &Events, from: Timestamp, to: Timestamp) -> Count {
    let sum = |wanted: &dyn Fn(&CounterKind) -> bool| -> f64 {
        let wanted = counters.iter().filter(|counter| wanted(&counter.kind));
        wanted
            .map(|counter| increase(&counter.samples, from, to))
            .sum()
    };
    match events {
        Events::Errors => {
            let requests = sum(&|kind| *kind == CounterKind::Requests);
            let errors = sum(&|kind| *kind == CounterKind::Errors);
            Count::new(whole(requests), whole(errors))
        }
        Events::Slower(bound) => {
            let within = |bound: &str| {
                sum(&|kind| matches!(kind, CounterKind::Bucket(other) if other == bound))
            };
            let requests = within("+Inf");
            Count::new(whole(requests), whole(requests - within(bound)))
        }
    }
}

fn whole(value: f64) -> u64 {
    value.max(0.0).round() as u64
}

/// How many samples there are up to an instant.
fn last(samples: &[Sample], at: Timestamp) -> usize {
    samples.partition_point(|sample| sample.at <= at)
}

/// By how much a counter rose between two instants. It begins again at zero where it falls, and
/// what it had counted at its first sample is not known to be of this time.
fn increase(samples: &[Sample], from: Timestamp, to: Timestamp) -> f64 {
    let first = last(samples, from).saturating_sub(1);
    let window = samples.get(first..last(samples, to)).unwrap_or_default();
    let rises = window.windows(2).map(|pair| {
        let (before, after) = (pair[0].value.get(), pair[1].value.get());
        if after >= before {
            after - before
        } else {
            after
        }
    });
    rises.filter(|rise| rise.is_finite()).sum()
}

#[cfg(test)]
mod tests {
    use gradatim_core::number::Number;

    use super::*;

    pub(super) fn counter(pod: &str, kind: CounterKind, values: &[(i64, f64)]) -> Counter {
        let sample = |(at, value): &(i64, f64)| Sample {
            at: Timestamp::from_secs(*at),
            value: Number::new(*value),
        };
        Counter {
            side: Side::Stable,
            pod: pod.to_owned(),
            kind,
            samples: values.iter().map(sample).collect(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn counts_are_rises_and_a_restarted_pod_begins_again() {
        let values = [(0, 100.0), (15, 160.0), (30, 20.0), (45, 50.0)];
        let all = [
            counter("a", CounterKind::Requests, &values),
            counter("a", CounterKind::Errors, &[(30, 4.0), (45, 6.0)]),
        ];
        let pods = Pods::of(&all);
        let count = |from, to| pods.count("a", &Events::Errors, at(from), at(to));
        assert_eq!(count(0, 15), Count::new(60, 0));
        assert_eq!(count(15, 30), Count::new(20, 0));
        assert_eq!(count(0, 60), Count::new(110, 2));
        assert_eq!(count(60, 90), Count::default());
        assert_eq!(
            pods.count("b", &Events::Errors, at(0), at(60)),
            Count::default()
        );
        assert!(pods.was_scraped(&["a"], at(30), at(45)));
        assert!(!pods.was_scraped(&["a"], at(45), at(60)));
        assert!(!pods.was_scraped(&["b"], at(0), at(60)));
        assert_eq!(pods.serving(at(0), at(60)), ["a"]);
    }

    #[test]
    fn slower_than_a_bound_is_what_its_bucket_does_not_hold() {
        let bucket = |bound: &str| CounterKind::Bucket(bound.to_owned());
        let all = [
            counter("a", bucket("+Inf"), &[(0, 0.0), (15, 100.0)]),
            counter("a", bucket("0.25"), &[(0, 0.0), (15, 90.0)]),
            counter("a", bucket("0.1"), &[(0, 0.0), (15, 60.0)]),
            counter("b", bucket("0.1"), &[(0, 0.0), (15, 60.0)]),
        ];
        let pods = Pods::of(&all);
        let slower = Events::Slower("0.25".to_owned());
        assert_eq!(pods.count("a", &slower, at(0), at(15)), Count::new(100, 10));
        assert_eq!(pods.bounds(), ["0.1", "0.25"]);
    }

    #[test]
    fn nothing_absurd_is_counted() {
        let values = [(0, f64::NAN), (15, f64::INFINITY), (30, 5.0), (45, -1.0)];
        let all = [counter("a", CounterKind::Requests, &values)];
        let count = Pods::of(&all).count("a", &Events::Errors, at(0), at(60));
        assert_eq!(count, Count::new(4, 0));
    }
}
