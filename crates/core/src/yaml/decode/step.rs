use std::collections::BTreeMap;

use serde_json::Value;

use super::super::cursor::{Cursor, Fields};
use super::duration::{duration, pause};
use super::{analysis, extension};
use crate::plan::CanaryScale;
use crate::route::{HeaderMatch, HeaderRoute, MirrorMatch, MirrorRoute, StringMatch};
use crate::spec::{PaceSpec, PauseSpec, PluginStep, StepSpec};

/// `steps` of a canary whose weights are parts of `total`.
pub(super) fn steps(fields: &Fields<'_>, total: u32) -> Vec<StepSpec> {
    fields
        .list("steps")
        .iter()
        .filter_map(|field| step(field, total))
        .collect()
}

fn step(field: &Cursor<'_>, total: u32) -> Option<StepSpec> {
    let fields = field.fields()?.called("step");
    let step = StepSpec {
        set_weight: fields
            .get("setWeight")
            .and_then(|field| field.between(0, total)),
        pause: fields.given("pause").and_then(|field| pause_step(&field)),
        set_canary_scale: fields.get("setCanaryScale").and_then(|field| scale(&field)),
        analysis: fields
            .get("analysis")
            .and_then(|field| analysis::inline(&field)),
        experiment: fields.get("experiment").map(|field| field.json()),
        set_header_route: fields
            .get("setHeaderRoute")
            .and_then(|field| header_route(&field)),
        set_mirror_route: fields
            .get("setMirrorRoute")
            .and_then(|field| mirror_route(&field)),
        plugin: fields.get("plugin").and_then(|field| plugin(&field)),
        pace: fields.given("pace").and_then(|field| pace(&field)),
        gate: fields.get("gate").and_then(|field| extension::gate(&field)),
        progress_deadline: fields
            .get("progressDeadline")
            .and_then(|field| duration(&field)),
    };
    if fields.is_empty() {
        field.refuse_with(
            "an empty step",
            "a step sets a weight, pauses, or runs an analysis",
        );
    }
    fields.close();
    Some(step)
}

fn pace(field: &Cursor<'_>) -> Option<PaceSpec> {
    if field.is_null() {
        return Some(PaceSpec::default());
    }
    let fields = field.fields()?;
    let most = fields.get("maxWeight");
    let pace = PaceSpec {
        max_weight: most.and_then(|field| field.between(1, 99)),
        bake: fields.get("bake").and_then(|field| duration(&field)),
    };
    fields.close();
    Some(pace)
}

fn pause_step(field: &Cursor<'_>) -> Option<PauseSpec> {
    if field.is_null() {
        field.refuse_with(
            "pause has no value",
            "for a pause without end write pause: {}",
        );
        return None;
    }
    let fields = field.fields()?;
    let pause = PauseSpec {
        duration: fields.get("duration").and_then(|field| pause(&field)),
    };
    fields.close();
    Some(pause)
}

fn scale(field: &Cursor<'_>) -> Option<CanaryScale> {
    let fields = field.fields()?;
    let weight = fields
        .get("weight")
        .map(|field| field.between(0, 100).map(CanaryScale::Weight));
    let replicas = fields
        .get("replicas")
        .map(|field| field.count().map(CanaryScale::Replicas));
    let matched = fields
        .get("matchTrafficWeight")
        .map(|field| field.boolean());
    // `false` is what is so where nothing is written.
    let matched = match matched {
        Some(Some(false)) => None,
        other => other.map(|flag| flag.map(|_| CanaryScale::MatchTrafficWeight)),
    };
    fields.close();
    let mut given = [weight, replicas, matched].into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(only), None) => only,
        _ => {
            field.refuse("setCanaryScale has one of weight, replicas and matchTrafficWeight");
            None
        }
    }
}

fn header_route(field: &Cursor<'_>) -> Option<HeaderRoute> {
    let fields = field.fields()?;
    let name = fields.require("name").and_then(|name| name.word());
    let matches = fields
        .list("match")
        .iter()
        .filter_map(header_match)
        .collect();
    fields.close();
    Some(HeaderRoute {
        name: name?,
        matches,
    })
}

fn header_match(field: &Cursor<'_>) -> Option<HeaderMatch> {
    let fields = field.fields()?;
    let header_name = fields.require("headerName").and_then(|name| name.word());
    let header_value = fields
        .require("headerValue")
        .and_then(|value| string_match(&value));
    fields.close();
    Some(HeaderMatch {
        header_name: header_name?,
        header_value: header_value?,
    })
}

fn mirror_route(field: &Cursor<'_>) -> Option<MirrorRoute> {
    let fields = field.fields()?;
    let name = fields.require("name").and_then(|name| name.word());
    let matches = fields
        .list("match")
        .iter()
        .filter_map(mirror_match)
        .collect();
    let percentage = fields
        .get("percentage")
        .and_then(|field| field.between(0, 100));
    fields.close();
    Some(MirrorRoute {
        name: name?,
        matches,
        percentage: percentage.unwrap_or(100),
    })
}

fn mirror_match(field: &Cursor<'_>) -> Option<MirrorMatch> {
    let fields = field.fields()?;
    let text = |name| {
        fields
            .get(name)
            .and_then(|field: Cursor<'_>| string_match(&field))
    };
    let (method, path) = (text("method"), text("path"));
    let headers = fields
        .get("headers")
        .map(|field| headers(&field))
        .unwrap_or_default();
    fields.close();
    Some(MirrorMatch {
        method,
        path,
        headers,
    })
}

fn headers(field: &Cursor<'_>) -> BTreeMap<String, StringMatch> {
    let Some(fields) = field.fields() else {
        return BTreeMap::new();
    };
    let all = fields.rest().into_iter();
    all.filter_map(|(name, value)| Some((name, string_match(&value)?)))
        .collect()
}

fn string_match(field: &Cursor<'_>) -> Option<StringMatch> {
    let fields = field.fields()?;
    let text = |name| fields.get(name).map(|field: Cursor<'_>| field.text());
    let exact = text("exact").map(|text| text.map(StringMatch::Exact));
    let prefix = text("prefix").map(|text| text.map(StringMatch::Prefix));
    let regex = text("regex").map(|text| text.map(StringMatch::Regex));
    fields.close();
    let mut given = [exact, prefix, regex].into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(only), None) => only,
        _ => {
            field.refuse(format!(
                "{} has one of exact, prefix and regex",
                field.name()
            ));
            None
        }
    }
}

fn plugin(field: &Cursor<'_>) -> Option<PluginStep> {
    let fields = field.fields()?;
    let name = fields.require("name").and_then(|name| name.word());
    let config = fields
        .get("config")
        .map_or(Value::Null, |config| config.json());
    let disabled = fields.get("disabled").and_then(|field| field.boolean());
    fields.close();
    Some(PluginStep {
        name: name?,
        config,
        disabled: disabled.unwrap_or(false),
    })
}
