//! A route as a change of a VirtualServer; pure.

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use gradatim_core::route::{HeaderMatch, HeaderRoute, Route, Slot, Split};
use gradatim_kubernetes::fence::{refuse_older, stamp_of};
use gradatim_kubernetes::names::MANAGED_BY;
use gradatim_kubernetes::objects::annotation;
use serde_json::{Map, Value, json};

use super::config::{Server, VirtualServerConfig};
use super::decode::{
    HEADER_ROUTES, HEADERS_STAMP, SPLIT_STAMP, TOTAL, chosen, headers, invalid, ours, side, split,
    splits, weight,
};
use crate::pattern::pattern;

/// A patch of one object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) patch: Value,
    /// Whether the canary gets more than it has.
    pub(super) raises: bool,
}

/// The change that makes a VirtualServer so, none when it is.
pub(super) fn shifted(
    config: &VirtualServerConfig,
    server: &Server,
    object: &Value,
    wanted: &Route,
) -> Result<Option<Change>, PortError> {
    refuse_others(config, object)?;
    let stamps = [
        (SPLIT_STAMP, wanted.split.stamp),
        (HEADERS_STAMP, wanted.headers.stamp),
    ];
    for (key, stamp) in stamps {
        refuse_older(object, key, stamp)?;
    }
    let canary = percent(&wanted.split.value)?;
    let places = chosen(config, server, object)?;
    let mut routes = object["spec"]["routes"].clone();
    for place in &places {
        weigh(config, object, &mut routes[*place], canary)?;
        manage(config, object, *place, &mut routes[*place], wanted)?;
    }
    let mut annotations = Map::from_iter(
        stamps
            .map(|(key, stamp)| (key, stamp.to_string()))
            .map(|(key, stamp)| (key.to_owned(), Value::from(stamp))),
    );
    annotations.insert(MANAGED_BY.to_owned(), config.rollout.clone().into());
    annotations.insert(HEADER_ROUTES.to_owned(), named(&wanted.headers.value));
    annotations.retain(|key, value| annotation(object, key) != value.as_str());
    let mut patch = Map::new();
    if !annotations.is_empty() {
        patch.insert("metadata".to_owned(), json!({"annotations": annotations}));
    }
    if routes != object["spec"]["routes"] {
        patch.insert("spec".to_owned(), json!({"routes": routes}));
    }
    if patch.is_empty() {
        return Ok(None);
    }
    let raises = places
        .iter()
        .any(|place| raises(config, object, *place, wanted));
    Ok(Some(Change {
        patch: patch.into(),
        raises,
    }))
}

/// Whether an object bears what a route's stamps say.
pub(super) fn stamps(object: &Value) -> [Option<gradatim_core::stamp::Stamp>; 2] {
    [SPLIT_STAMP, HEADERS_STAMP].map(|key| stamp_of(object, key))
}

/// Gives the canary so much and the rest to stable. What leads to neither keeps its weight.
fn weigh(
    config: &VirtualServerConfig,
    object: &Value,
    route: &mut Value,
    canary: u32,
) -> Result<(), PortError> {
    let others = splits(route).filter(|one| side(config, object, one).is_none());
    let others: u64 = others.map(weight).sum();
    let taken = others + u64::from(canary);
    let Some(mut left) = u64::from(TOTAL).checked_sub(taken) else {
        let text =
            format!("has {others} of {TOTAL} parts that lead elsewhere: {canary} do not fit");
        return Err(invalid(object, &text));
    };
    let mut part = u64::from(canary);
    for one in route["splits"].as_array_mut().into_iter().flatten() {
        // Of several splits of one version the first has it all.
        let weight = match side(config, object, one) {
            Some(Slot::Canary) => std::mem::take(&mut part),
            Some(_) => std::mem::take(&mut left),
            None => continue,
        };
        one["weight"] = weight.into();
    }
    Ok(())
}

