//! A metric provider on NGINX's access log: each line is `SECONDS VERSION STATUS`.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use gradatim::fault::FaultKind;
use gradatim::measurement::{Ask, Outcome, Reading, Sample, Series};
use gradatim::number::Number;
use gradatim::port::{MetricProvider, PortError};
use gradatim::registry::{PartError, ProviderTraits};
use serde_json::Value;

/// The format that NGINX writes; the version's variable is the router's.
pub(crate) const FORMAT: &str = "log_format gradatim '$msec $shop_revision $status';";
/// Fewer answers than this say nothing.
const LEAST: usize = 5;

pub(crate) struct AccessLog(pub PathBuf);

/// The provider's own part of a manifest.
pub(crate) fn parse(part: &Value) -> Result<ProviderTraits, Vec<PartError>> {
    let (version, window) = (part["version"].as_str(), part["window"].as_u64());
    match (version, window) {
        (None, _) => Err(vec![PartError::new("version", "the version's name")]),
        (_, None) => Err(vec![PartError::new("window", "a number of seconds")]),
        (Some(_), Some(window)) => Ok(ProviderTraits {
            has_history: true,
            window: Some(Duration::from_secs(window)),
        }),
    }
}

#[async_trait]
impl MetricProvider for AccessLog {
    fn has_history(&self) -> bool {
        true
    }

    /// The share of a version's answers that were no server error, 0 to 1.
    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let log = std::fs::read_to_string(&self.0).map_err(|error| {
            let text = format!("{} cannot be read", self.0.display());
            PortError::new(FaultKind::NotFound, text).caused_by(error)
        })?;
        let version = ask.query["version"].as_str().unwrap_or_default();
        let (from, to) = ((ask.at - ask.window).as_secs_f64(), ask.at.as_secs_f64());
        let statuses: Vec<u16> = log
            .lines()
            .filter_map(read)
            .filter(|(at, of, _)| *of == version && from < *at && *at <= to)
            .map(|(_, _, status)| status)
            .collect();
        let good = statuses.iter().filter(|status| **status < 500).count();
        let mut series = Vec::new();
        if statuses.len() >= LEAST {
            let value = Number::new(good as f64 / statuses.len() as f64);
            series.push(Series {
                labels: [("version".to_owned(), version.to_owned())].into(),
                samples: vec![Sample { at: ask.at, value }],
            });
        }
        Ok(Outcome::done(Reading::Series(series)))
    }
}

pub(crate) fn read(line: &str) -> Option<(f64, &str, u16)> {
    let mut words = line.split(' ');
    let (at, version, status) = (words.next()?, words.next()?, words.next()?);
    Some((at.parse().ok()?, version, status.parse().ok()?))
}
