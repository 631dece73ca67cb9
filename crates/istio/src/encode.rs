//! A route as changes of a VirtualService and a DestinationRule; pure.

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use gradatim_core::route::{Bindings, Route, Slot, Split, Stamped};
use gradatim_kubernetes::fence::{refuse_older, stamp_of};
use gradatim_kubernetes::names::{MANAGED_BY, POD_TEMPLATE_HASH};
use gradatim_kubernetes::objects::annotation;
use serde_json::{Map, Value, json};

use crate::affinity::follow;
use crate::config::{IstioConfig, Sides, VirtualService};
use crate::managed::{header_route, headers, mirror_route, mirrors};
use crate::routes::{Place, TOTAL, chosen, invalid, route, splits, weighted};

/// The stamp of the split, on a VirtualService.
pub(crate) const SPLIT_STAMP: &str = "gradatim.dev/stamp-split";
/// The stamp of the header routes, on a VirtualService.
pub(crate) const HEADERS_STAMP: &str = "gradatim.dev/stamp-headers";
/// The stamp of the mirrors, on a VirtualService.
pub(crate) const MIRRORS_STAMP: &str = "gradatim.dev/stamp-mirrors";
/// The stamp of the bindings, on a DestinationRule.
pub(crate) const BIND_STAMP: &str = "gradatim.dev/stamp-bind";

/// A patch of one object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) patch: Value,
    /// Whether the canary gets more than it has.
    pub(crate) raises: bool,
}

/// The change that makes a VirtualService so, none when it is.
pub(crate) fn shifted(
    config: &IstioConfig,
    service: &VirtualService,
    object: &Value,
    wanted: &Route,
) -> Result<Option<Change>, PortError> {
    refuse_others(config, object)?;
    let stamps = [
        (SPLIT_STAMP, wanted.split.stamp),
        (HEADERS_STAMP, wanted.headers.stamp),
        (MIRRORS_STAMP, wanted.mirrors.stamp),
    ];
    for (key, stamp) in stamps {
        refuse_older(object, key, stamp)?;
    }
    let canary = percent(&wanted.split.value)?;
    let places = chosen(config, service, object)?;
    let mut after = object.clone();
    for place in &places {
        let (section, index) = *place;
        after["spec"][section][index] = weighted(config, route(object, *place), canary)?;
    }
    let split = |(section, index): &Place| match *section {
        "http" => Some(name(&object["spec"]["http"][*index])),
        _ => None,
    };
    let split: Vec<String> = places.iter().filter_map(split).collect();
    let canary_revision = wanted.bind.value.get(&Slot::Canary).filter(|_| canary > 0);
    follow(config, &mut after, &split, canary_revision)?;
    let now = chosen(config, service, &after)?;
    let base = now.iter().find(|(section, _)| *section == "http").copied();
    manage(config, &mut after, wanted, base)?;
    let mut patch = Map::new();
    for section in ["http", "tls", "tcp"] {
        if after["spec"].get(section) != object["spec"].get(section) {
            patch.insert(section.to_owned(), after["spec"][section].clone());
        }
    }
    let mut annotations = Map::new();
    for (key, stamp) in stamps {
        if stamp_of(object, key) != Some(stamp) {
            annotations.insert(key.to_owned(), stamp.to_string().into());
        }
    }
    if patch.is_empty() && annotations.is_empty() {
        return Ok(None);
    }
    let before = splits(config, service, object);
    // One that cannot be read may be anything.
    let raises = before.map_or(canary > 0, |before| {
        let mut before = before.iter();
        before.any(|before| is_more(&wanted.split.value, before))
    });
    let raises = raises
        || wanted
            .headers
            .value
            .iter()
            .any(|it| !headers(config, object).contains(it))
        || wanted
            .mirrors
            .value
            .iter()
            .any(|it| !mirrors(config, object).contains(it));
    let spec = (!patch.is_empty()).then_some(patch);
    Ok(Some(Change {
        patch: with_spec(json!({"metadata": {"annotations": annotations}}), spec),
        raises,
    }))
}

fn name(route: &Value) -> String {
    route["name"].as_str().unwrap_or_default().to_owned()
}

