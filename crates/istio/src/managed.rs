//! Routes of ours: for headers and for mirrors; pure.

use std::collections::BTreeMap;

use gradatim_core::route::{HeaderMatch, HeaderRoute, MirrorMatch, MirrorRoute, Slot, StringMatch};
use serde_json::{Map, Value, json};

use crate::config::IstioConfig;

/// A route that sends what matches to the canary. `base` is the route that is split.
pub(crate) fn header_route(config: &IstioConfig, wanted: &HeaderRoute, base: &Value) -> Value {
    let headers = wanted.matches.iter();
    let headers: Map<_, _> = headers
        .map(|one| (one.header_name.clone(), string_match(&one.header_value)))
        .collect();
    json!({
        "name": wanted.name,
        "match": [{"headers": headers}],
        "route": [{"destination": canary(config, base), "weight": 100}],
    })
}

/// A route that copies what matches to the canary, and is split as `base` is.
pub(crate) fn mirror_route(config: &IstioConfig, wanted: &MirrorRoute, base: &Value) -> Value {
    json!({
        "name": wanted.name,
        "match": wanted.matches.iter().map(mirror_match).collect::<Vec<_>>(),
        "route": base["route"],
        "mirror": canary(config, base),
        "mirrorPercentage": {"value": wanted.percentage},
    })
}

/// The canary's destination as the split route has it, its port included.
fn canary(config: &IstioConfig, base: &Value) -> Value {
    let mut all = base["route"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| &one["destination"]);
    all.find(|it| config.side(it) == Some(Slot::Canary))
        .cloned()
        .unwrap_or(Value::Null)
}

fn mirror_match(wanted: &MirrorMatch) -> Value {
    let mut one = Map::new();
    if let Some(method) = &wanted.method {
        one.insert("method".to_owned(), string_match(method));
    }
    if let Some(path) = &wanted.path {
        one.insert("uri".to_owned(), string_match(path));
    }
    if !wanted.headers.is_empty() {
        let headers = wanted.headers.iter();
        let headers: Map<_, _> = headers
            .map(|(name, value)| (name.clone(), string_match(value)))
            .collect();
        one.insert("headers".to_owned(), headers.into());
    }
    one.into()
}

fn string_match(wanted: &StringMatch) -> Value {
    match wanted {
        StringMatch::Exact(text) => json!({"exact": text}),
        StringMatch::Prefix(text) => json!({"prefix": text}),
        StringMatch::Regex(text) => json!({"regex": text}),
    }
}

/// The header routes among managed ones, in their order.
pub(crate) fn headers(config: &IstioConfig, object: &Value) -> Vec<HeaderRoute> {
    let routes = managed(config, object).filter(|route| !is_mirror(route));
    let read = |route: &Value| HeaderRoute {
        name: name(route),
        matches: matches(route)
            .flat_map(headers_of)
            .map(|(header_name, header_value)| HeaderMatch {
                header_name,
                header_value,
            })
            .collect(),
    };
    routes.map(read).collect()
}

/// The mirrors among managed ones, in their order.
pub(crate) fn mirrors(config: &IstioConfig, object: &Value) -> Vec<MirrorRoute> {
    let routes = managed(config, object).filter(|route| is_mirror(route));
    let read = |route: &Value| MirrorRoute {
        name: name(route),
        matches: matches(route)
            .map(|one| MirrorMatch {
                method: read_match(&one["method"]),
                path: read_match(&one["uri"]),
                headers: headers_of(one).collect(),
            })
            .collect(),
        percentage: percentage(route),
    };
    routes.map(read).collect()
}

fn managed<'a>(config: &'a IstioConfig, object: &'a Value) -> impl Iterator<Item = &'a Value> {
    let all = object["spec"]["http"].as_array().into_iter().flatten();
    all.filter(|route| config.managed(route).is_some())
}

pub(crate) fn is_mirror(route: &Value) -> bool {
    route["mirror"].is_object()
}

fn name(route: &Value) -> String {
    route["name"].as_str().unwrap_or_default().to_owned()
}

fn matches(route: &Value) -> impl Iterator<Item = &Value> {
    route["match"].as_array().into_iter().flatten()
}

fn headers_of(one: &Value) -> impl Iterator<Item = (String, StringMatch)> {
    let headers = one["headers"].as_object().into_iter().flatten();
    let headers = headers.filter_map(|(name, value)| Some((name.clone(), read_match(value)?)));
    headers.collect::<BTreeMap<_, _>>().into_iter()
}

fn read_match(value: &Value) -> Option<StringMatch> {
    let text = |kind: &str| value[kind].as_str().map(str::to_owned);
    let exact = text("exact").map(StringMatch::Exact);
    let prefix = || text("prefix").map(StringMatch::Prefix);
    exact
        .or_else(prefix)
        .or_else(|| text("regex").map(StringMatch::Regex))
}

/// Without a percentage everything is copied; a part of a percent counts as a whole one.
fn percentage(route: &Value) -> u32 {
    let said = route["mirrorPercentage"]["value"]
        .as_f64()
        .or(route["mirror_percent"].as_f64());
    // A value out of range is the nearest one in it.
    said.map_or(100, |said| said.ceil().clamp(0.0, 100.0) as u32)
}
