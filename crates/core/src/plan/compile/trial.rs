use super::findings::{Findings, Site};
use super::steps::Scope;
use crate::capability::{HeaderMatchKind, Part};
use crate::plan::Plan;
use crate::route::{HeaderRoute, MirrorRoute, StringMatch};

/// Checks a header route against the routers that would carry it.
pub(super) fn header(
    scope: Scope<'_>,
    route: &HeaderRoute,
    site: &Site,
    plan: &Plan,
    found: &mut Findings,
) {
    carried(scope, Part::Headers, site, plan, found);
    managed(scope, &route.name, site, found);
    for (at, matched) in route.matches.iter().enumerate() {
        let (kind, name) = kind(&matched.header_value);
        let lacking = plan.routers.iter().find(|router| {
            let can = &router.capabilities;
            can.carries(Part::Headers) && !can.header_matches.contains(&kind)
        });
        if let (true, Some(router)) = (scope.certain, lacking) {
            let site = site.key("match").index(at).key("headerValue").key(name);
            let can = router.capabilities.header_matches.iter();
            let can: Vec<_> = can.map(|kind| field(*kind)).collect();
            let message = format!("{} cannot compare headers in this way", router.name);
            found.error(
                site.says(message)
                    .help(format!("it can: {}", can.join(", "))),
            );
        }
    }
}

/// Checks a mirror against the routers that would carry it.
pub(super) fn mirror(
    scope: Scope<'_>,
    route: &MirrorRoute,
    site: &Site,
    plan: &Plan,
    found: &mut Findings,
) {
    carried(scope, Part::Mirrors, site, plan, found);
    managed(scope, &route.name, site, found);
    if route.percentage > 100 {
        let finding = site.key("percentage").says("a percentage is 0 to 100");
        found.error(finding.value(route.percentage));
    }
}

fn carried(scope: Scope<'_>, part: Part, site: &Site, plan: &Plan, found: &mut Findings) {
    let (what, some) = match part {
        Part::Mirrors => ("mirrors", "can mirror"),
        _ => ("header routes", "can route by header"),
    };
    if !scope.routed {
        found.error(site.says(format!("{what} need a trafficRouting")));
    } else if scope.certain && !plan.carries(part) {
        let names: Vec<_> = plan.routers.iter().map(|r| r.name.as_str()).collect();
        let finding = site.says(format!("none of the rollout's routers {some}"));
        found.error(finding.value(names.join(", ")));
    }
}

fn managed(scope: Scope<'_>, name: &str, site: &Site, found: &mut Findings) {
    if !found.spend(scope.frame.managed_routes.len(), site) {
        return;
    }
    if scope.routed && !scope.frame.managed_routes.iter().any(|known| known == name) {
        let finding = site
            .key("name")
            .says("not one of trafficRouting.managedRoutes");
        let help = format!("add {name:?} to managedRoutes: their order is who matches first");
        found.error(finding.value(name).help(help));
    }
}

fn kind(value: &StringMatch) -> (HeaderMatchKind, &'static str) {
    let kind = match value {
        StringMatch::Exact(_) => HeaderMatchKind::Exact,
        StringMatch::Prefix(_) => HeaderMatchKind::Prefix,
        StringMatch::Regex(_) => HeaderMatchKind::Regex,
    };
    (kind, field(kind))
}

fn field(kind: HeaderMatchKind) -> &'static str {
    match kind {
        HeaderMatchKind::Exact => "exact",
        HeaderMatchKind::Prefix => "prefix",
        HeaderMatchKind::Regex => "regex",
    }
}
