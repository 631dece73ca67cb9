//! Which metrics would see that requests fail.
//!
//! Nobody can tell from a query for certain. A metric counts as one that sees it when it is a
//! test, or when its name or its query speaks of errors, failures, successes or status codes;
//! one of latency, processors, memory or ready pods does not.

use serde_json::Value;

use crate::analysis::MetricPlan;

/// Words by which a metric says that it counts what went wrong, or right.
const WORDS: [&str; 17] = [
    "5xx",
    "availability",
    "code",
    "err",
    "error",
    "errors",
    "exception",
    "exceptions",
    "fail",
    "failed",
    "failing",
    "failure",
    "failures",
    "fatal",
    "panic",
    "success",
    "successful",
];

/// Parts of a matcher that pick some status codes.
const CODES: [&str; 6] = ["5..", "2..", "[45]", "\"500\"", "status=", "status!"];

/// Whether a metric would see that requests fail.
pub(in crate::plan) fn sees_failures(metric: &MetricPlan) -> bool {
    metric.judge.is_some()
        || sends_requests(metric)
        || metric.provider == "kayenta"
        || speaks(metric.name.as_str())
        || asks(&metric.query)
}

/// Providers that try the new version themselves.
pub(in crate::plan) fn sends_requests(metric: &MetricPlan) -> bool {
    ["job", "web", "command"].contains(&metric.provider.as_str())
}

/// Whether any text of a provider's part speaks of it, addresses aside.
fn asks(part: &Value) -> bool {
    match part {
        Value::String(text) => speaks(text),
        Value::Array(items) => items.iter().any(asks),
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "address" | "url" | "token"))
            .any(|(_, field)| asks(field)),
        _ => false,
    }
}

fn speaks(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| WORDS.contains(&word)) || CODES.iter().any(|code| text.contains(code))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sees(name: &str, provider: &str, query: &str) -> bool {
        let part = json!({ "address": "http://errors.example", "query": query });
        sees_failures(&MetricPlan::new(name, provider, part))
    }

    #[test]
    fn a_metric_says_by_its_words_whether_it_sees_failures() {
        let rate = "sum(rate(http_requests_total{status!~\"5..\"}[1m])) / sum(rate(http_requests_total[1m]))";
        assert!(sees("m", "prometheus", rate));
        assert!(sees(
            "error-lines",
            "loki",
            "sum(count_over_time({app=\"web\"}[1m]))"
        ));
        assert!(sees(
            "m",
            "prometheus",
            "grpc_server_handled_total{grpc_code!=\"OK\"}"
        ));
        assert!(sees("smoke", "job", ""));
        for (name, query) in [
            (
                "latency-p95",
                "histogram_quantile(0.95, sum(rate(http_request_duration_seconds_bucket[1m])) by (le))",
            ),
            (
                "cpu",
                "sum(rate(container_cpu_usage_seconds_total{pod=~\"web-.*\"}[2m]))",
            ),
            (
                "pods-ready",
                "sum(kube_pod_status_ready{condition=\"true\"})",
            ),
        ] {
            assert!(!sees(name, "prometheus", query), "{name}");
        }
    }
}
