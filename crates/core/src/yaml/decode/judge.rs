use super::super::cursor::{Cursor, Fields};
use super::duration::templated;
use super::metric::provider;
use super::value::int_or_text;
use crate::spec::{JudgeSpec, WarmUpSpec};

/// `judge` of an analysis template.
pub(super) fn judge(field: &Cursor<'_>) -> Option<JudgeSpec> {
    let fields = field.fields()?;
    let provider = fields
        .require("provider")
        .and_then(|field| provider(&field));
    let text = |name| fields.get(name).and_then(|field: Cursor<'_>| field.text());
    let name = fields.get("name").and_then(|name| name.word());
    let interval = fields.get("interval").and_then(|field| templated(&field));
    let (max_false_rollback, not_enough_data) = (text("maxFalseRollback"), text("notEnoughData"));
    let missing_metrics = text("missingMetrics");
    let stop = part(&fields, "stopIf", ["errors", "slow"]);
    let promote = part(&fields, "promoteIf", ["notWorseThan", "sure", "orBelow"]);
    let warm_up = fields.get("warmup").and_then(|field| warm_up(&field));
    let budget = fields.get("failureBudget");
    let failure_budget = budget.and_then(|field| int_or_text(&field));
    let evidence = fields.get("evidence").map(|field| field.json());
    fields.close();
    let mut judge = JudgeSpec::new(provider?);
    judge.name = name.unwrap_or(judge.name);
    [judge.stop_errors, judge.stop_slow] = stop;
    [judge.not_worse_than, judge.sure, judge.or_below] = promote;
    judge.warm_up = warm_up.unwrap_or_default();
    judge.interval = interval;
    judge.max_false_rollback = max_false_rollback;
    judge.not_enough_data = not_enough_data;
    judge.missing_metrics = missing_metrics;
    judge.failure_budget = failure_budget;
    judge.evidence = evidence;
    Some(judge)
}

/// The texts of a mapping.
fn part<const N: usize>(
    fields: &Fields<'_>,
    name: &'static str,
    keys: [&'static str; N],
) -> [Option<String>; N] {
    let Some(part) = fields.get(name).and_then(|field| field.fields()) else {
        return [const { None }; N];
    };
    let texts = keys.map(|key| part.get(key).and_then(|field| written(&field)));
    part.close();
    texts
}

/// A text or a number, as it was written: `1.3x` or 1.3.
fn written(field: &Cursor<'_>) -> Option<String> {
    match field.scalar() {
        Some(scalar) => Some(scalar.raw.clone()),
        None => field.text(),
    }
}

fn warm_up(field: &Cursor<'_>) -> Option<WarmUpSpec> {
    if let Some(scalar) = field.scalar() {
        return match scalar.raw.as_str() {
            "learned" => Some(WarmUpSpec::Learned),
            "none" => Some(WarmUpSpec::None),
            _ => {
                field.refuse_with(
                    "warmup is learned, none, or a time with what is tolerated",
                    "{for: 2m, tolerate: 10x}",
                );
                None
            }
        };
    }
    let fields = field.fields()?;
    let lasts = fields.require("for").and_then(|field| templated(&field));
    let tolerate = fields.require("tolerate").and_then(|field| written(&field));
    fields.close();
    Some(WarmUpSpec::Fixed {
        lasts: lasts?,
        tolerate: tolerate?,
    })
}
