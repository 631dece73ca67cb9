use super::super::cursor::{Cursor, Fields};
use crate::plan::Amount;
use crate::spec::{AntiAffinity, IntOrText, Metadata};

/// A number of pods, or a percentage: any text is one, with `%` or without.
pub(super) fn amount(field: &Cursor<'_>) -> Option<Amount> {
    let Some(scalar) = field.scalar() else {
        field.refuse(format!(
            "{} must be a number of pods or a percentage",
            field.name()
        ));
        return None;
    };
    if scalar.integer().is_some() {
        return field.count().map(Amount::Pods);
    }
    let percent = scalar
        .raw
        .strip_suffix('%')
        .unwrap_or(&scalar.raw)
        .parse::<u32>()
        .ok();
    if percent.is_none() {
        let message = format!("{} must be a number of pods or a percentage", field.name());
        field.refuse_with(message, "write 3 or 25%");
    }
    percent.map(Amount::Percent)
}

/// A whole number, or text that is one once its arguments are filled in.
pub(super) fn int_or_text(field: &Cursor<'_>) -> Option<IntOrText> {
    let scalar = field.scalar();
    if let Some(number) = scalar.and_then(|scalar| scalar.integer()) {
        return Some(IntOrText::Int(number));
    }
    let text = scalar.map(|scalar| scalar.raw.as_str()).unwrap_or_default();
    if text.contains("{{") || text.parse::<i64>().is_ok() {
        return Some(IntOrText::from(text));
    }
    field.refuse(format!("{} must be a whole number", field.name()));
    None
}

pub(super) fn metadata(field: &Cursor<'_>) -> Option<Metadata> {
    let fields = field.fields()?;
    let texts = |name| {
        fields
            .get(name)
            .map(|value: Cursor<'_>| value.texts())
            .unwrap_or_default()
    };
    let metadata = Metadata {
        labels: texts("labels"),
        annotations: texts("annotations"),
    };
    fields.close();
    Some(metadata)
}

pub(super) fn anti_affinity(field: &Cursor<'_>) -> Option<AntiAffinity> {
    let fields = field.fields()?;
    let preferred = fields.get("preferredDuringSchedulingIgnoredDuringExecution");
    let required = fields.get("requiredDuringSchedulingIgnoredDuringExecution");
    let affinity = match (preferred, required) {
        (Some(preferred), None) => weight(&preferred).map(AntiAffinity::Preferred),
        (None, Some(_)) => Some(AntiAffinity::Required),
        (None, None) => {
            field.refuse("antiAffinity must say preferredDuringSchedulingIgnoredDuringExecution or requiredDuringSchedulingIgnoredDuringExecution");
            None
        }
        (Some(_), Some(required)) => {
            required.refuse("antiAffinity is preferred or required, not both");
            None
        }
    };
    fields.close();
    affinity
}

fn weight(preferred: &Cursor<'_>) -> Option<u32> {
    let fields = preferred.fields()?;
    let weight = fields
        .require("weight")
        .and_then(|weight| weight.between(1, 100));
    fields.close();
    weight
}

/// The `name` of each entry of a list of such.
pub(super) fn names(fields: &Fields<'_>, list: &'static str, key: &'static str) -> Vec<String> {
    let name = |item: Cursor<'_>| {
        let fields = item.fields()?;
        let name = fields.require(key).and_then(|name| name.word());
        fields.close();
        name
    };
    fields.list(list).into_iter().filter_map(name).collect()
}
