//! The routers of the plays: what each can do, and what its objects say of a route.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gradatim_core::capability::{Capabilities, HeaderMatchKind, Part};
use gradatim_core::registry::{Registry, RouterFrame, SERVICES};
use gradatim_core::route::{HeaderRoute, Route, Slot, StringMatch};
use serde_json::{Value, json};

use super::recording::Facts;

/// How long a route must stand before it counts; as short as everything else in these plays.
const SETTLE: Duration = Duration::from_millis(500);

/// The routers that a play may name, with what Argo lets each of them do.
pub(super) fn registry(router: &str) -> Registry {
    let able = |parts: &[Part]| Capabilities {
        parts: parts.iter().copied().collect(),
        header_matches: BTreeSet::from([
            HeaderMatchKind::Exact,
            HeaderMatchKind::Prefix,
            HeaderMatchKind::Regex,
        ]),
        settle: SETTLE,
        ..Capabilities::default()
    };
    let mut mesh = vec![Part::Split, Part::Headers, Part::Mirrors];
    if router == "istio-subset" {
        mesh.push(Part::Bind);
    }
    let (nginx, mesh, services) = (able(&[Part::Split]), able(&mesh), able(&[Part::Bind]));
    Registry::lenient()
        .with_router("nginx", move |_, _| Ok(nginx.clone()))
        .with_router("istio", move |_, _| Ok(mesh.clone()))
        .with_router(SERVICES, move |_, _| Ok(services.clone()))
}

/// The objects of a play: names, and what they say before anyone has written to them.
pub(super) struct Objects {
    router: String,
    services: BTreeMap<Slot, String>,
}

impl Objects {
    pub(super) fn new(router: &str, frame: &RouterFrame) -> Self {
        let named = [
            (Slot::Stable, &frame.stable_service),
            (Slot::Canary, &frame.canary_service),
            (Slot::Active, &frame.active_service),
            (Slot::Preview, &frame.preview_service),
        ];
        let services = named
            .into_iter()
            .filter_map(|(slot, name)| Some((slot, name.clone()?)));
        Self {
            router: router.to_owned(),
            services: services.collect(),
        }
    }

    /// Before the first write.
    pub(super) fn untouched(&self, services: &[String]) -> Facts {
        let mut facts: Facts = services
            .iter()
            .map(|name| (format!("svc.{name}"), json!("any")))
            .collect();
        match self.router.as_str() {
            "nginx" => {
                facts.insert(
                    "ingress.app".to_owned(),
                    json!(format!("to {}", self.service(Slot::Stable))),
                );
            }
            "istio-host" | "istio-subset" => {
                facts.insert(
                    "vs.app.primary".to_owned(),
                    json!(self.destinations(100, 0)),
                );
            }
            _ => {}
        }
        if self.router == "istio-subset" {
            facts.insert("svc.app".to_owned(), json!("any"));
            facts.insert("dr.app".to_owned(), json!("stable=any canary=any"));
        }
        facts
    }

    fn service(&self, slot: Slot) -> &str {
        self.services.get(&slot).map_or("", String::as_str)
    }

    fn destinations(&self, stable: u32, canary: u32) -> String {
        let name = |slot: Slot| match self.router.as_str() {
            "istio-subset" => format!("app/{slot}"),
            _ => self.service(slot).to_owned(),
        };
        format!(
            "{}={stable} {}={canary}",
            name(Slot::Stable),
            name(Slot::Canary)
        )
    }

    /// What a route written to a router makes of its objects.
    pub(super) fn written(&self, router: &str, route: &Route) -> Facts {
        let bind = &route.bind.value;
        let split = &route.split.value;
        let (canary, total) = (split.part(Slot::Canary), split.total());
        let mut facts = Facts::new();
        match router {
            SERVICES => facts.extend(self.services.iter().map(|(slot, name)| {
                let bound = bind.get(slot).map_or("any", |revision| revision.as_str());
                (format!("svc.{name}"), json!(bound))
            })),
            "nginx" => {
                let text = format!(
                    "canary=true canary-weight={canary} to {}",
                    self.service(Slot::Canary)
                );
                facts.insert("ingress.app-app-canary".to_owned(), json!(text));
            }
            _ => {
                facts.insert(
                    "vs.app.primary".to_owned(),
                    json!(self.destinations(total - canary, canary)),
                );
                facts.extend(route.headers.value.iter().map(|header| self.header(header)));
                if self.router == "istio-subset" {
                    let bound = |slot| bind.get(&slot).map_or("any", |revision| revision.as_str());
                    let (stable, canary) = (bound(Slot::Stable), bound(Slot::Canary));
                    facts.insert(
                        "dr.app".to_owned(),
                        json!(format!("stable={stable} canary={canary}")),
                    );
                }
            }
        }
        facts
    }

    fn header(&self, route: &HeaderRoute) -> (String, Value) {
        let headers: BTreeMap<&str, Value> = route
            .matches
            .iter()
            .map(|one| (one.header_name.as_str(), compared(&one.header_value)))
            .collect();
        let to = match self.router.as_str() {
            "istio-subset" => "app/canary".to_owned(),
            _ => self.service(Slot::Canary).to_owned(),
        };
        let text = format!("{to}=100 match {}", json!(headers));
        (format!("vs.app.{}", route.name), json!(text))
    }
}

fn compared(value: &StringMatch) -> Value {
    match value {
        StringMatch::Exact(text) => json!({ "exact": text }),
        StringMatch::Prefix(text) => json!({ "prefix": text }),
        StringMatch::Regex(text) => json!({ "regex": text }),
    }
}
