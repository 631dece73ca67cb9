//! The metric server of the plays: Prometheus and any JSON endpoint, answering from a script.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::{Ask, Outcome, Reading, Sample, Series};
use gradatim_core::number::Number;
use gradatim_core::port::{MetricProvider, PortError};
use gradatim_core::time::Timestamp;
use serde_json::{Value, json};

use super::scenario::Script;

/// Answers by the metric's name in the play: a query, or the end of an address.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<BTreeMap<String, VecDeque<Value>>>);

impl Metrics {
    pub(super) fn script(&self, metric: &str, script: &Script) {
        let values = match script.clone() {
            Script::One { value } => [value].into(),
            Script::Each { values } => values.into(),
        };
        self.0.lock().unwrap().insert(metric.to_owned(), values);
    }

    /// The next value; the last one stays.
    fn next(&self, metric: &str) -> Value {
        let mut scripts = self.0.lock().unwrap();
        match scripts.get_mut(metric) {
            Some(values) if values.len() > 1 => values.pop_front(),
            Some(values) => values.front().cloned(),
            None => None,
        }
        .unwrap_or(json!("error"))
    }
}

#[async_trait]
impl MetricProvider for Metrics {
    fn has_history(&self) -> bool {
        false
    }

    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let text = |field: &str| {
            ask.query
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let reading = match ask.provider.as_str() {
            "prometheus" => vector(&self.next(text("query")), ask.at),
            _ => {
                let metric = text("url").rsplit('/').next().unwrap_or_default();
                body(self.next(metric), text("jsonPath"))
            }
        };
        let failed = || PortError::new(FaultKind::Other, "received non 2xx response code: 500");
        Ok(Outcome::done(reading.ok_or_else(failed)?))
    }
}

fn vector(value: &Value, at: Timestamp) -> Option<Reading> {
    let numbers: Vec<f64> = match value {
        Value::String(text) if text == "error" => return None,
        Value::String(text) if text == "empty" => Vec::new(),
        Value::String(text) => vec![text.parse().unwrap()],
        Value::Array(values) => values.iter().filter_map(Value::as_f64).collect(),
        value => value.as_f64().into_iter().collect(),
    };
    let series = numbers
        .into_iter()
        .enumerate()
        .map(|(place, number)| Series {
            labels: BTreeMap::from([("n".to_owned(), place.to_string())]),
            samples: vec![Sample {
                at,
                value: Number::new(number),
            }],
        });
    Some(Reading::Series(series.collect()))
}

/// The field that a path names in a body of JSON; a body that is none is a text.
fn body(value: Value, path: &str) -> Option<Reading> {
    let body = match value {
        Value::String(text) if text == "error" => return None,
        Value::String(text) => return Some(Reading::Json(json!(text))),
        Value::Object(fields) => Value::Object(fields),
        number => json!({ "value": number }),
    };
    let field = path
        .strip_prefix("{$.")
        .and_then(|rest| rest.strip_suffix('}'));
    let found = field.map_or(Some(&body), |field| body.get(field));
    Some(Reading::Json(found.cloned().unwrap_or_default()))
}
