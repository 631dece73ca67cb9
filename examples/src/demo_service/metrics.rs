use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hyper::StatusCode;

/// The upper bounds of the histogram's buckets, in seconds: Prometheus' own.
const BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What a service counts.
pub(super) struct Metrics {
    version: String,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    requests: BTreeMap<(&'static str, u16), u64>,
    /// How many answers fell into each bucket, and how many took longer than the last bound.
    buckets: [u64; BUCKETS.len() + 1],
    seconds: f64,
    in_flight: u64,
}

impl Metrics {
    pub(super) fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            counts: Mutex::default(),
        }
    }

    /// A request has come in.
    pub(super) fn begin(&self, route: &'static str) -> InFlight<'_> {
        self.counts().in_flight += 1;
        InFlight {
            metrics: self,
            route,
            since: Instant::now(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything, in Prometheus' text format.
    pub(super) fn render(&self) -> String {
        let counts = self.counts();
        let mut page = Page {
            version: self.version.replace('\\', "\\\\").replace('"', "\\\""),
            text: String::new(),
        };
        page.family("http_requests_total", "counter", "Requests answered.");
        for ((route, code), count) in &counts.requests {
            let labels = format!(",path=\"{route}\",code=\"{code}\"");
            page.sample("http_requests_total", &labels, count);
        }
        page.family(
            "http_request_duration_seconds",
            "histogram",
            "How long answers took.",
        );
        let mut sum = 0;
        for (bound, count) in BUCKETS.iter().zip(&counts.buckets) {
            sum += count;
            let label = format!(",le=\"{bound}\"");
            page.sample("http_request_duration_seconds_bucket", &label, sum);
        }
        let all: u64 = counts.buckets.iter().sum();
        page.sample("http_request_duration_seconds_bucket", ",le=\"+Inf\"", all);
        page.sample("http_request_duration_seconds_sum", "", counts.seconds);
        page.sample("http_request_duration_seconds_count", "", all);
        page.family(
            "http_requests_in_flight",
            "gauge",
            "Requests not yet answered.",
        );
        page.sample("http_requests_in_flight", "", counts.in_flight);
        page.family("app_info", "gauge", "The version that runs.");
        page.sample("app_info", "", 1);
        page.text
    }
}

/// A request that is being answered; dropped without an end when its client has gone.
pub(super) struct InFlight<'a> {
    metrics: &'a Metrics,
    route: &'static str,
    since: Instant,
}

impl InFlight<'_> {
    pub(super) fn end(self, status: StatusCode) {
        let took = self.since.elapsed().as_secs_f64();
        let mut counts = self.metrics.counts();
        *counts
            .requests
            .entry((self.route, status.as_u16()))
            .or_default() += 1;
        let place = BUCKETS.iter().position(|bound| took <= *bound);
        if let Some(bucket) = counts.buckets.get_mut(place.unwrap_or(BUCKETS.len())) {
            *bucket += 1;
        }
        counts.seconds += took;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.metrics.counts().in_flight -= 1;
    }
}

struct Page {
    version: String,
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let version = self.version.clone();
        self.line(format_args!(
            "{name}{{version=\"{version}\"{labels}}} {value}"
        ));
    }

    fn line(&mut self, line: impl Display) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}
