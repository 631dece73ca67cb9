//! Routes of ours: for headers and for mirrors; pure.

use std::collections::BTreeMap;

use gradatim_core::route::{HeaderMatch, HeaderRoute, MirrorMatch, MirrorRoute, Slot, StringMatch};
use serde_json::{Map, Value, json};

use crate::config::IstioConfig;

/// A route that sends what matches to the canary. `base` is the route that is split.
pub(crate) fn header_route(config: &IstioConfig, wanted: &HeaderRoute, base: &Value) -> Value {
    let matches = wanted
        .matches
        .iter()
        .map(|one| json!({"headers": {&one.header_name: string_match(&one.header_value)}}));
    json!({
        "name": wanted.name,
        "match": matches.collect::<Vec<_>>(),
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
pub(crate) fn canary(config: &IstioConfig, base: &Value) -> Value {
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

/// The header routes among managed ones, in their order. What no step can say stands there as a
/// match of a header without a name, so that it is not taken for what was written.
pub(crate) fn headers(config: &IstioConfig, object: &Value) -> Vec<HeaderRoute> {
    let routes = managed(config, object).filter(|route| !is_mirror(route));
    let read = |route: &Value| {
        let matches = matches(route).map(|one| read_header(one).unwrap_or_else(|| unsayable(one)));
        let mut matches: Vec<_> = matches.collect();
        if !is_only_canary(config, route) {
            matches.push(unsayable(&route["route"]));
        }
        HeaderRoute {
            name: name(route),
            matches,
        }
    };
    routes.map(read).collect()
}

/// A match of one header, and of nothing else.
fn read_header(one: &Value) -> Option<HeaderMatch> {
    let fields = one.as_object()?;
    let headers = one["headers"].as_object()?;
    let (header_name, value) = headers.iter().next()?;
    let is_alone = fields.len() == 1 && headers.len() == 1;
    is_alone.then_some(HeaderMatch {
        header_name: header_name.clone(),
        header_value: read_match(value)?,
    })
}

fn unsayable(what: &Value) -> HeaderMatch {
    HeaderMatch {
        header_name: String::new(),
        header_value: StringMatch::Exact(what.to_string()),
    }
}

fn is_only_canary(config: &IstioConfig, route: &Value) -> bool {
    let mut all = route["route"].as_array().into_iter().flatten();
    let is_canary = |one: &Value| config.side(&one["destination"]) == Some(Slot::Canary);
    all.clone().next().is_some() && all.all(is_canary)
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