/// Puts the header routes before the user's own matches.
fn manage(
    config: &VirtualServerConfig,
    object: &Value,
    place: usize,
    route: &mut Value,
    wanted: &Route,
) -> Result<(), PortError> {
    let theirs = route["matches"].as_array().cloned().unwrap_or_default();
    let theirs = theirs.into_iter().skip(ours(config, object, place));
    let action = splits(route)
        .find(|one| side(config, object, one) == Some(Slot::Canary))
        .map(|one| one["action"].clone());
    let matches = wanted.headers.value.iter().flat_map(|it| &it.matches);
    let mut all = Vec::new();
    for one in matches {
        let condition = condition(object, one)?;
        all.push(json!({"conditions": [condition], "action": action}));
    }
    all.extend(theirs);
    let fields = route.as_object_mut();
    match (all.is_empty(), fields) {
        (true, Some(fields)) => drop(fields.remove("matches")),
        (false, Some(fields)) => drop(fields.insert("matches".to_owned(), all.into())),
        (_, None) => {}
    }
    Ok(())
}

/// A header as a condition, as the controller takes it.
fn condition(object: &Value, wanted: &HeaderMatch) -> Result<Value, PortError> {
    let (name, value) = (&wanted.header_name, pattern(&wanted.header_value));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(invalid(
            object,
            &format!("cannot compare the header {name:?}"),
        ));
    }
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c == '"' || (c == '\\' && chars.next().is_none()) {
            let text = format!("cannot compare the header {name} with {value:?}");
            return Err(invalid(object, &text));
        }
    }
    Ok(json!({"header": name, "value": value}))
}

fn named(routes: &[HeaderRoute]) -> Value {
    if routes.is_empty() {
        return Value::Null;
    }
    let named = routes.iter().map(|it| json!([it.name, it.matches.len()]));
    Value::Array(named.collect()).to_string().into()
}

/// Whether the canary gets more than it has; a split that cannot be read may be anything.
fn raises(config: &VirtualServerConfig, object: &Value, place: usize, wanted: &Route) -> bool {
    let part = wanted.split.value.part(Slot::Canary);
    let is_more = match split(config, object, place) {
        Ok(before) => {
            let (now, then) = (&wanted.split.value, &before);
            let share =
                |it: &Split, of: &Split| u64::from(it.part(Slot::Canary)) * u64::from(of.total());
            share(now, then) > share(then, now)
        }
        Err(_) => part > 0,
    };
    let before = headers(config, object, place);
    is_more || wanted.headers.value.iter().any(|it| !before.contains(it))
}

/// The canary's part in whole percents.
fn percent(split: &Split) -> Result<u32, PortError> {
    let (canary, stable) = (split.part(Slot::Canary), split.part(Slot::Stable));
    let scaled = u64::from(canary) * u64::from(TOTAL);
    if canary + stable == split.total() && scaled.is_multiple_of(u64::from(split.total())) {
        return Ok(u32::try_from(scaled / u64::from(split.total())).unwrap_or(TOTAL));
    }
    let text = format!("{split}: a VirtualServer splits whole percents between stable and canary");
    Err(PortError::new(FaultKind::Invalid, text))
}

