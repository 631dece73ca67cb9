//! The router: the only file with a client.

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use gradatim_core::capability::Capabilities;
use gradatim_core::fault::FaultKind;
use gradatim_core::port::{Missing, PortError, TrafficRouter};
use gradatim_core::registry::Registry;
use gradatim_core::route::{HeaderRoute, Route, RouteSeen, Split};
use gradatim_core::stamp::Stamp;
use gradatim_kubernetes::Client;
use gradatim_kubernetes::fence::stamp_of;
use gradatim_kubernetes::objects::{Kind, Objects, annotation};
use gradatim_kubernetes::owner::{Named, Owner};
use gradatim_kubernetes::several::{self, PartSince, Write};
use gradatim_kubernetes::watch::{Memory, Watch};
use serde_json::Value;

use super::config::IngressConfig;
use super::decode::{self, HEADERS_STAMP, SPLIT_STAMP};
use super::encode::{Wanted, canary_name};

/// Moves traffic by the annotations of canary Ingresses.
pub struct IngressRouter {
    config: IngressConfig,
    ingresses: Objects,
    slices: Objects,
    owner: Named,
    split: PartSince<Split>,
    headers: PartSince<Vec<HeaderRoute>>,
    watch: Watch,
    seen: Memory<RouteSeen>,
}

/// A stable Ingress and the canary's beside it.
struct Pair {
    stable: Result<Value, PortError>,
    canary: Option<Value>,
}

/// Registers the router as `nginx`. The canary Ingresses are owned by an object of this kind and
/// of the rollout's name.
#[must_use]
pub fn register(registry: Registry, client: Client, namespace: &str, owner: Kind) -> Registry {
    let namespace = namespace.to_owned();
    registry
        .with_router("nginx", |part, frame| {
            Ok(IngressConfig::parse(part, frame)?.capabilities())
        })
        .with_router_builder("nginx", move |part, frame| {
            let config = IngressConfig::parse(part, frame).map_err(|errors| {
                let text = errors.iter().map(|error| error.message.as_str());
                let text = text.collect::<Vec<_>>().join("; ");
                PortError::new(FaultKind::Invalid, text)
            })?;
            let namespace = frame.namespace.as_ref().unwrap_or(&namespace);
            let owners = Objects::new(client.clone(), namespace, owner.clone());
            let owner = Named::new(owners, &frame.rollout);
            Ok(Box::new(IngressRouter::new(
                client.clone(),
                namespace,
                config,
                owner,
            )))
        })
}

impl IngressRouter {
    /// A router in a namespace; canary Ingresses are made with this owner.
    pub fn new(client: Client, namespace: &str, config: IngressConfig, owner: Named) -> Self {
        let ingress = Kind::new("networking.k8s.io/v1", "Ingress", "ingresses");
        let slice = Kind::new("discovery.k8s.io/v1", "EndpointSlice", "endpointslices");
        let ingresses = Objects::new(client.clone(), namespace, ingress);
        let names = config.stable_ingresses.iter();
        let names = names.flat_map(|name| [name.clone(), canary_name(&config.rollout, name)]);
        Self {
            watch: Watch::any(names.map(|name| ingresses.watch(&name))),
            slices: Objects::new(client, namespace, slice),
            split: PartSince::default(),
            headers: PartSince::default(),
            seen: Memory::default(),
            ingresses,
            owner,
            config,
        }
    }

    async fn pair(&self, stable: &str) -> Result<Pair, PortError> {
        let name = canary_name(&self.config.rollout, stable);
        let read = futures::join!(self.ingresses.get(stable), self.ingresses.find(&name));
        Ok(Pair {
            stable: read.0,
            canary: read.1?,
        })
    }

    async fn canaries(&self) -> Result<Vec<Option<Value>>, PortError> {
        let pairs = self
            .config
            .stable_ingresses
            .iter()
            .map(|stable| self.pair(stable));
        let pairs = try_join_all(pairs).await?;
        pairs
            .into_iter()
            .map(|pair| pair.stable.map(|_| pair.canary))
            .collect()
    }

