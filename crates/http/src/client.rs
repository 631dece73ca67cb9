//! The one place that sends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use gradatim_core::port::{PortError, Secret, Secrets};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Method, RequestBuilder, Response, Url};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::authentication::Authentication;
use crate::failure::{self, host};
use crate::oauth2::Tokens;
use crate::request::{Body, Request};
use crate::vault::Vault;

/// How many requests are under way to one host at once.
const AT_ONCE: usize = 16;
/// How many connections to one host are kept without a request on them. One that was being made
/// while another one became free is kept as well.
const IDLE: usize = 8;
/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(10);
/// How many redirects are followed.
const REDIRECTS: usize = 5;

/// Sends requests; cheap to clone, and every clone shares connections and tokens.
#[derive(Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
}

struct Shared {
    secrets: Arc<dyn Secrets>,
    verifying: reqwest::Client,
    /// Made when the first manifest asks for it.
    trusting: OnceLock<reqwest::Client>,
    turns: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    tokens: Tokens,
}

/// How a client is made.
pub struct HttpClientBuilder {
    secrets: Arc<dyn Secrets>,
    verifying: Option<reqwest::Client>,
    roots: Vec<reqwest::Certificate>,
}

impl HttpClientBuilder {
    /// A client of your own in place of ours: its own redirects, roots, proxies and pool. It is
    /// not used for what a manifest calls `insecure`.
    #[must_use]
    pub fn client(mut self, client: reqwest::Client) -> Self {
        self.verifying = Some(client);
        self
    }

    /// One more certificate that is trusted as a root.
    #[must_use]
    pub fn root(mut self, root: reqwest::Certificate) -> Self {
        self.roots.push(root);
        self
    }

    /// Makes the client.
    ///
    /// # Errors
    /// When the system's certificates or proxies cannot be used.
    pub fn build(self) -> Result<HttpClient, PortError> {
        let made = || {
            builder()
                .tls_certs_merge(self.roots)
                .build()
                .map_err(failure::unusable)
        };
        let verifying = self.verifying.map_or_else(made, Ok)?;
        Ok(HttpClient {
            shared: Arc::new(Shared {
                secrets: self.secrets,
                verifying,
                trusting: OnceLock::new(),
                turns: Mutex::default(),
                tokens: Tokens::default(),
            }),
        })
    }
}

impl HttpClient {
    /// A client that verifies certificates against the system's roots.
    ///
    /// # Errors
    /// When the system's certificates or proxies cannot be used.
    pub fn new(secrets: Arc<dyn Secrets>) -> Result<Self, PortError> {
        Self::builder(secrets).build()
    }

    /// A client to be made.
    pub fn builder(secrets: Arc<dyn Secrets>) -> HttpClientBuilder {
        HttpClientBuilder {
            secrets,
            verifying: None,
            roots: Vec::new(),
        }
    }

    /// Sends a request once.
    ///
    /// An answer of any status is an answer; see [`Answer::ok`].
    ///
    /// # Errors
    /// When there is no whole answer within the request's deadline, it is too large, a redirect
    /// leads to another host, or a secret is not to be had.
    pub async fn send(&self, request: &Request) -> Result<Answer, PortError> {
        let sent = timeout(request.timeout, self.send_in_turn(request));
        let late = || failure::late(&request.url, request.timeout);
        sent.await.unwrap_or_else(|_| Err(late()))
    }

    async fn send_in_turn(&self, request: &Request) -> Result<Answer, PortError> {
        let mut vault = Vault::open(&self.shared.secrets, texts(request)).await?;
        let url = address(&vault.fill(&request.url), &request.url)?;
        let turns = self.turns(&url);
        let token = self.token(request, &mut vault).await?;
        // The semaphore is never closed.
        let _turn = turns.acquire().await;
        let to = host(&url);
        let built = self.build(request, url, &vault, token.as_ref())?;
        let built = built.build();
        let built = built.map_err(|error| failure::unsent(&to, &vault, error))?;
        if let Some(sent) = credential(&built) {
            vault.hide(sent);
        }
        let response = self.client(request.insecure)?.execute(built).await;
        let response = response.map_err(|error| failure::unsent(&to, &vault, error))?;
        if response.status() == 401
            && let Authentication::OAuth2(grant) = &request.authentication
        {
            self.shared.tokens.forget(grant);
        }
        read(response, to, vault, request.most).await
    }

    async fn token(
        &self,
        request: &Request,
        vault: &mut Vault,
    ) -> Result<Option<Secret>, PortError> {
        let Authentication::OAuth2(grant) = &request.authentication else {
            return Ok(None);
        };
        let client = self.client(request.insecure)?;
        let token = self.shared.tokens.get(client, grant, vault).await?;
        vault.hide(token.clone());
        Ok(Some(token))
    }

    fn client(&self, insecure: bool) -> Result<&reqwest::Client, PortError> {
        if !insecure {
            return Ok(&self.shared.verifying);
        }
        if let Some(client) = self.shared.trusting.get() {
            return Ok(client);
        }
        let trusting = builder().tls_danger_accept_invalid_certs(true).build();
        let trusting = trusting.map_err(failure::unusable)?;
        Ok(self.shared.trusting.get_or_init(|| trusting))
    }

    fn turns(&self, url: &Url) -> Arc<Semaphore> {
        let mut turns = self
            .shared
            .turns
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let turns = turns.entry(host(url));
        Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }

