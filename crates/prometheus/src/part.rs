//! `provider.prometheus` of a manifest.

use std::time::Duration;

use gradatim_core::go_duration;
use gradatim_core::registry::{PartError, ProviderTraits};
use gradatim_http::{Endpoint, Part};
use serde_json::Value;

use crate::counters::Counters;
use crate::moment::Moment;
use crate::preset::Preset;
use crate::window;

/// What a manifest asks of Prometheus.
#[derive(Clone, Debug, PartialEq)]
pub struct Asking {
    /// Where the question goes.
    pub endpoint: Endpoint,
    /// The question.
    pub question: Question,
}

/// The question.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Question {
    /// PromQL at the measurement's instant.
    Query(String),
    /// PromQL over a time; a condition sees every value.
    Range {
        /// The query.
        query: String,
        /// The first instant.
        start: Moment,
        /// The last instant.
        end: Moment,
        /// The time between two values.
        step: Duration,
    },
    /// A ready-made query.
    Preset(Preset),
    /// Raw counters of both sides.
    Counters(Counters),
}

impl Asking {
    /// Reads a part.
    ///
    /// # Errors
    /// With everything that is wrong.
    pub fn parse(value: &Value) -> Result<Self, Vec<PartError>> {
        let mut part = Part::new(value);
        let endpoint = Endpoint::read(&mut part, "address", "timeout");
        let query = part.text("query");
        let range = part.object("rangeQuery", range);
        let preset = part.object("preset", Preset::read).flatten();
        let counters = part.object("counters", Counters::read).flatten();
        let given = |key| value.get(key).is_some_and(|value| !value.is_null());
        let ways = ["query", "preset", "counters"]
            .into_iter()
            .filter(|key| given(*key));
        match ways.count() {
            0 => part.refuse("", "query is missing", "or preset, or counters"),
            1 => {}
            _ => part.refuse(
                "",
                "there are several questions",
                "one of query, preset, counters",
            ),
        }
        if range.is_some() && query.is_none() {
            part.refuse("rangeQuery", "a range needs a query", "");
        }
        if query
            .as_deref()
            .is_some_and(|query| query.trim().is_empty())
        {
            part.refuse("query", "this must not be empty", "");
        }
        let question = match (query, range.flatten(), preset, counters) {
            (Some(query), Some((start, end, step)), ..) => Some(Question::Range {
                query,
                start,
                end,
                step,
            }),
            (Some(query), None, ..) => Some(Question::Query(query)),
            (None, _, Some(preset), _) => Some(Question::Preset(preset)),
            (None, _, None, counters) => counters.map(Question::Counters),
        };
        part.finish()?;
        // Without a question something was refused above.
        let question = question.ok_or_else(|| vec![PartError::new("", "query is missing")])?;
        Ok(Self { endpoint, question })
    }

    /// What a plan needs to know of it.
    pub fn traits(&self) -> ProviderTraits {
        let window = match &self.question {
            Question::Query(query) => window::of(query),
            Question::Range { query, start, .. } => {
                Some(start.back() + window::of(query).unwrap_or_default())
            }
            Question::Preset(preset) => Some(preset.window()),
            Question::Counters(_) => None,
        };
        ProviderTraits {
            has_history: true,
            window,
        }
    }
}

fn range(part: &mut Part<'_>) -> Option<(Moment, Moment, Duration)> {
    let mut moment = |key: &'static str| {
        let text = part.required(key);
        match Moment::parse(&text) {
            Ok(moment) => Some(moment),
            Err(_) if text.trim().is_empty() => None,
            Err(error) => {
                part.refuse(key, &error, "such as now() - duration(\"5m\")");
                None
            }
        }
    };
    let (start, end) = (moment("start"), moment("end"));
    let text = part.required("step");
    let step = go_duration::parse_non_negative(&text).ok();
    let step = step.filter(|step| *step >= Duration::from_millis(1));
    if step.is_none() && !text.trim().is_empty() {
        part.refuse("step", "a time above zero is wanted", "such as 1m");
    }
    let (start, end, step) = (start?, end?, step?);
    if start.of(gradatim_core::time::Timestamp::ZERO) > end.of(gradatim_core::time::Timestamp::ZERO)
    {
        part.refuse("start", "the range ends before it starts", "");
    }
    Some((start, end, step))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors(value: &Value) -> Vec<String> {
        let told = |error: PartError| format!("{}: {}", error.path, error.message);
        let errors = Asking::parse(value).unwrap_err();
        errors.into_iter().map(told).collect()
    }

    #[test]
    fn what_argo_s_manifests_say_is_read() {
        let asking = Asking::parse(&json!({
            "address": "http://prometheus.example.com:9090",
            "timeout": 40,
            "headers": [{"key": "X-Scope-OrgID", "value": "tenant_a"}],
            "query": "sum(irate(istio_requests_total{code!~\"5.*\"}[5m]))",
        }));
        let asking = asking.unwrap();
        assert_eq!(asking.traits().window, Some(Duration::from_secs(300)));
        assert!(asking.traits().has_history);

        let asking = Asking::parse(&json!({
            "query": "rate(x[1m])",
            "rangeQuery": {
                "start": "now() - duration(\"5m\")", "end": "now()", "step": "1m",
            },
        }));
        assert_eq!(
            asking.unwrap().traits().window,
            Some(Duration::from_secs(360))
        );
    }

    #[test]
    fn a_part_asks_one_question() {
        assert_eq!(
            errors(&json!({"address": "http://x"})),
            [": query is missing"]
        );
        let both = json!({"query": "up", "preset": {
            "measure": "latency", "workload": "w", "version": "v",
        }});
        assert_eq!(errors(&both), [": there are several questions"]);
        assert_eq!(
            errors(&json!({"query": " "})),
            ["query: this must not be empty"]
        );
    }

    #[test]
    fn a_range_is_checked_field_by_field() {
        let value =
            json!({"query": "up", "rangeQuery": {"start": "-5m", "end": "now()", "step": "0s"}});
        assert_eq!(
            errors(&value),
            [
                "rangeQuery.start: it begins with now()",
                "rangeQuery.step: a time above zero is wanted",
            ]
        );
        let value = json!({"query": "up", "rangeQuery": {
            "start": "now()", "end": "now() - duration('1m')", "step": "1s",
        }});
        assert_eq!(
            errors(&value),
            ["rangeQuery.start: the range ends before it starts"]
        );
    }

    #[test]
    fn a_preset_that_is_wrong_is_told_once() {
        let value = json!({"preset": {"measure": "x", "workload": "w", "version": "v"}});
        assert_eq!(
            errors(&value)[0],
            "preset.measure: no such ready-made query"
        );
    }
}
