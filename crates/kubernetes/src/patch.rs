//! What is sent to change an object; pure.

use serde_json::{Map, Value, json};

use crate::names::MANAGED_BY;

/// A patch that is taken only while the object is as it was read.
pub fn conditional(mut patch: Value, found: &Value) -> Value {
    patch["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"].clone();
    patch
}

/// An object with a merge patch applied to it, as the server would (RFC 7396).
pub fn merged(object: &Value, patch: &Value) -> Value {
    let Value::Object(fields) = patch else {
        return patch.clone();
    };
    let mut whole = object.as_object().cloned().unwrap_or_else(Map::new);
    for (key, value) in fields {
        if value.is_null() {
            whole.remove(key);
        } else {
            let before = whole.get(key).unwrap_or(&Value::Null);
            let after = merged(before, value);
            whole.insert(key.clone(), after);
        }
    }
    Value::Object(whole)
}

/// The merge patch that makes one value of another: what is not in `to` goes.
pub fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (from, to) else {
        return to.clone();
    };
    let mut patch = Map::new();
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in after {
        match before.get(key) {
            Some(known) if known == value => {}
            Some(known) => drop(patch.insert(key.clone(), difference(known, value))),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    Value::Object(patch)
}

/// A merge patch as a JSON patch that tests first: that it is the same object of the same owner, and
/// that each field which it changes still says what was read.
pub(crate) fn guarded(found: &Value, patch: &Value) -> Vec<Value> {
    let (mut tests, mut steps) = (Vec::new(), Vec::new());
    for field in ["uid", "ownerReferences"] {
        let at = format!("/metadata/{field}");
        tests.extend(found.pointer(&at).map(|before| test(&at, before)));
    }
    let owner = format!("/metadata/annotations/{}", escaped(MANAGED_BY));
    if found["metadata"]["annotations"].is_object() {
        tests.push(test(&owner, found.pointer(&owner).unwrap_or(&Value::Null)));
    }
    walk("", found, patch, &mut tests, &mut steps);
    tests.append(&mut steps);
    tests
}

fn walk(at: &str, found: &Value, patch: &Value, tests: &mut Vec<Value>, steps: &mut Vec<Value>) {
    for (key, after) in patch.as_object().into_iter().flatten() {
        let at = format!("{at}/{}", escaped(key));
        let before = found.get(key).filter(|before| !before.is_null());
        match before {
            None if after.is_null() => {}
            None => {
                // To the API server an absent field passes as null.
                tests.push(test(&at, &Value::Null));
                steps.push(json!({"op": "add", "path": at, "value": merged(&Value::Null, after)}));
            }
            Some(before) if before.is_object() && after.is_object() => {
                walk(&at, before, after, tests, steps);
            }
            Some(before) if before == after => {}
            Some(before) => {
                tests.push(test(&at, before));
                steps.push(match after {
                    Value::Null => json!({"op": "remove", "path": at}),
                    after => {
                        let after = merged(&Value::Null, after);
                        json!({"op": "replace", "path": at, "value": after})
                    }
                });
            }
        }
    }
}

fn test(at: &str, value: &Value) -> Value {
    json!({"op": "test", "path": at, "value": value})
}

/// A key in a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_removes_nulls_and_replaces_lists() {
        let object = json!({"a": {"b": 1, "c": 2}, "d": [1, 2], "e": "x"});
        let patch = json!({"a": {"b": null, "f": {"g": null, "h": 3}}, "d": [3], "e": null});
        let wanted = json!({"a": {"c": 2, "f": {"h": 3}}, "d": [3]});
        assert_eq!(merged(&object, &patch), wanted);
    }

    #[test]
    fn a_difference_makes_one_of_the_other() {
        let values = [
            json!({"a": {"b": 1, "c": [1, 2]}, "d": "x"}),
            json!({"a": {"c": [2], "e": {"f": true}}}),
            json!({"a": "text", "d": {"g": 1}}),
            json!({}),
        ];
        for from in &values {
            assert_eq!(difference(from, from), json!({}));
            for to in &values {
                assert_eq!(merged(from, &difference(from, to)), *to);
            }
        }
    }

    #[test]
    fn every_field_that_changes_is_tested_before_the_first_is_written() {
        let found = json!({
            "metadata": {"name": "web", "uid": "7", "annotations": {"a/b": "1", "c": "2"}},
            "spec": {"http": [{"weight": 1}], "kept": true},
        });
        let patch = json!({
            "metadata": {"annotations": {"a/b": "3", "c": null, "d": "4", "none": null}},
            "spec": {"http": [{"weight": 2}], "kept": true, "new": {"x": 1, "y": null}},
        });
        let wanted = json!([
            {"op": "test", "path": "/metadata/uid", "value": "7"},
            {"op": "test", "path": "/metadata/annotations/argo-rollouts.argoproj.io~1managed-by-rollouts", "value": null},
            {"op": "test", "path": "/metadata/annotations/a~1b", "value": "1"},
            {"op": "test", "path": "/metadata/annotations/c", "value": "2"},
            {"op": "test", "path": "/metadata/annotations/d", "value": null},
            {"op": "test", "path": "/spec/http", "value": [{"weight": 1}]},
            {"op": "test", "path": "/spec/new", "value": null},
            {"op": "replace", "path": "/metadata/annotations/a~1b", "value": "3"},
            {"op": "remove", "path": "/metadata/annotations/c"},
            {"op": "add", "path": "/metadata/annotations/d", "value": "4"},
            {"op": "replace", "path": "/spec/http", "value": [{"weight": 2}]},
            {"op": "add", "path": "/spec/new", "value": {"x": 1}},
        ]);
        assert_eq!(Value::from(guarded(&found, &patch)), wanted);
    }

    #[test]
    fn where_there_are_no_annotations_all_of_them_are_added() {
        let found = json!({"metadata": {"name": "web", "uid": "7"}});
        let patch = json!({"metadata": {"annotations": {"a": "1"}}});
        let wanted = json!([
            {"op": "test", "path": "/metadata/uid", "value": "7"},
            {"op": "test", "path": "/metadata/annotations", "value": null},
            {"op": "add", "path": "/metadata/annotations", "value": {"a": "1"}},
        ]);
        assert_eq!(Value::from(guarded(&found, &patch)), wanted);
    }
}
