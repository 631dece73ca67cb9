//! From an answer to what it says; pure.

use std::collections::BTreeMap;

use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::{Reading, Series};
use gradatim_core::port::PortError;

use super::{Data, Frame, Stream};
use crate::answer::Answer;

/// What was found, with what the server warns of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What was found.
    pub data: Data,
    /// What makes it less than whole.
    pub warnings: Vec<String>,
}

/// Reads an answer of the query API; a refusal in the API's own words keeps them.
///
/// # Errors
/// When the answer is a refusal, or cannot be understood.
pub fn found(answer: &Answer) -> Result<Found, PortError> {
    if !answer.is_success() {
        return Err(refused(answer));
    }
    let frame: Frame = serde_json::from_slice(&answer.body)
        .map_err(|error| answer.malformed(words(answer, &error)))?;
    match frame {
        Frame {
            data: Some(data),
            mut warnings,
            infos,
            ..
        } => {
            warnings.extend(infos);
            let warnings = warnings.iter().map(|text| answer.strike(text)).collect();
            let data = struck(data, answer);
            Ok(Found { data, warnings })
        }
        Frame {
            data: None, error, ..
        } => Err(answer.malformed(if error.is_empty() { "no data" } else { &error })),
    }
}

/// What was sent may come back as a label: it is struck out of those, too.
fn struck(data: Data, answer: &Answer) -> Data {
    if !answer.holds_secrets() {
        return data;
    }
    let series = |all: Vec<Series>| {
        let one = |mut series: Series| {
            series.labels = labels(series.labels, answer);
            series
        };
        all.into_iter().map(one).collect()
    };
    match data {
        Data::Scalar(number) => Data::Scalar(number),
        Data::Vector(all) => Data::Vector(series(all)),
        Data::Matrix(all) => Data::Matrix(series(all)),
        Data::Text(text) => Data::Text(answer.strike(&text)),
        Data::Streams(streams) => {
            let one = |stream: Stream| Stream {
                labels: labels(stream.labels, answer),
                values: stream
                    .values
                    .into_iter()
                    .map(|(at, line)| (at, answer.strike(&line)))
                    .collect(),
            };
            Data::Streams(streams.into_iter().map(one).collect())
        }
    }
}

fn labels(labels: BTreeMap<String, String>, answer: &Answer) -> BTreeMap<String, String> {
    let one = |(name, value): (String, String)| (answer.strike(&name), answer.strike(&value));
    labels.into_iter().map(one).collect()
}

/// A number or series; a text is neither.
///
/// # Errors
/// When it is none of them.
pub fn reading(data: Data, answer: &Answer) -> Result<Reading, PortError> {
    match data {
        Data::Scalar(number) => Ok(Reading::Number(number)),
        Data::Vector(series) | Data::Matrix(series) => Ok(Reading::Series(series)),
        Data::Text(text) => {
            let head: String = text.chars().take(40).collect();
            Err(answer.malformed(format_args!("the text {head:?} where a number is wanted")))
        }
        Data::Streams(_) => Err(answer.malformed("lines where a number is wanted")),
    }
}

fn words(answer: &Answer, error: &serde_json::Error) -> String {
    match answer.body.first() {
        Some(b'{' | b'[') => error.to_string(),
        None => "nothing".to_owned(),
        Some(_) => format!("no JSON: {}", answer.excerpt()),
    }
}

fn refused(answer: &Answer) -> PortError {
    let frame: Option<Frame> = serde_json::from_slice(&answer.body).ok();
    let frame = frame.filter(|frame| !frame.error.is_empty());
    let Some(frame) = frame else {
        return answer.refusal(&answer.excerpt());
    };
    let mut error = answer.refusal(&frame.error);
    // 503 stands for both of these.
    if matches!(frame.error_type.as_str(), "timeout" | "canceled") {
        error.kind = FaultKind::Timeout;
    }
    error
}
