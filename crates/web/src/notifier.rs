//! Notifications by webhook.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::event::{Event, EventId, EventKind};
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RolloutId;
use gradatim_core::port::{Notifier, PortError, Secrets};
use gradatim_http::{Body, HttpClient, Request};
use minijinja::{Environment, UndefinedBehavior, context};

/// How long a notification may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many events are remembered as told.
const REMEMBERED: usize = 1000;
/// How many steps a template may take.
const FUEL: u64 = 100_000;
/// The name of the one template.
const TEMPLATE: &str = "message";

/// The JSON that Slack, and whatever speaks its format, takes.
///
/// The lines that say why stand below the text, quoted.
pub const SLACK: &str = r#"{"text": {{ ("*" ~ rollout ~ "* " ~ (([text] + evidence) | map("slack") | join("\n> "))) | tojson }}}"#;
/// Everything of an event as JSON.
pub const JSON: &str = r#"{"rollout": {{ rollout | tojson }}, "kind": {{ kind | tojson }}, "text": {{ text | tojson }}, "at": {{ at | tojson }}, "id": {{ id | tojson }}, "evidence": {{ evidence | tojson }}}"#;

/// The JSON of Flagger's `event` webhooks, for whoever receives those.
pub const FLAGGER: &str = r#"{% set parts = rollout | split("/") | list -%}
{% set bad = ["RolloutAborted", "AnalysisRunFailed", "AnalysisRunError", "PodTrouble", "ProgressDeadlineExceeded", "RouteDrift", "BackendFault", "StateUnreadable"] -%}
{"name": {{ parts | last | tojson }}, "namespace": {{ (parts | first if parts | length > 1 else "") | tojson }}, "phase": {{ ("Succeeded" if kind == "RolloutCompleted" else "Failed" if kind == "RolloutAborted" else "Progressing") | tojson }}, "metadata": {"eventMessage": {{ text | tojson }}, "eventType": {{ ("Warning" if kind in bad else "Normal") | tojson }}, "timestamp": {{ millis | string | tojson }}}}"#;

/// Tells events to a webhook, each once.
///
/// The template is Jinja's, with `rollout`, `kind`, `text`, `at` (RFC 3339), `millis` (the same
/// instant in milliseconds since 1970), `id` and `evidence`
/// (a list of log lines that say why, often empty); what it gives is the body. The filter `slack`
/// escapes what Slack would read as a link or as a call to everyone. The address and the headers may hold placeholders of secrets.
pub struct WebhookNotifier {
    client: HttpClient,
    request: Request,
    template: Environment<'static>,
    only: Vec<EventKind>,
    told: Mutex<VecDeque<(RolloutId, EventId)>>,
}

impl WebhookNotifier {
    /// A notifier with a client of its own.
    ///
    /// # Errors
    /// When the template does not parse, or no HTTP client can be made on this system.
    pub fn new(
        url: impl Into<String>,
        template: &str,
        secrets: Arc<dyn Secrets>,
    ) -> Result<Self, PortError> {
        Self::with_client(url, template, HttpClient::new(secrets)?)
    }

    /// A notifier that shares a client.
    ///
    /// # Errors
    /// When the template does not parse.
    pub fn with_client(
        url: impl Into<String>,
        template: &str,
        client: HttpClient,
    ) -> Result<Self, PortError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.add_filter("slack", slack);
        let added = environment.add_template_owned(TEMPLATE, template.to_owned());
        added.map_err(|error| wrong(&error))?;
        let mut request =
            Request::post(url, Body::Empty).header("Content-Type", "application/json");
        request.timeout = TIMEOUT;
        Ok(Self {
            client,
            request,
            template: environment,
            only: Vec::new(),
            told: Mutex::default(),
        })
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Tells only events of these kinds. Default: all.
    #[must_use]
    pub fn only(mut self, kinds: impl IntoIterator<Item = EventKind>) -> Self {
        self.only.extend(kinds);
        self
    }

    fn body(&self, rollout: &RolloutId, event: &Event) -> Result<String, PortError> {
        let template = self
            .template
            .get_template(TEMPLATE)
            .map_err(|error| wrong(&error))?;
        let rendered = template.render(context! {
            rollout => rollout.as_str(),
            kind => format!("{:?}", event.kind),
            text => event.text.clone(),
            at => event.at.to_string(),
            millis => event.at.as_millis(),
            id => event.id.to_string(),
            evidence => event.evidence.clone(),
        });
        rendered.map_err(|error| wrong(&error))
    }

    fn was_told(&self, name: &(RolloutId, EventId)) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.contains(name)
    }

    fn remember(&self, name: (RolloutId, EventId)) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push_back(name);
        let more = told.len().saturating_sub(REMEMBERED);
        told.drain(..more);
    }
}

/// A text in which Slack finds nothing but text.
fn slack(text: String) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;")
}

fn wrong(error: &minijinja::Error) -> PortError {
    PortError::new(
        FaultKind::Invalid,
        format!("the message's template: {error}"),
    )
}

#[async_trait]
impl Notifier for WebhookNotifier {
    async fn tell(&self, rollout: &RolloutId, event: &Event) -> Result<(), PortError> {
        let name = (rollout.clone(), event.id);
        let wanted = self.only.is_empty() || self.only.contains(&event.kind);
        if !wanted || self.was_told(&name) {
            return Ok(());
        }
        let mut request = self.request.clone();
        request.body = Body::Text(self.body(rollout, event)?);
        let key = format!("{rollout}/{}", event.id);
        let request = request.header(crate::IDEMPOTENCY, key);
        self.client.send(&request).await?.ok()?;
        self.remember(name);
        Ok(())
    }
}

impl std::fmt::Debug for WebhookNotifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookNotifier").finish_non_exhaustive()
    }
}
