use std::collections::BTreeMap;

use serde_json::Value;

use super::super::cursor::{Cursor, Fields, MOST};
use super::value::{amount, anti_affinity, metadata, names};
use super::{analysis, set, step};
use crate::plan::Threshold;
use crate::spec::{CanarySpec, PingPong, TrafficRouting};

/// `strategy.canary`.
pub(super) fn canary(field: &Cursor<'_>) -> Option<CanarySpec> {
    let fields = field.fields()?;
    let mut canary = CanarySpec::default();
    let word = |name| fields.get(name).and_then(|field: Cursor<'_>| field.word());
    canary.canary_service = word("canaryService");
    canary.stable_service = word("stableService");
    canary.max_surge = fields.get("maxSurge").and_then(|field| amount(&field));
    canary.max_unavailable = fields
        .get("maxUnavailable")
        .and_then(|field| amount(&field));
    canary.traffic_routing = fields
        .get("trafficRouting")
        .and_then(|field| routing(&field));
    let total = canary
        .traffic_routing
        .as_ref()
        .and_then(|routing| routing.max_traffic_weight);
    canary.steps = step::steps(&fields, total.unwrap_or(100));
    canary.analysis = fields
        .get("analysis")
        .and_then(|field| analysis::background(&field));
    canary.anti_affinity = fields
        .get("antiAffinity")
        .and_then(|field| anti_affinity(&field));
    canary.canary_metadata = fields
        .get("canaryMetadata")
        .and_then(|field| metadata(&field));
    canary.stable_metadata = fields
        .get("stableMetadata")
        .and_then(|field| metadata(&field));
    delays(&mut canary, &fields);
    canary.ping_pong = fields.get("pingPong").and_then(|field| ping_pong(&field));
    canary.replica_progress_threshold = fields
        .get("replicaProgressThreshold")
        .and_then(|field| threshold(&field));
    fields.close();
    Some(canary)
}

fn delays(canary: &mut CanarySpec, fields: &Fields<'_>) {
    let count = |name| fields.get(name).and_then(|field: Cursor<'_>| field.count());
    canary.scale_down_delay_seconds = count("scaleDownDelaySeconds");
    canary.scale_down_delay_revision_limit = count("scaleDownDelayRevisionLimit");
    canary.abort_scale_down_delay_seconds = count("abortScaleDownDelaySeconds");
    canary.min_pods_per_replica_set = count("minPodsPerReplicaSet");
    let dynamic = fields
        .get("dynamicStableScale")
        .and_then(|field| field.boolean());
    set(&mut canary.dynamic_stable_scale, dynamic);
}

fn routing(field: &Cursor<'_>) -> Option<TrafficRouting> {
    let fields = field.fields()?;
    let total = fields
        .get("maxTrafficWeight")
        .and_then(|total| total.between(1, MOST));
    let mut routing = TrafficRouting {
        managed_routes: names(&fields, "managedRoutes", "name"),
        max_traffic_weight: total,
        ..TrafficRouting::default()
    };
    let plugins = fields.get("plugins").and_then(|plugins| plugins.fields());
    add_routers(&mut routing.routers, &fields);
    if let Some(plugins) = plugins {
        add_routers(&mut routing.routers, &plugins);
    }
    Some(routing)
}

fn add_routers(routers: &mut BTreeMap<String, Value>, fields: &Fields<'_>) {
    for (name, part) in fields.rest() {
        if routers.insert(name.clone(), part.json()).is_some() {
            part.refuse(format!("\"{name}\" is given twice"));
        }
    }
}

fn ping_pong(field: &Cursor<'_>) -> Option<PingPong> {
    let fields = field.fields()?;
    let word = |name| {
        fields
            .require(name)
            .and_then(|field: Cursor<'_>| field.word())
    };
    let (ping, pong) = (word("pingService"), word("pongService"));
    fields.close();
    Some(PingPong {
        ping_service: ping?,
        pong_service: pong?,
    })
}

/// A negative value means as much as none; a value without a type is a percentage.
fn threshold(field: &Cursor<'_>) -> Option<Threshold> {
    let fields = field.fields()?;
    let kind = fields.get("type");
    let value = fields.require("value");
    fields.close();
    let value = value?;
    let count = u32::try_from(value.integer()?).ok()?;
    match kind.as_ref().map(|kind| kind.text()) {
        None => percentage(&value),
        Some(Some(kind)) if kind == "Percent" => percentage(&value),
        Some(Some(kind)) if kind == "Pods" => Some(Threshold::Pods(count)),
        Some(_) => {
            kind.iter()
                .for_each(|kind| kind.refuse("type is Percent or Pods"));
            None
        }
    }
}

fn percentage(value: &Cursor<'_>) -> Option<Threshold> {
    value.between(0, 100).map(Threshold::Percent)
}
