//! A `MetricProvider`: it answers from what the proxy has counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gradatim::fault::FaultKind;
use gradatim::id::RevisionId;
use gradatim::measurement::{Ask, Outcome, Reading, Sample, Series};
use gradatim::number::Number;
use gradatim::port::{MetricProvider, PortError};
use gradatim::registry::{PartError, ProviderTraits};
use gradatim::time::Timestamp;
use serde_json::Value;

/// Fewer answers than this say nothing.
const LEAST: usize = 3;
/// How many answers of a version are kept, the newest ones.
const KEPT: usize = 50_000;
/// An answer that takes longer than this is slow, in a user's eyes.
const SLOW: Duration = Duration::from_secs(1);

/// What the proxy has counted, by version.
#[derive(Default)]
pub(crate) struct Tally {
    versions: Mutex<BTreeMap<RevisionId, Version>>,
}

#[derive(Default)]
struct Version {
    counts: Counts,
    newest: VecDeque<Answer>,
}

struct Answer {
    at: Timestamp,
    took: Duration,
    failed: bool,
}

/// The answers of a version so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub requests: u64,
    pub failed: u64,
    pub slow: u64,
    /// When the first one failed or was slow.
    pub first_harm: Option<Timestamp>,
}

impl Tally {
    /// An answer of a version is on its way to its user.
    pub(crate) fn count(&self, id: &RevisionId, at: Timestamp, took: Duration, failed: bool) {
        let mut versions = self.versions();
        let version = versions.entry(id.clone()).or_default();
        let (counts, slow) = (&mut version.counts, took > SLOW);
        counts.requests += 1;
        counts.failed += u64::from(failed);
        counts.slow += u64::from(slow);
        if failed || slow {
            counts.first_harm.get_or_insert(at);
        }
        version.newest.push_back(Answer { at, took, failed });
        if version.newest.len() > KEPT {
            version.newest.pop_front();
        }
    }

    pub(crate) fn counts(&self, id: &RevisionId) -> Counts {
        let versions = self.versions();
        versions.get(id).map(|it| it.counts).unwrap_or_default()
    }

    fn versions(&self) -> MutexGuard<'_, BTreeMap<RevisionId, Version>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Version {
    /// One number for the answers of a window; none when there are too few.
    fn measure(&self, query: Query, from: Timestamp, to: Timestamp) -> Option<f64> {
        let inside = |answer: &&Answer| from < answer.at && answer.at <= to;
        let answers: Vec<&Answer> = self.newest.iter().filter(inside).collect();
        if answers.len() < LEAST {
            return None;
        }
        let number = match query {
            Query::SuccessRate => {
                let good = answers.iter().filter(|answer| !answer.failed).count();
                good as f64 / answers.len() as f64
            }
            Query::MedianLatency => {
                let mut took: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
                took.sort_unstable();
                took.get(took.len() / 2)?.as_secs_f64()
            }
        };
        Some((number * 10_000.0).round() / 10_000.0)
    }
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Query {
    /// The share of the answers that were no server error, 0 to 1.
    SuccessRate,
    /// In seconds.
    MedianLatency,
}

/// The provider's own part of a manifest, `provider.plugin.demo/metrics`.
pub(crate) fn parse(part: &Value) -> Result<ProviderTraits, Vec<PartError>> {
    read(part).map_err(|error| vec![error])?;
    Ok(ProviderTraits {
        has_history: true,
        window: None,
    })
}

fn read(part: &Value) -> Result<(Query, Vec<RevisionId>), PartError> {
    let query = match part.get("query").and_then(Value::as_str) {
        Some("success-rate") => Query::SuccessRate,
        Some("median-latency") => Query::MedianLatency,
        _ => return Err(PartError::new("query", "success-rate or median-latency")),
    };
    let versions = part.get("versions").and_then(Value::as_array);
    let names = versions.into_iter().flatten().map(Value::as_str);
    let names: Option<Vec<RevisionId>> = names.map(|name| name.map(RevisionId::new)).collect();
    match names {
        Some(names) if !names.is_empty() => Ok((query, names)),
        _ => Err(PartError::new("versions", "at least one version's name")),
    }
}

#[async_trait]
impl MetricProvider for Tally {
    fn has_history(&self) -> bool {
        true
    }

    /// One series for each version that is asked for; none at all when one has too few answers.
    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let wrong = |error: PartError| PortError::new(FaultKind::Invalid, error.message);
        let (query, names) = read(&ask.query).map_err(wrong)?;
        let versions = self.versions();
        let series = |name: &RevisionId| {
            let version = versions.get(name)?;
            let value = version.measure(query, ask.at - ask.window, ask.at)?;
            Some(Series {
                labels: BTreeMap::from([("version".to_owned(), name.to_string())]),
                samples: vec![Sample {
                    at: ask.at,
                    value: Number::new(value),
                }],
            })
        };
        let all: Option<Vec<Series>> = names.iter().map(series).collect();
        Ok(Outcome::done(Reading::Series(all.unwrap_or_default())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn a_window_is_open_at_its_start_and_closed_at_its_end() {
        let (tally, v2) = (Tally::default(), RevisionId::new("v2"));
        for (second, failed) in [
            (10, true),
            (11, false),
            (20, false),
            (25, true),
            (40, false),
            (41, true),
        ] {
            tally.count(&v2, at(second), Duration::from_secs(second as u64), failed);
        }
        let versions = tally.versions();
        let measure = |query, from, to| versions[&v2].measure(query, at(from), at(to));
        assert_eq!(measure(Query::SuccessRate, 10, 40), Some(0.75));
        assert_eq!(measure(Query::SuccessRate, 9, 40), Some(0.6));
        assert_eq!(measure(Query::MedianLatency, 10, 40), Some(25.0));
    }

    #[test]
    fn too_few_answers_say_nothing() {
        let (tally, v2) = (Tally::default(), RevisionId::new("v2"));
        tally.count(&v2, at(1), Duration::ZERO, false);
        tally.count(&v2, at(2), Duration::ZERO, true);
        assert_eq!(
            tally.versions()[&v2].measure(Query::SuccessRate, at(0), at(9)),
            None
        );
        assert_eq!(tally.counts(&v2).first_harm, Some(at(2)));
        assert_eq!(tally.counts(&RevisionId::new("v3")), Counts::default());
    }

    #[test]
    fn a_part_that_asks_for_nothing_known_is_refused() {
        for part in [
            serde_json::json!(null),
            serde_json::json!({"query": "p95-latency", "versions": ["v2"]}),
            serde_json::json!({"query": "success-rate", "versions": []}),
            serde_json::json!({"query": "success-rate", "versions": [2]}),
        ] {
            assert!(parse(&part).is_err(), "{part}");
        }
    }
}
