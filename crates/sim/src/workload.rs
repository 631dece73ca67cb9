//! The workload of the world: revisions whose pods take their time.

use async_trait::async_trait;
use gradatim_core::id::RevisionId;
use gradatim_core::port::{PortError, Workload};
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::WorkloadSeen;

use crate::fault::{Mishap, Port};
use crate::site::Site;
use crate::world::WriteKind;

/// The workload of the simulated world.
#[derive(Clone, Debug)]
pub(crate) struct SimWorkload {
    pub(crate) site: Site,
}

#[async_trait]
impl Workload for SimWorkload {
    fn is_fenced(&self) -> bool {
        true
    }

    async fn observe(&self) -> Result<WorkloadSeen, PortError> {
        let look = |world: &mut crate::World, mishap| match mishap {
            Some(Mishap::StaleRead(age)) => Ok(world.workload_before(age)),
            _ => Ok(world.workload()),
        };
        self.site.read(Port::Workload, look).await
    }

    async fn scale(
        &self,
        revision: &RevisionId,
        replicas: u32,
        stamp: Stamp,
    ) -> Result<(), PortError> {
        let kind = WriteKind::Scale {
            revision: revision.clone(),
            replicas,
            stamp,
        };
        let effect = |world: &mut crate::World| world.scale(revision, replicas, stamp);
        self.site.write(Port::Workload, kind, effect).await
    }

    async fn restart(
        &self,
        before: Timestamp,
        at_most: u32,
        stamp: Stamp,
    ) -> Result<(), PortError> {
        let kind = WriteKind::Restart { before, stamp };
        let effect = |world: &mut crate::World| world.restart(before, at_most, stamp);
        self.site.write(Port::Workload, kind, effect).await
    }

    async fn undo(&self, to: &RevisionId, stamp: Stamp) -> Result<(), PortError> {
        let to_revision = to.clone();
        let kind = WriteKind::Undo {
            to: to_revision,
            stamp,
        };
        let effect = |world: &mut crate::World| world.undo(to, stamp);
        self.site.write(Port::Workload, kind, effect).await
    }
}
