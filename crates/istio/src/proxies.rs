//! Whether the proxies have what was written, as the control plane tells it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use gradatim_kubernetes::Client;
use serde_json::Value;

use crate::carried::{Carried, Expected, push};
use crate::config::IstioConfig;

/// Of more proxies than these nobody is asked: each answer holds all that one is told.
const MOST_PROXIES: usize = 100;
/// How soon after a look that did not confirm the next one is due; each time twice as long.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LAST_LOOK: Duration = Duration::from_secs(10);
/// What is written is told without istiod, if that takes longer.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// Every istiod that has proxies.
#[derive(Default)]
pub(crate) struct ControlPlane {
    each: Vec<Client>,
    looked: Mutex<Looked>,
}

/// What the last look was at, and what came of it.
#[derive(Default)]
struct Looked {
    /// The versions of the objects.
    at: Vec<String>,
    times: u32,
    is_confirmed: bool,
}

/// A proxy as `syncz` has it.
struct Proxy {
    id: String,
    sent: String,
    acked: String,
}

impl ControlPlane {
    pub(crate) fn new(each: Vec<Client>) -> Self {
        Self {
            each,
            looked: Mutex::default(),
        }
    }

    pub(crate) fn is_there(&self) -> bool {
        !self.each.is_empty()
    }

    /// Whether every proxy that carries these objects has acknowledged them as they stand. Once it
    /// is so, nothing is asked until one of them changes.
    pub(crate) async fn confirms(
        &self,
        config: &IstioConfig,
        expected: Option<Vec<Expected>>,
        at: Vec<String>,
    ) -> bool {
        if !self.is_there() || self.note(at) {
            return self.is_there();
        }
        let is_confirmed = match expected {
            Some(expected) => {
                let look = tokio::time::timeout(LONGEST_LOOK, self.look(config, &expected));
                matches!(look.await, Ok(Ok(true)))
            }
            None => false,
        };
        self.looked().is_confirmed = is_confirmed;
        is_confirmed
    }

    /// How long from now until another look may tell more; none when there is nothing to tell.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        let looked = self.looked();
        let is_open = self.is_there() && looked.times > 0 && !looked.is_confirmed;
        let doubled = 2_u32.saturating_pow(looked.times.saturating_sub(1));
        is_open.then(|| FIRST_LOOK.saturating_mul(doubled).min(LAST_LOOK))
    }

    /// Why it cannot be asked, if so.
    pub(crate) async fn fault(&self) -> Option<PortError> {
        for istiod in &self.each {
            if let Err(error) = proxies(istiod).await {
                return Some(error);
            }
        }
        None
    }

    /// Notes what is looked at; whether that is confirmed.
    fn note(&self, at: Vec<String>) -> bool {
        let mut looked = self.looked();
        if looked.at != at {
            *looked = Looked {
                at,
                ..Looked::default()
            };
        }
        looked.times = looked.times.saturating_add(1);
        looked.is_confirmed
    }

    fn looked(&self) -> std::sync::MutexGuard<'_, Looked> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, config: &IstioConfig, expected: &[Expected]) -> Result<bool, PortError> {
        let mut is_carried = vec![false; expected.len()];
        for istiod in &self.each {
            let all = proxies(istiod).await?;
            if all.len() > MOST_PROXIES {
                return Ok(false);
            }
            let mut pushed = Vec::new();
            for proxy in all.iter().filter(|proxy| !proxy.sent.is_empty()) {
                let path = format!("/debug/config_dump?proxyID={}", proxy.id);
                let dump = ask(istiod, &path).await?;
                let carried = expected.iter().map(|it| it.carried(config, &dump));
                let carried: Vec<Carried> = carried.collect();
                if carried.contains(&Carried::Other) {
                    return Ok(false);
                }
                for (is_carried, carried) in is_carried.iter_mut().zip(&carried) {
                    *is_carried |= *carried == Carried::Same;
                }
                if carried.contains(&Carried::Same) {
                    let push = push(&dump).unwrap_or_default().to_owned();
                    pushed.push((proxy.id.clone(), push));
                }
            }
            // A dump tells what istiod means a proxy to have: what it has is asked for after that.
            let all = proxies(istiod).await?;
            let has = |(id, push): &(String, String)| {
                let mut of = all.iter().filter(|proxy| proxy.id == *id);
                of.any(|proxy| proxy.has(push))
            };
            if !pushed.iter().all(has) {
                return Ok(false);
            }
        }
        Ok(is_carried.iter().all(|it| *it))
    }
}

impl Proxy {
    /// Whether it has acknowledged a push. The nonce of an answer is the push and a UUID.
    fn has(&self, push: &str) -> bool {
        const UUID: usize = 36;
        let of = self.acked.len().checked_sub(UUID);
        self.sent == self.acked
            && of.and_then(|end| self.acked.get(..end)) == Some(push)
            && !push.is_empty()
    }
}

async fn proxies(istiod: &Client) -> Result<Vec<Proxy>, PortError> {
    let all = ask(istiod, "/debug/syncz").await?;
    let read = |proxy: &Value| {
        let text = |field: &str| proxy[field].as_str().unwrap_or_default().to_owned();
        Proxy {
            id: text("proxy"),
            sent: text("route_sent"),
            acked: text("route_acked"),
        }
    };
    let Some(all) = all.as_array() else {
        let text = "istiod's /debug/syncz is no list of proxies";
        return Err(PortError::new(FaultKind::Malformed, text));
    };
    Ok(all.iter().map(read).collect())
}

async fn ask(istiod: &Client, path: &str) -> Result<Value, PortError> {
    let fault = |error: &dyn std::fmt::Display| {
        PortError::new(FaultKind::Unreachable, format!("istiod's {path}: {error}"))
    };
    let request = http::Request::get(path).body(Vec::new());
    let request = request.map_err(|error| fault(&error))?;
    istiod.request(request).await.map_err(|error| fault(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_push_whose_answer_it_has_acknowledged() {
        let nonce = "2026-11-25T15:19:34Z/4eb8ef1cf-a831-44da-84a0-33c8084df90c";
        let proxy = |sent: &str, acked: &str| Proxy {
            id: "gateway".to_owned(),
            sent: sent.to_owned(),
            acked: acked.to_owned(),
        };
        assert!(proxy(nonce, nonce).has("2026-11-25T15:19:34Z/4"));
        for (sent, acked, push) in [
            (nonce, nonce, "2026-11-25T15:19:35Z/5"),
            (nonce, nonce, "2026-11-25T15:19:34Z/"),
            (nonce, nonce, ""),
            (nonce, "", "2026-11-25T15:19:34Z/4"),
            ("", "", ""),
        ] {
            assert!(!proxy(sent, acked).has(push), "{acked} {push}");
        }
    }
}
