//! The router: the only file with a client.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use gradatim_core::capability::Capabilities;
use gradatim_core::fault::FaultKind;
use gradatim_core::port::{Missing, PortError, TrafficRouter};
use gradatim_core::registry::Registry;
use gradatim_core::route::{HeaderRoute, Route, RouteSeen, Split};
use gradatim_core::stamp::Stamp;
use gradatim_kubernetes::Client;
use gradatim_kubernetes::objects::{Kind, Objects};
use gradatim_kubernetes::several::{self, PartSince, Write};
use gradatim_kubernetes::watch::{Memory, Watch};
use serde_json::Value;

use super::NAME;
use super::config::{Server, VirtualServerConfig};
use super::decode::{chosen, headers, is_taken, split};
use super::encode::{shifted, stamps};

/// Moves traffic by the splits and matches of VirtualServers.
pub struct VirtualServerRouter {
    config: VirtualServerConfig,
    settle: Duration,
    objects: Objects,
    split: PartSince<Split>,
    headers: PartSince<Vec<HeaderRoute>>,
    watch: Watch,
    seen: Memory<RouteSeen>,
}

/// Registers the router under [`NAME`].
#[must_use]
pub fn register(registry: Registry, client: Client, namespace: &str) -> Registry {
    let namespace = namespace.to_owned();
    registry
        .with_router(NAME, |part, frame| {
            Ok(VirtualServerConfig::parse(part, frame)?.capabilities())
        })
        .with_router_builder(NAME, move |part, frame| {
            let config = VirtualServerConfig::parse(part, frame).map_err(|errors| {
                let text = errors.iter().map(|error| error.message.as_str());
                PortError::new(FaultKind::Invalid, text.collect::<Vec<_>>().join("; "))
            })?;
            let namespace = frame.namespace.as_ref().unwrap_or(&namespace);
            let router = VirtualServerRouter::new(client.clone(), namespace, config);
            Ok(Box::new(router))
        })
}

impl VirtualServerRouter {
    /// A router on the VirtualServers of a namespace.
    pub fn new(client: Client, namespace: &str, config: VirtualServerConfig) -> Self {
        let kind = Kind::new("k8s.nginx.org/v1", "VirtualServer", "virtualservers");
        let objects = Objects::new(client, namespace, kind);
        let names = config.servers.iter().map(|server| &server.name);
        Self {
            watch: Watch::any(names.map(|name| objects.watch(name))),
            settle: config.capabilities().settle,
            split: PartSince::default(),
            headers: PartSince::default(),
            seen: Memory::default(),
            objects,
            config,
        }
    }

    /// The same with another time that the controller may take until its workers do what was
    /// written. Default 10 s.
    #[must_use]
    pub fn with_settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    async fn read(&self) -> Result<Vec<Value>, PortError> {
        let names = self.config.servers.iter().map(|server| &server.name);
        try_join_all(names.map(|name| self.objects.get(name))).await
    }

    fn plan(
        &self,
        server: &Server,
        found: Result<Value, PortError>,
        wanted: &Route,
    ) -> Result<Option<Write>, PortError> {
        let found = found?;
        let change = shifted(&self.config, server, &found, wanted)?;
        Ok(change.map(|it| Write::merge(&self.objects, &found, it.patch, it.raises)))
    }

    async fn write(&self, wanted: &Route) -> Result<(), PortError> {
        let servers = &self.config.servers;
        let read = join_all(servers.iter().map(|it| self.objects.get(&it.name))).await;
        let planned = servers.iter().zip(read);
        let planned = planned.map(|(server, found)| self.plan(server, found, wanted));
        several::write(planned.collect()).await
    }

    async fn look(&self) -> Result<RouteSeen, PortError> {
        let (config, objects) = (&self.config, self.read().await?);
        let (mut splits, mut trials) = (Vec::new(), Vec::new());
        for (server, object) in config.servers.iter().zip(&objects) {
            is_taken(object)?;
            let [split_stamp, headers_stamp] = stamps(object);
            for place in chosen(config, server, object)? {
                splits.push((split(config, object, place)?, split_stamp));
                trials.push((headers(config, object, place), headers_stamp));
            }
        }
        Ok(RouteSeen {
            split: Some(several::read(splits, &self.split)),
            headers: Some(several::read(trials, &self.headers)),
            ..RouteSeen::default()
        })
    }

    async fn lacks(&self, server: &Server) -> Result<Option<Missing>, PortError> {
        let missing = |what: String, help: &str| {
            let help = help.to_owned();
            Ok(Some(Missing { what, help }))
        };
        let Some(object) = self.objects.find(&server.name).await? else {
            let what = format!("VirtualServer {}", server.name);
            return missing(what, "create it, with a route split between both versions");
        };
        let wrong = chosen(&self.config, server, &object)
            .err()
            .or_else(|| is_taken(&object).err());
        match wrong {
            Some(error) => missing(error.text, "correct the VirtualServer"),
            None => Ok(None),
        }
    }
}

#[async_trait]
impl TrafficRouter for VirtualServerRouter {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            settle: self.settle,
            ..self.config.capabilities()
        }
    }

    fn is_watched(&self) -> bool {
        true
    }

    async fn apply(&self, wanted: &Route) -> Result<(), PortError> {
        let written = self.write(wanted).await;
        self.watch.forget();
        written
    }

    async fn observe(&self) -> Result<RouteSeen, PortError> {
        self.watch.remembered(&self.seen, self.look()).await
    }

    async fn highest_stamp(&self) -> Result<Option<Stamp>, PortError> {
        let objects = self.read().await?;
        Ok(objects.iter().flat_map(stamps).flatten().max())
    }

    async fn probe(&self) -> Result<Vec<Missing>, PortError> {
        let lacking = self.config.servers.iter().map(|server| self.lacks(server));
        Ok(try_join_all(lacking).await?.into_iter().flatten().collect())
    }

    async fn changed(&self) {
        self.watch.changed().await;
    }
}
