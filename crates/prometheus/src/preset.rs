//! Ready-made queries: no PromQL to write, and none that judges both versions by mistake.

use std::time::Duration;

use gradatim_core::go_duration;
use gradatim_http::Part;

use crate::labels::{Labels, Selector, Source};

/// What a ready-made query measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Measure {
    /// The share of requests that did not fail (0–1); no data without series, NaN without
    /// requests.
    SuccessRate,
    /// The share of requests that failed (0–1).
    ErrorRate,
    /// A quantile of the durations, in seconds.
    Latency,
    /// Requests a second.
    RequestRate,
    /// Processor time against its limit (0–1).
    Cpu,
    /// Memory against its limit (0–1).
    Memory,
    /// The share of pods that are ready (0–1).
    ReadyRatio,
    /// Restarts of containers within the window.
    Restarts,
    /// The share of the error budget that the window has left (1 untouched, below 0 overdrawn).
    ErrorBudget,
    /// How many times faster than allowed the error budget is used.
    BurnRate,
    /// How many alerts fire for the workload.
    FiringAlerts,
}

const MEASURES: [(&str, Measure); 11] = [
    ("success-rate", Measure::SuccessRate),
    ("error-rate", Measure::ErrorRate),
    ("latency", Measure::Latency),
    ("request-rate", Measure::RequestRate),
    ("cpu", Measure::Cpu),
    ("memory", Measure::Memory),
    ("ready-ratio", Measure::ReadyRatio),
    ("restarts", Measure::Restarts),
    ("error-budget", Measure::ErrorBudget),
    ("burn-rate", Measure::BurnRate),
    ("firing-alerts", Measure::FiringAlerts),
];

/// A ready-made query of one version of one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    measure: Measure,
    source: Source,
    labels: Labels,
    workload: String,
    namespace: String,
    version: String,
    window: Duration,
    quantile: f64,
    objective: f64,
}

impl Preset {
    /// Reads `preset` of a manifest's part.
    pub(crate) fn read(part: &mut Part<'_>) -> Option<Self> {
        let measure = part.required("measure");
        let known = MEASURES.iter().find(|(name, _)| *name == measure);
        if known.is_none() && !measure.is_empty() {
            let names: Vec<&str> = MEASURES.iter().map(|(name, _)| *name).collect();
            part.refuse("measure", "no such ready-made query", &names.join(", "));
        }
        let source = part.text("source").unwrap_or_else(|| "http".to_owned());
        let source = Source::parse(&source).or_else(|| {
            part.refuse("source", "no such source", Source::NAMES);
            None
        });
        let (measure, source) = known.map(|(_, measure)| *measure).zip(source)?;
        let preset = Self {
            measure,
            source,
            labels: Labels::read(source, part),
            workload: part.required("workload"),
            namespace: part.text("namespace").unwrap_or_default(),
            version: version(measure, part),
            window: window(part),
            quantile: share(part, "quantile", 0.95),
            objective: share(part, "objective", 0.999),
        };
        Some(preset)
    }

    /// How far back it looks.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// The query in PromQL.
    pub fn promql(&self) -> String {
        match self.measure {
            Measure::SuccessRate => format!("1 - {}", self.error_rate()),
            Measure::ErrorRate => self.error_rate(),
            Measure::Latency => self.latency(),
            Measure::RequestRate => self.rate(&self.requests()),
            Measure::Cpu => self.cpu(),
            Measure::Memory => self.memory(),
            Measure::ReadyRatio => self.ready_ratio(),
            Measure::Restarts => self.restarts(),
            Measure::ErrorBudget => format!("1 - {}", self.burn_rate()),
            Measure::BurnRate => self.burn_rate(),
            Measure::FiringAlerts => self.firing_alerts(),
        }
    }

    fn series(&self) -> Selector {
        let workload = Selector::of(self.source, &self.labels, &self.workload, &self.namespace);
        workload.and(&self.labels.version, "=", &self.version)
    }

