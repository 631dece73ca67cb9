//! The router that binds Services: each slot is a Service, and what it is bound to stands in its
//! selector.
//!
//! It carries the bindings alone. A split is another router's, but in blue-green, where the users'
//! Service is the whole route.

mod decode;
mod encode;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{join_all, try_join, try_join_all};
use gradatim_core::capability::{Capabilities, Part};
use gradatim_core::fault::FaultKind;
use gradatim_core::port::{Missing, PortError, TrafficRouter};
use gradatim_core::registry::{Registry, RouterFrame, SERVICES};
use gradatim_core::route::{BoundSlot, Confidence, Route, RouteSeen, Seen, Slot};
use gradatim_core::stamp::Stamp;
use kube::Client;
use serde_json::Value;

use self::decode::{bound, ready, selector};
use self::encode::{Binding, rebind};
use crate::fence::{Since, stamp_of};
use crate::names::{POD_TEMPLATE_HASH, STAMP};
use crate::objects::{Kind, Objects, name_of};
use crate::watch::{Memory, Watch};

/// The least that this router may: a Role, as YAML.
pub const ROLE: &str = include_str!("../roles/services.yaml");

/// The label that tells which Service a slice of endpoints is of.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// How long the proxies of the nodes may take until they do what the endpoints say.
const SETTLE: Duration = Duration::from_secs(2);

/// Binds slots to revisions by the selectors of Services.
pub struct ServiceRouter {
    rollout: String,
    slots: BTreeMap<Slot, String>,
    settle: Duration,
    services: Objects,
    slices: Objects,
    pods: Objects,
    since: Since<(Vec<Option<String>>, Option<Stamp>)>,
    watch: Watch,
    seen: Memory<RouteSeen>,
}

/// Registers the router under the name of all Services.
#[must_use]
pub fn register(registry: Registry, client: Client, namespace: &str) -> Registry {
    let namespace = namespace.to_owned();
    registry
        .with_router(SERVICES, |_, _| Ok(capabilities(SETTLE)))
        .with_router_builder(SERVICES, move |_, frame| {
            let namespace = frame.namespace.as_ref().unwrap_or(&namespace);
            Ok(Box::new(ServiceRouter::of(
                client.clone(),
                namespace,
                frame,
            )))
        })
}

fn capabilities(settle: Duration) -> Capabilities {
    Capabilities {
        parts: [Part::Bind].into(),
        confidence: Confidence::Config,
        settle,
        fenced: true,
        ..Capabilities::default()
    }
}

impl ServiceRouter {
    /// A router of a rollout on these Services of a namespace.
    pub fn new(
        client: Client,
        namespace: &str,
        rollout: &str,
        slots: impl IntoIterator<Item = (Slot, String)>,
    ) -> Self {
        let slots: BTreeMap<_, _> = slots.into_iter().collect();
        let objects = |version, kind, plural| {
            Objects::new(client.clone(), namespace, Kind::new(version, kind, plural))
        };
        let services = objects("v1", "Service", "services");
        let slices = objects("discovery.k8s.io/v1", "EndpointSlice", "endpointslices");
        let names: Vec<_> = slots.values().map(String::as_str).collect();
        let endpoints = slices.watch_all(&format!("{SERVICE_NAME} in ({})", names.join(",")));
        let watched = names.iter().map(|name| services.watch(name));
        Self {
            rollout: rollout.to_owned(),
            watch: Watch::any(watched.chain([endpoints])),
            slots,
            settle: SETTLE,
            pods: objects("v1", "Pod", "pods"),
            services,
            slices,
            since: Since::default(),
            seen: Memory::default(),
        }
    }

    /// A router on the Services that a rollout names.
    pub fn of(client: Client, namespace: &str, frame: &RouterFrame) -> Self {
        let named = [
            (Slot::Stable, &frame.stable_service),
            (Slot::Canary, &frame.canary_service),
            (Slot::Active, &frame.active_service),
            (Slot::Preview, &frame.preview_service),
        ];
        let named = named
            .into_iter()
            .filter_map(|(slot, name)| Some((slot, name.clone()?)));
        Self::new(client, namespace, &frame.rollout, named)
    }

