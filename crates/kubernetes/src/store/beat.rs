//! The heartbeat of a driver: a Lease, for everything that the driver owns.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gradatim_core::port::PortError;
use gradatim_core::time::Timestamp;
use kube::Client;
use serde_json::{Value, json};

use crate::fence::now;
use crate::hash;
use crate::objects::{Kind, Objects, text};

/// How long a heartbeat lasts.
const EXPIRY: Duration = Duration::from_secs(30);
/// How long one heartbeat is good enough, whoever asks for the next.
const BEAT: Duration = Duration::from_secs(5);
/// How much of a holder's name is readable in its Lease's.
const READABLE: usize = 40;

pub(super) struct Beats {
    leases: Objects,
    last: Mutex<BTreeMap<String, Timestamp>>,
}

impl Beats {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        let leases = Kind::new("coordination.k8s.io/v1", "Lease", "leases");
        Self {
            leases: Objects::new(client, namespace, leases),
            last: Mutex::default(),
        }
    }

    /// Writes a heartbeat, unless one of this process is still fresh.
    pub(super) async fn beat(&self, holder: &str, anew: bool) -> Result<(), PortError> {
        let now = now();
        let last = self.last().get(holder).copied();
        let is_fresh = last.is_some_and(|last| last <= now && now.since(last) < BEAT);
        if is_fresh && !anew {
            return Ok(());
        }
        self.leases.apply(&self.lease(holder, now)).await?;
        self.last().insert(holder.to_owned(), now);
        Ok(())
    }

    pub(super) async fn end(&self, holder: &str) -> Result<(), PortError> {
        self.last().remove(holder);
        match self.leases.find(&lease_name(holder)).await? {
            Some(lease) => self.leases.delete(&lease).await,
            None => Ok(()),
        }
    }

    pub(super) async fn is_alive(&self, holder: &str) -> Result<bool, PortError> {
        let lease = self.leases.find(&lease_name(holder)).await?;
        Ok(lease.is_some_and(|lease| beats(&lease, now())))
    }

    fn lease(&self, holder: &str, now: Timestamp) -> Value {
        let mut lease = self.leases.kind().named(&lease_name(holder));
        lease["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "gradatim"});
        lease["spec"] = json!({
            "holderIdentity": holder,
            "leaseDurationSeconds": EXPIRY.as_secs(),
            "renewTime": micro(now),
        });
        lease
    }

    fn last(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Timestamp>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a Lease is renewed; one of the future is of a clock that was set back since, unless it
/// is of now by another clock.
fn beats(lease: &Value, now: Timestamp) -> bool {
    let renewed = text(lease, "/spec/renewTime").and_then(|text| text.parse::<Timestamp>().ok());
    renewed.is_some_and(|renewed| now.since(renewed) <= EXPIRY && renewed.since(now) <= EXPIRY)
}

/// A Lease's instants have exactly six digits after the point.
fn micro(at: Timestamp) -> String {
    let text = at.to_string();
    let (seconds, fraction) = match text.trim_end_matches('Z').split_once('.') {
        Some((seconds, fraction)) => (seconds.to_owned(), fraction.to_owned()),
        None => (text.trim_end_matches('Z').to_owned(), String::new()),
    };
    format!("{seconds}.{fraction:0<6}Z")
}

/// An object's name for any holder's: what is readable of it, and what tells it from others.
fn lease_name(holder: &str) -> String {
    let readable = holder
        .to_lowercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let readable: String = readable.chars().take(READABLE).collect();
    format!(
        "gradatim-{}-{:08x}",
        readable.trim_matches('-'),
        hash::fnv32a(holder.as_bytes())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_alive_within_its_time_on_both_sides_of_now() {
        let at = |secs: i64| Timestamp::from_secs(1_800_000_000 + secs);
        let lease = |text: &str| json!({"spec": {"renewTime": text}});
        for (renewed, alive) in [
            (0, true),
            (-30, true),
            (-31, false),
            (30, true),
            (31, false),
        ] {
            assert_eq!(
                beats(&lease(&micro(at(renewed))), at(0)),
                alive,
                "{renewed}"
            );
        }
        assert!(!beats(&lease("yesterday"), at(0)));
        assert!(!beats(&json!({}), at(0)));
    }

    #[test]
    fn an_instant_has_six_digits() {
        assert_eq!(
            micro(Timestamp::from_millis(1_800_000_000_120)),
            "2027-01-15T08:00:00.120000Z"
        );
        assert_eq!(
            micro(Timestamp::from_secs(1_800_000_000)),
            "2027-01-15T08:00:00.000000Z"
        );
    }

    #[test]
    fn any_holder_has_a_lease_of_its_own() {
        let names = [
            "Host.example:77",
            "host.example:77",
            "",
            "\u{1f6a6}",
            &"x".repeat(400),
        ];
        let leases: std::collections::BTreeSet<_> = names.map(lease_name).into();
        assert_eq!(leases.len(), names.len());
        let fits = |name: &String| name.len() <= 63 && !name.contains(['.', ':']);
        assert!(leases.iter().all(fits), "{leases:?}");
    }
}
