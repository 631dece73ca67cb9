//! One kind of object in one namespace, as JSON.
//!
//! Objects are read and written as [`Value`]s: what a type does not know would be lost on the way
//! back. Only fields that are ours are ever sent.

use std::collections::BTreeSet;
use std::time::Duration;

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use http::Request;
use http::header::CONTENT_TYPE;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Error};
use serde_json::{Value, json};

use crate::fault::{in_words, late, not_asked, unreadable};
use crate::patch::guarded;
pub use crate::patch::{conditional, difference, merged};
use crate::watch::Watch;

/// Who we are in `metadata.managedFields`.
pub const MANAGER: &str = "gradatim";

/// How long a read may take. One object that does not answer must leave its driver's call time to
/// write the others.
const LONGEST_READ: Duration = Duration::from_secs(4);
/// How long a write may take; whoever admits it may be asked on the way.
const LONGEST_WRITE: Duration = Duration::from_secs(5);
/// How often a write is made again because somebody changed another part of the object meanwhile:
/// the status of what is busy changes all the time.
const MOST_TRIES: usize = 5;

/// What the API server calls a kind of object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    resource: ApiResource,
}

impl Kind {
    /// A kind by its `apiVersion` (`v1`, `networking.k8s.io/v1`), its `kind` and the plural under
    /// which it is served.
    pub fn new(api_version: &str, kind: &str, plural: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        Self {
            resource: ApiResource::from_gvk_with_plural(&gvk, plural),
        }
    }

    /// Its `apiVersion`.
    pub fn api_version(&self) -> &str {
        &self.resource.api_version
    }

    /// Its `kind`.
    pub fn name(&self) -> &str {
        &self.resource.kind
    }

    /// An object of this kind that has a name and nothing else.
    pub fn named(&self, name: &str) -> Value {
        json!({
            "apiVersion": self.api_version(),
            "kind": self.name(),
            "metadata": { "name": name },
        })
    }
}

/// The objects of one kind in one namespace.
#[derive(Clone)]
pub struct Objects {
    api: Api<DynamicObject>,
    kind: Kind,
}

impl Objects {
    /// The objects of a kind in a namespace.
    pub fn new(client: Client, namespace: &str, kind: Kind) -> Self {
        Self {
            api: Api::namespaced_with(client, namespace, &kind.resource),
            kind,
        }
    }

    /// The objects of a kind that belongs to no namespace.
    pub fn everywhere(client: Client, kind: Kind) -> Self {
        Self {
            api: Api::all_with(client, &kind.resource),
            kind,
        }
    }

    /// The client that asks for them.
    pub fn client(&self) -> Client {
        self.api.clone().into_client()
    }