    /// The same with another time that the proxies of the nodes may take. Default 2 s.
    #[must_use]
    pub fn with_settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// What each slot that is here shall be bound to.
    fn wanted<'a>(&'a self, route: &'a Route) -> impl Iterator<Item = Binding<'a>> {
        let bind = &route.bind;
        bind.value.iter().filter_map(|(slot, revision)| {
            Some(Binding {
                service: self.slots.get(slot)?,
                revision,
                stamp: bind.stamp,
                rollout: &self.rollout,
            })
        })
    }

    /// Every Service, in the order of the slots.
    async fn read(&self) -> Result<Vec<Value>, PortError> {
        try_join_all(self.slots.values().map(|name| self.services.get(name))).await
    }

    /// What a Service is bound to, and how many pods of that revision answer behind it.
    async fn endpoints(&self, service: &Value) -> Result<BoundSlot, PortError> {
        let revision = bound(service);
        let Some(hash) = &revision else {
            return Ok(BoundSlot {
                revision,
                ready_endpoints: None,
            });
        };
        let slices = format!("{SERVICE_NAME}={}", name_of(service));
        let pods = format!("{POD_TEMPLATE_HASH}={hash}");
        // Right after a rebind the endpoints are still those of the revision before.
        let (slices, pods) = try_join(self.slices.list(&slices), self.pods.names(&pods)).await?;
        Ok(BoundSlot {
            revision,
            ready_endpoints: Some(ready(&slices, &pods)),
        })
    }

    async fn write(&self, route: &Route) -> Result<(), PortError> {
        let wanted: Vec<_> = self.wanted(route).collect();
        let read = wanted
            .iter()
            .map(|binding| self.services.get(binding.service));
        let mut faults = Vec::new();
        let mut late = Vec::new();
        for (binding, found) in wanted.iter().zip(join_all(read).await) {
            match found.and_then(|service| rebind(&service, binding)) {
                Ok(Some(_)) => late.push(binding),
                Ok(None) => {}
                // Whoever is fenced writes nothing at all.
                Err(error) if error.kind == FaultKind::Fenced => return Err(error),
                Err(error) => faults.push(error),
            }
        }
        let written = late.iter().map(|binding| {
            let edit = |service: &Value| rebind(service, binding);
            self.services.change(binding.service, edit)
        });
        faults.extend(join_all(written).await.into_iter().filter_map(Result::err));
        faults.into_iter().next().map_or(Ok(()), Err)
    }

    async fn look(&self) -> Result<RouteSeen, PortError> {
        let services = self.read().await?;
        let slots = try_join_all(services.iter().map(|service| self.endpoints(service))).await?;
        let stamps: Option<Vec<Stamp>> = services
            .iter()
            .map(|service| stamp_of(service, STAMP))
            .collect();
        let stamp = stamps.and_then(|stamps| stamps.into_iter().min());
        let revisions = slots
            .iter()
            .map(|slot| slot.revision.as_ref().map(ToString::to_string));
        let since = self.since.note((revisions.collect(), stamp));
        let bound = self.slots.keys().copied().zip(slots).collect();
        Ok(RouteSeen {
            bind: Some(Seen::agreed(bound, stamp, Confidence::Config, since)),
            ..RouteSeen::default()
        })
    }
}

#[async_trait]
impl TrafficRouter for ServiceRouter {
    fn capabilities(&self) -> Capabilities {
        capabilities(self.settle)
    }

    fn is_watched(&self) -> bool {
        true
    }

    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        let written = self.write(route).await;
        self.watch.forget();
        written
    }

    async fn observe(&self) -> Result<RouteSeen, PortError> {
        self.watch.remembered(&self.seen, self.look()).await
    }

    async fn highest_stamp(&self) -> Result<Option<Stamp>, PortError> {
        let services = self.read().await?;
        Ok(services
            .iter()
            .filter_map(|service| stamp_of(service, STAMP))
            .max())
    }

    async fn probe(&self) -> Result<Vec<Missing>, PortError> {
        let mut missing = Vec::new();
        for (slot, name) in &self.slots {
            let (what, help) = match self.services.find(name).await? {
                None => (
                    format!("Service {name} of the {slot} slot"),
                    "create it, with a selector for the pods of the rollout".to_owned(),
                ),
                Some(service) if selector(&service).is_none() => (
                    format!("the selector of Service {name}"),
                    "select the pods of the rollout by their own labels".to_owned(),
                ),
                Some(_) => continue,
            };
            missing.push(Missing { what, help });
        }
        Ok(missing)
    }

    async fn changed(&self) {
        self.watch.changed().await;
    }
}
