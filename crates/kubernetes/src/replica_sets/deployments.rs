//! The workload on a pair of Deployments, NAME-a and NAME-b, for tools that want Deployments.
//!
//! What is wanted comes from an owner, as it does for [ReplicaSets](crate::replica_sets). A new
//! revision takes the Deployment that has no pods, and its template with it; stable keeps its own.
//! So nothing is rolled in place, not even by a promotion. While both have pods a third revision
//! waits: the superseded one goes to none first.
//!
//! The Deployments are ours: the owner controls them, and a Deployment of such a name that it does
//! not control is left alone and refused. Their replicas are written by the driver, so an autoscaler
//! belongs on the owner, not on them.
//!
//! Two revisions are known and no more; an `undo` goes to the other one. A plan that takes stable to
//! no pods while a canary runs (`dynamicStableScale`) needs ReplicaSets: here the next revision
//! would take the Deployment of stable, but where the owner's `status.stableRS` names it.

mod encode;
mod free;

use async_trait::async_trait;
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::{Missing, PortError, Workload};
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::WorkloadSeen;
use kube::Client;
use serde_json::Value;

use self::encode::Taking;
pub(super) use self::encode::rehearsal;
use self::free::{Side, free};
use super::{Form, ReplicaSets, There, owner_of, restart, set};
use crate::fence::now;
use crate::objects::{Kind, name_of};
use crate::owner::Owner;

/// The least that this workload may, where the owner is a Rollout of Argo: a Role, as YAML. For
/// another owner its own kind stands in the place of `rollouts`.
pub const ROLE: &str = include_str!("../../roles/deployments.yaml");

/// A pair of Deployments that an object owns.
pub struct Deployments(ReplicaSets);

impl Deployments {
    /// The pair of an owner that is there. The Deployments need not be: they are made with the
    /// revisions that they take.
    ///
    /// # Errors
    /// When the owner is not there, has no template or no selector.
    pub async fn of(
        client: Client,
        namespace: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Self, PortError> {
        let pair = ReplicaSets::in_form(Form::Pair, client, namespace, kind, name);
        Ok(Self(pair.await?))
    }

    /// The same, telling also these fields of the owner (`metadata.labels['team']`), to which a
    /// plan's arguments refer.
    #[must_use]
    pub fn with_fields(self, paths: impl IntoIterator<Item = String>) -> Self {
        Self(self.0.with_fields(paths))
    }

    /// The owner as an owner of other objects.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn owner(&self) -> Result<Owner, PortError> {
        self.0.owner().await
    }
}

/// Gives a new revision the Deployment that has no pods.
pub(super) async fn take(
    pair: &ReplicaSets,
    there: &There,
    id: &RevisionId,
    replicas: u32,
    stamp: Stamp,
) -> Result<(), PortError> {
    restart::refuse_older(&there.sets, stamp)?;
    let owner = owner_of(&there.owner)?;
    let taking = Taking {
        spec: &there.spec,
        id,
        number: set::newest(&there.sets).saturating_add(1),
        replicas,
        stamp,
        at: now(),
    };
    match free(&there.owner, &there.sets, &there.spec)? {
        Side::There(deployment) => {
            let edit = |found: &Value| taking.over(found, &owner);
            let taken = pair.sets.change(name_of(deployment), edit);
            taken.await.map(drop)
        }
        Side::Absent(side) => {
            let fresh = taking.fresh(&owner, side);
            let made = pair.sets.create(&fresh).await;
            match made {
                Err(error) if error.kind == FaultKind::Conflict => {
                    // Whose it is says whether another try can help.
                    if let Some(found) = pair.sets.find(name_of(&fresh)).await? {
                        owner.refuse_others(&found)?;
                    }
                    Err(error)
                }
                made => made.map(drop),
            }
        }
    }
}

#[async_trait]
impl Workload for Deployments {
    fn is_fenced(&self) -> bool {
        self.0.is_fenced()
    }

    fn is_watched(&self) -> bool {
        self.0.is_watched()
    }

    async fn observe(&self) -> Result<WorkloadSeen, PortError> {
        self.0.observe().await
    }

    async fn scale(
        &self,
        revision: &RevisionId,
        replicas: u32,
        stamp: Stamp,
    ) -> Result<(), PortError> {
        self.0.scale(revision, replicas, stamp).await
    }

    async fn restart(
        &self,
        before: Timestamp,
        at_most: u32,
        stamp: Stamp,
    ) -> Result<(), PortError> {
        self.0.restart(before, at_most, stamp).await
    }

    async fn undo(&self, to: &RevisionId, stamp: Stamp) -> Result<(), PortError> {
        self.0.undo(to, stamp).await
    }

    async fn probe(&self) -> Result<Vec<Missing>, PortError> {
        self.0.probe().await
    }

    async fn changed(&self) {
        self.0.changed().await;
    }
}