fn refuse_others(config: &VirtualServerConfig, object: &Value) -> Result<(), PortError> {
    let owner = annotation(object, MANAGED_BY);
    match owner.filter(|owner| *owner != config.rollout) {
        None => Ok(()),
        Some(other) => {
            let mut error = invalid(object, &format!("is of the rollout {other}"));
            error.kind = FaultKind::Forbidden;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use gradatim_core::route::{Stamped, StringMatch};
    use gradatim_core::stamp::Stamp;
    use gradatim_kubernetes::objects::merged;

    use super::super::decode::tests::{config, server, to};
    use super::*;

    fn wanted(canary: u32, headers: &[&str]) -> Route {
        let stamp: Stamp = "1.2.0.0".parse().unwrap();
        let headers = headers.iter().map(|name| HeaderRoute {
            name: (*name).to_owned(),
            matches: vec![HeaderMatch {
                header_name: "X-Trial".to_owned(),
                header_value: StringMatch::Exact((*name).to_owned()),
            }],
        });
        Route {
            bind: Stamped::new([].into(), stamp),
            split: Stamped::new(Split::canary(canary, 100), stamp),
            headers: Stamped::new(headers.collect(), stamp),
            mirrors: Stamped::new(Vec::new(), stamp),
        }
    }

    fn change(object: &Value, wanted: &Route) -> Option<Change> {
        shifted(&config(), &config().servers[0], object, wanted).unwrap()
    }

    #[test]
    fn only_weights_and_our_own_matches_differ() {
        let mut object = server(json!([to("old", 100), to("new", 0)]));
        let theirs = json!({
            "conditions": [{"cookie": "beta", "value": "on"}], "action": {"pass": "new"},
        });
        object["spec"]["routes"][1]["matches"] = json!([theirs]);
        let first = change(&object, &wanted(20, &["a", "b"])).unwrap();
        assert!(first.raises);
        let after = merged(&object, &first.patch);
        let route = &after["spec"]["routes"][1];
        assert_eq!(route["splits"], json!([to("old", 80), to("new", 20)]));
        let ours = |value: &str| {
            json!({
                "conditions": [{"header": "X-Trial", "value": value}], "action": {"pass": "new"},
            })
        };
        assert_eq!(
            route["matches"],
            json!([ours("~^a$"), ours("~^b$"), theirs])
        );
        assert_eq!(
            headers(&config(), &after, 1),
            wanted(20, &["a", "b"]).headers.value
        );
        assert_eq!(change(&after, &wanted(20, &["a", "b"])), None);
        let second = change(&after, &wanted(20, &["b"])).unwrap();
        let fewer = merged(&after, &second.patch);
        assert_eq!(
            fewer["spec"]["routes"][1]["matches"],
            json!([ours("~^b$"), theirs])
        );
        assert!(!second.raises);
        let back = change(&fewer, &wanted(0, &[])).unwrap();
        assert!(!back.raises);
        let back = merged(&fewer, &back.patch);
        assert_eq!(back["spec"], object["spec"]);
    }

    #[test]
    fn what_leads_elsewhere_keeps_its_weight_and_leaves_what_is_left() {
        let object = server(json!([to("else", 30), to("old", 70), to("new", 0)]));
        let after = merged(&object, &change(&object, &wanted(50, &[])).unwrap().patch);
        let splits = &after["spec"]["routes"][1]["splits"];
        assert_eq!(
            *splits,
            json!([to("else", 30), to("old", 20), to("new", 50)])
        );
        let error = shifted(&config(), &config().servers[0], &object, &wanted(80, &[]));
        let error = error.unwrap_err();
        assert_eq!(error.kind, FaultKind::Invalid);
        assert!(error.to_string().contains("80 do not fit"), "{error}");
    }

    #[test]
    fn what_the_controller_would_not_take_is_refused() {
        let object = server(json!([to("old", 100), to("new", 0)]));
        for (name, value) in [
            ("X Trial", StringMatch::Exact("yes".to_owned())),
            ("", StringMatch::Exact("yes".to_owned())),
            ("X-Trial", StringMatch::Regex("a\"b".to_owned())),
            ("X-Trial", StringMatch::Regex("a\\".to_owned())),
        ] {
            let mut route = wanted(0, &["a"]);
            route.headers.value[0].matches[0] = HeaderMatch {
                header_name: name.to_owned(),
                header_value: value,
            };
            let refused = shifted(&config(), &config().servers[0], &object, &route);
            assert_eq!(refused.unwrap_err().kind, FaultKind::Invalid, "{name:?}");
        }
    }

    #[test]
    fn another_rollouts_object_is_left_to_it() {
        let mut object = server(json!([to("old", 100), to("new", 0)]));
        object["metadata"]["annotations"] = json!({MANAGED_BY: "basket"});
        let refused = shifted(&config(), &config().servers[0], &object, &wanted(0, &[]));
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind, FaultKind::Forbidden);
        assert!(refused.to_string().contains("basket"), "{refused}");
    }
}
