//! Raw counters of both sides: samples with their times, no rate.

use std::collections::BTreeMap;

use gradatim_core::measurement::{Counter, CounterKind, Sample, Series, Side};
use gradatim_core::time::Timestamp;
use gradatim_http::Part;

use crate::labels::{Labels, Selector, Source};
use crate::matchers::{Plain, joined, one_of};

/// Which raw counters are read, and which label value is which side's.
///
/// Selectors that hold a name and matchers are asked for in one request, so that all of them are
/// of the same moment, unless that would ask for much that none of them selects.
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

/// What is asked in one request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Selects everything that it is about.
    pub(crate) selector: String,
    /// What it counts, and which of its series; all of them where nothing is said.
    of: Vec<(Counts, Option<Plain>)>,
}

impl Counters {
    /// Counters of requests, with the label that tells the sides apart and each side's value of
    /// it. An empty value is that of series without the label.
    pub fn new(
        requests: impl Into<String>,
        label: impl Into<String>,
        stable: impl Into<String>,
        canary: impl Into<String>,
    ) -> Self {
        Self {
            requests: requests.into(),
            errors: None,
            buckets: None,
            units: 1,
            label: label.into(),
            stable: stable.into(),
            canary: canary.into(),
            pod: "pod".to_owned(),
        }
    }

    /// The same with the counters of failed requests.
    #[must_use]
    pub fn with_errors(mut self, selector: impl Into<String>) -> Self {
        self.errors = Some(selector.into());
        self
    }

    /// The same with the buckets of durations, in seconds.
    #[must_use]
    pub fn with_buckets(mut self, selector: impl Into<String>) -> Self {
        self.buckets = Some(selector.into());
        self
    }

    /// The same with another label that names a pod. Default `pod`.
    #[must_use]
    pub fn with_pod(mut self, label: impl Into<String>) -> Self {
        self.pod = label.into();
        self
    }

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

    /// The requests that ask for all of them: one where that can be.
    pub(crate) fn asked(&self) -> Vec<Request> {
        let sides = one_of(&self.label, &[&self.stable, &self.canary]);
        let all = self.selectors().map(|(counts, selector)| {
            let plain = Plain::parse(selector).ok_or(selector);
            (counts, plain)
        });
        let mut requests: Vec<Request> = Vec::new();
        let mut plain = Vec::new();
        for (counts, selector) in all {
            match selector {
                Ok(selector) => plain.push((counts, Some(selector))),
                Err(selector) => requests.push(Request {
                    selector: selector.to_owned(),
                    of: vec![(counts, None)],
                }),
            }
        }
        requests.extend(together(plain, &sides));
        requests
    }

    /// The series that answer a request, as counters; those of neither side are left out.
    pub(crate) fn counters(
        &self,
        request: &Request,
        series: Vec<Series>,
        start: Timestamp,
    ) -> Vec<Counter> {
        let mut counters = Vec::new();
        for series in series {
            let Some(side) = self.side(&series.labels) else {
                continue;
            };
            let samples = since(&series, start);
            if samples.is_empty() {
                continue;
            }
            let pod = series.labels.get(&self.pod).cloned().unwrap_or_default();
            let kinds = request.counts(&series.labels);
            let kinds = kinds.filter_map(|counts| self.kind(counts, &series.labels));
            counters.extend(kinds.map(|kind| Counter {
                side,
                pod: pod.clone(),
                kind,
                samples: samples.to_vec(),
            }));
        }
        counters
    }

