//! The object that a `workloadRef` names: its template is the owner's.

use gradatim_core::fault::FaultKind;
use gradatim_core::port::{Missing, PortError};
use gradatim_core::stamp::Stamp;
use kube::Client;
use serde_json::{Value, json};

use crate::fence::refuse_older;
use crate::names::STAMP;
use crate::objects::{Kind, Objects, difference, name_of, text};
use crate::watch::Watch;

/// What may be referred to: `apiVersion`, `kind`, plural.
const KINDS: [(&str, &str, &str); 3] = [
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "ReplicaSet", "replicasets"),
    ("v1", "PodTemplate", "podtemplates"),
];

/// An object whose template is delivered in the place of the owner's.
pub(super) struct Reference {
    objects: Objects,
    name: String,
}

impl Reference {
    /// What an owner refers to; none where it refers to nothing.
    pub(super) fn of(
        owner: &Value,
        client: Client,
        namespace: &str,
    ) -> Result<Option<Self>, PortError> {
        let reference = &owner["spec"]["workloadRef"];
        if reference.is_null() {
            return Ok(None);
        }
        let field = |field: &str| reference[field].as_str().unwrap_or_default();
        let (version, kind, name) = (field("apiVersion"), field("kind"), field("name"));
        let known = KINDS
            .iter()
            .find(|known| (known.0, known.1) == (version, kind));
        let Some((version, kind, plural)) = known.filter(|_| !name.is_empty()) else {
            let text = format!(
                "{} refers to {kind} {name:?} of {version:?}: a workloadRef names a Deployment or a \
                 ReplicaSet of apps/v1, or a PodTemplate of v1",
                name_of(owner)
            );
            return Err(PortError::new(FaultKind::Invalid, text));
        };
        Ok(Some(Self {
            objects: Objects::new(client, namespace, Kind::new(version, kind, plural)),
            name: name.to_owned(),
        }))
    }

    pub(super) fn watch(&self) -> Watch {
        self.objects.watch(&self.name)
    }

    /// The owner as if it had the template itself, and the selector where it has none.
    pub(super) async fn filled(&self, owner: &Value) -> Result<Value, PortError> {
        let reference = &owner["spec"]["workloadRef"];
        let same =
            reference["kind"] == self.objects.kind().name() && reference["name"] == *self.name;
        if !same {
            let text = format!(
                "{} no longer refers to {} {}: start it anew, so that what it refers to now is watched",
                name_of(owner),
                self.objects.kind().name(),
                self.name
            );
            return Err(PortError::new(FaultKind::Invalid, text));
        }
        let found = self.objects.get(&self.name).await?;
        Ok(filled(owner, &found))
    }

    /// Gives the object another template.
    pub(super) async fn undo(&self, template: &Value, stamp: Stamp) -> Result<(), PortError> {
        let edit = |found: &Value| undone(found, template, stamp);
        self.objects.change(&self.name, edit).await.map(drop)
    }

    /// Names the object if it is not there.
    pub(super) async fn probe(&self) -> Result<Option<Missing>, PortError> {
        let found = self.objects.find(&self.name).await?;
        Ok(found.is_none().then(|| Missing {
            what: format!("{} {}", self.objects.kind().name(), self.name),
            help:
                "create it, or give the owner a template of its own in the place of its workloadRef"
                    .to_owned(),
        }))
    }
}

fn is_pod_template(object: &Value) -> bool {
    text(object, "/kind") == Some("PodTemplate")
}

fn filled(owner: &Value, found: &Value) -> Value {
    let mut filled = owner.clone();
    filled["spec"]["template"] = match is_pod_template(found) {
        true => found["template"].clone(),
        false => found["spec"]["template"].clone(),
    };
    if filled["spec"]["selector"].is_null() {
        filled["spec"]["selector"] = found["spec"]["selector"].clone();
    }
    filled
}

fn undone(found: &Value, template: &Value, stamp: Stamp) -> Result<Option<Value>, PortError> {
    refuse_older(found, STAMP, stamp)?;
    let annotations = json!({"annotations": {STAMP: stamp.to_string()}});
    Ok(Some(match is_pod_template(found) {
        true => json!({
            "metadata": annotations,
            "template": difference(&found["template"], template),
        }),
        false => json!({
            "metadata": annotations,
            "spec": {"template": difference(&found["spec"]["template"], template)},
        }),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_gets_what_it_refers_to_and_keeps_a_selector_of_its_own() {
        let template = json!({"spec": {"containers": []}});
        let selector = json!({"matchLabels": {"app": "shop"}});
        let deployment = json!({
            "kind": "Deployment", "spec": {"template": template, "selector": selector},
        });
        let whole = filled(&json!({"spec": {"replicas": 3}}), &deployment);
        assert_eq!(
            whole["spec"],
            json!({"replicas": 3, "template": template, "selector": selector})
        );
        let own = json!({"matchLabels": {"app": "shop", "tier": "web"}});
        let pods = json!({"kind": "PodTemplate", "template": template});
        let whole = filled(&json!({"spec": {"selector": own}}), &pods);
        assert_eq!(
            whole["spec"],
            json!({"template": template, "selector": own})
        );
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
