//! From raw counters to what each pod counted between two instants.

use std::collections::BTreeMap;

use super::scrape::Count;
use super::words::Event;
use crate::measurement::{Counter, CounterKind, Sample, Side};
use crate::time::Timestamp;

/// The bucket that holds every request.
const ALL: &str = "+Inf";

/// Raw counters by pod. It says what was counted between any two instants of them; a pod that
/// restarts begins again at zero.
#[derive(Debug)]
pub struct Counted<'a> {
    pods: BTreeMap<(Side, &'a str), Vec<&'a Counter>>,
    /// The oldest sample of all.
    oldest: Option<Timestamp>,
}

impl<'a> Counted<'a> {
    /// Reads counters as a provider gives them: samples oldest first, several series for one pod
    /// and kind added up.
    pub fn of(counters: &'a [Counter]) -> Self {
        let mut pods: BTreeMap<_, Vec<&Counter>> = BTreeMap::new();
        for counter in counters {
            let pod = (counter.side, counter.pod.as_str());
            pods.entry(pod).or_default().push(counter);
        }
        let first = counters.iter().filter_map(|it| it.samples.first());
        let oldest = first.map(|sample| sample.at).min();
        Self { pods, oldest }
    }

    /// The names of one side's pods.
    pub fn pods(&self, side: Side) -> impl Iterator<Item = &'a str> {
        let pods = self.pods.keys().filter(move |(of, _)| *of == side);
        pods.map(|(_, pod)| *pod)
    }

    /// The pods of one side that served requests between two instants.
    pub fn serving(&self, side: Side, from: Timestamp, to: Timestamp) -> Vec<&'a str> {
        let serves = |pod: &&str| self.count(side, pod, &Event::Errors, from, to).requests > 0;
        self.pods(side).filter(serves).collect()
    }

    /// What a pod counted after an instant, up to another one.
    pub fn count(
        &self,
        side: Side,
        pod: &str,
        event: &Event,
        from: Timestamp,
        to: Timestamp,
    ) -> Count {
        let Some(counters) = self.pods.get(&(side, pod)) else {
            return Count::default();
        };
        let rises = |wanted: &dyn Fn(&CounterKind) -> bool| -> f64 {
            let wanted = counters.iter().filter(|counter| wanted(&counter.kind));
            wanted.map(|it| self.rise(&it.samples, from, to)).sum()
        };
        let within = |bound: &str| {
            rises(&|kind| matches!(kind, CounterKind::Bucket(other) if other == bound))
        };
        match event {
            Event::Errors => {
                let requests = rises(&|kind| *kind == CounterKind::Requests);
                let errors = rises(&|kind| *kind == CounterKind::Errors);
                Count::new(whole(requests), whole(errors))
            }
            Event::Slower(bound) => {
                let requests = within(ALL);
                Count::new(whole(requests), whole(requests - within(bound)))
            }
        }
    }

    /// What each of one side's pods counted.
    pub fn each(&self, side: Side, event: &Event, from: Timestamp, to: Timestamp) -> Vec<Count> {
        let pods = self.pods(side);
        pods.map(|pod| self.count(side, pod, event, from, to))
            .collect()
    }

    /// What one side counted.
    pub fn total(&self, side: Side, event: &Event, from: Timestamp, to: Timestamp) -> Count {
        let each = self.each(side, event, from, to).into_iter();
        each.fold(Count::default(), |mut sum, count| {
            sum += count;
            sum
        })
    }

    /// The newest sample up to an instant.
    pub fn newest(&self, to: Timestamp) -> Option<Timestamp> {
        newest(self.pods.values().flatten(), to)
    }

    /// The newest sample of a pod up to an instant.
    pub fn newest_of(&self, side: Side, pod: &str, to: Timestamp) -> Option<Timestamp> {
        newest(self.pods.get(&(side, pod)).into_iter().flatten(), to)
    }

    /// The oldest sample of all.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.oldest
    }

    /// The first sample of a pod.
    pub fn first(&self, side: Side, pod: &str) -> Option<Timestamp> {
        let counters = self.pods.get(&(side, pod)).into_iter().flatten();
        counters
            .filter_map(|it| it.samples.first())
            .map(|sample| sample.at)
            .min()
    }

    /// The bounds of all buckets, the infinite one apart, from the lowest up.
    pub fn bounds(&self) -> Vec<String> {
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
        bounds.into_iter().map(|(_, it)| it.to_owned()).collect()
    }

    /// By how much a counter rose. One that begins within the window began at zero, if others
    /// were being scraped before it; otherwise nobody knows what of its first value is of this
    /// time.
    fn rise(&self, samples: &[Sample], from: Timestamp, to: Timestamp) -> f64 {
        let (first, last) = (before(samples, from), before(samples, to));
        let window = samples.get(first.saturating_sub(1)..last);
        let window = window.unwrap_or_default();
        let known = self.oldest.is_some_and(|oldest| oldest <= from);
        let fresh = window.first().filter(|_| first == 0 && known);
        let fresh = fresh.map(|sample| sample.value.get());
        let rises = window.windows(2).map(|pair| match pair {
            [before, after] => rise(before.value.get(), after.value.get()),
            _ => 0.0,
        });
        let finite = |rise: &f64| rise.is_finite() && *rise > 0.0;
        fresh.into_iter().chain(rises).filter(finite).sum()
    }
}

