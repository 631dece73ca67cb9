//! The workload on ReplicaSets: one for each revision, all owned by an object of the user's
//! choice.
//!
//! The owner is a Rollout of Argo, or any object that has its fields: `spec.template` and
//! `spec.selector`, and if it likes `spec.replicas` (1), `spec.minReadySeconds`, `spec.paused`,
//! `spec.restartAt`. ReplicaSets bear the labels and annotations that Argo's tools look for, and
//! those that Argo made are taken over under the names that they have.
//!
//! Where the owner has a `spec.workloadRef` (a Deployment, a ReplicaSet or a PodTemplate), the
//! template is that object's, and the selector too where the owner has none: another image in the
//! Deployment is a new version, and an undo gives the Deployment its old template back. Its own pods
//! are left to it: scale it to zero once the first version is healthy.
//!
//! Of old ReplicaSets without pods `spec.revisionHistoryLimit` (10) are kept: when a new one is
//! made, the oldest beyond that go.
//!
//! A revision is a template. Two templates are one revision when the API server makes the same of
//! both: it is asked, by a creation that it does not carry out.

pub mod deployments;
mod encode;
mod pods;
mod reference;
mod restart;
mod set;
mod template;

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::future::{join_all, try_join};
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::{Missing, PortError, Workload};
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::{RevisionSeen, WorkloadSeen};
use kube::Client;
use serde_json::Value;

use self::reference::Reference;
use self::set::Spec;
use crate::fence::Since;
use crate::objects::{Kind, Objects, name_of, text};
use crate::owner::Owner;
use crate::watch::{Memory, Watch};

/// The least that this workload may, where the owner is a Rollout of Argo: a Role, as YAML. For
/// another owner its own kind stands in the place of `rollouts`.
pub const ROLE: &str = include_str!("../roles/replica-sets.yaml");

/// What it needs beside that where the owner has a `workloadRef`: a Role, as YAML.
pub const WORKLOAD_REF_ROLE: &str = include_str!("../roles/workload-ref.yaml");

/// ReplicaSets that an object owns.
pub struct ReplicaSets {
    name: String,
    form: Form,
    owners: Objects,
    reference: Option<Reference>,
    sets: Objects,
    pods: Objects,
    fields: Vec<String>,
    /// The last template that the API server was asked about, and what it makes of it.
    asked: Mutex<Option<(String, Value)>>,
    fresh: Since<RevisionId>,
    watch: Watch,
    seen: Memory<WorkloadSeen>,
}

/// What a revision's pods are made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A ReplicaSet for each revision.
    Each,
    /// One of two Deployments.
    Pair,
}

impl Form {
    fn kind(self) -> Kind {
        match self {
            Self::Each => Kind::new("apps/v1", "ReplicaSet", "replicasets"),
            Self::Pair => Kind::new("apps/v1", "Deployment", "deployments"),
        }
    }

    /// What is asked for in a trial alone.
    fn rehearsal(self, spec: &Spec, name: &str) -> Value {
        match self {
            Self::Each => encode::rehearsal(spec, name),
            Self::Pair => deployments::rehearsal(spec, name),
        }
    }
}

/// What there is at one moment.
struct There {
    owner: Value,
    spec: Spec,
    sets: Vec<Value>,
}

impl ReplicaSets {
    /// The kind of Argo's Rollouts.
    pub fn rollout() -> Kind {
        Kind::new("argoproj.io/v1alpha1", "Rollout", "rollouts")
    }

