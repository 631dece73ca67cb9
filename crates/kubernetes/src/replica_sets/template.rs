//! When two templates are one revision, and how a new one is named; pure.

use gradatim_core::id::RevisionId;
use serde_json::{Map, Value};

use super::set::{find, number, revision};
use crate::hash::{fnv32a, fnv64a, in_letters};
use crate::names::{POD_TEMPLATE_HASH, SIDE, TEMPLATE};
use crate::objects::{annotation, text};

/// The template that an object holds.
pub(super) fn of(holder: &Value) -> &Value {
    match is_beside_spec(holder) {
        true => &holder["template"],
        false => &holder["spec"]["template"],
    }
}

/// Whether an object has no spec around its template, as PodTemplates do.
pub(super) fn is_beside_spec(holder: &Value) -> bool {
    text(holder, "/kind") == Some("PodTemplate")
}

/// A template as text that is the same however its fields were ordered.
fn canonical(template: &Value) -> String {
    // A map that remembers the order of its fields is sorted here, any other is so already.
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(key, _)| key.as_str());
                let sorted = fields
                    .into_iter()
                    .map(|(key, value)| (key.clone(), sorted(value)));
                Value::Object(sorted.collect())
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            plain => plain.clone(),
        }
    }
    sorted(template).to_string()
}

/// The digest of a template as it was written.
pub(super) fn digest(template: &Value) -> String {
    format!("{:016x}", fnv64a(canonical(template).as_bytes()))
}

/// A template without what we add to it, and without fields that say nothing.
pub(super) fn plain(template: &Value) -> Value {
    let mut plain = without_nulls(template);
    let mut labels = plain
        .pointer_mut("/metadata/labels")
        .and_then(Value::as_object_mut);
    for label in [POD_TEMPLATE_HASH, SIDE] {
        labels.as_mut().map(|labels| labels.remove(label));
    }
    plain
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let said = fields.iter().filter(|(_, value)| !value.is_null());
            let said: Map<_, _> = said
                .map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect();
            Value::Object(said)
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        plain => plain.clone(),
    }
}

/// The newest revision that was made from a template of this digest.
pub(super) fn by_digest(sets: &[Value], digest: &str) -> Option<RevisionId> {
    newest(
        sets.iter()
            .filter(|set| annotation(set, TEMPLATE) == Some(digest)),
    )
}

/// The newest revision whose template is this one, everything filled in.
pub(super) fn by_template(sets: &[Value], whole: &Value) -> Option<RevisionId> {
    newest(
        sets.iter()
            .filter(|set| plain(&set["spec"]["template"]) == *whole),
    )
}

fn newest<'a>(sets: impl Iterator<Item = &'a Value>) -> Option<RevisionId> {
    revision(sets.max_by_key(|set| number(set))?)
}

/// A name for a new revision, which no other one has.
pub(super) fn name(template: &Value, sets: &[Value]) -> RevisionId {
    let text = canonical(template);
    let mut collisions = 0_u32;
    loop {
        let salted = match collisions {
            0 => text.clone(),
            _ => format!("{text}{collisions}"),
        };
        let name = RevisionId::from(in_letters(fnv32a(salted.as_bytes())));
        if find(sets, &name).is_none() {
            return name;
        }
        collisions = collisions.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(hash: &str, number: &str, template: Value) -> Value {
        json!({
            "metadata": {
                "labels": {POD_TEMPLATE_HASH: hash},
                "annotations": {
                    crate::names::REVISION: number,
                    TEMPLATE: digest(&template),
                },
            },
            "spec": {"template": template},
        })
    }

    #[test]
    fn a_template_is_one_revision_however_it_was_written() {
        let one: Value = serde_json::from_str(r#"{"a": 1, "b": {"d": 2, "c": [3]}}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"b": {"c": [3], "d": 2}, "a": 1}"#).unwrap();
        assert_eq!(digest(&one), digest(&two));
        assert_eq!(name(&one, &[]), name(&two, &[]));
        assert_ne!(
            digest(&one),
            digest(&json!({"a": 1, "b": {"d": 2, "c": [4]}}))
        );
    }

    #[test]
    fn the_name_of_a_revision_never_changes() {
        // Written once: another name would deliver everything anew.
        let template = json!({"spec": {"containers": [{"name": "shop", "image": "shop:1"}]}});
        assert_eq!(name(&template, &[]).as_str(), NAME);
        assert_eq!(digest(&template), DIGEST);
        let taken = [set(NAME, "1", json!({}))];
        let other = name(&template, &taken);
        assert_ne!(other.as_str(), NAME);
        assert_eq!(name(&template, &taken), other);
    }

    const NAME: &str = "798d5499fc";
    const DIGEST: &str = "7cdb33675acd247d";

    #[test]
    fn hash_and_nulls_say_nothing_of_a_template() {
        let bare = json!({"metadata": {"labels": {"app": "shop"}}});
        let labels = json!({"app": "shop", POD_TEMPLATE_HASH: "x"});
        let full = json!({"metadata": {"labels": labels, "creationTimestamp": null}});
        assert_eq!(plain(&full), bare);
        let sets = [set("old", "3", full.clone()), set("older", "2", full)];
        assert_eq!(by_template(&sets, &bare), Some(RevisionId::new("old")));
        assert_eq!(by_template(&sets, &json!({})), None);
        assert_eq!(by_digest(&sets, "none"), None);
    }
}
