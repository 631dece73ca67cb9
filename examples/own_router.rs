//! A router and a metric provider of your own, in one file.
//!
//! ```text
//! cargo run --example own_router            # delivers a release through them
//! cargo run --example own_router -- --check # do they keep the rules of their ports?
//! ```
//!
//! The gateway here is a value in memory. Yours is a product with an interface of its own, and
//! the three things that your code does are the same: refuse an older stamp and write in one
//! step ([`Gateway::put`]), read back what is there, and say what a query measured.

#[path = "own_router/bench.rs"]
mod bench;
#[path = "own_router/release.rs"]
mod release;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gradatim::capability::Capabilities;
use gradatim::driver::clock::{Clock, SystemClock};
use gradatim::fault::FaultKind;
use gradatim::id::RevisionId;
use gradatim::measurement::{Ask, Outcome, Reading};
use gradatim::port::{MetricProvider, PortError, TrafficRouter};
use gradatim::registry::{PartError, ProviderTraits, Registry};
use gradatim::route::{Bindings, BoundSlot, Confidence, Route, RouteSeen, Seen, Split, Stamped};
use gradatim::stamp::Stamp;
use gradatim::time::Timestamp;

/// A gateway: what it was told, since when, and what it measures.
#[derive(Default)]
struct Gateway {
    config: Mutex<Config>,
    gauges: Mutex<BTreeMap<String, f64>>,
}

#[derive(Default)]
struct Config {
    bind: Option<(Stamped<Bindings>, Timestamp)>,
    split: Option<(Stamped<Split>, Timestamp)>,
}

impl Gateway {
    fn config(&self) -> MutexGuard<'_, Config> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gauges(&self) -> MutexGuard<'_, BTreeMap<String, f64>> {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is new in a route, unless somebody with a newer stamp was here: that is
    /// another driver, which has taken over.
    fn put(&self, route: &Route, now: Timestamp) -> Result<(), PortError> {
        let mut config = self.config();
        let bind = config.bind.as_ref().map(|(part, _)| part.stamp);
        let split = config.split.as_ref().map(|(part, _)| part.stamp);
        if bind.max(split) > Some(route.newest()) {
            let text = "the gateway bears a newer stamp";
            return Err(PortError::new(FaultKind::Fenced, text));
        }
        replace(&mut config.bind, &route.bind, now);
        replace(&mut config.split, &route.split, now);
        Ok(())
    }
}

/// A part that stays what it is keeps the instant since when it has been so.
fn replace<T>(part: &mut Option<(Stamped<T>, Timestamp)>, wanted: &Stamped<T>, now: Timestamp)
where
    T: Clone + PartialEq,
{
    if part.as_ref().is_none_or(|(known, _)| known != wanted) {
        *part = Some((wanted.clone(), now));
    }
}

struct GatewayRouter {
    gateway: Arc<Gateway>,
    clock: Arc<dyn Clock>,
}

/// Bindings and splits of whole percents, and what it says is what requests meet.
fn capabilities() -> Capabilities {
    Capabilities {
        confidence: Confidence::Proxy,
        ..Capabilities::default()
    }
}

#[async_trait]
impl TrafficRouter for GatewayRouter {
    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        if route.split.value.total() != 100 {
            let text = "the gateway takes whole percents";
            return Err(PortError::new(FaultKind::Invalid, text));
        }
        self.gateway.put(route, self.clock.now())
    }

    async fn observe(&self) -> Result<RouteSeen, PortError> {
        let config = self.gateway.config();
        let bound = |revision: &RevisionId| BoundSlot {
            revision: Some(revision.clone()),
            ready_endpoints: None,
        };
        let slots = |bind: &Bindings| bind.iter().map(|(slot, id)| (*slot, bound(id))).collect();
        Ok(RouteSeen {
            bind: config
                .bind
                .as_ref()
                .map(|(p, since)| seen(slots(&p.value), p.stamp, *since)),
            split: config
                .split
                .as_ref()
                .map(|(p, since)| seen(p.value.clone(), p.stamp, *since)),
            headers: None,
            mirrors: None,
        })
    }
}

fn seen<T: PartialEq>(value: T, stamp: Stamp, since: Timestamp) -> Seen<T> {
    Seen::agreed(value, Some(stamp), Confidence::Proxy, since)
}

/// Answers with the gateway's gauges: `{gauge: NAME}`.
struct GatewayGauges(Arc<Gateway>);

#[async_trait]
impl MetricProvider for GatewayGauges {
    async fn measure(&self, ask: &Ask) -> Result<Outcome, PortError> {
        let wrong = || PortError::new(FaultKind::Invalid, "a query is {gauge: NAME}");
        let name = ask.query["gauge"].as_str().ok_or_else(wrong)?;
        Ok(match self.0.gauges().get(name) {
            Some(value) => Outcome::number(*value),
            // Nothing measured is no zero.
            None => Outcome::done(Reading::Series(Vec::new())),
        })
    }
}

/// Under which names a manifest finds them: a parser, which needs no gateway, and a builder.
fn registry(gateway: &Arc<Gateway>) -> Registry {
    let (routes, gauges) = (Arc::clone(gateway), Arc::clone(gateway));
    Registry::new()
        .with_router("mygateway", |part, _| match part["host"].as_str() {
            Some(_) => Ok(capabilities()),
            None => Err(vec![PartError::new(
                "host",
                "the host that the gateway serves",
            )]),
        })
        .with_router_builder("mygateway", move |_, _| {
            let (gateway, clock) = (Arc::clone(&routes), Arc::new(SystemClock::new()));
            Ok(Box::new(GatewayRouter { gateway, clock }))
        })
        .with_provider("mygateway", |part| match part["gauge"].as_str() {
            Some(_) => Ok(ProviderTraits::default()),
            None => Err(vec![PartError::new("gauge", "the name of a gauge")]),
        })
        .with_provider_builder("mygateway", move |_| {
            Ok(Arc::new(GatewayGauges(Arc::clone(&gauges))))
        })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().any(|argument| argument == "--check") {
        return bench::check().await;
    }
    println!("{:?}", release::deliver(0.99).await?);
    Ok(())
}
