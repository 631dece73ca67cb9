//! The router: the only file with a client.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use gradatim_core::capability::Capabilities;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::{Missing, PortError, TrafficRouter};
use gradatim_core::registry::Registry;
use gradatim_core::route::{
    BoundSlot, Confidence, HeaderRoute, MirrorRoute, Route, RouteSeen, Seen, Slot, Split,
};
use gradatim_core::stamp::Stamp;
use gradatim_kubernetes::Client;
use gradatim_kubernetes::fence::stamp_of;
use gradatim_kubernetes::names::POD_TEMPLATE_HASH;
use gradatim_kubernetes::objects::{Kind, Objects};
use gradatim_kubernetes::several::{self, PartSince, Write};
use gradatim_kubernetes::watch::{Memory, Watch};
use serde_json::Value;

use crate::carried::Expected;
use crate::config::{IstioConfig, Sides, VirtualService};
use crate::encode::{
    BIND_STAMP, HEADERS_STAMP, MIRRORS_STAMP, SPLIT_STAMP, bound, shifted, subset,
};
use crate::managed::{headers, mirrors};
use crate::proxies::ControlPlane;
use crate::routes::splits;

/// Moves traffic by VirtualServices, and binds subsets of a DestinationRule.
pub struct IstioRouter {
    config: IstioConfig,
    settle: Duration,
    services: Vec<(VirtualService, Objects)>,
    rule: Option<(String, Objects)>,
    bind: PartSince<BTreeMap<Slot, BoundSlot>>,
    split: PartSince<Split>,
    headers: PartSince<Vec<HeaderRoute>>,
    mirrors: PartSince<Vec<MirrorRoute>>,
    watch: Watch,
    /// The VirtualServices and the DestinationRule.
    found: Memory<(Vec<Value>, Option<Value>)>,
    control_plane: ControlPlane,
}

/// Registers the router as `istio`. `version` is the one of `networking.istio.io` that is asked
/// for: `v1`, or `v1beta1` or `v1alpha3` where the control plane is older.
#[must_use]
pub fn register(registry: Registry, client: Client, namespace: &str, version: &str) -> Registry {
    register_confirmed(registry, client, namespace, version, Vec::new())
}

/// The same, [asking each istiod](IstioRouter::with_control_plane) what the proxies have.
#[must_use]
pub fn register_confirmed(
    registry: Registry,
    client: Client,
    namespace: &str,
    version: &str,
    control_plane: Vec<Client>,
) -> Registry {
    let (here, namespace) = (namespace.to_owned(), namespace.to_owned());
    let (version, confidence) = (version.to_owned(), confidence(!control_plane.is_empty()));
    registry
        .with_router("istio", move |part, frame| {
            Ok(Capabilities {
                confidence,
                ..IstioConfig::parse(part, frame, &here)?.capabilities()
            })
        })
        .with_router_builder("istio", move |part, frame| {
            let config = IstioConfig::parse(part, frame, &namespace).map_err(|errors| {
                let text = errors.iter().map(|error| error.message.as_str());
                PortError::new(FaultKind::Invalid, text.collect::<Vec<_>>().join("; "))
            })?;
            let router = IstioRouter::new(client.clone(), &version, config);
            Ok(Box::new(router.with_control_plane(control_plane.clone())))
        })
}

fn confidence(is_asked: bool) -> Confidence {
    match is_asked {
        true => Confidence::Proxy,
        false => Confidence::Config,
    }
}

impl IstioRouter {
    /// A router that asks for objects of a version of `networking.istio.io`.
    pub fn new(client: Client, version: &str, config: IstioConfig) -> Self {
        let group = format!("networking.istio.io/{version}");
        let objects = |namespace: &str, kind, plural| {
            Objects::new(client.clone(), namespace, Kind::new(&group, kind, plural))
        };
        let services: Vec<_> = config
            .virtual_services
            .iter()
            .map(|service| {
                let (_, namespace) = service.place(&config.namespace);
                (
                    service.clone(),
                    objects(namespace, "VirtualService", "virtualservices"),
                )
            })
            .collect();
        let rule = match &config.sides {
            Sides::Hosts { .. } => None,
            Sides::Subsets { rule, .. } => {
                let rules = objects(&config.namespace, "DestinationRule", "destinationrules");
                Some((rule.clone(), rules))
            }
        };
        let watched = services
            .iter()
            .map(|(service, objects)| objects.watch(name(service)));
        let ruling = rule.iter().map(|(name, objects)| objects.watch(name));
        Self {
            watch: Watch::any(watched.chain(ruling)),
            settle: config.capabilities().settle,
            bind: PartSince::default(),
            split: PartSince::default(),
            headers: PartSince::default(),
            mirrors: PartSince::default(),
            found: Memory::default(),
            control_plane: ControlPlane::default(),
            services,
            rule,
            config,
        }
    }