    fn requests(&self) -> String {
        self.series().series(self.source.requests())
    }

    fn rate(&self, series: &str) -> String {
        format!("sum(rate({series}[{}]))", written(self.window))
    }

    /// Without errors there may be no series of errors: that is a zero, as long as there are
    /// requests.
    fn error_rate(&self) -> String {
        let failed = self.series().and(&self.labels.code, "=~", "5..");
        let failed = self.rate(&failed.series(self.source.requests()));
        let all = self.rate(&self.requests());
        format!("(({failed} or 0 * {all}) / {all})")
    }

    fn latency(&self) -> String {
        let (metric, units) = self.source.durations();
        let series = self.series().series(metric);
        let rates = format!("sum by (le) (rate({series}[{}]))", written(self.window));
        let quantile = format!("histogram_quantile({}, {rates})", self.quantile);
        match units {
            1 => quantile,
            units => format!("{quantile} / {units}"),
        }
    }

    /// The pods of one version: of a ReplicaSet whose name ends in it.
    fn pods(&self) -> Selector {
        let pods = format!("{}-{}-.+", self.workload, self.version);
        let selector = Selector::default().and("pod", "=~", &pods);
        match self.namespace.as_str() {
            "" => selector,
            namespace => selector.and("namespace", "=", namespace),
        }
    }

    fn limits(&self, resource: &str) -> String {
        let limits = self.pods().and("resource", "=", resource);
        format!(
            "sum({})",
            limits.series("kube_pod_container_resource_limits")
        )
    }

    fn cpu(&self) -> String {
        let used = self.pods().and("container", "!=", "");
        let used = self.rate(&used.series("container_cpu_usage_seconds_total"));
        format!("{used} / {}", self.limits("cpu"))
    }

    fn memory(&self) -> String {
        let used = self.pods().and("container", "!=", "");
        let used = used.series("container_memory_working_set_bytes");
        format!("sum({used}) / {}", self.limits("memory"))
    }

    fn ready_ratio(&self) -> String {
        let ready = self.pods().and("condition", "=", "true");
        let ready = ready.series("kube_pod_status_ready");
        let all = self.pods().series("kube_pod_status_ready");
        format!("sum({ready}) / sum({all})")
    }

    fn restarts(&self) -> String {
        let series = self
            .pods()
            .series("kube_pod_container_status_restarts_total");
        format!("sum(increase({series}[{}]))", written(self.window))
    }

    fn burn_rate(&self) -> String {
        format!("{} / (1 - {})", self.error_rate(), self.objective)
    }

    /// No firing alert is no series: that is a zero.
    fn firing_alerts(&self) -> String {
        let alerts = Selector::default().and("alertstate", "=", "firing");
        let alerts = alerts.and(&self.labels.workload, "=", &self.workload);
        let alerts = match self.version.as_str() {
            "" => alerts,
            version => alerts.and(&self.labels.version, "=", version),
        };
        format!("sum({}) or vector(0)", alerts.series("ALERTS"))
    }

    /// What must have series, and the label that must tell versions apart; none where nothing
    /// must.
    pub(crate) fn must_have(&self) -> Option<(String, String)> {
        let of = Selector::of(self.source, &self.labels, &self.workload, &self.namespace);
        let metric = match self.measure {
            Measure::SuccessRate
            | Measure::ErrorRate
            | Measure::RequestRate
            | Measure::ErrorBudget
            | Measure::BurnRate => self.source.requests(),
            Measure::Latency => self.source.durations().0,
            _ => return None,
        };
        Some((of.series(metric), self.labels.version.clone()))
    }
}

/// Which version is judged. Alerts alone may be asked for without one.
fn version(measure: Measure, part: &mut Part<'_>) -> String {
    if measure == Measure::FiringAlerts {
        return part.text("version").unwrap_or_default();
    }
    let version = part.text("version").unwrap_or_default();
    if version.is_empty() {
        let help = "such as version: \"{{args.canary-hash}}\"; without it both would be judged";
        part.refuse("", "version is missing: which side is judged", help);
    }
    version
}

