//! The provider: the only part that sends.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::measurement::{Ask, Notes, Outcome};
use gradatim_core::port::{MetricProvider, Missing, PortError, Secrets};
use gradatim_core::time::Timestamp;
use gradatim_http::HttpClient;
use gradatim_http::frame::{self, Data};
use serde_json::Value;

use crate::config::Config;
use crate::part::Asking;
use crate::{decode, encode};

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
        let query = encode::logql(&asking, Duration::ZERO);
        let request = encode::value(&asking, &self.config, &query, gradatim_http::now())?;
        let answer = self.client.send(&request).await?;
        let nothing = match frame::found(&answer)?.data {
            Data::Vector(series) | Data::Matrix(series) => series.is_empty(),
            _ => false,
        };
        let missing = nothing.then(|| Missing {
            what: format!("Loki has nothing for {query}"),
            help: "an empty answer is no zero: say what it means with onNoData, or name it in the \
                   condition (len(result) == 0 || …), or end the query with: or vector(0)"
                .to_owned(),
        });
        Ok(missing.into_iter().collect())
    }
}

/// A part that its parser accepted is read again, its late arguments filled in.
fn asking(query: &Value) -> Result<Asking, PortError> {
    Asking::parse(query).map_err(|errors| gradatim_http::misread(&errors))
}
