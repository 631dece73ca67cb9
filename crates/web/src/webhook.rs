//! `provider.webhook`: a gate that somebody else opens.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::{Ask, GateState, Notes, Outcome, Reading};
use gradatim_core::port::{MetricProvider, PortError, Secrets};
use gradatim_core::registry::{PartError, ProviderTraits};
use gradatim_http::{Body, Endpoint, HttpClient, Part, Request};
use serde_json::{Map, Value, json};

/// How long a gate may take whose manifest does not say; as in Flagger.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a manifest asks of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    endpoint: Endpoint,
    name: String,
    namespace: String,
    metadata: Map<String, Value>,
}

impl Gate {
    /// Reads a part: `url`, `timeoutSeconds`, `name` and `namespace` of what is delivered,
    /// `metadata` for the other side, and `headers`, `authentication`, `insecure`.
    ///
    /// # Errors
    /// With everything that is wrong.
    pub fn parse(value: &Value) -> Result<Self, Vec<PartError>> {
        let mut part = Part::new(value);
        let endpoint = Endpoint::read(&mut part, "url", "timeoutSeconds");
        if endpoint.address.is_none() {
            part.required("url");
        }
        let metadata = part.value("metadata").cloned().unwrap_or_else(|| json!({}));
        let metadata = metadata.as_object().cloned().unwrap_or_else(|| {
            part.refuse("metadata", "names and values are wanted", "");
            Map::new()
        });
        let gate = Self {
            endpoint,
            name: part.text("name").unwrap_or_default(),
            namespace: part.text("namespace").unwrap_or_default(),
            metadata,
        };
        part.finish()?;
        Ok(gate)
    }

    /// Flagger's payload, with the id of this very question beside it.
    fn request(&self, ask: &Ask) -> Result<Request, PortError> {
        let url = self.endpoint.address.clone().unwrap_or_default();
        let request = self.endpoint.request("the gate", "", None, false)?;
        Ok(Request {
            method: "POST".to_owned(),
            url,
            body: Body::Json(json!({
                "name": self.name,
                "namespace": self.namespace,
                "phase": "Progressing",
                "checksum": ask.id.revision.as_str(),
                "metadata": self.metadata,
                "gate": ask.id.metric.as_str(),
                "attempt": ask.id.attempt,
                "id": ask.id.to_string(),
            })),
            timeout: self.endpoint.timeout.unwrap_or(TIMEOUT),
            ..request
        }
        .header(crate::IDEMPOTENCY, ask.id.to_string()))
    }
}

/// Asks gates; one value serves all.
///
/// A success (200 to 299) is open and any other answer is closed. What does not answer is
/// unknown, and unknown waits: it is no failed check.
#[derive(Clone, Debug)]
pub struct Webhook {
    client: HttpClient,
}

impl Webhook {
    /// Gates with a client of their own.
    ///
    /// # Errors
    /// When no HTTP client can be made on this system.
    pub fn new(secrets: Arc<dyn Secrets>) -> Result<Self, PortError> {
        Ok(Self::with_client(HttpClient::new(secrets)?))
    }

    /// Gates that share a client.
    pub fn with_client(client: HttpClient) -> Self {
        Self { client }
    }

    /// What a plan needs to know of a part.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn parse(part: &Value) -> Result<ProviderTraits, Vec<PartError>> {
        Gate::parse(part).map(|_| ProviderTraits::default())
    }
}

#[async_trait]
impl MetricProvider for Webhook {
    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let gate = Gate::parse(&ask.query).map_err(|errors| gradatim_http::misread(&errors))?;
        let request = gate.request(ask)?;
        let (state, says) = match self.client.send(&request).await {
            Ok(answer) if answer.is_success() => (GateState::Open, answer.excerpt()),
            Ok(answer) if matches!(answer.status, 408 | 429 | 502..=504) => {
                (GateState::Unknown, answer.refusal(&answer.excerpt()).text)
            }
            Ok(answer) => (GateState::Closed, answer.refusal(&answer.excerpt()).text),
            Err(error) if waits(error.kind) => (GateState::Unknown, error.text),
            Err(error) => return Err(error),
        };
        let notes = Notes {
            query: Some(format!("POST {}", request.url)),
            evidence: if says.is_empty() {
                Vec::new()
            } else {
                vec![says]
            },
            ..Notes::default()
        };
        let reading = Reading::Gate(state);
        Ok(Outcome::Done { reading, notes })
    }
}

/// Whether an error says that the gate cannot tell, not that the question is wrong.
fn waits(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Timeout | FaultKind::Unreachable | FaultKind::Overloaded
    )
}