    fn kind(&self, counts: Counts, labels: &BTreeMap<String, String>) -> Option<CounterKind> {
        Some(match counts {
            Counts::Requests => CounterKind::Requests,
            Counts::Errors => CounterKind::Errors,
            Counts::Buckets => CounterKind::Bucket(self.bound(labels)?),
        })
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

impl Request {
    /// What a series of its answer counts; a counter of failed requests may be one of requests.
    fn counts(&self, labels: &BTreeMap<String, String>) -> impl Iterator<Item = Counts> {
        let of = self.of.iter().filter(|(_, selector)| {
            let selector = selector.as_ref();
            selector.is_none_or(|selector| selector.selects(labels))
        });
        of.map(|(counts, _)| *counts)
    }
}

/// As few requests as select little more than what is wanted.
fn together(selectors: Vec<(Counts, Option<Plain>)>, sides: &str) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for one in selectors {
        let with = |of: &[(Counts, Option<Plain>)]| {
            let all = of.iter().chain([&one]);
            let all: Vec<&Plain> = all.filter_map(|(_, selector)| selector.as_ref()).collect();
            joined(&all, sides)
        };
        let mut wider = requests.iter_mut();
        let wider = wider.find_map(|request| Some((with(&request.of)?, request)));
        match wider {
            Some((selector, request)) => {
                request.selector = selector;
                request.of.push(one);
            }
            None => requests.extend(with(&[]).map(|selector| Request {
                selector,
                of: vec![one],
            })),
        }
    }
    requests
}

/// The last sample at or before the window's start, and every later one.
fn since(series: &Series, start: Timestamp) -> &[Sample] {
    let before = series.samples.iter().rposition(|sample| sample.at <= start);
    &series.samples[before.unwrap_or(0)..]
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
    use gradatim_core::number::Number;
    use serde_json::json;

    use super::*;

    fn series(version: &str, le: &str, samples: &[(i64, f64)]) -> Series {
        let name = "istio_request_duration_milliseconds_bucket";
        let labels = [
            ("__name__", name),
            ("destination_app", "shop"),
            ("reporter", "destination"),
            ("version", version),
            ("pod", "shop-1"),
            ("le", le),
        ];
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

    /// What an answer to everything in one request holds.
    fn read(counters: &Counters, series: Vec<Series>, start: Timestamp) -> Vec<Counter> {
        let asked = counters.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        counters.counters(&asked[0], series, start)
    }

    #[test]
    fn both_sides_and_every_kind_are_one_request() {
        assert_eq!(
            counters().asked()[0].selector,
            "{__name__=~\"istio_request_duration_milliseconds_bucket|istio_requests_total\",\
             destination_app=\"shop\",reporter=\"destination\",version=~\"v1|v2\"}"
        );
        let counters = Counters::new("requests", "track", "", "canary");
        let of = |counters: &Counters| -> Vec<String> {
            counters.asked().into_iter().map(|it| it.selector).collect()
        };
        let both = counters.clone().with_errors("requests{code=~\"5..\"}");
        assert_eq!(of(&both), ["requests{track=~\"|canary\"}"]);
        // What cannot be taken apart, or is of something else, is asked by itself.
        let apart = counters
            .with_errors("failed offset 0s")
            .with_buckets("seconds_bucket{a=\"b\"}");
        assert_eq!(
            of(&apart),
            [
                "failed offset 0s",
                "{__name__=~\"requests|seconds_bucket\",track=~\"|canary\"}"
            ]
        );
        let apart = Counters::new("requests{a=\"b\"}", "track", "", "canary");
        let apart = apart.with_errors("failed{c=\"d\"}");
        assert_eq!(of(&apart).len(), 2);
    }

    #[test]
    fn a_failed_request_is_a_request_too() {
        let counters = Counters::new("requests", "version", "v1", "v2");
        let counters = counters
            .with_errors("requests{code=~\"5..\"}")
            .with_pod("instance");
        let of = |code: &str| {
            let mut series = series("v2", "", &[(0, 1.0), (10, 2.0)]);
            for (name, value) in [
                ("__name__", "requests"),
                ("code", code),
                ("instance", "a:1"),
            ] {
                series.labels.insert(name.to_owned(), value.to_owned());
            }
            series
        };
        let read = read(&counters, vec![of("200"), of("503")], Timestamp::ZERO);
        let kinds: Vec<_> = read.iter().map(|it| (it.pod.as_str(), &it.kind)).collect();
        let [request, error] = [CounterKind::Requests, CounterKind::Errors];
        let wanted = [("a:1", &request), ("a:1", &request), ("a:1", &error)];
        assert_eq!(kinds, wanted);
    }

    #[test]
    fn a_window_begins_with_the_last_sample_before_it_and_other_versions_are_left_out() {
        let samples = [(0, 1.0), (10, 2.0), (20, 3.0), (30, 1.0)];
        let all = vec![series("v1", "5", &samples), series("v0", "5", &samples)];
        let read = read(&counters(), all, Timestamp::from_secs(15));
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
        let read = read(&counters(), all, Timestamp::ZERO);
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
