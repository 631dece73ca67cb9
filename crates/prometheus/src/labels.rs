//! What the series of a source are called, and which labels tell workloads and versions apart.

use std::fmt::Write;

use gradatim_http::Part;

/// Where series come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A service's own `http_requests_total` and `http_request_duration_seconds`.
    Http,
    /// Istio's standard metrics, as the destination reports them.
    Istio,
    /// The community NGINX Ingress controller.
    Nginx,
}

impl Source {
    /// The names a manifest calls them by.
    pub(crate) const NAMES: &'static str = "http, istio or nginx";

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "http" => Self::Http,
            "istio" => Self::Istio,
            "nginx" => Self::Nginx,
            _ => return None,
        })
    }

    /// The counter of requests.
    pub(crate) fn requests(self) -> &'static str {
        match self {
            Self::Http => "http_requests_total",
            Self::Istio => "istio_requests_total",
            Self::Nginx => "nginx_ingress_controller_requests",
        }
    }

    /// The histogram of durations, with how many of its units make a second.
    pub(crate) fn durations(self) -> (&'static str, u32) {
        match self {
            Self::Http => ("http_request_duration_seconds_bucket", 1),
            Self::Istio => ("istio_request_duration_milliseconds_bucket", 1000),
            Self::Nginx => (
                "nginx_ingress_controller_request_duration_seconds_bucket",
                1,
            ),
        }
    }

    /// What every selector of this source holds: a request that two proxies report counts once.
    fn always(self) -> &'static [(&'static str, &'static str, &'static str)] {
        match self {
            Self::Istio => &[("reporter", "=", "destination")],
            Self::Http | Self::Nginx => &[],
        }
    }
}

/// The names of labels; those of the source where a manifest says nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    pub(crate) workload: String,
    pub(crate) namespace: String,
    pub(crate) version: String,
    pub(crate) code: String,
    pub(crate) pod: String,
}

impl Labels {
    /// A source's own.
    pub fn of(source: Source) -> Self {
        let [workload, namespace, version, code] = match source {
            Source::Http => ["app", "namespace", "version", "code"],
            Source::Istio => [
                "destination_app",
                "destination_workload_namespace",
                "destination_version",
                "response_code",
            ],
            Source::Nginx => ["ingress", "exported_namespace", "canary", "status"],
        };
        Self {
            workload: workload.to_owned(),
            namespace: namespace.to_owned(),
            version: version.to_owned(),
            code: code.to_owned(),
            pod: "pod".to_owned(),
        }
    }

    /// Reads the names that a manifest changes.
    pub(crate) fn read(source: Source, part: &mut Part<'_>) -> Self {
        let mut labels = Self::of(source);
        part.object("labels", |part| {
            for (key, label) in [
                ("workload", &mut labels.workload),
                ("namespace", &mut labels.namespace),
                ("version", &mut labels.version),
                ("code", &mut labels.code),
                ("pod", &mut labels.pod),
            ] {
                let Some(name) = part.text(key) else { continue };
                if is_name(&name) {
                    *label = name;
                } else {
                    part.refuse(key, "this is no name of a label", "letters, digits and _");
                }
            }
        });
        labels
    }
}

fn is_name(text: &str) -> bool {
    let start = text
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    start && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A selector of series, written matcher by matcher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    matchers: String,
}

impl Selector {
    /// The series of one workload.
    pub(crate) fn of(source: Source, labels: &Labels, workload: &str, namespace: &str) -> Self {
        let mut selector = Self::default().and(&labels.workload, "=", workload);
        if !namespace.is_empty() {
            selector = selector.and(&labels.namespace, "=", namespace);
        }
        let always = source.always().iter();
        always.fold(selector, |selector, (label, operator, value)| {
            selector.and(label, operator, value)
        })
    }

    /// One more matcher.
    pub(crate) fn and(mut self, label: &str, operator: &str, value: &str) -> Self {
        let gap = if self.matchers.is_empty() { "" } else { "," };
        let value = quoted(value);
        // Writing into a text does not fail.
        let _ = write!(self.matchers, "{gap}{label}{operator}{value}");
        self
    }

    /// The series of a metric.
    pub(crate) fn series(&self, metric: &str) -> String {
        format!("{metric}{{{}}}", self.matchers)
    }
}

/// A value as PromQL writes it.
pub(crate) fn quoted(value: &str) -> String {
    let escaped = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_break_out_of_its_quotes() {
        let selector = Selector::default().and("app", "=", "a\"} or up{x=\"\\\n");
        assert_eq!(selector.series("m"), r#"m{app="a\"} or up{x=\"\\\n"}"#);
    }

    #[test]
    fn a_selector_names_workload_namespace_and_reporter() {
        let labels = Labels::of(Source::Istio);
        let selector = Selector::of(Source::Istio, &labels, "shop", "prod");
        assert_eq!(
            selector.series("istio_requests_total"),
            "istio_requests_total{destination_app=\"shop\",\
             destination_workload_namespace=\"prod\",reporter=\"destination\"}"
        );
    }
}
