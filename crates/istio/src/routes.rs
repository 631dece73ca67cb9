//! Which routes of a VirtualService are split, and how; pure.

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use gradatim_core::route::{Slot, Split};
use gradatim_kubernetes::objects::name_of;
use serde_json::Value;

use crate::affinity::is_following;
use crate::config::{IstioConfig, TlsRoute, VirtualService};
use crate::managed::is_mirror;

/// What the weights of a route sum to.
pub(crate) const TOTAL: u32 = 100;

/// A route by its section and its place in it.
pub(crate) type Place = (&'static str, usize);

/// The routes that are split, in the order http, tls, tcp.
///
/// # Errors
/// [`Invalid`](FaultKind::Invalid) when one that is named is missing, when it is not clear which
/// is meant, or when one does not lead to both versions.
pub(crate) fn chosen(
    config: &IstioConfig,
    service: &VirtualService,
    object: &Value,
) -> Result<Vec<Place>, PortError> {
    let mut chosen = http(config, service, object)?;
    chosen.extend(tls(config, service, object)?);
    chosen.extend(tcp(config, service, object)?);
    if chosen.is_empty() {
        return Err(invalid(object, "has no route"));
    }
    for place in &chosen {
        let route = route(object, *place);
        for slot in [Slot::Stable, Slot::Canary] {
            if !leads_to(config, route, slot) {
                let (section, index) = place;
                let what =
                    format!("has no destination of the {slot} version in {section}[{index}]");
                return Err(invalid(object, &what));
            }
        }
    }
    Ok(chosen)
}

/// The splits that a VirtualService says: of its routes, and of the mirrors that stand before them
/// and are split as they are.
///
/// # Errors
/// As [`chosen`], and where weights make no split.
pub(crate) fn splits(
    config: &IstioConfig,
    service: &VirtualService,
    object: &Value,
) -> Result<Vec<Split>, PortError> {
    let places = chosen(config, service, object)?;
    let routes = places.iter().map(|place| route(object, *place));
    let mirrors = section(object, "http")
        .iter()
        .filter(|route| config.managed(route).is_some() && is_mirror(route));
    let said = routes.chain(mirrors).map(|route| split(config, route));
    let mut said = said.collect::<Result<Vec<_>, _>>()?;
    // Who is followed to the canary though it has no part is part of it all the same.
    let is_followed = section(object, "http").iter().any(is_following);
    if is_followed && said.iter().all(|split| split.part(Slot::Canary) == 0) {
        said.push(Split::canary(TOTAL, TOTAL));
    }
    Ok(said)
}

fn http(
    config: &IstioConfig,
    service: &VirtualService,
    object: &Value,
) -> Result<Vec<Place>, PortError> {
    let all = section(object, "http");
    if service.routes.is_empty() {
        let users = |(index, route)| {
            let is_users = config.managed(route).is_none() && !is_following(route);
            is_users.then_some(("http", index))
        };
        let users: Vec<Place> = all.iter().enumerate().filter_map(users).collect();
        if users.len() > 1 && service.tls_routes.is_empty() && service.tcp_routes.is_empty() {
            return Err(invalid(
                object,
                "has several HTTP routes; name those that are split",
            ));
        }
        return Ok(if users.len() == 1 { users } else { Vec::new() });
    }
    let find = |name: &String| {
        let index = all.iter().position(|route| route["name"] == name.as_str());
        let missing = || invalid(object, &format!("has no HTTP route {name}"));
        index.map(|index| ("http", index)).ok_or_else(missing)
    };
    service.routes.iter().map(find).collect()
}

fn tls(
    config: &IstioConfig,
    service: &VirtualService,
    object: &Value,
) -> Result<Vec<Place>, PortError> {
    let all = section(object, "tls");
    if service.tls_routes.is_empty() {
        return Ok(only(config, "tls", all));
    }
    let find = |wanted: &TlsRoute| {
        let index = all.iter().position(|route| {
            let matches = route["match"].as_array().into_iter().flatten();
            matches.into_iter().any(|one| is_tls(one, wanted))
        });
        let (port, hosts) = (wanted.port, &wanted.sni_hosts);
        let missing = || {
            invalid(
                object,
                &format!("has no TLS route for port {port}, {hosts:?}"),
            )
        };
        index.map(|index| ("tls", index)).ok_or_else(missing)
    };
    service.tls_routes.iter().map(find).collect()
}

fn is_tls(one: &Value, wanted: &TlsRoute) -> bool {
    let hosts = one["sniHosts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let (mut hosts, mut names): (Vec<_>, Vec<_>) = (
        hosts.collect(),
        wanted.sni_hosts.iter().map(String::as_str).collect(),
    );
    hosts.sort_unstable();
    names.sort_unstable();
    (wanted.port == 0 || one["port"] == wanted.port) && (names.is_empty() || hosts == names)
}

fn tcp(
    config: &IstioConfig,
    service: &VirtualService,
    object: &Value,
) -> Result<Vec<Place>, PortError> {
    let all = section(object, "tcp");
    if service.tcp_routes.is_empty() {
        return Ok(only(config, "tcp", all));
    }
    let find = |port: u64| {
        let index = all.iter().position(|route| {
            let matches = route["match"].as_array().into_iter().flatten();
            matches.into_iter().any(|one| one["port"] == port)
        });
        let missing = || invalid(object, &format!("has no TCP route for port {port}"));
        index.map(|index| ("tcp", index)).ok_or_else(missing)
    };
    service
        .tcp_routes
        .iter()
        .map(|wanted| find(wanted.port))
        .collect()
}

/// The only route of a section that nobody named, if it leads to both versions.
fn only(config: &IstioConfig, section: &'static str, all: &[Value]) -> Vec<Place> {
    match all {
        [one]
            if [Slot::Stable, Slot::Canary]
                .iter()
                .all(|slot| leads_to(config, one, *slot)) =>
        {
            vec![(section, 0)]
        }
        _ => Vec::new(),
    }
}

fn section<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    object["spec"][name].as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn route(object: &Value, (section, index): Place) -> &Value {
    &object["spec"][section][index]
}

fn destinations(route: &Value) -> impl Iterator<Item = &Value> {
    route["route"].as_array().into_iter().flatten()
}

fn leads_to(config: &IstioConfig, route: &Value, slot: Slot) -> bool {
    destinations(route).any(|one| config.side(&one["destination"]) == Some(slot))
}

/// The split that a route says. What leads to neither version counts as stable's.
///
/// # Errors
/// [`Malformed`](FaultKind::Malformed) when the weights make no split.
pub(crate) fn split(config: &IstioConfig, route: &Value) -> Result<Split, PortError> {
    let weight = |one: &Value| one["weight"].as_u64().unwrap_or(0);
    let sum: u64 = destinations(route).map(weight).sum();
    let canary = destinations(route)
        .filter(|one| config.side(&one["destination"]) == Some(Slot::Canary))
        .map(weight)
        .sum::<u64>();
    let (Ok(sum), Ok(canary)) = (u32::try_from(sum), u32::try_from(canary)) else {
        return Err(malformed("weights beyond all measure"));
    };
    let hundred = u64::from(canary) * u64::from(TOTAL);
    match sum {
        0 => Err(malformed("a route whose weights are all 0")),
        _ if hundred.is_multiple_of(u64::from(sum)) => {
            let part = u32::try_from(hundred / u64::from(sum)).unwrap_or(TOTAL);
            Ok(Split::canary(part, TOTAL))
        }
        _ => Ok(Split::canary(canary, sum)),
    }
}

/// A route with this weight for the canary and the rest for stable. What leads to neither keeps
/// its weight, and every other field is kept.
///
/// # Errors
/// [`Invalid`](FaultKind::Invalid) when what leads elsewhere leaves not so much.
pub(crate) fn weighted(
    config: &IstioConfig,
    route: &Value,
    canary: u32,
) -> Result<Value, PortError> {
    let side = |one: &Value| config.side(&one["destination"]);
    let others = destinations(route).filter(|one| side(one).is_none());
    let others: u64 = others.map(|one| one["weight"].as_u64().unwrap_or(0)).sum();
    let taken = others + u64::from(canary);
    let Some(mut left) = u64::from(TOTAL).checked_sub(taken) else {
        let text =
            format!("{others} of {TOTAL} parts of a route lead elsewhere: {canary} do not fit");
        return Err(PortError::new(FaultKind::Invalid, text));
    };
    let mut part = u64::from(canary);
    let mut weighted = route.clone();
    for one in weighted["route"].as_array_mut().into_iter().flatten() {
        // Of several destinations of one version the first has it all.
        let weight = match config.side(&one["destination"]) {
            Some(Slot::Canary) => std::mem::take(&mut part),
            Some(_) => std::mem::take(&mut left),
            None => continue,
        };
        // A weight that is absent is 0; it is left so, as it was written.
        if one["weight"].as_u64().unwrap_or(0) != weight || weight > 0 {
            one["weight"] = weight.into();
        }
    }
    Ok(weighted)
}

pub(crate) fn invalid(object: &Value, what: &str) -> PortError {
    let kind = object["kind"].as_str().unwrap_or("VirtualService");
    PortError::new(
        FaultKind::Invalid,
        format!("{kind} {} {what}", name_of(object)),
    )
}

fn malformed(what: &str) -> PortError {
    PortError::new(FaultKind::Malformed, what)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::tests::{hosts, subsets};

    fn to(host: &str, weight: u32) -> Value {
        json!({"destination": {"host": host}, "weight": weight})
    }

    fn both(name: &str) -> Value {
        json!({"name": name, "route": [to("shop", 100), to("shop-canary", 0)]})
    }

    fn object(spec: Value) -> Value {
        json!({"kind": "VirtualService", "metadata": {"name": "shop"}, "spec": spec})
    }

    fn choose(service: Value, spec: Value) -> Result<Vec<Place>, String> {
        let config = hosts(json!({"virtualService": service}));
        let object = object(spec);
        chosen(&config, &config.virtual_services[0], &object).map_err(|error| error.to_string())
    }

    #[test]
    fn the_only_route_of_the_user_is_meant() {
        let managed = json!({"name": "first", "route": [to("shop-canary", 100)]});
        let spec = json!({"http": [managed, both("main")]});
        assert_eq!(choose(json!({"name": "shop"}), spec), Ok(vec![("http", 1)]));
        let two = json!({"http": [both("a"), both("b")]});
        let told = choose(json!({"name": "shop"}), two.clone()).unwrap_err();
        assert_eq!(
            told,
            "VirtualService shop has several HTTP routes; name those that are split"
        );
        let named = json!({"name": "shop", "routes": ["b", "a"]});
        assert_eq!(
            choose(named, two.clone()),
            Ok(vec![("http", 1), ("http", 0)])
        );
        let missing = choose(json!({"name": "shop", "routes": ["c"]}), two).unwrap_err();
        assert_eq!(missing, "VirtualService shop has no HTTP route c");
    }

    #[test]
    fn tls_and_tcp_routes_are_found_by_what_they_match() {
        let mut tls = [both("a"), both("b")];
        tls[0]["match"] = json!([{"port": 443, "sniHosts": ["x", "y"]}]);
        tls[1]["match"] = json!([{"port": 443, "sniHosts": ["y"]}]);
        let mut tcp = [both("c")];
        tcp[0]["match"] = json!([{"port": 5432}]);
        let spec = json!({"tls": tls, "tcp": tcp});
        let named = json!({"name": "shop", "tlsRoutes": [{"port": 443, "sniHosts": ["y", "x"]}]});
        assert_eq!(
            choose(named, spec.clone()),
            Ok(vec![("tls", 0), ("tcp", 0)])
        );
        let named = json!({"name": "shop", "tcpRoutes": [{"port": 80}]});
        assert_eq!(
            choose(named, spec).unwrap_err(),
            "VirtualService shop has no TCP route for port 80"
        );
    }

    #[test]
    fn a_route_without_one_of_the_versions_is_refused() {
        let spec = json!({"http": [{"route": [to("shop", 100)]}]});
        let told = choose(json!({"name": "shop"}), spec).unwrap_err();
        assert_eq!(
            told,
            "VirtualService shop has no destination of the canary version in http[0]"
        );
        assert_eq!(
            choose(json!({"name": "shop"}), json!({})).unwrap_err(),
            "VirtualService shop has no route"
        );
    }

    #[test]
    fn weights_are_read_as_the_proxy_takes_them() {
        let config = hosts(json!({"virtualService": {"name": "shop"}}));
        let read = |route: Value| split(&config, &json!({"route": route}));
        assert_eq!(
            read(json!([to("shop", 80), to("shop-canary", 20)])).unwrap(),
            Split::canary(20, 100)
        );
        // They are shares of their sum, whatever that is.
        assert_eq!(
            read(json!([to("shop", 3), to("shop-canary", 1)])).unwrap(),
            Split::canary(25, 100)
        );
        assert_eq!(
            read(json!([to("shop", 2), to("shop-canary", 1)])).unwrap(),
            Split::canary(1, 3)
        );
        let others = json!([to("shop", 60), to("shop-canary", 20), to("else", 20)]);
        assert_eq!(read(others).unwrap(), Split::canary(20, 100));
        for none in [
            json!([]),
            json!([to("shop", 0), to("shop-canary", 0)]),
            json!(null),
        ] {
            assert_eq!(read(none).unwrap_err().kind, FaultKind::Malformed);
        }
    }

    #[test]
    fn only_weights_change_and_strangers_keep_theirs() {
        let config = subsets();
        let to = |subset: &str, weight: u32| json!({"destination": {"host": "shop", "subset": subset}, "weight": weight, "headers": {"x": 1}});
        let route =
            json!({"timeout": "3s", "route": [to("stable", 90), to("canary", 0), to("old", 10)]});
        let mut wanted = route.clone();
        wanted["route"][0]["weight"] = 60.into();
        wanted["route"][1]["weight"] = 30.into();
        assert_eq!(weighted(&config, &route, 30).unwrap(), wanted);
        assert_eq!(
            weighted(&config, &route, 91).unwrap_err().kind,
            FaultKind::Invalid
        );
        assert_eq!(weighted(&config, &route, 0).unwrap(), route);
    }
}
