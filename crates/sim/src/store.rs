//! The store of the world: the driver's own in memory, behind the faults.

use async_trait::async_trait;
use futures::FutureExt;
use gradatim_core::fault::FaultKind;
use gradatim_core::order::{Acknowledgement, Order};
use gradatim_core::port::{Loaded, MailboxOrder, Ownership, PortError, Store, Token};
use gradatim_core::state::State;
use gradatim_driver::store::MemoryStore;

use crate::fault::Port;
use crate::site::Site;
use crate::world::WriteKind;

/// The store of the simulated world.
#[derive(Clone)]
pub(crate) struct SimStore {
    pub(crate) site: Site,
    pub(crate) inner: MemoryStore,
}

/// What the store in memory answers, which it does at once.
fn at_once<T>(call: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
    let late = || {
        PortError::new(
            FaultKind::Other,
            "the store in memory did not answer at once",
        )
    };
    call.now_or_never().unwrap_or_else(|| Err(late()))
}

#[async_trait]
impl Store for SimStore {
    async fn load(&self) -> Result<Loaded, PortError> {
        let look = |_: &mut _, _| at_once(self.inner.load());
        self.site.read(Port::Store, look).await
    }

    async fn save(
        &self,
        state: &State,
        token: &Token,
        owner: &Ownership,
    ) -> Result<Token, PortError> {
        let kind = WriteKind::Save { epoch: owner.epoch };
        let mut saved = None;
        let effect = |_: &mut _| {
            saved = Some(at_once(self.inner.save(state, token, owner))?);
            Ok(true)
        };
        self.site.write(Port::Store, kind, effect).await?;
        saved.ok_or_else(|| PortError::new(FaultKind::Other, "nothing was saved"))
    }

    async fn take(&self, holder: &str, above: u64, force: bool) -> Result<Ownership, PortError> {
        let look = |world: &mut crate::World, _| {
            for living in world.living_drivers() {
                at_once(self.inner.heartbeat(&living))?;
            }
            at_once(self.inner.take(holder, above, force))
        };
        self.site.read(Port::Store, look).await
    }

    async fn hand_over(&self, owner: &Ownership) -> Result<(), PortError> {
        let look = |_: &mut _, _| at_once(self.inner.hand_over(owner));
        self.site.read(Port::Store, look).await
    }

    async fn owner(&self) -> Result<Option<Ownership>, PortError> {
        let look = |_: &mut _, _| at_once(self.inner.owner());
        self.site.read(Port::Store, look).await
    }

    async fn heartbeat(&self, holder: &str) -> Result<(), PortError> {
        self.inner.heartbeat(holder).await
    }

    async fn leave(&self, order: &MailboxOrder) -> Result<u64, PortError> {
        self.inner.leave(order).await
    }

    async fn pending(&self) -> Result<Vec<Order>, PortError> {
        let look = |_: &mut _, _| at_once(self.inner.pending());
        self.site.read(Port::Store, look).await
    }

    async fn acknowledge(&self, done: &[Acknowledgement]) -> Result<(), PortError> {
        let look = |_: &mut _, _| at_once(self.inner.acknowledge(done));
        self.site.read(Port::Store, look).await
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }
}
