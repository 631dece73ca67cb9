//! The object that ours belong to.

use serde_json::{Value, json};

use crate::objects::{name_of, text};

/// An object that owns others: the garbage collector takes them away with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    api_version: String,
    kind: String,
    name: String,
    uid: String,
}

impl Owner {
    /// An object as it was read from the server; none unless it is one.
    pub fn of(object: &Value) -> Option<Self> {
        let field = |pointer| text(object, pointer).map(str::to_owned);
        Some(Self {
            api_version: field("/apiVersion")?,
            kind: field("/kind")?,
            name: name_of(object).to_owned(),
            uid: field("/metadata/uid")?,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The entry of `metadata.ownerReferences` that makes it the controller of another object.
    pub fn reference(&self) -> Value {
        json!({
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        })
    }

    /// Whether it is the controller of an object.
    pub fn controls(&self, object: &Value) -> bool {
        controller(object).is_some_and(|controller| controller["uid"] == self.uid.as_str())
    }
}

/// The entry of an object's owners that is its controller.
pub fn controller(object: &Value) -> Option<&Value> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namesake_with_another_uid_is_not_the_owner() {
        let rollout = |uid: &str| {
            let metadata = json!({"name": "shop", "uid": uid});
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": metadata})
        };
        let (ours, theirs) = (
            Owner::of(&rollout("1")).unwrap(),
            Owner::of(&rollout("2")).unwrap(),
        );
        let owned = json!({"metadata": {"ownerReferences": [ours.reference()]}});
        assert!(ours.controls(&owned) && !theirs.controls(&owned));
        assert!(!ours.controls(&json!({"metadata": {}})));
        assert!(Owner::of(&json!({"kind": "Rollout"})).is_none());
    }
}
