//! The object that a `workloadRef` names: its template is the owner's.

use gradatim_core::fault::FaultKind;
use gradatim_core::port::{Missing, PortError};
use kube::Client;
use serde_json::Value;

use super::template;
use crate::objects::{Kind, Objects, name_of};
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

    /// The object itself: whose, and its name.
    pub(super) fn place(&self) -> (&Objects, &str) {
        (&self.objects, &self.name)
    }

    /// What is said of it where it is not there.
    pub(super) fn missing(&self) -> Missing {
        Missing {
            what: format!("{} {}", self.objects.kind().name(), self.name),
            help:
                "create it, or give the owner a template of its own in the place of its workloadRef"
                    .to_owned(),
        }
    }
}

fn filled(owner: &Value, found: &Value) -> Value {
    let mut filled = owner.clone();
    filled["spec"]["template"] = template::of(found).clone();
    if filled["spec"]["selector"].is_null() {
        filled["spec"]["selector"] = found["spec"]["selector"].clone();
    }
    filled
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
}
