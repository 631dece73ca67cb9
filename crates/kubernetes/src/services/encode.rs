//! A binding as a change of a Service; pure.

use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::PortError;
use gradatim_core::stamp::Stamp;
use serde_json::{Value, json};

use super::decode::{bound, selector};
use crate::fence::{refuse_older, stamp_of};
use crate::names::{MANAGED_BY, POD_TEMPLATE_HASH, STAMP};
use crate::objects::annotation;

/// What a Service shall be bound to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding<'a> {
    pub(super) service: &'a str,
    pub(super) revision: &'a RevisionId,
    pub(super) stamp: Stamp,
    pub(super) rollout: &'a str,
}

/// The patch that binds a Service, none when it says so already.
pub(super) fn rebind(service: &Value, binding: &Binding<'_>) -> Result<Option<Value>, PortError> {
    let name = binding.service;
    let owner = annotation(service, MANAGED_BY);
    if let Some(other) = owner.filter(|owner| *owner != binding.rollout) {
        let text = format!(
            "Service {name} is of the rollout {other}; give each rollout Services of its own, or \
             take the annotation {MANAGED_BY} off",
        );
        return Err(PortError::new(FaultKind::Forbidden, text));
    }
    if selector(service).is_none() {
        let text = format!("Service {name} has no selector; select the rollout's pods by it");
        return Err(PortError::new(FaultKind::Invalid, text));
    }
    refuse_older(service, STAMP, binding.stamp)?;
    let is_so = bound(service).as_ref() == Some(binding.revision)
        && stamp_of(service, STAMP) == Some(binding.stamp);
    if is_so {
        return Ok(None);
    }
    Ok(Some(json!({
        "metadata": { "annotations": {
            MANAGED_BY: binding.rollout,
            STAMP: binding.stamp.to_string(),
        }},
        "spec": { "selector": { POD_TEMPLATE_HASH: binding.revision.as_str() } },
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::merged;

    fn service(selector: Value) -> Value {
        json!({"kind": "Service", "metadata": {"name": "shop"}, "spec": {"selector": selector}})
    }

    fn binding<'a>(revision: &'a RevisionId, stamp: &str) -> Binding<'a> {
        Binding {
            service: "shop",
            revision,
            stamp: stamp.parse().unwrap(),
            rollout: "shop",
        }
    }

    #[test]
    fn only_the_hash_is_added_to_the_selector() {
        let (before, v2) = (service(json!({"app": "shop"})), RevisionId::new("v2"));
        let patch = rebind(&before, &binding(&v2, "1.2.0.0")).unwrap().unwrap();
        let after = merged(&before, &patch);
        assert_eq!(
            after["spec"]["selector"],
            json!({"app": "shop", POD_TEMPLATE_HASH: "v2"})
        );
        assert_eq!(rebind(&after, &binding(&v2, "1.2.0.0")).unwrap(), None);
        // Another owner says the same: its stamp is written, so that an older one is refused.
        assert!(rebind(&after, &binding(&v2, "2.3.0.0")).unwrap().is_some());
        let late = rebind(&after, &binding(&v2, "1.1.0.0")).unwrap_err();
        assert_eq!(late.kind, FaultKind::Fenced);
    }

    #[test]
    fn a_service_of_another_rollout_or_without_a_selector_is_refused() {
        let v2 = RevisionId::new("v2");
        let mut theirs = service(json!({"app": "shop"}));
        theirs["metadata"]["annotations"] = json!({MANAGED_BY: "basket"});
        let refused = rebind(&theirs, &binding(&v2, "1.2.0.0")).unwrap_err();
        assert_eq!(refused.kind, FaultKind::Forbidden);
        assert!(
            refused.to_string().contains("of the rollout basket"),
            "{refused}"
        );
        for none in [json!({}), Value::Null] {
            let refused = rebind(&service(none), &binding(&v2, "1.2.0.0")).unwrap_err();
            assert_eq!(refused.kind, FaultKind::Invalid);
        }
    }
}
