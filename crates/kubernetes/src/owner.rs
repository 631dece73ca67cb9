//! The object that ours belong to.

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::objects::{Objects, name_of, text};

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

    /// Refuses an object that has another controller, or none.
    ///
    /// # Errors
    /// [`Forbidden`](FaultKind::Forbidden) with the name of whoever controls it.
    pub fn refuse_others(&self, object: &Value) -> Result<(), PortError> {
        if self.controls(object) {
            return Ok(());
        }
        let what = object["kind"].as_str().unwrap_or("object");
        let whose = controller(object).map_or_else(
            || "nobody's".to_owned(),
            |it| format!("of {} {}", it["kind"].as_str().unwrap_or(""), name(it)),
        );
        let text = format!(
            "{what} {} is {whose}, not of {} {}; delete it, or give the release another name",
            name_of(object),
            self.kind,
            self.name,
        );
        Err(PortError::new(FaultKind::Forbidden, text))
    }

    /// Whether it is the controller of an object.
    pub fn controls(&self, object: &Value) -> bool {
        controller(object).is_some_and(|controller| controller["uid"] == self.uid.as_str())
    }
}

/// An owner that is known by its name, and read when it is needed.
pub struct Named {
    owners: Objects,
    name: String,
    found: OnceCell<Owner>,
}

impl Named {
    /// The object of this name among others of its kind.
    pub fn new(owners: Objects, name: &str) -> Self {
        Self {
            owners,
            name: name.to_owned(),
            found: OnceCell::new(),
        }
    }

    /// The owner, read once.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub async fn get(&self) -> Result<&Owner, PortError> {
        let read = || async {
            let object = self.owners.get(&self.name).await?;
            let malformed = || PortError::new(FaultKind::Malformed, "an owner without a uid");
            Owner::of(&object).ok_or_else(malformed)
        };
        self.found.get_or_try_init(read).await
    }
}

/// The entry of an object's owners that is its controller.
pub fn controller(object: &Value) -> Option<&Value> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)
}

fn name(reference: &Value) -> &str {
    reference["name"].as_str().unwrap_or("")
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
