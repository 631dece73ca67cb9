use std::collections::{BTreeMap, BTreeSet};

use super::super::cursor::Cursor;
use super::duration::{duration, templated};
use super::metric::provider;
use crate::measurement::GatePoint;
use crate::spec::{GateSpec, SessionAffinity};
use crate::workload::TroubleKind;

const POINTS: [(&str, GatePoint); 5] = [
    ("beforeStart", GatePoint::BeforeStart),
    ("beforeRaise", GatePoint::BeforeRaise),
    ("beforePromotion", GatePoint::BeforePromotion),
    ("afterPromotion", GatePoint::AfterPromotion),
    ("rollback", GatePoint::Rollback),
];

/// `abortOn`.
pub(super) fn troubles(field: &Cursor<'_>) -> BTreeSet<TroubleKind> {
    field.list().iter().filter_map(trouble).collect()
}

fn trouble(field: &Cursor<'_>) -> Option<TroubleKind> {
    match field.text()?.as_str() {
        "crashLoop" => Some(TroubleKind::CrashLoop),
        "probeFailure" => Some(TroubleKind::ProbeFailure),
        "podRefused" => Some(TroubleKind::PodRefused),
        "imagePull" => Some(TroubleKind::ImagePull),
        _ => {
            field.refuse("abortOn takes crashLoop, probeFailure, podRefused and imagePull");
            None
        }
    }
}

/// `gates`.
pub(super) fn gates(field: &Cursor<'_>) -> BTreeMap<GatePoint, Vec<GateSpec>> {
    let Some(fields) = field.fields() else {
        return BTreeMap::new();
    };
    let mut gates = BTreeMap::new();
    for (name, point) in POINTS {
        let here: Vec<_> = fields.list(name).iter().filter_map(gate).collect();
        if !here.is_empty() {
            gates.insert(point, here);
        }
    }
    fields.close();
    gates
}

/// One gate.
pub(super) fn gate(field: &Cursor<'_>) -> Option<GateSpec> {
    let fields = field.fields()?;
    let name = fields.require("name").and_then(|name| name.word());
    let provider = fields
        .require("provider")
        .and_then(|field| provider(&field));
    let interval = fields.get("interval").and_then(|field| templated(&field));
    let deadline = fields
        .get("progressDeadline")
        .and_then(|field| duration(&field));
    fields.close();
    let mut gate = GateSpec::new(name?, provider?);
    (gate.interval, gate.progress_deadline) = (interval, deadline);
    Some(gate)
}

/// `sessionAffinity`.
pub(super) fn affinity(field: &Cursor<'_>) -> Option<SessionAffinity> {
    let fields = field.fields()?;
    let cookie = fields.require("cookieName").and_then(|name| name.word());
    let max_age = fields.get("maxAge").and_then(|field| duration(&field));
    fields.close();
    let affinity = SessionAffinity::new(cookie?);
    Some(match max_age {
        Some(max_age) => affinity.with_max_age(max_age),
        None => affinity,
    })
}