    /// Refuses to raise beside a stable Service that cannot answer: the controller would answer
    /// everybody with 503.
    async fn stable_answers(&self) -> Result<(), PortError> {
        let service = &self.config.stable_service;
        let slices = format!("kubernetes.io/service-name={service}");
        let slices = self.slices.list(&slices).await?;
        let endpoints = slices
            .iter()
            .filter_map(|slice| slice["endpoints"].as_array())
            .flatten();
        let ready = |endpoint: &Value| endpoint["conditions"]["ready"] != false;
        if endpoints.into_iter().any(ready) {
            return Ok(());
        }
        let text = format!(
            "Service {service} has no ready endpoint: the controller would answer 503 to all",
        );
        Err(PortError::new(FaultKind::Other, text))
    }

    async fn write(&self, route: &Route) -> Result<(), PortError> {
        let wanted = Wanted::of(&self.config, route)?;
        let pairs = self
            .config
            .stable_ingresses
            .iter()
            .map(|stable| self.pair(stable));
        let (owner, pairs) = futures::join!(self.owner.get(), join_all(pairs));
        let owner: Result<&Owner, &PortError> = owner.as_ref().copied();
        let plan = |pair: Result<Pair, PortError>| {
            let Pair { stable, canary } = pair?;
            let owner = owner.map_err(again);
            let change = wanted.plan(stable.as_ref().map_err(again), owner, canary.as_ref())?;
            Ok(change.map(|change| change.written(&self.ingresses, canary.as_ref())))
        };
        let mut planned: Vec<_> = pairs.into_iter().map(plan).collect();
        if planned.iter().flatten().flatten().any(Write::raises)
            && let Err(error) = self.stable_answers().await
        {
            planned.push(Err(error));
        }
        several::write(planned).await
    }

    async fn look(&self) -> Result<RouteSeen, PortError> {
        let canaries = self.canaries().await?;
        let config = &self.config;
        let stamp = |canary: &Option<Value>, key| canary.as_ref().and_then(|it| stamp_of(it, key));
        let splits = canaries.iter().map(|canary| {
            (
                decode::split(config, canary.as_ref()),
                stamp(canary, SPLIT_STAMP),
            )
        });
        let headers = canaries.iter().map(|canary| {
            (
                decode::headers(config, canary.as_ref()),
                stamp(canary, HEADERS_STAMP),
            )
        });
        let reads_headers = !config.has_own_header();
        Ok(RouteSeen {
            split: Some(several::read(splits.collect(), &self.split)),
            headers: reads_headers.then(|| several::read(headers.collect(), &self.headers)),
            ..RouteSeen::default()
        })
    }
}

/// The same failure for each of several objects.
fn again(error: &PortError) -> PortError {
    let mut same = PortError::new(error.kind, error.text.clone());
    same.retry = error.retry;
    same
}

#[async_trait]
impl TrafficRouter for IngressRouter {
    fn capabilities(&self) -> Capabilities {
        self.config.capabilities()
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
        let canaries = self.canaries().await?;
        let stamps = canaries
            .iter()
            .flatten()
            .flat_map(|canary| [SPLIT_STAMP, HEADERS_STAMP].map(|key| stamp_of(canary, key)));
        Ok(stamps.flatten().max())
    }

    async fn probe(&self) -> Result<Vec<Missing>, PortError> {
        let mut missing = Vec::new();
        for name in &self.config.stable_ingresses {
            let Some(stable) = self.ingresses.find(name).await? else {
                missing.push(Missing {
                    what: format!("Ingress {name} of the stable version"),
                    help: "create it, with a path to the stable Service".to_owned(),
                });
                continue;
            };
            if let Err(error) = super::encode::rules(&self.config, &stable) {
                missing.push(Missing {
                    what: error.text,
                    help: "lead a path of it to the stable Service".to_owned(),
                });
            }
            let key = self.config.key("affinity");
            if self.config.session_affinity.is_some() && annotation(&stable, &key).is_some() {
                missing.push(Missing {
                    what: format!(
                        "Ingress {name} keeps its clients itself ({key}): who was there before is \
                         never drawn, and sessionAffinity cannot be honoured"
                    ),
                    help: "take the annotation away, or sessionAffinity".to_owned(),
                });
            }
            let canary = canary_name(&self.config.rollout, name);
            if let Some(canary) = self.ingresses.find(&canary).await?
                && let Err(error) = self.owner.get().await?.refuse_others(&canary)
            {
                missing.push(Missing {
                    what: error.text,
                    help: "delete it, or give the release another name".to_owned(),
                });
            }
        }
        Ok(missing)
    }

    async fn changed(&self) {
        self.watch.changed().await;
    }
}