    /// The ReplicaSets of an owner that is there.
    ///
    /// # Errors
    /// When the owner or what it refers to is not there, or has no template or no selector.
    pub async fn of(
        client: Client,
        namespace: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Self, PortError> {
        Self::in_form(Form::Each, client, namespace, kind, name).await
    }

    async fn in_form(
        form: Form,
        client: Client,
        namespace: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Self, PortError> {
        let objects = |kind| Objects::new(client.clone(), namespace, kind);
        let owners = objects(kind);
        let sets = objects(form.kind());
        let pods = objects(Kind::new("v1", "Pod", "pods"));
        let owner = owners.get(name).await?;
        let reference = Reference::of(&owner, client.clone(), namespace)?;
        let labels = spec_of(&owner, reference.as_ref()).await?.labels();
        let watched = [
            owners.watch(name),
            sets.watch_all(&labels),
            pods.watch_all(&labels),
        ];
        let referred = reference.iter().map(Reference::watch);
        Ok(Self {
            name: name.to_owned(),
            form,
            watch: Watch::any(watched.into_iter().chain(referred)),
            owners,
            reference,
            sets,
            pods,
            fields: Vec::new(),
            asked: Mutex::default(),
            fresh: Since::default(),
            seen: Memory::default(),
        })
    }

    /// The same, telling also these fields of the owner (`metadata.labels['team']`), to which a
    /// plan's arguments refer.
    #[must_use]
    pub fn with_fields(mut self, paths: impl IntoIterator<Item = String>) -> Self {
        self.fields.extend(paths);
        self
    }

    /// The owner as an owner of other objects.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn owner(&self) -> Result<Owner, PortError> {
        owner_of(&self.owners.get(&self.name).await?)
    }

    async fn there(&self) -> Result<There, PortError> {
        let owner = self.owners.get(&self.name).await?;
        let ours = owner_of(&owner)?;
        let spec = spec_of(&owner, self.reference.as_ref()).await?;
        let mut sets = self.sets.list(&spec.labels()).await?;
        sets.retain(|set| ours.controls(set) && set::revision(set).is_some());
        Ok(There { owner, spec, sets })
    }

    /// The revision that the owner's template asks for, whether or not there is a ReplicaSet.
    async fn wanted(&self, there: &There) -> Result<RevisionId, PortError> {
        let digest = template::digest(&there.spec.template);
        if let Some(known) = template::by_digest(&there.sets, &digest) {
            return Ok(known);
        }
        let whole = self.whole(there, digest).await?;
        let same = template::by_template(&there.sets, &whole);
        Ok(same.unwrap_or_else(|| template::name(&there.spec.template, &there.sets)))
    }

    /// The owner's template with everything that the API server would fill in.
    async fn whole(&self, there: &There, digest: String) -> Result<Value, PortError> {
        if let Some((_, whole)) = self.asked().as_ref().filter(|(asked, _)| *asked == digest) {
            return Ok(whole.clone());
        }
        let trial = self.form.rehearsal(&there.spec, &self.name);
        let answer = self.sets.rehearse(&trial).await?;
        let whole = template::plain(&answer["spec"]["template"]);
        *self.asked() = Some((digest, whole.clone()));
        Ok(whole)
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Option<(String, Value)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn create(
        &self,
        there: &There,
        id: &RevisionId,
        replicas: u32,
        stamp: Stamp,
    ) -> Result<(), PortError> {
        if self.wanted(there).await? != *id {
            return Err(no_revision(&self.name, id));
        }
        if self.form == Form::Pair {
            return deployments::take(self, there, id, replicas, stamp).await;
        }
        let owner = owner_of(&there.owner)?;
        let number = set::newest(&there.sets).saturating_add(1);
        let set = encode::fresh(&there.spec, &owner, id, number, replicas, stamp);
        self.sets.create(&set).await?;
        self.clean_up(there).await;
        Ok(())
    }

    /// Takes away what is beyond the history, if nobody has changed it since. What stays because
    /// it cannot be taken away is harmless, and tried again beside the next version.
    async fn clean_up(&self, there: &There) {
        let beyond = set::surplus(&there.sets, &there.spec).into_iter();
        join_all(beyond.map(|set| self.sets.delete_unchanged(set))).await;
    }

    async fn look(&self) -> Result<WorkloadSeen, PortError> {
        let there = self.there().await?;
        let labels = there.spec.labels();
        let (wanted, pods) = try_join(self.wanted(&there), self.pods.list(&labels)).await?;
        let spec = &there.spec;
        let mut revisions: Vec<RevisionSeen> = there
            .sets
            .iter()
            .filter_map(|set| set::seen(set, &pods, spec))
            .collect();
        if !revisions.iter().any(|revision| revision.id == wanted) {
            let number = set::newest(&there.sets).saturating_add(1);
            let since = self.fresh.note(wanted.clone());
            revisions.push(RevisionSeen::new(wanted.as_str(), number, since));
        }
        let stable = text(&there.owner, "/status/stableRS").filter(|stable| !stable.is_empty());
        let fields = self.fields.iter();
        Ok(WorkloadSeen {
            paused: spec.paused,
            restart_at: spec.restart_at,
            recorded_stable: stable.map(RevisionId::new),
            fields: fields
                .filter_map(|path| Some((path.clone(), set::field(&there.owner, path)?)))
                .collect(),
            ..WorkloadSeen::new(wanted.as_str(), spec.replicas, revisions)
        })
    }

    async fn ask_for(
        &self,
        revision: &RevisionId,
        replicas: u32,
        stamp: Stamp,
    ) -> Result<(), PortError> {
        let there = self.there().await?;
        let Some(set) = set::find(&there.sets, revision) else {
            return self.create(&there, revision, replicas, stamp).await;
        };
        let edit = |set: &Value| {
            // A Deployment may have been taken by another revision since.
            if set::revision(set).as_ref() != Some(revision) {
                return Err(no_revision(&self.name, revision));
            }
            encode::scaled(set, &there.spec, replicas, stamp)
        };
        self.sets.change(name_of(set), edit).await.map(drop)
    }

    async fn evict(&self, before: Timestamp, at_most: u32, stamp: Stamp) -> Result<(), PortError> {
        let there = self.there().await?;
        restart::refuse_older(&there.sets, stamp)?;
        let pods = self.pods.list(&there.spec.labels()).await?;
        for pod in restart::next(&there.sets, &pods, before, at_most) {
            let eviction = encode::eviction(pod);
            match self.pods.post_to(name_of(pod), "eviction", &eviction).await {
                // It has gone by itself.
                Err(error) if error.kind == FaultKind::NotFound => {}
                evicted => evicted?,
            }
        }
        Ok(())
    }

    async fn go_back(&self, to: &RevisionId, stamp: Stamp) -> Result<(), PortError> {
        let there = self.there().await?;
        let set = set::find(&there.sets, to).ok_or_else(|| no_revision(&self.name, to))?;
        if self.wanted(&there).await? == *to {
            return Ok(());
        }
        let template = template::plain(&set["spec"]["template"]);
        let owner = (&self.owners, self.name.as_str());
        let (objects, name) = self.reference.as_ref().map_or(owner, Reference::place);
        let edit = |holder: &Value| encode::undone(holder, &template, stamp);
        objects.change(name, edit).await.map(drop)
    }
}

#[async_trait]
impl Workload for ReplicaSets {
    fn is_fenced(&self) -> bool {
        true
    }

    fn is_watched(&self) -> bool {
        true
    }

    async fn observe(&self) -> Result<WorkloadSeen, PortError> {
        self.watch.remembered(&self.seen, self.look()).await
    }

    async fn scale(
        &self,
        revision: &RevisionId,
        replicas: u32,
        stamp: Stamp,
    ) -> Result<(), PortError> {
        let scaled = self.ask_for(revision, replicas, stamp).await;
        self.watch.forget();
        scaled
    }

    async fn restart(
        &self,
        before: Timestamp,
        at_most: u32,
        stamp: Stamp,
    ) -> Result<(), PortError> {
        let evicted = self.evict(before, at_most, stamp).await;
        self.watch.forget();
        evicted
    }

    async fn undo(&self, to: &RevisionId, stamp: Stamp) -> Result<(), PortError> {
        let undone = self.go_back(to, stamp).await;
        self.watch.forget();
        undone
    }

    async fn probe(&self) -> Result<Vec<Missing>, PortError> {
        let Some(owner) = self.owners.find(&self.name).await? else {
            return Ok(vec![Missing {
                what: format!("{} {}", self.owners.kind().name(), self.name),
                help: "create it, with a selector and a template of the pods".to_owned(),
            }]);
        };
        let reference = self.reference.as_ref();
        match (spec_of(&owner, reference).await, reference) {
            (Ok(_), _) => Ok(Vec::new()),
            (Err(error), Some(reference)) if error.kind == FaultKind::NotFound => {
                Ok(vec![reference.missing()])
            }
            (Err(error), _) if error.kind == FaultKind::Invalid => Ok(vec![Missing {
                what: error.to_string(),
                help: "add it to the owner".to_owned(),
            }]),
            (Err(error), _) => Err(error),
        }
    }

    async fn changed(&self) {
        self.watch.changed().await;
    }
}

/// What the owner asks for, by itself or through what it refers to.
async fn spec_of(owner: &Value, reference: Option<&Reference>) -> Result<Spec, PortError> {
    match reference {
        Some(reference) => Spec::of(&reference.filled(owner).await?),
        None => Spec::of(owner),
    }
}

fn owner_of(owner: &Value) -> Result<Owner, PortError> {
    Owner::of(owner).ok_or_else(|| {
        let text = format!("{} has no uid", name_of(owner));
        PortError::new(FaultKind::Malformed, text)
    })
}

fn no_revision(name: &str, id: &RevisionId) -> PortError {
    let text = format!("{name} has no revision {id}");
    PortError::new(FaultKind::NotFound, text)
}
