//! A Deployment of the pair, as it is written; pure.

use gradatim_core::id::RevisionId;
use gradatim_core::port::PortError;
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use serde_json::{Value, json};

use super::super::encode::{annotations, scaled};
use super::super::set::{Spec, revision};
use super::free::{busy, is_idle};
use crate::fence::refuse_older;
use crate::names::{POD_TEMPLATE_HASH, SIDE, STAMP, TAKEN, of_parent};
use crate::objects::{difference, label};
use crate::owner::Owner;

/// A Deployment that is asked for in a trial alone, to see what its template becomes.
pub(in super::super) fn rehearsal(spec: &Spec, name: &str) -> Value {
    deployment(
        spec,
        &of_parent(name, "-rehearsal"),
        "rehearsal",
        "rehearsal",
    )
}

/// A new revision on its way to a Deployment.
pub(super) struct Taking<'a> {
    pub(super) spec: &'a Spec,
    pub(super) id: &'a RevisionId,
    pub(super) number: u64,
    pub(super) replicas: u32,
    pub(super) stamp: Stamp,
    pub(super) at: Timestamp,
}

impl Taking<'_> {
    /// The Deployment of a side that has none.
    pub(super) fn fresh(&self, owner: &Owner, side: &str) -> Value {
        let name = of_parent(owner.name(), &format!("-{side}"));
        let mut fresh = deployment(self.spec, &name, side, self.id.as_str());
        fresh["metadata"]["ownerReferences"] = json!([owner.reference()]);
        fresh["metadata"]["annotations"] = self.annotations();
        fresh["spec"]["replicas"] = self.replicas.into();
        fresh
    }

    /// The patch that gives a Deployment without pods to the revision.
    pub(super) fn over(&self, found: &Value, owner: &Owner) -> Result<Option<Value>, PortError> {
        owner.refuse_others(found)?;
        refuse_older(found, STAMP, self.stamp)?;
        if revision(found).as_ref() == Some(self.id) {
            return scaled(found, self.spec, self.replicas, self.stamp);
        }
        if !is_idle(found) {
            return Err(busy([found]));
        }
        let side = label(found, SIDE).unwrap_or_default();
        let wanted = deployment(self.spec, "", side, self.id.as_str());
        let changed = |pointer| {
            let part = |of: &Value| of.pointer(pointer).cloned().unwrap_or_default();
            difference(&part(found), &part(&wanted))
        };
        Ok(Some(json!({
            "metadata": {
                "labels": wanted["metadata"]["labels"],
                "annotations": self.annotations(),
            },
            "spec": {
                "replicas": self.replicas,
                "minReadySeconds": self.spec.min_ready_seconds,
                "template": changed("/spec/template"),
            },
        })))
    }

    fn annotations(&self) -> Value {
        let mut told = annotations(self.spec, self.number, self.stamp);
        told[TAKEN] = self.at.to_string().into();
        told
    }
}

/// Its ReplicaSets of revisions before are not kept: a `kubectl rollout undo` would go back to one
/// in place, past every step.
fn deployment(spec: &Spec, name: &str, side: &str, hash: &str) -> Value {
    let (mut selector, mut template) = (spec.selector.clone(), spec.template.clone());
    selector["matchLabels"][SIDE] = side.into();
    template["metadata"]["labels"][SIDE] = side.into();
    template["metadata"]["labels"][POD_TEMPLATE_HASH] = hash.into();
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": template["metadata"]["labels"]},
        "spec": {
            "replicas": 0,
            "minReadySeconds": spec.min_ready_seconds,
            "revisionHistoryLimit": 0,
            "selector": selector,
            "template": template,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::set::{desired, number};
    use super::super::super::template::plain;
    use super::*;
    use crate::objects::merged;

    fn owner(image: &str) -> Value {
        let template = json!({
            "metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [{"image": image}]},
        });
        let selector = json!({"matchLabels": {"app": "shop"}});
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "shop", "uid": "1"},
            "spec": {"replicas": 3, "selector": selector, "template": template},
        })
    }

    fn taking<'a>(spec: &'a Spec, id: &'a RevisionId, stamp: &str) -> Taking<'a> {
        Taking {
            spec,
            id,
            number: 4,
            replicas: 2,
            stamp: stamp.parse().unwrap(),
            at: Timestamp::ZERO,
        }
    }

    #[test]
    fn a_deployment_is_taken_with_its_template_once_it_has_no_pods() {
        let (one, two) = (owner("1"), owner("2"));
        let ours = Owner::of(&one).unwrap();
        let (first, second) = (RevisionId::new("x"), RevisionId::new("y"));
        let spec = Spec::of(&one).unwrap();
        let mut there = taking(&spec, &first, "1.1.0.0").fresh(&ours, "a");
        assert_eq!(there["metadata"]["name"], "shop-a");
        let selected = json!({"app": "shop", SIDE: "a"});
        assert_eq!(there["spec"]["selector"]["matchLabels"], selected);
        assert_eq!(plain(&there["spec"]["template"]), one["spec"]["template"]);

        let spec = Spec::of(&two).unwrap();
        let next = taking(&spec, &second, "1.2.0.0");
        there["metadata"]["generation"] = 1.into();
        there["status"] = json!({"observedGeneration": 1});
        assert!(next.over(&there, &ours).is_err(), "pods are asked for");
        there["spec"]["replicas"] = 0.into();
        let older = taking(&spec, &second, "1.0.0.0");
        assert!(older.over(&there, &ours).is_err(), "an older stamp");
        let after = merged(&there, &next.over(&there, &ours).unwrap().unwrap());
        assert_eq!(revision(&after), Some(second.clone()));
        assert_eq!((number(&after), desired(&after)), (4, 2));
        assert_eq!(plain(&after["spec"]["template"]), two["spec"]["template"]);
        assert_eq!(after["spec"]["selector"], there["spec"]["selector"]);
        assert_eq!(next.over(&after, &ours).unwrap(), None, "asked again");
        there["metadata"]["ownerReferences"] = json!([]);
        assert!(next.over(&there, &ours).is_err(), "nobody's");
    }
}
