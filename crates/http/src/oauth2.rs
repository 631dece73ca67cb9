//! Tokens by OAuth 2's client credentials: fetched when needed, kept until they expire.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gradatim_core::fault::FaultKind;
use gradatim_core::port::{PortError, Secret};
use serde::Deserialize;
use tokio::time::Instant;

use crate::authentication::OAuth2;
use crate::client;
use crate::failure::{self, host};
use crate::vault::Vault;

/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_secs(10);
/// How long a token is kept whose giver does not say; RFC 6749 leaves it open.
const UNSAID: Duration = Duration::from_secs(60);
/// The largest answer of a token endpoint, in bytes.
const MOST: usize = 64 * 1024;

/// Tokens by whom they were given for.
#[derive(Default)]
pub(crate) struct Tokens {
    known: Mutex<BTreeMap<String, (Secret, Instant)>>,
}

/// As RFC 6749, section 5.1, has it.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Tokens {
    /// A token that is good for a while.
    pub(crate) async fn get(
        &self,
        client: &reqwest::Client,
        grant: &OAuth2,
        vault: &Vault,
    ) -> Result<Secret, PortError> {
        let key = key(grant);
        let now = Instant::now();
        let known = self.lock().get(&key).cloned();
        if let Some((token, _)) = known.filter(|(_, until)| *until > now) {
            return Ok(token);
        }
        let granted = fetch(client, grant, vault).await?;
        let lasts = granted.expires_in.map_or(UNSAID, Duration::from_secs);
        let token = Secret::new(granted.access_token);
        let until = now
            + lasts
                .saturating_sub(MARGIN)
                .min(Duration::from_secs(86_400));
        self.lock().insert(key, (token.clone(), until));
        Ok(token)
    }

    /// The token was refused: the next request fetches another one.
    pub(crate) fn forget(&self, grant: &OAuth2) {
        self.lock().remove(&key(grant));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Secret, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The placeholders stand for the secrets, so that none is kept here.
fn key(grant: &OAuth2) -> String {
    let OAuth2 {
        token_url,
        client_id,
        client_secret,
        scopes,
    } = grant;
    format!(
        "{token_url}\n{client_id}\n{client_secret}\n{}",
        scopes.join(" ")
    )
}

async fn fetch(
    client: &reqwest::Client,
    grant: &OAuth2,
    vault: &Vault,
) -> Result<Granted, PortError> {
    let url = reqwest::Url::parse(&grant.token_url);
    let url = url.map_err(|_| failure::wrong("tokenUrl is no address", &grant.token_url))?;
    let to = host(&url);
    let scopes = grant.scopes.join(" ");
    let mut form = vec![("grant_type", "client_credentials")];
    if !scopes.is_empty() {
        form.push(("scope", scopes.as_str()));
    }
    let (name, secret) = (
        vault.fill(&grant.client_id),
        vault.fill(&grant.client_secret),
    );
    let request = client.post(url).basic_auth(name, Some(secret)).form(&form);
    let response = request.send().await;
    let mut response = response.map_err(|error| failure::unsent(&to, vault, error))?;
    let status = response.status();
    if !status.is_success() {
        let text = format!("{to} gives no token: it answers {}", status.as_u16());
        let kind = match status.as_u16() {
            400..=403 => FaultKind::Forbidden,
            _ => FaultKind::Unreachable,
        };
        return Err(PortError::new(kind, text));
    }
    let body = client::body(&mut response, &to, vault, MOST).await?;
    // What does not parse is not shown: it may hold the token.
    serde_json::from_slice(&body).map_err(|_| {
        let text = format!("{to} gives a token that cannot be understood");
        PortError::new(FaultKind::Malformed, text)
    })
}
