use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::Input;
use super::findings::{Findings, Site};
use crate::capability::{Capabilities, Part};
use crate::plan::RouterPlan;
use crate::registry::{RouterFrame, SERVICES};
use crate::route::Slot;
use crate::spec::{RolloutSpec, Strategy, TrafficRouting};

/// What every router of a rollout is parsed in.
pub(super) fn frame(spec: &RolloutSpec) -> RouterFrame {
    let mut frame = RouterFrame::new(&spec.name);
    frame.namespace.clone_from(&spec.namespace);
    match &spec.strategy {
        Strategy::Canary(canary) => {
            frame.session_affinity.clone_from(&spec.session_affinity);
            let pair = canary.ping_pong.as_ref();
            let (ping, pong) = pair.map(|p| (&p.ping_service, &p.pong_service)).unzip();
            frame.stable_service = canary.stable_service.as_ref().or(ping).cloned();
            frame.canary_service = canary.canary_service.as_ref().or(pong).cloned();
            if let Some(routing) = &canary.traffic_routing {
                frame.max_traffic_weight = routing.max_traffic_weight.unwrap_or(100);
                frame.managed_routes.clone_from(&routing.managed_routes);
            }
        }
        Strategy::BlueGreen(blue_green) => {
            frame.active_service = Some(blue_green.active_service.clone());
            frame
                .preview_service
                .clone_from(&blue_green.preview_service);
        }
        Strategy::RollingUpdate => {}
    }
    frame
}

/// The routers that a manifest names; `site` is its `trafficRouting`.
pub(super) fn routers(
    input: Input<'_>,
    routing: &TrafficRouting,
    frame: &RouterFrame,
    site: &Site,
    found: &mut Findings,
) -> Vec<RouterPlan> {
    if routing.routers.is_empty() {
        found.error(
            site.says("no router is named")
                .help("nginx, istio, … or none of this at all"),
        );
    }
    if routing.max_traffic_weight == Some(0) {
        let finding = site
            .key("maxTrafficWeight")
            .says("a split sums to at least 1");
        found.error(finding.value(0));
    }
    check_managed(routing, site, found);
    let named = routing.routers.iter();
    named
        .filter_map(|(name, part)| router(input, name, part, frame, &site.key(name), found))
        .collect()
}

fn check_managed(routing: &TrafficRouting, site: &Site, found: &mut Findings) {
    let mut names = BTreeSet::new();
    for (at, name) in routing.managed_routes.iter().enumerate() {
        if !names.insert(name) {
            let site = site.key("managedRoutes").index(at).key("name");
            found.error(site.says("another managed route has this name").value(name));
        }
    }
}

fn router(
    input: Input<'_>,
    name: &str,
    part: &Value,
    frame: &RouterFrame,
    site: &Site,
    found: &mut Findings,
) -> Option<RouterPlan> {
    let capabilities = match input.registry.parse_router(name, part, frame) {
        Some(Ok(capabilities)) => capabilities,
        Some(Err(errors)) => {
            part_errors(errors, site, found);
            return None;
        }
        None if input.registry.is_lenient() => {
            let message = "no such router is registered: it is taken to be able to do everything";
            found.warn(site.says(message).value(name));
            Capabilities::all()
        }
        None => {
            let known = known(input.registry.routers());
            let finding = site.says("no such router is registered").value(name);
            found.error(finding.help(known));
            return None;
        }
    };
    Some(RouterPlan {
        name: name.to_owned(),
        part: part.clone(),
        capabilities,
    })
}