    fn build(
        &self,
        request: &Request,
        url: Url,
        vault: &Vault,
        token: Option<&Secret>,
    ) -> Result<RequestBuilder, PortError> {
        let method = Method::from_bytes(request.method.as_bytes());
        let method = method.map_err(|_| failure::wrong("the method is none", &request.method))?;
        let mut built = self.client(request.insecure)?.request(method, url);
        if !request.query.is_empty() {
            built = built.query(&filled(&request.query, vault));
        }
        built = match &request.authentication {
            Authentication::None => built,
            Authentication::Basic { username, password } => {
                built.basic_auth(vault.fill(username), Some(vault.fill(password)))
            }
            Authentication::Bearer { token } => built.bearer_auth(vault.fill(token)),
            Authentication::OAuth2(_) => built.bearer_auth(token.map_or("", Secret::reveal)),
        };
        built = match &request.body {
            Body::Empty => built,
            Body::Text(text) => built.body(vault.fill(text)),
            Body::Json(json) => built.json(&filled_json(json, vault)),
            Body::Form(fields) => built.form(&filled(fields, vault)),
        };
        headers(built, request, vault)
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("gradatim/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(IDLE)
        .redirect(Policy::custom(redirect))
}

/// Follows a redirect that stays where the credentials were meant to go.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let Some(first) = attempt.previous().first() else {
        return attempt.follow();
    };
    let same = first.host_str() == attempt.url().host_str();
    let downgraded = first.scheme() == "https" && attempt.url().scheme() != "https";
    let moved = first.scheme() == attempt.url().scheme()
        && first.port_or_known_default() != attempt.url().port_or_known_default();
    if attempt.previous().len() > REDIRECTS {
        attempt.error("too many redirects")
    } else if same && !downgraded && !moved {
        attempt.follow()
    } else {
        let to = host(attempt.url());
        attempt.error(format!("it redirects to {to}, which is not followed"))
    }
}

fn address(url: &str, written: &str) -> Result<Url, PortError> {
    let parsed = Url::parse(url).ok();
    let http = parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    http.ok_or_else(|| failure::wrong("this is no http or https address", written))
}

fn texts(request: &Request) -> impl Iterator<Item = &str> {
    let pairs = request.query.iter().chain(&request.headers);
    let pairs = pairs.flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let authentication: Vec<&str> = match &request.authentication {
        Authentication::None => Vec::new(),
        Authentication::Basic { username, password } => vec![username, password],
        Authentication::Bearer { token } => vec![token],
        Authentication::OAuth2(grant) => vec![&grant.client_id, &grant.client_secret],
    };
    let body: Vec<&str> = match &request.body {
        Body::Empty => Vec::new(),
        Body::Text(text) => vec![text],
        Body::Json(json) => json_texts(json),
        Body::Form(fields) => fields.iter().flat_map(|(a, b)| [a.as_str(), b]).collect(),
    };
    let url = std::iter::once(request.url.as_str());
    url.chain(pairs).chain(authentication).chain(body)
}

fn json_texts(json: &serde_json::Value) -> Vec<&str> {
    match json {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(items) => items.iter().flat_map(json_texts).collect(),
        serde_json::Value::Object(fields) => fields.values().flat_map(json_texts).collect(),
        _ => Vec::new(),
    }
}

fn filled(pairs: &[(String, String)], vault: &Vault) -> Vec<(String, String)> {
    let fill = |(name, value): &(String, String)| (vault.fill(name), vault.fill(value));
    pairs.iter().map(fill).collect()
}

fn filled_json(json: &serde_json::Value, vault: &Vault) -> serde_json::Value {
    use serde_json::Value;
    match json {
        Value::String(text) => Value::String(vault.fill(text)),
        Value::Array(items) => items.iter().map(|item| filled_json(item, vault)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), filled_json(value, vault)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => json.clone(),
    }
}

fn headers(
    mut built: RequestBuilder,
    request: &Request,
    vault: &Vault,
) -> Result<RequestBuilder, PortError> {
    let named = |name: &HeaderName| {
        let mut names = request.headers.iter().map(|(name, _)| name);
        names.any(|given| given.eq_ignore_ascii_case(name.as_str()))
    };
    if !named(&ACCEPT) {
        built = built.header(ACCEPT, "application/json, */*;q=0.1");
    }
    for (name, value) in &request.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
        let parsed = parsed.zip(HeaderValue::from_str(&vault.fill(value)).ok());
        let Some((parsed, mut value)) = parsed else {
            return Err(failure::wrong("this header cannot be sent", name));
        };
        value.set_sensitive(true);
        built = built.header(parsed, value);
    }
    Ok(built)
}

/// Name and password as they are sent, which is another text than either of them.
fn credential(request: &reqwest::Request) -> Option<Secret> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    Some(Secret::new(value.strip_prefix("Basic ")?))
}

async fn read(
    mut response: Response,
    host: String,
    vault: Vault,
    most: usize,
) -> Result<Answer, PortError> {
    let text = |name| {
        let value = response.headers().get(name)?.to_str().ok()?;
        Some(value.trim().to_owned())
    };
    let kind = text(CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    let content_type = kind.trim().to_ascii_lowercase();
    let retry_after = text(RETRY_AFTER).and_then(|text| failure::retry_after(&text));
    let status = response.status().as_u16();
    let body = body(&mut response, &host, &vault, most).await?;
    Ok(Answer {
        status,
        content_type,
        retry_after,
        body,
        host,
        vault,
    })
}

/// The whole body, if it is no larger than this.
pub(crate) async fn body(
    response: &mut Response,
    host: &str,
    vault: &Vault,
    most: usize,
) -> Result<Vec<u8>, PortError> {
    if response.content_length().unwrap_or(0) > most as u64 {
        return Err(failure::too_large(host, most));
    }
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        match chunk.map_err(|error| failure::cut_short(host, vault, error))? {
            None => return Ok(body),
            Some(chunk) if body.len() + chunk.len() > most => {
                return Err(failure::too_large(host, most));
            }
            Some(chunk) => body.extend_from_slice(&chunk),
        }
    }
}

#[cfg(test)]
mod tests;