    /// The same with another time that the proxies may take until they do what was written.
    /// Default 10 s.
    #[must_use]
    pub fn with_settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// The same that asks istiod whether the proxies have acknowledged what was written, and then
    /// need not wait for the settle time. There is a client for each istiod, whose address is its
    /// debug port:
    ///
    /// ```
    /// # fn istiod() -> Result<gradatim_kubernetes::Client, Box<dyn std::error::Error>> {
    /// let config = kube::Config::new("http://istiod.istio-system:15014".parse()?);
    /// let istiod = gradatim_kubernetes::client::client(config, Default::default())?;
    /// # Ok(istiod)
    /// # }
    /// ```
    ///
    /// Confirmed are splits, header routes and mirrors of HTTP routes, by every connected proxy
    /// that carries them. With more than a hundred proxies, with TLS or TCP routes, and while one
    /// cannot be asked, what is read is written, and counts after the settle time.
    #[must_use]
    pub fn with_control_plane(mut self, each: impl IntoIterator<Item = Client>) -> Self {
        self.control_plane = ControlPlane::new(each.into_iter().collect());
        self
    }

    async fn read(&self) -> Result<Vec<Value>, PortError> {
        let all = self
            .services
            .iter()
            .map(|(service, objects)| objects.get(name(service)));
        try_join_all(all).await
    }

    async fn read_rule(&self) -> Result<Option<Value>, PortError> {
        match &self.rule {
            Some((name, rules)) => rules.get(name).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether the proxies have what these VirtualServices say.
    async fn is_confirmed(&self, objects: &[Value]) -> bool {
        let versions = objects
            .iter()
            .map(|object| object["metadata"]["resourceVersion"].to_string());
        let expected = self.services.iter().zip(objects);
        let expected = expected
            .map(|((service, _), object)| Expected::of(&self.config, service, object))
            .collect();
        let versions = versions.collect();
        self.control_plane
            .confirms(&self.config, expected, versions)
            .await
    }

    async fn write(&self, wanted: &Route) -> Result<(), PortError> {
        let read = self
            .services
            .iter()
            .map(|(service, objects)| objects.get(name(service)));
        let read = join_all(read).await;
        let plans = self.services.iter().zip(read);
        let mut planned: Vec<_> = plans
            .map(|(service, found)| self.plan(service, found, wanted))
            .collect();
        let is_fenced = |error: &PortError| error.kind == FaultKind::Fenced;
        if planned
            .iter()
            .any(|plan| plan.as_ref().err().is_some_and(is_fenced))
        {
            return several::write(planned).await;
        }
        if let Err(error) = self.bind(wanted).await {
            planned.push(Err(error));
        }
        several::write(planned).await
    }

    /// Binds the subsets, before any weight moves.
    async fn bind(&self, wanted: &Route) -> Result<(), PortError> {
        let Some((name, rules)) = &self.rule else {
            return Ok(());
        };
        let found = rules.get(name).await?;
        let patch = bound(&self.config, &found, &wanted.bind)?;
        let write = patch.map(|patch| Write::merge(rules, &found, patch, false));
        several::write(vec![Ok(write)]).await
    }

    fn plan(
        &self,
        (service, objects): &(VirtualService, Objects),
        found: Result<Value, PortError>,
        wanted: &Route,
    ) -> Result<Option<Write>, PortError> {
        let found = found?;
        let change = shifted(&self.config, service, &found, wanted)?;
        Ok(change.map(|change| Write::merge(objects, &found, change.patch, change.raises)))
    }

    fn seen_bind(&self, rule: &Value) -> Seen<BTreeMap<Slot, BoundSlot>> {
        let subsets = rule["spec"]["subsets"].as_array().into_iter().flatten();
        let bound = [Slot::Stable, Slot::Canary].map(|slot| {
            let mut subsets = subsets.clone();
            let subset = subsets.find(|it| it["name"].as_str() == subset(&self.config, slot));
            let hash = subset.and_then(|it| it["labels"][POD_TEMPLATE_HASH].as_str());
            let bound = BoundSlot {
                revision: hash.map(RevisionId::new),
                ready_endpoints: None,
            };
            (slot, bound)
        });
        several::read(vec![(bound.into(), stamp_of(rule, BIND_STAMP))], &self.bind)
    }
}

fn name(service: &VirtualService) -> &str {
    service.place("").0
}

#[async_trait]
impl TrafficRouter for IstioRouter {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            settle: self.settle,
            confidence: confidence(self.control_plane.is_there()),
            ..self.config.capabilities()
        }
    }

