//! Which Deployment a new revision takes; pure.

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use serde_json::Value;

use super::super::set::{Spec, desired, number, revision};
use crate::names::SIDE;
use crate::objects::{label, name_of, text};

/// A Deployment that a revision can have.
#[derive(Debug, PartialEq)]
pub(super) enum Side<'a> {
    /// One that is to be made.
    Absent(&'static str),
    /// One that has no pods.
    There(&'a Value),
}

/// The side without a Deployment, or else the Deployment without pods; of two the older revision's.
/// Never that of the recorded stable.
///
/// # Errors
/// [`Conflict`](FaultKind::Conflict) while there is none: another try finds one once pods have gone.
pub(super) fn free<'a>(
    owner: &Value,
    pair: &'a [Value],
    spec: &Spec,
) -> Result<Side<'a>, PortError> {
    let is_there = |side| pair.iter().any(|it| label(it, SIDE) == Some(side));
    if let Some(side) = ["a", "b"].into_iter().find(|side| !is_there(side)) {
        return Ok(Side::Absent(side));
    }
    let stable = text(owner, "/status/stableRS").filter(|stable| !stable.is_empty());
    let is_stable = |it: &&Value| revision(it).is_some_and(|id| Some(id.as_str()) == stable);
    let idle = pair.iter().filter(|it| is_idle(it) && !is_stable(it));
    let idle: Vec<_> = idle.collect();
    // Where no pods are asked for, stable has none either.
    if idle.len() > 1 && spec.replicas == 0 {
        let text = "neither Deployment has pods, so which of the two is stable cannot be told; \
                    ask for one pod or more";
        return Err(PortError::new(FaultKind::Conflict, text));
    }
    let oldest = idle.into_iter().min_by_key(|it| number(it));
    oldest.map(Side::There).ok_or_else(|| busy(pair))
}

/// Whether its controller has seen that no pods are asked for, and there are none.
pub(super) fn is_idle(deployment: &Value) -> bool {
    let status = &deployment["status"];
    desired(deployment) == 0
        && status["replicas"].as_u64().unwrap_or(0) == 0
        && status["observedGeneration"] == deployment["metadata"]["generation"]
}

pub(super) fn busy<'a>(pair: impl IntoIterator<Item = &'a Value>) -> PortError {
    let each = pair.into_iter().map(|it| {
        let id = revision(it).map_or_else(String::new, |id| format!(" (revision {id})"));
        format!("{}{id}", name_of(it))
    });
    let each = each.collect::<Vec<_>>().join(" and ");
    let text = format!("waiting until a Deployment has no pods: {each} still in use");
    PortError::new(FaultKind::Conflict, text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::names::{POD_TEMPLATE_HASH, REVISION};

    fn deployment(side: &str, number: &str, wanted: u32, there: u32) -> Value {
        json!({
            "metadata": {
                "name": format!("shop-{side}"), "generation": 2,
                "labels": {SIDE: side, POD_TEMPLATE_HASH: format!("v{number}")},
                "annotations": {REVISION: number},
            },
            "spec": {"replicas": wanted},
            "status": {"replicas": there, "observedGeneration": 2},
        })
    }

    fn owner(replicas: u32, stable: &str) -> Value {
        let selector = json!({"matchLabels": {"app": "shop"}});
        let spec = json!({"replicas": replicas, "selector": selector, "template": {}});
        json!({"metadata": {"name": "shop"}, "spec": spec, "status": {"stableRS": stable}})
    }

    fn chosen(owner: &Value, pair: &[Value]) -> String {
        match free(owner, pair, &Spec::of(owner).unwrap()) {
            Ok(Side::Absent(side)) => format!("new {side}"),
            Ok(Side::There(it)) => name_of(it).to_owned(),
            Err(error) => format!("{:?}: {error}", error.kind),
        }
    }

    #[test]
    fn a_revision_takes_what_is_absent_or_has_no_pods() {
        let owner = owner(3, "");
        let pair = |a, b| [deployment("a", "1", a, a), deployment("b", "2", b, b)];
        assert_eq!(chosen(&owner, &[]), "new a");
        assert_eq!(chosen(&owner, &pair(3, 0)[..1]), "new b");
        assert_eq!(chosen(&owner, &pair(0, 0)[1..]), "new a");
        assert_eq!(chosen(&owner, &pair(3, 0)), "shop-b");
        assert_eq!(chosen(&owner, &pair(0, 0)), "shop-a");
        let waits = "Conflict: waiting until a Deployment has no pods: \
                     shop-a (revision v1) and shop-b (revision v2) still in use";
        assert_eq!(chosen(&owner, &pair(3, 1)), waits);
    }

    #[test]
    fn who_still_has_pods_or_is_stable_is_not_free() {
        let leaving = [deployment("a", "1", 3, 3), deployment("b", "2", 0, 1)];
        assert!(chosen(&owner(3, ""), &leaving).starts_with("Conflict"));
        let mut unseen = leaving;
        unseen[1] = deployment("b", "2", 0, 0);
        unseen[1]["status"]["observedGeneration"] = 1.into();
        assert!(chosen(&owner(3, ""), &unseen).starts_with("Conflict"));
        let idle = [deployment("a", "1", 0, 0), deployment("b", "2", 0, 0)];
        assert_eq!(chosen(&owner(3, "v1"), &idle), "shop-b");
        assert!(chosen(&owner(0, ""), &idle).starts_with("Conflict: neither"));
        assert_eq!(chosen(&owner(0, "v2"), &idle), "shop-a");
    }
}