fn newest<'a>(counters: impl Iterator<Item = &'a &'a Counter>, to: Timestamp) -> Option<Timestamp> {
    let newest = counters.filter_map(|it| {
        let up_to = it.samples.get(..before(&it.samples, to))?;
        up_to.last().map(|sample| sample.at)
    });
    newest.max()
}

/// From one sample to the next: a counter that fell began again at zero.
fn rise(before: f64, after: f64) -> f64 {
    match after >= before {
        true => after - before,
        false => after,
    }
}

/// How many samples there are up to an instant.
fn before(samples: &[Sample], at: Timestamp) -> usize {
    samples.partition_point(|sample| sample.at <= at)
}

fn whole(value: f64) -> u64 {
    value.max(0.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Number;

    fn counter(side: Side, pod: &str, kind: CounterKind, values: &[(i64, f64)]) -> Counter {
        let sample = |(at, value): &(i64, f64)| Sample {
            at: at_second(*at),
            value: Number::new(*value),
        };
        Counter {
            side,
            pod: pod.to_owned(),
            kind,
            samples: values.iter().map(sample).collect(),
        }
    }

    fn at_second(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn stable(pod: &str, kind: CounterKind, values: &[(i64, f64)]) -> Counter {
        counter(Side::Stable, pod, kind, values)
    }

    fn errors(all: &[Counter], side: Side, from: i64, to: i64) -> Count {
        Counted::of(all).total(side, &Event::Errors, at_second(from), at_second(to))
    }

    #[test]
    fn counts_are_rises_and_a_restarted_pod_begins_again() {
        let values = [(0, 100.0), (15, 160.0), (30, 20.0), (45, 50.0)];
        let all = [stable("a", CounterKind::Requests, &values)];
        for ((from, to), wanted) in [
            ((0, 15), 60),
            ((15, 30), 20),
            ((0, 60), 110),
            ((60, 90), 0),
            // What it had counted at its first sample is not known to be of this time.
            ((-15, 15), 60),
        ] {
            let count = errors(&all, Side::Stable, from, to);
            assert_eq!(count, Count::new(wanted, 0), "{from}..{to}");
        }
        assert_eq!(errors(&all, Side::Canary, 0, 60), Count::default());
    }

    #[test]
    fn what_begins_while_others_are_scraped_begins_at_zero() {
        let old = [(0, 100.0), (15, 160.0), (30, 220.0)];
        let all = [
            stable("a", CounterKind::Requests, &old),
            stable("a", CounterKind::Errors, &[(30, 4.0)]),
            counter(Side::Canary, "b", CounterKind::Requests, &[(30, 9.0)]),
            counter(Side::Canary, "b", CounterKind::Errors, &[(30, 9.0)]),
        ];
        assert_eq!(errors(&all, Side::Stable, 15, 30), Count::new(60, 4));
        assert_eq!(errors(&all, Side::Canary, 15, 30), Count::new(9, 9));
        assert_eq!(
            Counted::of(&all).first(Side::Canary, "b"),
            Some(at_second(30))
        );
    }

    #[test]
    fn slower_than_a_bound_is_what_its_bucket_does_not_hold() {
        let bucket = |bound: &str| CounterKind::Bucket(bound.to_owned());
        let all = [
            stable("a", bucket("+Inf"), &[(0, 0.0), (15, 100.0)]),
            stable("a", bucket("0.25"), &[(0, 0.0), (15, 90.0)]),
            stable("a", bucket("0.1"), &[(0, 0.0), (15, 60.0)]),
            stable("b", bucket("0.1"), &[(0, 0.0), (15, 60.0)]),
        ];
        let counted = Counted::of(&all);
        let slower = Event::Slower("0.25".to_owned());
        let (from, to) = (at_second(0), at_second(15));
        let count = counted.count(Side::Stable, "a", &slower, from, to);
        assert_eq!(count, Count::new(100, 10));
        assert_eq!(counted.bounds(), ["0.1", "0.25"]);
        assert_eq!(counted.newest(at_second(14)), Some(at_second(0)));
        assert_eq!(counted.serving(Side::Stable, from, to), [] as [&str; 0]);
    }

    #[test]
    fn nothing_absurd_is_counted() {
        let values = [(0, f64::NAN), (15, f64::INFINITY), (30, 5.0), (45, -1.0)];
        let all = [stable("a", CounterKind::Requests, &values)];
        assert_eq!(errors(&all, Side::Stable, 0, 60), Count::new(5, 0));
        let all = [stable(
            "a",
            CounterKind::Requests,
            &[(0, 1e300), (15, 1e301)],
        )];
        assert_eq!(errors(&all, Side::Stable, 0, 60).requests, u64::MAX);
    }
}
