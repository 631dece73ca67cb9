//! `provider.loki` of a manifest.

use std::time::Duration;

use gradatim_core::go_duration;
use gradatim_core::registry::{PartError, ProviderTraits};
use gradatim_http::{Endpoint, Part};
use serde_json::Value;

/// What a manifest asks of Loki.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// Where the question goes.
    pub endpoint: Endpoint,
    /// Whose logs.
    pub tenant: Option<String>,
    /// The question in LogQL.
    pub query: String,
    /// How far back a query reaches that counts lines or runs over a time.
    pub window: Option<Duration>,
    /// The time between two values of a query over the window; none asks at one instant.
    pub step: Option<Duration>,
}

impl Asking {
    /// Reads a part.
    ///
    /// # Errors
    /// With everything that is wrong.
    pub fn parse(value: &Value) -> Result<Self, Vec<PartError>> {
        let mut part = Part::new(value);
        let asking = Self {
            endpoint: Endpoint::read(&mut part, "address", "timeout"),
            tenant: part.text("tenant"),
            query: part.required("query"),
            window: duration(&mut part, "window"),
            step: duration(&mut part, "step"),
        };
        if asking.step.is_some() && asking.window.is_none() {
            part.refuse(
                "step",
                "a step needs a window",
                "add window: the time to look over",
            );
        }
        if asking.step.is_some() && asking.counts_lines() {
            let help = "count_over_time(… [1m]) has values over a time";
            part.refuse("step", "lines are counted over the whole window", help);
        }
        part.finish()?;
        Ok(asking)
    }

    /// What a plan needs to know of it.
    pub fn traits(&self) -> ProviderTraits {
        ProviderTraits {
            has_history: true,
            window: self.window.or_else(|| range(&self.query)),
        }
    }

    /// Whether the query gives lines and not numbers.
    pub fn counts_lines(&self) -> bool {
        self.query.trim_start().starts_with('{')
    }
}

fn duration(part: &mut Part<'_>, key: &'static str) -> Option<Duration> {
    let text = part.text(key)?;
    let duration = go_duration::parse_non_negative(&text).ok();
    let duration = duration.filter(|duration| *duration >= Duration::from_secs(1));
    if duration.is_none() {
        part.refuse(key, "a time of a second or more is wanted", "such as 1m");
    }
    duration
}

/// The longest range that stands in brackets.
fn range(query: &str) -> Option<Duration> {
    let ranges = query
        .split('[')
        .skip(1)
        .filter_map(|rest| rest.split_once(']'));
    let lengths =
        ranges.filter_map(|(range, _)| go_duration::parse_non_negative(range.trim()).ok());
    lengths.max().filter(|length| !length.is_zero())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_is_read_with_how_far_it_reaches() {
        let asking = Asking::parse(&json!({
            "address": "http://loki:3100", "tenant": "shop",
            "query": "sum(rate({app=\"web\"} |= \"error\" [5m]))",
        }));
        let asking = asking.unwrap();
        assert_eq!(asking.traits().window, Some(Duration::from_secs(300)));
        assert!(!asking.counts_lines());
        let asking = Asking::parse(&json!({"query": " {app=\"web\"} |= \"x\"", "window": "2m"}));
        let asking = asking.unwrap();
        assert_eq!(asking.traits().window, Some(Duration::from_secs(120)));
        assert!(asking.counts_lines());
    }

    #[test]
    fn everything_that_is_wrong_is_found_at_once() {
        let value = json!({"window": "60", "step": "10s", "adress": "x"});
        let errors = Asking::parse(&value).unwrap_err();
        let told: Vec<String> = errors
            .iter()
            .map(|e| format!("{}: {}", e.path, e.message))
            .collect();
        assert_eq!(
            told,
            [
                ": query is missing",
                "window: a time of a second or more is wanted",
                "step: a step needs a window",
                "adress: unknown field",
            ]
        );
        let lines = json!({"query": "{a=\"b\"}", "window": "1m", "step": "10s"});
        assert_eq!(Asking::parse(&lines).unwrap_err().len(), 1);
    }
}
