//! The provider: the only part that sends.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::measurement::{Ask, Notes, Outcome};
use gradatim_core::port::{MetricProvider, Missing, PortError, Secrets};
use gradatim_core::time::Timestamp;
use gradatim_http::HttpClient;
use gradatim_http::frame;
use gradatim_http::selector::{in_braces, known};
use serde_json::Value;

use crate::config::Config;
use crate::part::Asking;
use crate::{decode, encode};

/// How far back a probe looks for lines.
const RECENT: Duration = Duration::from_secs(3600);

/// Measures with Loki; one value serves every rollout and every server.
#[derive(Clone, Debug)]
pub struct Loki {
    config: Config,
    client: HttpClient,
}

impl Loki {
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
}

#[async_trait]
impl MetricProvider for Loki {
    fn has_history(&self) -> bool {
        true
    }

    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let asking = asking(&ask.query)?;
        let query = encode::logql(&asking, ask.window);
        let request = encode::value(&asking, &self.config, &query, ask.at)?;
        let answer = self.client.send(&request).await?;
        let found = frame::found(&answer)?;
        let reading = frame::reading(found.data, &answer)?;
        let notes = Notes {
            query: Some(query),
            warnings: found.warnings,
            ..Notes::default()
        };
        Ok(Outcome::Done { reading, notes })
    }

    async fn evidence(
        &self,
        query: &Value,
        at: Timestamp,
        window: Duration,
        most: usize,
    ) -> Result<Vec<String>, PortError> {
        let asking = asking(query)?;
        let request = encode::lines(&asking, &self.config, at, window, most)?;
        let answer = self.client.send(&request).await?;
        decode::lines(frame::found(&answer)?.data, &answer, most)
    }

    async fn probe(&self, query: &Value) -> Result<Vec<Missing>, PortError> {
        let asking = asking(query)?;
        let mut missing = Vec::new();
        for stream in in_braces(&asking.query) {
            let (stream, labels) = known(stream);
            missing.extend(self.without(&asking, &stream, &labels).await?);
        }
        Ok(missing)
    }
}

impl Loki {
    /// Whether streams have lines at all, and any with each of these labels: before a release
    /// starts nothing bears the new version's value, but its label must be there.
    async fn without(
        &self,
        asking: &Asking,
        stream: &str,
        labels: &[&str],
    ) -> Result<Option<Missing>, PortError> {
        // Loki wants one matcher that is not empty.
        if stream == "{}" {
            return Ok(None);
        }
        if !self.has_lines(asking, stream).await? {
            return Ok(Some(Missing {
                what: format!("Loki has no lines of {stream} within the last hour"),
                help: "an empty answer is no zero: say what it means with onNoData, or name it in \
                       the condition (len(result) == 0 || …), or end the query with: or vector(0)"
                    .to_owned(),
            }));
        }
        for label in labels {
            let open = stream.strip_suffix('}').unwrap_or(stream);
            let labelled = format!("{open},{label}!=\"\"}}");
            if !self.has_lines(asking, &labelled).await? {
                return Ok(Some(Missing {
                    what: format!(
                        "no lines of {stream} have the label {label}, which tells the sides apart"
                    ),
                    help: "name the label that does".to_owned(),
                }));
            }
        }
        Ok(None)
    }

    async fn has_lines(&self, asking: &Asking, stream: &str) -> Result<bool, PortError> {
        let asking = Asking {
            query: stream.to_owned(),
            window: Some(RECENT),
            ..asking.clone()
        };
        let now = gradatim_http::now();
        let request = encode::lines(&asking, &self.config, now, RECENT, 1)?;
        let answer = self.client.send(&request).await?;
        let lines = decode::lines(frame::found(&answer)?.data, &answer, 1)?;
        Ok(!lines.is_empty())
    }
}

/// A part that its parser accepted is read again, its late arguments filled in.
fn asking(query: &Value) -> Result<Asking, PortError> {
    Asking::parse(query).map_err(|errors| gradatim_http::misread(&errors))
}
