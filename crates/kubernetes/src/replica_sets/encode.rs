//! What is asked of the API server; pure.

use gradatim_core::id::RevisionId;
use gradatim_core::port::PortError;
use gradatim_core::stamp::Stamp;
use serde_json::{Value, json};

use super::set::{Spec, desired};
use super::template::{self, digest};
use crate::fence::{refuse_older, stamp_of};
use crate::names::{DESIRED_REPLICAS, POD_TEMPLATE_HASH, REVISION, STAMP, TEMPLATE, of_object};
use crate::objects::{difference, name_of, text};
use crate::owner::Owner;

/// A ReplicaSet that is asked for in a trial alone, to see what its template becomes.
pub(super) fn rehearsal(spec: &Spec, name: &str) -> Value {
    replica_set(spec, &of_object(name, "-rehearsal"), "rehearsal", 0)
}

/// The ReplicaSet of a new revision.
pub(super) fn fresh(
    spec: &Spec,
    owner: &Owner,
    id: &RevisionId,
    number: u64,
    replicas: u32,
    stamp: Stamp,
) -> Value {
    let name = of_object(owner.name(), &format!("-{id}"));
    let mut set = replica_set(spec, &name, id.as_str(), replicas);
    set["metadata"]["ownerReferences"] = json!([owner.reference()]);
    set["metadata"]["annotations"] = annotations(spec, number, stamp);
    set
}

/// What is told of a new revision.
pub(super) fn annotations(spec: &Spec, number: u64, stamp: Stamp) -> Value {
    json!({
        REVISION: number.to_string(),
        DESIRED_REPLICAS: spec.replicas.to_string(),
        TEMPLATE: digest(&spec.template),
        STAMP: stamp.to_string(),
    })
}

fn replica_set(spec: &Spec, name: &str, hash: &str, replicas: u32) -> Value {
    let (mut selector, mut template) = (spec.selector.clone(), spec.template.clone());
    selector["matchLabels"][POD_TEMPLATE_HASH] = hash.into();
    template["metadata"]["labels"][POD_TEMPLATE_HASH] = hash.into();
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "labels": template["metadata"]["labels"]},
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.min_ready_seconds,
            "selector": selector,
            "template": template,
        },
    })
}

/// The patch that scales a ReplicaSet, none when it says so already.
pub(super) fn scaled(
    set: &Value,
    spec: &Spec,
    replicas: u32,
    stamp: Stamp,
) -> Result<Option<Value>, PortError> {
    refuse_older(set, STAMP, stamp)?;
    if desired(set) == replicas && stamp_of(set, STAMP) == Some(stamp) {
        return Ok(None);
    }
    let annotations = json!({
        DESIRED_REPLICAS: spec.replicas.to_string(),
        STAMP: stamp.to_string(),
    });
    Ok(Some(json!({
        "metadata": {"annotations": annotations},
        "spec": {"replicas": replicas},
    })))
}

/// The patch that gives another template to the object that holds it: the owner, or what it
/// refers to.
pub(super) fn undone(
    holder: &Value,
    template: &Value,
    stamp: Stamp,
) -> Result<Option<Value>, PortError> {
    refuse_older(holder, STAMP, stamp)?;
    let changed = json!({"template": difference(template::of(holder), template)});
    let mut patch = match template::is_beside_spec(holder) {
        true => changed,
        false => json!({"spec": changed}),
    };
    patch["metadata"] = json!({"annotations": {STAMP: stamp.to_string()}});
    Ok(Some(patch))
}

/// The wish that a pod goes, as far as its disruption budget lets it.
pub(super) fn eviction(pod: &Value) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name_of(pod), "namespace": text(pod, "/metadata/namespace")},
        "deleteOptions": {"preconditions": {"uid": text(pod, "/metadata/uid")}},
    })
}

#[cfg(test)]
mod tests {
    use gradatim_core::fault::FaultKind;

    use super::*;
    use crate::objects::merged;

    fn spec() -> Spec {
        let selector = json!({"matchLabels": {"app": "shop"}});
        let template = json!({"metadata": {"labels": {"app": "shop", "tier": "web"}}});
        let spec = json!({"replicas": 5, "selector": selector, "template": template});
        Spec::of(&json!({"metadata": {"name": "shop"}, "spec": spec})).unwrap()
    }

    #[test]
    fn a_new_replica_set_is_as_argo_would_label_it() {
        let uid = json!({"name": "shop", "uid": "1"});
        let owner =
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": uid});
        let owner = Owner::of(&owner).unwrap();
        let stamp = "1.2.0.0".parse().unwrap();
        let set = fresh(&spec(), &owner, &RevisionId::new("6d4"), 3, 2, stamp);
        let labels = json!({"app": "shop", "tier": "web", POD_TEMPLATE_HASH: "6d4"});
        assert_eq!(set["metadata"]["name"], "shop-6d4");
        assert_eq!(set["metadata"]["labels"], labels);
        assert_eq!(set["spec"]["template"]["metadata"]["labels"], labels);
        let selected = json!({"app": "shop", POD_TEMPLATE_HASH: "6d4"});
        assert_eq!(set["spec"]["selector"]["matchLabels"], selected);
        let annotations = &set["metadata"]["annotations"];
        assert_eq!(
            (&annotations[REVISION], &annotations[DESIRED_REPLICAS]),
            (&json!("3"), &json!("5"))
        );
        assert!(owner.controls(&set));
    }

    #[test]
    fn a_target_is_written_once_and_never_back() {
        let at = |text: &str| text.parse::<Stamp>().unwrap();
        let set = json!({"kind": "ReplicaSet", "metadata": {"name": "shop-6d4"}, "spec": {"replicas": 1}});
        let patch = scaled(&set, &spec(), 2, at("1.2.0.0")).unwrap().unwrap();
        let set = merged(&set, &patch);
        assert_eq!(desired(&set), 2);
        assert_eq!(scaled(&set, &spec(), 2, at("1.2.0.0")).unwrap(), None);
        assert!(scaled(&set, &spec(), 2, at("2.0.0.0")).unwrap().is_some());
        assert!(scaled(&set, &spec(), 1, at("1.1.0.0")).is_err());
    }

    #[test]
    fn an_undo_leaves_nothing_of_the_newer_template() {
        let newer = json!({"spec": {"volumes": [1], "containers": [{"image": "2", "env": []}]}});
        let older = json!({"spec": {"containers": [{"image": "1"}]}});
        let owner = json!({"metadata": {"name": "shop"}, "spec": {"template": newer}});
        let patch = undone(&owner, &older, "1.2.0.0".parse().unwrap())
            .unwrap()
            .unwrap();
        assert_eq!(merged(&owner, &patch)["spec"]["template"], older);
    }

    #[test]
    fn an_undo_writes_where_the_template_stands_and_refuses_an_older_order() {
        let stamp = |sequence| Stamp {
            epoch: 1,
            sequence,
            ..Stamp::default()
        };
        let found = json!({
            "kind": "PodTemplate", "template": {"spec": {"a": 1}},
            "metadata": {"name": "shop", "annotations": {STAMP: stamp(3).to_string()}},
        });
        let old = json!({"spec": {"a": 2}});
        let patch = undone(&found, &old, stamp(4)).unwrap().unwrap();
        assert_eq!(patch["template"], json!({"spec": {"a": 2}}));
        let late = undone(&found, &old, stamp(2)).unwrap_err();
        assert_eq!(late.kind, FaultKind::Fenced);
    }
}