/// The router that binds Kubernetes Services, where the rollout names any and `routers` lacks
/// it; `site` is the strategy.
pub(super) fn services(
    input: Input<'_>,
    routers: &[RouterPlan],
    frame: &RouterFrame,
    site: &Site,
    found: &mut Findings,
) -> Option<RouterPlan> {
    if !frame.has_services() || routers.iter().any(|router| router.name == SERVICES) {
        return None;
    }
    let capabilities = match input.registry.parse_router(SERVICES, &Value::Null, frame) {
        Some(Ok(capabilities)) => capabilities,
        Some(Err(errors)) => {
            part_errors(errors, site, found);
            return None;
        }
        None if input.registry.is_lenient() => Capabilities {
            parts: BTreeSet::from([Part::Bind]),
            settle: Duration::ZERO,
            ..Capabilities::all()
        },
        None => return None,
    };
    Some(RouterPlan {
        name: SERVICES.to_owned(),
        part: Value::Null,
        capabilities,
    })
}

/// Whether everything that splits traffic keeps a client with the version that it saw, where the
/// rollout wants that; `site` is the rollout's spec.
pub(super) fn check_affinity(
    spec: &RolloutSpec,
    routers: &[RouterPlan],
    site: &Site,
    found: &mut Findings,
) {
    let Some(affinity) = &spec.session_affinity else {
        return;
    };
    let site = site.key("sessionAffinity");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if affinity.cookie_name.is_empty() || !affinity.cookie_name.chars().all(is_plain) {
        let finding = site.key("cookieName").says("no name of a cookie");
        let finding = finding.value(&affinity.cookie_name);
        found.error(finding.help("letters, digits, _ and -"));
    }
    if affinity.max_age < Duration::from_secs(1) {
        let finding = site.key("maxAge").says("a mark holds one second at least");
        found.error(finding.help("leave it out: one day"));
    }
    let routing = match &spec.strategy {
        Strategy::Canary(canary) => canary.traffic_routing.as_ref(),
        Strategy::BlueGreen(_) => {
            let message = "has no effect here: everybody is switched at once";
            return found.warn(site.says(message));
        }
        Strategy::RollingUpdate => None,
    };
    if routing.is_none() {
        let finding = site.says("without a trafficRouting nothing keeps a client with a version");
        found.error(finding.help("name a router that does, or leave it out"));
    }
    let cannot = routers.iter().filter(|router| {
        router.capabilities.carries(Part::Split) && !router.capabilities.session_affinity
    });
    for router in cannot {
        let message = "this router keeps no client with the version that it saw";
        let finding = site.says(message).value(&router.name);
        found.error(finding.help("leave it out, or take a router that does"));
    }
}

/// The slots that something binds: a router of its own binds both sides of a canary, Services
/// only those that the rollout names.
pub(super) fn slots(routers: &[RouterPlan], frame: &RouterFrame) -> BTreeSet<Slot> {
    let by_itself =
        |router: &RouterPlan| router.name != SERVICES && router.capabilities.carries(Part::Bind);
    let named = [
        (Slot::Stable, &frame.stable_service),
        (Slot::Canary, &frame.canary_service),
        (Slot::Active, &frame.active_service),
        (Slot::Preview, &frame.preview_service),
    ];
    let named = named.into_iter().filter(|(_, service)| service.is_some());
    let named: BTreeSet<_> = named.map(|(slot, _)| slot).collect();
    if named.contains(&Slot::Active) {
        return named;
    }
    match named.is_empty() || routers.iter().any(by_itself) {
        true => BTreeSet::from([Slot::Stable, Slot::Canary]),
        false => named,
    }
}

/// What a backend's own parser found, each below the backend's part.
pub(super) fn part_errors(
    errors: Vec<crate::registry::PartError>,
    site: &Site,
    found: &mut Findings,
) {
    if errors.is_empty() {
        found.error(site.says("refused by its backend, which does not say why"));
    }
    for error in errors {
        let mut finding = site.join(&error.path).says(error.message);
        if let Some(value) = error.value {
            finding = finding.value(value);
        }
        if let Some(help) = error.help {
            finding = finding.help(help);
        }
        found.error(finding);
    }
}

/// What is registered, for a person.
pub(super) fn known<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.filter(|name| *name != SERVICES).collect();
    match names.is_empty() {
        true => "nothing is registered".to_owned(),
        false => format!("registered: {}", names.join(", ")),
    }
}
