//! What a VirtualServer says; pure.

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use gradatim_core::route::{HeaderMatch, HeaderRoute, Slot, Split, StringMatch};
use gradatim_kubernetes::objects::{annotation, name_of, text};
use serde_json::Value;

use super::config::{Server, VirtualServerConfig};
use crate::pattern::matched;

/// What the weights of a route's splits sum to.
pub(super) const TOTAL: u32 = 100;
/// The stamp of the split.
pub(super) const SPLIT_STAMP: &str = "gradatim.dev/stamp-split";
/// The stamp of the header routes.
pub(super) const HEADERS_STAMP: &str = "gradatim.dev/stamp-headers";
/// The header routes by name, each with how many matches it has: the first of a route are ours.
pub(super) const HEADER_ROUTES: &str = "gradatim.dev/header-routes";

/// The places of the routes that are split.
///
/// # Errors
/// [`Invalid`](FaultKind::Invalid) when one that is named is missing, when it is not clear which
/// is meant, or when one does not lead to both versions.
pub(super) fn chosen(
    config: &VirtualServerConfig,
    server: &Server,
    object: &Value,
) -> Result<Vec<usize>, PortError> {
    let is_split = |route: &Value| {
        let leads = |slot| splits(route).any(|one| side(config, object, one) == Some(slot));
        leads(Slot::Stable) && leads(Slot::Canary)
    };
    if server.routes.is_empty() {
        let all = routes(object).iter().enumerate();
        let split = all.filter(|(_, route)| is_split(route));
        let split: Vec<usize> = split.map(|(place, _)| place).collect();
        return match split.len() {
            1 => Ok(split),
            0 => Err(invalid(
                object,
                "has no route that is split between both versions",
            )),
            _ => Err(invalid(
                object,
                "has several routes that are split; name their paths",
            )),
        };
    }
    let find = |path: &String| {
        let place = routes(object)
            .iter()
            .position(|route| route["path"] == path.as_str());
        let Some(place) = place else {
            return Err(invalid(object, &format!("has no route {path}")));
        };
        match is_split(&object["spec"]["routes"][place]) {
            true => Ok(place),
            false => Err(invalid(
                object,
                &format!("does not split the route {path} between both versions"),
            )),
        }
    };
    server.routes.iter().map(find).collect()
}

/// The split that a route says. What leads to neither version counts as stable's.
///
/// # Errors
/// [`Malformed`](FaultKind::Malformed) when the weights do not sum to 100.
pub(super) fn split(
    config: &VirtualServerConfig,
    object: &Value,
    place: usize,
) -> Result<Split, PortError> {
    let route = &object["spec"]["routes"][place];
    let sum: u64 = splits(route).map(weight).sum();
    if sum != u64::from(TOTAL) {
        let mut error = invalid(
            object,
            &format!("has weights that sum to {sum}, not {TOTAL}"),
        );
        error.kind = FaultKind::Malformed;
        return Err(error);
    }
    let canary = splits(route).filter(|one| side(config, object, one) == Some(Slot::Canary));
    let canary = u32::try_from(canary.map(weight).sum::<u64>()).unwrap_or(TOTAL);
    Ok(Split::canary(canary, TOTAL))
}

/// The header routes that a route holds.
pub(super) fn headers(
    config: &VirtualServerConfig,
    object: &Value,
    place: usize,
) -> Vec<HeaderRoute> {
    let matches = object["spec"]["routes"][place]["matches"].as_array();
    let mut matches = matches.into_iter().flatten();
    let named = named(object).into_iter().map(|(name, count)| {
        let matches = matches.by_ref().take(count);
        let matches = matches.filter_map(|one| header(config, object, one));
        HeaderRoute {
            name,
            matches: matches.collect(),
        }
    });
    named.filter(|route| !route.matches.is_empty()).collect()
}

/// How many matches at the beginning of a route are ours.
pub(super) fn ours(config: &VirtualServerConfig, object: &Value, place: usize) -> usize {
    let all = named(object).into_iter().map(|(_, count)| count).sum();
    let matches = object["spec"]["routes"][place]["matches"].as_array();
    let matches = matches.into_iter().flatten().take(all);
    matches
        .take_while(|one| header(config, object, one).is_some())
        .count()
}

/// The version that a split or a match leads to; none where it is neither.
pub(super) fn side(config: &VirtualServerConfig, object: &Value, one: &Value) -> Option<Slot> {
    let name = upstream(one)?;
    let all = object["spec"]["upstreams"].as_array()?;
    let found = all.iter().find(|upstream| upstream["name"] == name)?;
    let service = found["service"].as_str()?;
    if service == config.stable_service {
        Some(Slot::Stable)
    } else if service == config.canary_service {
        Some(Slot::Canary)
    } else {
        None
    }
}

/// Refuses an object that the controller has not taken.
pub(super) fn is_taken(object: &Value) -> Result<(), PortError> {
    if text(object, "/status/state") != Some("Invalid") {
        return Ok(());
    }
    let words = text(object, "/status/message").unwrap_or_default();
    let mut error = invalid(object, &format!("is not taken by its controller: {words}"));
    error.kind = FaultKind::Other;
    Err(error)
}