/// Default 1 min.
fn window(part: &mut Part<'_>) -> Duration {
    const DEFAULT: Duration = Duration::from_secs(60);
    let Some(text) = part.text("window") else {
        return DEFAULT;
    };
    let window = go_duration::parse_non_negative(&text);
    window
        .ok()
        .filter(|window| window.as_secs() > 0)
        .unwrap_or_else(|| {
            part.refuse(
                "window",
                "a time of a second or more is wanted",
                "such as 1m",
            );
            DEFAULT
        })
}

/// A number between 0 and 1, both left out.
pub(crate) fn share(part: &mut Part<'_>, key: &'static str, default: f64) -> f64 {
    let Some(value) = part.value(key) else {
        return default;
    };
    let text = value.as_str().and_then(|text| text.parse().ok());
    let share = value
        .as_f64()
        .or(text)
        .filter(|share| *share > 0.0 && *share < 1.0);
    share.unwrap_or_else(|| {
        part.refuse(key, "a number between 0 and 1 is wanted", "such as 0.95");
        default
    })
}

/// A duration as PromQL writes it.
pub(crate) fn written(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: &Value) -> Result<Preset, Vec<String>> {
        let mut part = Part::new(value);
        let preset = Preset::read(&mut part);
        let told = |error: gradatim_core::registry::PartError| error.message;
        let errors = part.finish().err().unwrap_or_default();
        let errors: Vec<String> = errors.into_iter().map(told).collect();
        preset.filter(|_| errors.is_empty()).ok_or(errors)
    }

    #[test]
    fn a_success_rate_is_a_number_when_nothing_fails_and_nothing_without_requests() {
        let preset = read(&json!({
            "measure": "success-rate", "workload": "shop", "namespace": "prod", "version": "v2",
        }));
        let all = r#"http_requests_total{app="shop",namespace="prod",version="v2""#;
        let rate = format!("sum(rate({all}}}[60s]))");
        let failed = format!("sum(rate({all},code=~\"5..\"}}[60s]))");
        assert_eq!(
            preset.unwrap().promql(),
            format!("1 - (({failed} or 0 * {rate}) / {rate})")
        );
    }

    #[test]
    fn istio_s_milliseconds_become_seconds() {
        let preset = read(&json!({
            "measure": "latency", "source": "istio", "workload": "shop", "version": "7f3a",
            "quantile": 0.99, "window": "2m30s", "labels": {"version": "destination_revision"},
        }));
        assert_eq!(
            preset.unwrap().promql(),
            "histogram_quantile(0.99, sum by (le) (rate(\
             istio_request_duration_milliseconds_bucket{destination_app=\"shop\",\
             reporter=\"destination\",destination_revision=\"7f3a\"}[150s]))) / 1000"
        );
    }

    #[test]
    fn every_measure_names_the_version_that_it_judges() {
        for (name, _) in MEASURES {
            let preset = json!({"measure": name, "workload": "shop", "version": "abc123"});
            let promql = read(&preset).unwrap().promql();
            assert!(promql.contains("abc123"), "{promql}");
            let without = read(&json!({"measure": name, "workload": "shop"}));
            assert_eq!(without.is_ok(), name == "firing-alerts", "{name}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_found_at_once() {
        let errors = read(&json!({
            "measure": "latency", "source": "http", "workload": "", "quantile": 95, "window": "60",
            "labels": {"pod": "a-b"},
        }));
        assert_eq!(
            errors.unwrap_err(),
            [
                "this is no name of a label",
                "this must not be empty",
                "version is missing: which side is judged",
                "a time of a second or more is wanted",
                "a number between 0 and 1 is wanted",
            ]
        );
        let errors = read(&json!({"measure": "p95", "source": "linkerd"}));
        assert_eq!(
            errors.unwrap_err()[..2],
            ["no such ready-made query", "no such source"]
        );
    }
}