fn with_spec(mut patch: Value, spec: Option<Map<String, Value>>) -> Value {
    if let Some(spec) = spec {
        patch["spec"] = spec.into();
    }
    patch
}

/// Puts the managed routes, in their order, before all others.
fn manage(
    config: &IstioConfig,
    after: &mut Value,
    wanted: &Route,
    base: Option<Place>,
) -> Result<(), PortError> {
    let (headers, mirrors) = (&wanted.headers.value, &wanted.mirrors.value);
    let Some((_, base)) = base else {
        return match headers.is_empty() && mirrors.is_empty() {
            true => Ok(()),
            false => Err(invalid(
                after,
                "has no HTTP route beside which a managed one could stand",
            )),
        };
    };
    let base = after["spec"]["http"][base].clone();
    let mut ours: Vec<Value> = headers
        .iter()
        .map(|it| header_route(config, it, &base))
        .collect();
    ours.extend(mirrors.iter().map(|it| mirror_route(config, it, &base)));
    if let Some(stranger) = ours.iter().find(|route| config.managed(route).is_none()) {
        let what = format!(
            "is to get the route {}, which is not managed",
            stranger["name"]
        );
        return Err(invalid(after, &what));
    }
    ours.sort_by_key(|route| config.managed(route));
    if let Some(all) = after["spec"]["http"].as_array_mut() {
        all.retain(|route| config.managed(route).is_none());
        ours.append(all);
        *all = ours;
    }
    Ok(())
}

/// The change that binds the subsets of a DestinationRule, none when they are.
pub(crate) fn bound(
    config: &IstioConfig,
    object: &Value,
    wanted: &Stamped<Bindings>,
) -> Result<Option<Value>, PortError> {
    refuse_others(config, object)?;
    refuse_older(object, BIND_STAMP, wanted.stamp)?;
    let mut subsets = object["spec"]["subsets"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for (slot, revision) in &wanted.value {
        let Some(name) = subset(config, *slot) else {
            continue;
        };
        let Some(subset) = subsets.iter_mut().find(|subset| subset["name"] == name) else {
            return Err(invalid(object, &format!("has no subset {name}")));
        };
        subset["labels"][POD_TEMPLATE_HASH] = revision.as_str().into();
    }
    let is_so = object["spec"]["subsets"] == Value::from(subsets.clone());
    if is_so && stamp_of(object, BIND_STAMP) == Some(wanted.stamp) {
        return Ok(None);
    }
    let annotations = json!({BIND_STAMP: wanted.stamp.to_string(), MANAGED_BY: config.rollout});
    let spec = (!is_so).then(|| Map::from_iter([("subsets".to_owned(), subsets.into())]));
    Ok(Some(with_spec(
        json!({"metadata": {"annotations": annotations}}),
        spec,
    )))
}

/// The subset of a slot.
pub(crate) fn subset(config: &IstioConfig, slot: Slot) -> Option<&str> {
    match (&config.sides, slot) {
        (Sides::Subsets { stable, .. }, Slot::Stable) => Some(stable),
        (Sides::Subsets { canary, .. }, Slot::Canary) => Some(canary),
        _ => None,
    }
}

/// The canary's part in whole percents.
fn percent(split: &Split) -> Result<u32, PortError> {
    let (canary, stable) = (split.part(Slot::Canary), split.part(Slot::Stable));
    let scaled = u64::from(canary) * u64::from(TOTAL);
    if canary + stable == split.total() && scaled.is_multiple_of(u64::from(split.total())) {
        return Ok(u32::try_from(scaled / u64::from(split.total())).unwrap_or(TOTAL));
    }
    let text = format!("{split}: Istio splits whole percents between stable and canary");
    Err(PortError::new(FaultKind::Invalid, text))
}

/// Whether one split gives the canary more than another.
fn is_more(one: &Split, other: &Split) -> bool {
    let share = |it: &Split, of: &Split| u64::from(it.part(Slot::Canary)) * u64::from(of.total());
    share(one, other) > share(other, one)
}

fn refuse_others(config: &IstioConfig, object: &Value) -> Result<(), PortError> {
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
mod tests;
