//! What a Service and its endpoints say; pure.

use std::collections::BTreeSet;

use gradatim_core::id::RevisionId;
use serde_json::{Map, Value};

use crate::names::POD_TEMPLATE_HASH;

/// A Service's selector, if it selects anything.
pub(super) fn selector(service: &Value) -> Option<&Map<String, Value>> {
    let selector = service["spec"]["selector"].as_object()?;
    (!selector.is_empty()).then_some(selector)
}

/// The revision that a Service is bound to.
pub(super) fn bound(service: &Value) -> Option<RevisionId> {
    let hash = selector(service)?.get(POD_TEMPLATE_HASH)?.as_str()?;
    Some(RevisionId::new(hash))
}

/// How many of these pods are endpoints that answer.
pub(super) fn ready(slices: &[Value], pods: &BTreeSet<String>) -> u32 {
    let endpoints = slices
        .iter()
        .filter_map(|slice| slice["endpoints"].as_array())
        .flatten();
    // A pod with two addresses stands in two slices. An absent condition means yes.
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] != false);
    let ready = ready.filter_map(|endpoint| endpoint["targetRef"]["name"].as_str());
    let ready: BTreeSet<_> = ready.filter(|name| pods.contains(*name)).collect();
    u32::try_from(ready.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn endpoint(pod: &str, ready: Value) -> Value {
        json!({"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}})
    }

    #[test]
    fn each_pod_of_the_revision_that_answers_counts_once() {
        let first = [endpoint("a", true.into()), endpoint("b", false.into())];
        let second = [endpoint("a", true.into()), endpoint("c", Value::Null)];
        let others = [
            endpoint("old", true.into()),
            json!({"addresses": ["10.0.0.1"]}),
        ];
        let slices = [first, second, others].map(|all| json!({"endpoints": all}));
        let pods = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!(ready(&slices, &pods), 2);
        assert_eq!(ready(&[json!({"endpoints": null})], &pods), 0);
        assert_eq!(ready(&[], &pods), 0);
    }

    #[test]
    fn a_selector_without_a_hash_is_bound_to_nothing() {
        let service = |selector: Value| json!({"spec": {"selector": selector}});
        assert_eq!(bound(&service(json!({"app": "shop"}))), None);
        assert_eq!(bound(&service(json!({POD_TEMPLATE_HASH: 7}))), None);
        assert_eq!(bound(&json!({})), None);
        let hash = service(json!({POD_TEMPLATE_HASH: "6d4"}));
        assert_eq!(bound(&hash), Some(RevisionId::new("6d4")));
    }
}
