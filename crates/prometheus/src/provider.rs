//! The provider: the only part that sends.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::measurement::{Ask, Counter, Notes, Outcome, Reading, Series};
use gradatim_core::port::{MetricProvider, Missing, PortError, Secrets};
use gradatim_core::time::Timestamp;
use gradatim_http::frame::{self, Data, Found};
use gradatim_http::selector::known;
use gradatim_http::{Answer, Endpoint, HttpClient, Request};
use serde_json::Value;

use crate::config::Config;
use crate::counters::{Counters, Counts};
use crate::part::{Asking, Question};
use crate::{encode, selectors};

/// Measures with Prometheus; one value serves every rollout and every server.
#[derive(Clone, Debug)]
pub struct Prometheus {
    config: Config,
    client: HttpClient,
}

impl Prometheus {
    /// A provider with a client of its own.
    ///
    /// # Errors
    /// When no HTTP client can be made on this system.
    pub fn new(config: Config, secrets: Arc<dyn Secrets>) -> Result<Self, PortError> {
        Ok(Self::with_client(config, HttpClient::new(secrets)?))
    }

    /// A provider that shares a client.
    pub fn with_client(config: Config, client: HttpClient) -> Self {
        Self { config, client }
    }

    async fn ask(&self, request: &Request) -> Result<(Answer, Found), PortError> {
        let answer = self.client.send(request).await?;
        let found = frame::found(&answer)?;
        Ok((answer, found))
    }

    async fn value(&self, request: Request, query: &str) -> Result<Outcome, PortError> {
        let (answer, found) = self.ask(&request).await?;
        let reading = frame::reading(found.data, &answer)?;
        let notes = notes(query.to_owned(), found.warnings);
        Ok(Outcome::Done { reading, notes })
    }

    /// Raw counters of both sides: the last sample at or before the window's start, and every
    /// later one up to `at`, as they were scraped. One request, where the selectors allow it.
    ///
    /// # Errors
    /// When the server does not answer, or not with samples.
    pub async fn counters(
        &self,
        endpoint: &Endpoint,
        counters: &Counters,
        at: Timestamp,
        window: Duration,
    ) -> Result<(Vec<Counter>, Notes), PortError> {
        let reach = window + self.config.lookback;
        let (mut all, mut queries, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for asked in counters.asked() {
            let query = format!("{}[{}ms]", asked.selector, reach.as_millis());
            let request = encode::instant(endpoint, &self.config, &query, at)?;
            let (answer, found) = self.ask(&request).await?;
            let series = samples(found.data, &answer)?;
            all.extend(counters.counters(&asked, series, at - window));
            queries.push(query);
            warnings.extend(found.warnings);
        }
        Ok((all, notes(queries.join("\n"), warnings)))
    }

    /// Whether a selector has any series now.
    async fn has_series(&self, endpoint: &Endpoint, selector: &str) -> Result<bool, PortError> {
        let query = format!("count({selector})");
        let request = encode::instant(endpoint, &self.config, &query, gradatim_http::now())?;
        let (_, found) = self.ask(&request).await?;
        Ok(!matches!(found.data, Data::Vector(series) if series.is_empty()))
    }

    /// What a query names and nobody has; before a release starts nothing bears the new version's
    /// value, but its label must be there.
    async fn missing(&self, endpoint: &Endpoint, query: &str) -> Result<Vec<Missing>, PortError> {
        let mut missing = Vec::new();
        for selector in selectors::selectors(query) {
            let (selector, labels) = known(&selector);
            missing.extend(self.without(endpoint, &selector, &labels).await?);
        }
        Ok(missing)
    }

    /// Whether a selector has series at all, and any with each of these labels.
    async fn without(
        &self,
        endpoint: &Endpoint,
        selector: &str,
        labels: &[&str],
    ) -> Result<Option<Missing>, PortError> {
        if !is_empty(selector) && !self.has_series(endpoint, selector).await? {
            return Ok(Some(Missing {
                what: format!("Prometheus has no series {selector}"),
                help: "is it scraped, and are its labels written right?".to_owned(),
            }));
        }
        for label in labels {
            let labelled = with_matcher(selector, &format!("{label}!=\"\""));
            if !self.has_series(endpoint, &labelled).await? {
                return Ok(Some(Missing {
                    what: format!(
                        "no series {selector} has the label {label}, which tells the sides apart"
                    ),
                    help: "name the label that does; in a ready-made query under labels.version"
                        .to_owned(),
                }));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl MetricProvider for Prometheus {
    fn has_history(&self) -> bool {
        true
    }

    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let Asking { endpoint, question } = asking(&ask.query)?;
        match &question {
            Question::Query(query) => {
                let request = encode::instant(&endpoint, &self.config, query, ask.at)?;
                self.value(request, query).await
            }
            Question::Preset(preset) => {
                let query = preset.promql();
                let request = encode::instant(&endpoint, &self.config, &query, ask.at)?;
                self.value(request, &query).await
            }
            Question::Range {
                query,
                start,
                end,
                step,
            } => {
                let over = (*start, *end, *step);
                let request = encode::range(&endpoint, &self.config, query, over, ask.at)?;
                self.value(request, query).await
            }
            Question::Counters(counters) => {
                let found = self.counters(&endpoint, counters, ask.at, ask.window);
                let (all, notes) = found.await?;
                let reading = Reading::Counters(all);
                Ok(Outcome::Done { reading, notes })
            }
        }
    }

    async fn probe(&self, query: &Value) -> Result<Vec<Missing>, PortError> {
        let Asking { endpoint, question } = asking(query)?;
        match &question {
            Question::Query(query) | Question::Range { query, .. } => {
                self.missing(&endpoint, query).await
            }
            Question::Preset(preset) => {
                let Some((selector, label)) = preset.must_have() else {
                    return Ok(Vec::new());
                };
                let missing = self.without(&endpoint, &selector, &[&label]).await?;
                Ok(missing.into_iter().collect())
            }
            Question::Counters(counters) => {
                let mut missing = Vec::new();
                for (counts, selector) in counters.selectors() {
                    // Without a failed request there may be no series of them.
                    if counts != Counts::Errors {
                        let label = counters.label.as_str();
                        missing.extend(self.without(&endpoint, selector, &[label]).await?);
                    }
                }
                Ok(missing)
            }
        }
    }
}

/// Series over a time; raw counters come in no other form.
fn samples(data: Data, answer: &Answer) -> Result<Vec<Series>, PortError> {
    match data {
        Data::Matrix(series) => Ok(series),
        _ => Err(answer.malformed("no samples over a time: does the selector hold a function?")),
    }
}

fn notes(query: String, warnings: Vec<String>) -> Notes {
    Notes {
        query: Some(query),
        warnings,
        ..Notes::default()
    }
}

/// A part that its parser accepted is read again, its late arguments filled in.
fn asking(query: &Value) -> Result<Asking, PortError> {
    Asking::parse(query).map_err(|errors| gradatim_http::misread(&errors))
}

/// Whether a selector selects by nothing.
fn is_empty(selector: &str) -> bool {
    selector
        .trim_start_matches('{')
        .trim_end_matches('}')
        .trim()
        .is_empty()
}

/// A selector with one more matcher.
fn with_matcher(selector: &str, matcher: &str) -> String {
    match selector.trim_end().strip_suffix('}') {
        Some(open) if open.trim_end().ends_with(['{', ',']) => format!("{open}{matcher}}}"),
        Some(open) => format!("{open},{matcher}}}"),
        None => format!("{selector}{{{matcher}}}"),
    }
}
