use super::super::cursor::{Cursor, Fields};
use super::duration::templated;
use super::value::int_or_text;
use crate::analysis::NoVerdict;
use crate::spec::{MetricSpec, Provider};

/// One metric of a template.
pub(super) fn metric(field: &Cursor<'_>) -> Option<MetricSpec> {
    let fields = field.fields()?;
    let name = fields.require("name").and_then(|name| name.word());
    let provider = fields
        .require("provider")
        .and_then(|field| provider(&field));
    let nothing = || Provider::new("", serde_json::Value::Null);
    let whole = name.is_some() && provider.is_some();
    let mut metric = MetricSpec::new(name.unwrap_or_default(), provider.unwrap_or_else(nothing));
    schedule(&mut metric, &fields);
    let text = |name| fields.get(name).and_then(|field: Cursor<'_>| field.text());
    metric.success_condition = text("successCondition");
    metric.failure_condition = text("failureCondition");
    limits(&mut metric, &fields);
    metric.on_no_data = fields
        .get("onNoData")
        .and_then(|f| no_verdict(&f))
        .unwrap_or_default();
    metric.on_nan = fields
        .get("onNaN")
        .and_then(|f| no_verdict(&f))
        .unwrap_or_default();
    metric.evidence = fields.get("evidence").map(|field| field.json());
    fields.close();
    whole.then_some(metric)
}

fn schedule(metric: &mut MetricSpec, fields: &Fields<'_>) {
    let time = |name| {
        fields
            .get(name)
            .and_then(|field: Cursor<'_>| templated(&field))
    };
    metric.interval = time("interval");
    metric.initial_delay = time("initialDelay");
    metric.failure_for = time("failureFor");
    metric.count = fields.get("count").and_then(|field| int_or_text(&field));
}

fn limits(metric: &mut MetricSpec, fields: &Fields<'_>) {
    let limit = |name| {
        fields
            .get(name)
            .and_then(|field: Cursor<'_>| int_or_text(&field))
    };
    metric.failure_limit = limit("failureLimit");
    metric.inconclusive_limit = limit("inconclusiveLimit");
    metric.consecutive_error_limit = limit("consecutiveErrorLimit");
    metric.consecutive_success_limit = limit("consecutiveSuccessLimit");
    metric.consecutive_failure_limit = limit("consecutiveFailureLimit");
}

/// Exactly one provider; those below `plugin` are as good as any.
pub(super) fn provider(field: &Cursor<'_>) -> Option<Provider> {
    let fields = field.fields()?;
    let plugins = fields.get("plugin").and_then(|plugin| plugin.fields());
    let mut all = fields.rest();
    all.extend(plugins.iter().flat_map(Fields::rest));
    let mut all = all.into_iter().filter(|(_, part)| !part.is_null());
    match (all.next(), all.next()) {
        (Some((name, part)), None) => Some(Provider::new(name, part.json())),
        (None, _) => {
            field.refuse_with(
                "no provider",
                "name one, such as prometheus, with its own fields",
            );
            None
        }
        (Some(_), Some((_, second))) => {
            second.refuse("more than one provider: a metric has one");
            None
        }
    }
}

fn no_verdict(field: &Cursor<'_>) -> Option<NoVerdict> {
    match field.text()?.as_str() {
        "default" => Some(NoVerdict::Default),
        "inconclusive" => Some(NoVerdict::Inconclusive),
        "fail" | "failed" => Some(NoVerdict::Failed),
        "error" => Some(NoVerdict::Error),
        "ignore" => Some(NoVerdict::Ignore),
        "success" | "successful" => {
            field.refuse_with(
                "no data is never a success",
                "name the case in the condition, such as len(result) == 0 or isNaN(result)",
            );
            None
        }
        _ => {
            field.refuse(format!(
                "{} is default, inconclusive, fail, error or ignore",
                field.name()
            ));
            None
        }
    }
}
