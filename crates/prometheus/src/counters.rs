//! Raw counters of both sides: samples with their times, no rate.

use std::collections::BTreeMap;

use gradatim_core::measurement::{Counter, CounterKind, Series, Side};
use gradatim_core::time::Timestamp;
use gradatim_http::Part;

use crate::labels::{Labels, Selector, Source};

/// Which raw counters are read, and which label value is which side's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Selects the counters of requests.
    pub requests: String,
    /// Selects the counters of failed requests.
    pub errors: Option<String>,
    /// Selects the buckets of durations.
    pub buckets: Option<String>,
    /// How many of the buckets' units make a second.
    units: u32,
    /// The label that tells the sides apart.
    pub label: String,
    stable: String,
    canary: String,
    pod: String,
}

/// One of the selectors, with what it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    Requests,
    Errors,
    Buckets,
}

impl Counters {
    /// Reads `counters` of a manifest's part: a source and a workload, or three selectors.
    pub(crate) fn read(part: &mut Part<'_>) -> Option<Self> {
        let sides = (part.required("stable"), part.required("canary"));
        let counters = match part.text("source") {
            Some(source) => of_source(&source, part, sides),
            None => Some(of_selectors(part, sides)),
        }?;
        if counters.stable == counters.canary && !counters.stable.is_empty() {
            part.refuse("canary", "both sides have the same value", "one value each");
        }
        Some(counters)
    }

    /// The selectors.
    pub(crate) fn selectors(&self) -> impl Iterator<Item = (Counts, &str)> {
        let errors = self.errors.as_deref().map(|it| (Counts::Errors, it));
        let buckets = self.buckets.as_deref().map(|it| (Counts::Buckets, it));
        let requests = std::iter::once((Counts::Requests, self.requests.as_str()));
        requests.chain(errors).chain(buckets)
    }

    /// Series as counters; those of neither side are left out.
    pub(crate) fn counters(
        &self,
        counts: Counts,
        series: Vec<Series>,
        start: Timestamp,
    ) -> Vec<Counter> {
        let counters = series.into_iter().filter_map(|series| {
            let side = self.side(&series.labels)?;
            let kind = match counts {
                Counts::Requests => CounterKind::Requests,
                Counts::Errors => CounterKind::Errors,
                Counts::Buckets => CounterKind::Bucket(self.bound(&series.labels)?),
            };
            Some(Counter {
                side,
                pod: series.labels.get(&self.pod).cloned().unwrap_or_default(),
                kind,
                samples: since(series, start),
            })
        });
        counters
            .filter(|counter| !counter.samples.is_empty())
            .collect()
    }

    fn side(&self, labels: &BTreeMap<String, String>) -> Option<Side> {
        let value = labels
            .get(&self.label)
            .map(String::as_str)
            .unwrap_or_default();
        match value {
            value if value == self.stable => Some(Side::Stable),
            value if value == self.canary => Some(Side::Canary),
            _ => None,
        }
    }

    /// A bucket's upper bound in seconds.
    fn bound(&self, labels: &BTreeMap<String, String>) -> Option<String> {
        let bound = labels.get("le")?;
        match (self.units, bound.parse::<f64>()) {
            (1, _) | (_, Err(_)) => Some(bound.clone()),
            (_, Ok(number)) if number.is_infinite() => Some(bound.clone()),
            (units, Ok(number)) => Some((number / f64::from(units)).to_string()),
        }
    }
}

/// The last sample at or before the window's start, and every later one.
fn since(series: Series, start: Timestamp) -> Vec<gradatim_core::measurement::Sample> {
    let before = series.samples.iter().rposition(|sample| sample.at <= start);
    series
        .samples
        .into_iter()
        .skip(before.unwrap_or(0))
        .collect()
}

fn of_source(source: &str, part: &mut Part<'_>, sides: (String, String)) -> Option<Counters> {
    let Some(source) = Source::parse(source) else {
        part.refuse("source", "no such source", Source::NAMES);
        return None;
    };
    let labels = Labels::read(source, part);
    let namespace = part.text("namespace").unwrap_or_default();
    let of = Selector::of(source, &labels, &part.required("workload"), &namespace);
    let failed = of.clone().and(&labels.code, "=~", "5..");
    let (durations, units) = source.durations();
    Some(Counters {
        requests: of.series(source.requests()),
        errors: Some(failed.series(source.requests())),
        buckets: Some(of.series(durations)),
        units,
        label: labels.version,
        stable: sides.0,
        canary: sides.1,
        pod: labels.pod,
    })
}

fn of_selectors(part: &mut Part<'_>, sides: (String, String)) -> Counters {
    Counters {
        requests: part.required("requests"),
        errors: part.text("errors"),
        buckets: part.text("buckets"),
        units: 1,
        label: part.required("label"),
        stable: sides.0,
        canary: sides.1,
        pod: part.text("pod").unwrap_or_else(|| "pod".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use gradatim_core::measurement::Sample;
    use gradatim_core::number::Number;
    use serde_json::json;

    use super::*;

    fn series(version: &str, le: &str, samples: &[(i64, f64)]) -> Series {
        let labels = [("version", version), ("pod", "shop-1"), ("le", le)];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sample = |(at, value): &(i64, f64)| Sample {
            at: Timestamp::from_secs(*at),
            value: Number::new(*value),
        };
        Series {
            labels: labels.into(),
            samples: samples.iter().map(sample).collect(),
        }
    }

    fn counters() -> Counters {
        let value = json!({
            "source": "istio", "workload": "shop", "stable": "v1", "canary": "v2",
            "labels": {"version": "version"},
        });
        let mut part = Part::new(&value);
        let counters = Counters::read(&mut part).unwrap();
        part.finish().unwrap();
        counters
    }

    #[test]
    fn a_window_begins_with_the_last_sample_before_it_and_other_versions_are_left_out() {
        let samples = [(0, 1.0), (10, 2.0), (20, 3.0), (30, 1.0)];
        let all = vec![series("v1", "5", &samples), series("v0", "5", &samples)];
        let read = counters().counters(Counts::Requests, all, Timestamp::from_secs(15));
        assert_eq!(read.len(), 1);
        let values: Vec<f64> = read[0].samples.iter().map(|s| s.value.get()).collect();
        assert_eq!((read[0].side, values), (Side::Stable, vec![2.0, 3.0, 1.0]));
    }

    #[test]
    fn the_bounds_of_buckets_are_seconds_whatever_the_source_counts_in() {
        let all = vec![
            series("v2", "250", &[(0, 1.0)]),
            series("v2", "+Inf", &[(0, 1.0)]),
        ];
        let read = counters().counters(Counts::Buckets, all, Timestamp::ZERO);
        let kinds: Vec<_> = read.into_iter().map(|counter| counter.kind).collect();
        let bucket = |bound: &str| CounterKind::Bucket(bound.to_owned());
        assert_eq!(kinds, [bucket("0.25"), bucket("+Inf")]);
    }

    #[test]
    fn sides_that_cannot_be_told_apart_are_refused() {
        let value = json!({"requests": "r", "label": "version", "stable": "v1", "canary": "v1"});
        let mut part = Part::new(&value);
        Counters::read(&mut part);
        assert_eq!(
            part.finish().unwrap_err()[0].message,
            "both sides have the same value"
        );
    }
}
