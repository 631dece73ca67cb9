use super::super::cursor::{Cursor, Fields};
use super::judge::judge;
use super::metric::metric;
use super::value::{metadata, names};
use crate::spec::{
    AnalysisTemplate, ArgSpec, ArgValue, HashOf, Retention, RolloutAnalysis, TemplateRef,
};

/// An analysis beside the steps.
pub(super) fn background(field: &Cursor<'_>) -> Option<RolloutAnalysis> {
    let fields = field.fields()?;
    let starting_step = fields.get("startingStep").and_then(|step| step.count());
    let analysis = RolloutAnalysis {
        starting_step,
        ..common(&fields)
    };
    fields.close();
    Some(analysis)
}

/// An analysis of one step, or of one point of a blue-green rollout.
pub(super) fn inline(field: &Cursor<'_>) -> Option<RolloutAnalysis> {
    let fields = field.fields()?;
    let analysis = common(&fields);
    fields.close();
    Some(analysis)
}

fn common(fields: &Fields<'_>) -> RolloutAnalysis {
    let listed = fields.list("templates");
    if fields.lacks("templates") {
        fields.missing("templates");
    }
    RolloutAnalysis {
        templates: listed.iter().filter_map(template_ref).collect(),
        args: args(fields),
        dry_run: names(fields, "dryRun", "metricName"),
        measurement_retention: retention(fields),
        run_metadata: fields
            .get("analysisRunMetadata")
            .and_then(|field| metadata(&field)),
        starting_step: None,
    }
}

/// The `spec` of an analysis template.
pub(in super::super) fn template(
    name: &str,
    namespace: Option<String>,
    cluster_scope: bool,
    spec: &Cursor<'_>,
) -> Option<AnalysisTemplate> {
    let fields = spec.fields()?;
    let listed = fields.list("metrics");
    let mut template = AnalysisTemplate::new(name, listed.iter().filter_map(metric));
    template.namespace = namespace.filter(|_| !cluster_scope);
    template.cluster_scope = cluster_scope;
    template.judge = fields.get("judge").and_then(|field| judge(&field));
    template.args = args(&fields);
    template.dry_run = names(&fields, "dryRun", "metricName");
    template.measurement_retention = retention(&fields);
    let nested = fields.list("templates");
    template.templates = nested.iter().filter_map(template_ref).collect();
    let judged = template.judge.is_some() || !fields.lacks("judge");
    if fields.lacks("metrics") && fields.lacks("templates") && !judged {
        fields.missing("metrics");
    }
    fields.close();
    Some(template)
}

fn template_ref(field: &Cursor<'_>) -> Option<TemplateRef> {
    let fields = field.fields()?;
    let name = fields.require("templateName").and_then(|name| name.word());
    let cluster_scope = fields.get("clusterScope").and_then(|field| field.boolean());
    fields.close();
    Some(TemplateRef {
        name: name?,
        cluster_scope: cluster_scope.unwrap_or(false),
    })
}

fn retention(fields: &Fields<'_>) -> Vec<Retention> {
    let one = |field: Cursor<'_>| {
        let fields = field.fields()?;
        let metric_name = fields.require("metricName").and_then(|name| name.word());
        let limit = fields.require("limit").and_then(|limit| limit.count());
        fields.close();
        Some(Retention {
            metric_name: metric_name?,
            limit: limit?,
        })
    };
    fields
        .list("measurementRetention")
        .into_iter()
        .filter_map(one)
        .collect()
}

fn args(fields: &Fields<'_>) -> Vec<ArgSpec> {
    fields.list("args").iter().filter_map(arg).collect()
}

fn arg(field: &Cursor<'_>) -> Option<ArgSpec> {
    let fields = field.fields()?;
    let name = fields.require("name").and_then(|name| name.word());
    let value = fields.get("value");
    let from = fields.get("valueFrom");
    if let (Some(_), Some(from)) = (&value, &from) {
        from.refuse("value and valueFrom: an argument has one of them");
    }
    let value = value.and_then(|value| value.text()).map(ArgValue::Text);
    let value = value.or(from.and_then(|from| value_from(&from)));
    fields.close();
    let name = name?;
    Some(value.map_or_else(
        || ArgSpec::required(name.clone()),
        |value| ArgSpec::new(name.clone(), value),
    ))
}

fn value_from(field: &Cursor<'_>) -> Option<ArgValue> {
    let fields = field.fields()?;
    let hash = fields.get("podTemplateHashValue").map(|field| hash(&field));
    let path = fields.get("fieldRef").map(|field| field_ref(&field));
    let secret = fields.get("secretKeyRef").map(|field| secret(&field));
    fields.close();
    let mut given = [hash, path, secret].into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(only), None) => only,
        _ => {
            field.refuse("valueFrom has one of podTemplateHashValue, fieldRef and secretKeyRef");
            None
        }
    }
}

fn hash(field: &Cursor<'_>) -> Option<ArgValue> {
    match field.text()?.as_str() {
        "Stable" => Some(ArgValue::PodTemplateHash(HashOf::Stable)),
        "Latest" => Some(ArgValue::PodTemplateHash(HashOf::Latest)),
        _ => {
            field.refuse("podTemplateHashValue is Stable or Latest");
            None
        }
    }
}

fn field_ref(field: &Cursor<'_>) -> Option<ArgValue> {
    let fields = field.fields()?;
    let path = fields.require("fieldPath").and_then(|path| path.word());
    fields.close();
    path.map(ArgValue::Field)
}

fn secret(field: &Cursor<'_>) -> Option<ArgValue> {
    let fields = field.fields()?;
    let name = fields.require("name").and_then(|name| name.word());
    let key = fields.require("key").and_then(|key| key.word());
    fields.close();
    Some(ArgValue::Secret {
        name: name?,
        key: key?,
    })
}