pub(super) fn splits(route: &Value) -> impl Iterator<Item = &Value> {
    route["splits"].as_array().into_iter().flatten()
}

pub(super) fn weight(split: &Value) -> u64 {
    split["weight"].as_u64().unwrap_or(0)
}

pub(super) fn invalid(object: &Value, what: &str) -> PortError {
    let text = format!("VirtualServer {} {what}", name_of(object));
    PortError::new(FaultKind::Invalid, text)
}

fn routes(object: &Value) -> &[Value] {
    object["spec"]["routes"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

fn upstream(one: &Value) -> Option<&str> {
    text(one, "/action/pass").or_else(|| text(one, "/action/proxy/upstream"))
}

fn named(object: &Value) -> Vec<(String, usize)> {
    let written = annotation(object, HEADER_ROUTES);
    written
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// A match as we write it; none where it is another.
fn header(config: &VirtualServerConfig, object: &Value, one: &Value) -> Option<HeaderMatch> {
    let [condition] = one["conditions"].as_array()?.as_slice() else {
        return None;
    };
    if side(config, object, one) != Some(Slot::Canary) {
        return None;
    }
    let value = condition["value"].as_str()?;
    Some(HeaderMatch {
        header_name: condition["header"].as_str()?.to_owned(),
        header_value: match value.strip_prefix('~') {
            Some(pattern) => matched(pattern),
            None => StringMatch::Exact(value.to_owned()),
        },
    })
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::super::config::tests::frame;
    use super::*;

    pub(in crate::virtual_server) fn config() -> VirtualServerConfig {
        VirtualServerConfig::parse(&json!({"name": "web"}), &frame()).unwrap()
    }

    pub(in crate::virtual_server) fn server(splits: Value) -> Value {
        json!({
            "kind": "VirtualServer", "metadata": {"name": "web", "uid": "7"},
            "spec": {
                "host": "shop.example",
                "upstreams": [
                    {"name": "old", "service": "shop", "port": 80},
                    {"name": "new", "service": "shop-canary", "port": 80},
                    {"name": "else", "service": "basket", "port": 80},
                ],
                "routes": [
                    {"path": "/basket", "action": {"pass": "else"}},
                    {"path": "/", "splits": splits, "errorPages": [{"codes": [502]}]},
                ],
            },
        })
    }

    pub(in crate::virtual_server) fn to(upstream: &str, weight: u32) -> Value {
        json!({"weight": weight, "action": {"pass": upstream}})
    }

    #[test]
    fn the_split_is_told_by_the_services_behind_the_upstreams() {
        let proxied = json!({"weight": 30, "action": {"proxy": {"upstream": "new"}}});
        let cases = [
            (json!([to("old", 80), to("new", 20)]), 20),
            (json!([to("new", 100), to("old", 0)]), 100),
            (json!([to("old", 60), proxied, to("else", 10)]), 30),
        ];
        for (splits, canary) in cases {
            let object = server(splits);
            let found = chosen(&config(), &config().servers[0], &object).unwrap();
            assert_eq!(found, [1]);
            let said = split(&config(), &object, 1).unwrap();
            assert_eq!(said, Split::canary(canary, 100));
        }
    }

    #[test]
    fn what_is_no_split_is_said_with_its_name() {
        let told = |routes: &[&str], object: &Value| {
            let routes = routes.iter().map(|path| (*path).to_owned()).collect();
            let name = "web".to_owned();
            let error = chosen(&config(), &Server { name, routes }, object).unwrap_err();
            error.to_string()
        };
        let one = server(json!([to("old", 80), to("else", 20)]));
        let none = "VirtualServer web has no route that is split between both versions";
        assert_eq!(told(&[], &one), none);
        assert_eq!(told(&["/x"], &one), "VirtualServer web has no route /x");
        let text = "VirtualServer web does not split the route / between both versions";
        assert_eq!(told(&["/"], &one), text);
        let mut two = server(json!([to("old", 80), to("new", 20)]));
        two["spec"]["routes"][0]["splits"] = json!([to("old", 1), to("new", 99)]);
        assert!(told(&[], &two).contains("several routes"));
        let short = server(json!([to("old", 80), to("new", 10)]));
        let error = split(&config(), &short, 1).unwrap_err();
        assert_eq!(error.kind, FaultKind::Malformed);
        assert!(error.to_string().contains("sum to 90"), "{error}");
        assert!(chosen(&config(), &config().servers[0], &json!({})).is_err());
    }

    #[test]
    fn an_object_that_the_controller_refuses_is_told_in_its_words() {
        let mut object = server(json!([]));
        assert!(is_taken(&object).is_ok());
        object["status"] = json!({"state": "Invalid", "message": "spec.host: collides"});
        let error = is_taken(&object).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("controller: spec.host: collides")
        );
    }
}