    /// Their kind.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub async fn get(&self, name: &str) -> Result<Value, PortError> {
        let found = self.within(LONGEST_READ, name, self.api.get(name)).await?;
        self.value(&found)
    }

    /// Reads an object that may not be there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find(&self, name: &str) -> Result<Option<Value>, PortError> {
        match self.get(name).await {
            Err(error) if error.kind == FaultKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// Reads all objects with these labels (`app=shop,track`), all for an empty text.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list(&self, labels: &str) -> Result<Vec<Value>, PortError> {
        let which = ListParams::default().labels(labels);
        let found = self.within(LONGEST_READ, "", self.api.list(&which)).await?;
        found.items.iter().map(|item| self.value(item)).collect()
    }

    /// The names of all objects with these labels; of the objects nothing else is sent.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn names(&self, labels: &str) -> Result<BTreeSet<String>, PortError> {
        let which = ListParams::default().labels(labels);
        let found = self.api.list_metadata(&which);
        let found = self.within(LONGEST_READ, "", found).await?;
        let names = found
            .items
            .into_iter()
            .filter_map(|item| item.metadata.name);
        Ok(names.collect())
    }

    /// Makes an object; one of its name that is there already is a
    /// [`Conflict`](FaultKind::Conflict).
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn create(&self, object: &Value) -> Result<Value, PortError> {
        self.post(object, false).await
    }

    /// What the server would make of an object, its defaults filled in; nothing is written.
    ///
    /// # Errors
    /// When the server would refuse it.
    pub async fn rehearse(&self, object: &Value) -> Result<Value, PortError> {
        self.post(object, true).await
    }

    /// Applies an object of ours whole (server-side apply), and makes it if it is not there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn apply(&self, object: &Value) -> Result<Value, PortError> {
        let name = name_of(object);
        let ours = PatchParams::apply(MANAGER).force();
        let patch = Patch::Apply(object);
        let written = self.api.patch(name, &ours, &patch);
        self.value(&self.within(LONGEST_WRITE, name, written).await?)
    }

    /// Merges a patch that holds only what is ours; an absent object is an error. With a
    /// `metadata.resourceVersion` in it the write is conditional.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn merge(&self, name: &str, patch: &Value) -> Result<Value, PortError> {
        self.patch(name, patch).await
    }

    /// Merges a patch into an object as it was found, as a JSON patch that tests first. It is taken
    /// while every field that it changes, lists included, still says what was read, and the object
    /// is still the same one of the same owner: what somebody else changed beside that stays.
    ///
    /// # Errors
    /// [`Conflict`](FaultKind::Conflict) when a field says something else by now, or when it
    /// cannot be written.
    pub async fn swap(&self, found: &Value, patch: &Value) -> Result<Value, PortError> {
        self.patch_json(found, patch, "").await
    }

    /// What a [`swap`](Self::swap) would come to; nothing is written.
    ///
    /// # Errors
    /// When the server would refuse it.
    pub async fn rehearse_swap(&self, found: &Value, patch: &Value) -> Result<Value, PortError> {
        self.patch_json(found, patch, "&dryRun=All").await
    }

    /// Reads an object and merges what `edit` makes of it, if nobody wrote in between; without a
    /// patch nothing is written. When somebody did write, the edit is asked again.
    ///
    /// # Errors
    /// When `edit` refuses, when the object cannot be read or written, and when others write so
    /// often that there is no getting in between.
    pub async fn change(
        &self,
        name: &str,
        edit: impl Fn(&Value) -> Result<Option<Value>, PortError>,
    ) -> Result<Value, PortError> {
        let mut tries = 1;
        loop {
            let found = self.get(name).await?;
            let Some(patch) = edit(&found)? else {
                return Ok(found);
            };
            match self.merge(name, &conditional(patch, &found)).await {
                Err(error) if error.kind == FaultKind::Conflict && tries < MOST_TRIES => tries += 1,
                written => return written,
            }
        }
    }

    /// The same for an object that may not be there yet: then it is made from `fresh` and the
    /// patch.
    ///
    /// # Errors
    /// As for [`change`](Self::change).
    pub async fn change_or_create(
        &self,
        fresh: &Value,
        edit: impl Fn(Option<&Value>) -> Result<Option<Value>, PortError>,
    ) -> Result<(), PortError> {
        let name = name_of(fresh);
        let mut tries = 1;
        loop {
            let found = self.find(name).await?;
            let Some(patch) = edit(found.as_ref())? else {
                return Ok(());
            };
            let written = match &found {
                Some(found) => self.merge(name, &conditional(patch, found)).await,
                None => self.create(&merged(fresh, &patch)).await,
            };
            match written {
                Err(error) if error.kind == FaultKind::Conflict && tries < MOST_TRIES => tries += 1,
                written => return written.map(drop),
            }
        }
    }

    /// Takes an object away, if it is still this one; one that is not there is fine.
    ///
    /// # Errors
    /// When it cannot be taken away.
    pub async fn delete(&self, object: &Value) -> Result<(), PortError> {
        self.delete_if(object, None).await
    }

    /// Takes an object away, if it is still as it was read; one that is not there is fine.
    ///
    /// # Errors
    /// [`Conflict`](FaultKind::Conflict) when somebody has written it since, or when it cannot be
    /// taken away.
    pub async fn delete_unchanged(&self, object: &Value) -> Result<(), PortError> {
        let version = text(object, "/metadata/resourceVersion");
        self.delete_if(object, version.map(str::to_owned)).await
    }

    async fn delete_if(&self, object: &Value, version: Option<String>) -> Result<(), PortError> {
        let name = name_of(object);
        let this_one = DeleteParams::background().preconditions(Preconditions {
            uid: text(object, "/metadata/uid").map(str::to_owned),
            resource_version: version,
        });
        let deleted = self.api.delete(name, &this_one);
        match self.within(LONGEST_WRITE, name, deleted).await {
            Err(error) if error.kind == FaultKind::NotFound => Ok(()),
            deleted => deleted.map(drop),
        }
    }

    /// Posts to a subresource, such as a pod's `eviction`.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn post_to(
        &self,
        name: &str,
        subresource: &str,
        body: &Value,
    ) -> Result<(), PortError> {
        let params = PostParams::default();
        let posted = self
            .api
            .create_subresource::<_, Value>(subresource, name, &params, body);
        self.within(LONGEST_WRITE, name, posted).await.map(drop)
    }

    /// Watches one object.
    pub fn watch(&self, name: &str) -> Watch {
        Watch::fields(self.api.clone(), &format!("metadata.name={name}"))
    }

    /// Watches all objects with these labels.
    pub fn watch_all(&self, labels: &str) -> Watch {
        Watch::labels(self.api.clone(), labels)
    }

    async fn patch(&self, name: &str, patch: &Value) -> Result<Value, PortError> {
        let ours = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(patch);
        let written = self.api.patch(name, &ours, &patch);
        self.value(&self.within(LONGEST_WRITE, name, written).await?)
    }

    async fn patch_json(
        &self,
        found: &Value,
        patch: &Value,
        more: &str,
    ) -> Result<Value, PortError> {
        let name = name_of(found);
        let url = self.api.resource_url();
        let steps = Value::from(guarded(found, patch)).to_string();
        let request = Request::patch(format!("{url}/{name}?fieldManager={MANAGER}{more}"))
            .header(CONTENT_TYPE, "application/json-patch+json")
            .body(steps.into_bytes());
        let request = request.map_err(|error| not_asked(&self.kind, name, error))?;
        let client = self.client();
        let written = client.request::<DynamicObject>(request);
        self.value(&self.within(LONGEST_WRITE, name, written).await?)
    }

    async fn post(&self, object: &Value, dry_run: bool) -> Result<Value, PortError> {
        let name = name_of(object);
        let params = PostParams {
            dry_run,
            field_manager: Some(MANAGER.to_owned()),
        };
        let object = serde_json::from_value(object.clone());
        let object: DynamicObject = object.map_err(|error| unreadable(&self.kind, name, error))?;
        let made = self.api.create(&params, &object);
        self.value(&self.within(LONGEST_WRITE, name, made).await?)
    }

    /// The answer to a request about an object, or that it has not come in time.
    async fn within<T>(
        &self,
        limit: Duration,
        name: &str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, PortError> {
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|error| in_words(&self.kind, name, error)),
            Err(_) => Err(late(&self.kind, name, limit)),
        }
    }

    fn value(&self, object: &DynamicObject) -> Result<Value, PortError> {
        let value = serde_json::to_value(object);
        let mut value = value.map_err(|error| unreadable(&self.kind, "", error))?;
        // The items of a list do not say what they are.
        value["apiVersion"] = self.kind.api_version().into();
        value["kind"] = self.kind.name().into();
        Ok(value)
    }
}

/// A text in an object, by its JSON pointer.
pub fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

/// An object's name.
pub fn name_of(object: &Value) -> &str {
    text(object, "/metadata/name").unwrap_or_default()
}

/// An annotation of an object.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

/// A label of an object.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["labels"][key].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_knows_its_group_and_version() {
        let kind = Kind::new("networking.k8s.io/v1", "Ingress", "ingresses");
        assert_eq!(kind.api_version(), "networking.k8s.io/v1");
        assert_eq!(kind.resource.group, "networking.k8s.io");
        assert_eq!(Kind::new("v1", "Pod", "pods").resource.group, "");
        assert_eq!(kind.named("shop")["metadata"]["name"], "shop");
    }
}