    /// What the proxies have acknowledged is not told by itself.
    fn is_watched(&self) -> bool {
        !self.control_plane.is_there()
    }

    async fn apply(&self, wanted: &Route) -> Result<(), PortError> {
        let written = self.write(wanted).await;
        self.watch.forget();
        written
    }

    async fn observe(&self) -> Result<RouteSeen, PortError> {
        let read = async { futures::try_join!(self.read(), self.read_rule()) };
        let (objects, rule) = self.watch.remembered(&self.found, read).await?;
        let mut seen_splits = Vec::new();
        for ((service, _), object) in self.services.iter().zip(&objects) {
            let stamp = stamp_of(object, SPLIT_STAMP);
            let each = splits(&self.config, service, object)?;
            seen_splits.extend(each.into_iter().map(|split| (split, stamp)));
        }
        // A service without HTTP routes can hold no managed one, and does not disagree.
        let http: Vec<_> = objects
            .iter()
            .filter(|it| it["spec"]["http"].is_array())
            .collect();
        let http = if http.is_empty() {
            objects.iter().collect()
        } else {
            http
        };
        let config = &self.config;
        let headers = http
            .iter()
            .map(|it| (headers(config, it), stamp_of(it, HEADERS_STAMP)));
        let mirrors = http
            .iter()
            .map(|it| (mirrors(config, it), stamp_of(it, MIRRORS_STAMP)));
        let mut seen = RouteSeen {
            bind: rule.map(|rule| self.seen_bind(&rule)),
            split: Some(several::read(seen_splits, &self.split)),
            headers: Some(several::read(headers.collect(), &self.headers)),
            mirrors: Some(several::read(mirrors.collect(), &self.mirrors)),
        };
        if self.is_confirmed(&objects).await {
            let split = seen.split.iter_mut().map(|it| &mut it.confidence);
            let headers = seen.headers.iter_mut().map(|it| &mut it.confidence);
            let mirrors = seen.mirrors.iter_mut().map(|it| &mut it.confidence);
            split
                .chain(headers)
                .chain(mirrors)
                .for_each(|it| *it = Confidence::Proxy);
        }
        Ok(seen)
    }

    async fn highest_stamp(&self) -> Result<Option<Stamp>, PortError> {
        let (objects, rule) = futures::try_join!(self.read(), self.read_rule())?;
        let keys = [SPLIT_STAMP, HEADERS_STAMP, MIRRORS_STAMP, BIND_STAMP];
        let stamps = objects.iter().chain(&rule);
        let stamps = stamps.flat_map(|object| keys.map(|key| stamp_of(object, key)));
        Ok(stamps.flatten().max())
    }

    async fn probe(&self) -> Result<Vec<Missing>, PortError> {
        let mut missing = Vec::new();
        let mut lacks = |what: String, help: &str| {
            let help = help.to_owned();
            missing.push(Missing { what, help });
        };
        for (service, objects) in &self.services {
            match objects.find(name(service)).await? {
                None => lacks(
                    format!("VirtualService {}", service.name),
                    "create it, with a route that leads to both versions",
                ),
                Some(object) => {
                    if let Err(error) = splits(&self.config, service, &object) {
                        lacks(
                            error.text,
                            "correct the VirtualService, or name another route",
                        );
                    }
                }
            }
        }
        if let Some((name, rules)) = &self.rule {
            let found = rules.find(name).await?;
            let subsets = found
                .as_ref()
                .and_then(|rule| rule["spec"]["subsets"].as_array());
            for slot in [Slot::Stable, Slot::Canary] {
                let wanted = subset(&self.config, slot).unwrap_or_default();
                if !subsets
                    .into_iter()
                    .flatten()
                    .any(|subset| subset["name"] == wanted)
                {
                    let what = format!("the subset {wanted} of the DestinationRule {name}");
                    lacks(what, "add it; the hash in its labels is written here");
                }
            }
        }
        if let Some(error) = self.control_plane.fault().await {
            let help = "let it answer there; until then what is written counts after a while";
            missing.push(Missing {
                what: error.text,
                help: help.to_owned(),
            });
        }
        Ok(missing)
    }

    async fn changed(&self) {
        match self.control_plane.next_look() {
            None => self.watch.changed().await,
            Some(wait) => drop(tokio::time::timeout(wait, self.watch.changed()).await),
        }
    }
}
