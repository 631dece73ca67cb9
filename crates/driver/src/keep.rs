//! Ownership and the saved state: what a round needs of its store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gradatim_core::decision::{Decision, Saved};
use gradatim_core::fault::{Fault, FaultKind};
use gradatim_core::order::Acknowledgement;
use gradatim_core::port::{Ownership, PortError, Token};
use gradatim_core::state::State;
use gradatim_core::time::Timestamp;
use tracing::{Instrument, debug_span, error, warn};

use crate::deadline::{Backoff, within};
use crate::observe::highest_epoch;
use crate::perform::is_owner;
use crate::ports::Ports;
use crate::turn::{Persisted, TurnError};

/// The longest pause between two tries to save.
const SLOWEST_SAVE: Duration = Duration::from_secs(5);
/// The shortest pause between two epochs that an owner takes because its last was too low.
const SLOWEST_FENCE: Duration = Duration::from_secs(30);

/// What is known of the store, and what it was told last.
pub(crate) struct Keeper {
    pub(crate) holder: String,
    pub(crate) take_over: bool,
    ports: Arc<Ports>,
    owner: Option<Ownership>,
    lost: Option<Fault>,
    taken_over: bool,
    saved: Option<Arc<Saved>>,
    /// None when it is not known what the store holds.
    token: Option<Token>,
    save: Backoff,
    fence: Backoff,
}

impl Keeper {
    pub(crate) fn new(ports: Arc<Ports>) -> Self {
        Self {
            holder: default_holder(),
            take_over: false,
            ports,
            owner: None,
            lost: None,
            taken_over: false,
            saved: None,
            token: None,
            save: Backoff::default(),
            fence: Backoff::default(),
        }
    }

    /// Whether no round since the rollout was taken has come to its end.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.taken_over
    }

    /// Takes the rollout from its store, above every stamp that its world bears.
    pub(crate) async fn own(&mut self) -> Result<Ownership, TurnError> {
        if let Some(fault) = &self.lost {
            return Err(TurnError::Lost(fault.clone()));
        }
        if let Some(owner) = &self.owner {
            return Ok(owner.clone());
        }
        let above = highest_epoch(&self.ports).await;
        let call = self.ports.store.take(&self.holder, above, self.take_over);
        let owner = self.call(call).await.map_err(TurnError::NotTaken)?;
        self.owner = Some(owner.clone());
        (self.taken_over, self.token) = (true, None);
        Ok(owner)
    }

    /// Gives the rollout up, so that the next driver need not wait for the heartbeat to expire.
    pub(crate) async fn hand_over(&mut self) {
        let Some(owner) = self.owner.take() else {
            return;
        };
        let handed_over = self.call(self.ports.store.hand_over(&owner)).await;
        if let Err(error) = handed_over {
            warn!(%error, "the rollout could not be handed over; the next driver waits");
        }
    }

    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        let limit = self.ports.deadlines.call;
        within(self.ports.clock.as_ref(), limit, "the store", call).await
    }

    /// Reads the store, unless it is known what it holds.
    pub(crate) async fn load(&mut self) -> Result<(), PortError> {
        if self.token.is_some() {
            return Ok(());
        }
        let loaded = self.call(self.ports.store.load()).await?;
        self.saved = Some(Arc::new(loaded.saved));
        self.token = Some(loaded.token);
        Ok(())
    }

    /// What was saved last, as far as it is known.
    pub(crate) fn saved(&self, unloaded: Option<&PortError>) -> Arc<Saved> {
        let unreadable = || {
            let why = unloaded.map(ToString::to_string).unwrap_or_default();
            let message = format!("the store cannot be read: {why}");
            Arc::new(Saved::Unreadable { message })
        };
        self.saved.clone().unwrap_or_else(unreadable)
    }

    /// The state that was saved last.
    pub(crate) fn state(&self) -> Option<&State> {
        match self.saved.as_deref() {
            Some(Saved::State(state)) => Some(state),
            _ => None,
        }
    }

    /// Saves what the decision wants saved. When that fails the next round begins with a load.
    pub(crate) async fn persist(
        &mut self,
        decision: &Decision,
        owner: &Ownership,
        unloaded: Option<PortError>,
    ) -> Result<Persisted, TurnError> {
        let Some(state) = &decision.state else {
            if self.token.is_some() {
                self.settle();
            }
            return Ok(Persisted::Unchanged);
        };
        // Without its token a save that is cut short is followed by a load.
        let saving = match (self.token.take(), unloaded) {
            (Some(token), _) => self.save(state, &token, owner).await,
            (None, error) => Err(error.unwrap_or_else(not_loaded)),
        };
        match saving {
            Ok(token) => {
                self.saved = Some(Arc::new(Saved::State(state.clone())));
                self.token = Some(token);
                self.settle();
                Ok(Persisted::Saved)
            }
            Err(error) if error.kind == FaultKind::Fenced => Err(self.lose(error.to_fault())),
            Err(error) => {
                warn!(%error, "the state could not be saved");
                let (fault, now) = (error.to_fault(), self.ports.clock.now());
                self.save.failed(&fault, SLOWEST_SAVE, now);
                Ok(Persisted::Failed(fault))
            }
        }
    }

    fn settle(&mut self) {
        (self.save, self.taken_over) = (Backoff::default(), false);
    }

    async fn save(
        &self,
        state: &State,
        token: &Token,
        owner: &Ownership,
    ) -> Result<Token, PortError> {
        let span = debug_span!("gradatim.save");
        let call = self.ports.store.save(state, token, owner);
        self.call(call).instrument(span).await
    }

    fn lose(&mut self, fault: Fault) -> TurnError {
        error!(%fault, "another driver owns the rollout; this one stops");
        self.lost = Some(fault.clone());
        TurnError::Lost(fault)
    }

    /// A port has seen a newer stamp than ours. If the store still calls us the owner, our epoch
    /// was too low: the next round takes a higher one.
    pub(crate) async fn refused(
        &mut self,
        fault: Fault,
        owner: &Ownership,
    ) -> Result<(), TurnError> {
        let now = self.ports.clock.now();
        match is_owner(&self.ports, owner).await {
            Ok(false) => return Err(self.lose(fault)),
            Ok(true) if self.fence.is_over(now) => {
                self.owner = None;
                self.fence.failed(&fault, SLOWEST_FENCE, now);
            }
            // Nothing is performed under this stamp until the fence can be asked again.
            Ok(true) | Err(_) => {}
        }
        Ok(())
    }

    /// Takes orders out of the mailbox. One that stays is answered again, without effect.
    pub(crate) async fn take_out(&self, done: &[Acknowledgement]) {
        if done.is_empty() {
            return;
        }
        let taken_out = self.call(self.ports.store.acknowledge(done)).await;
        if let Err(error) = taken_out {
            warn!(%error, "orders could not be taken out of the mailbox");
        }
    }

    /// When the store wants another round, if it does.
    pub(crate) fn retry_at(&self, now: Timestamp) -> Option<Timestamp> {
        let untaken = self.owner.is_none().then_some(now);
        self.save.not_before().into_iter().chain(untaken).min()
    }
}

fn not_loaded() -> PortError {
    PortError::new(FaultKind::Other, "what the store holds is not known")
}

/// A name that nobody else has, in this process or in another.
pub(crate) fn default_holder() -> String {
    static DRIVERS: AtomicU64 = AtomicU64::new(0);
    let (process, started) = (std::process::id(), crate::clock::wall().as_millis());
    let driver = DRIVERS.fetch_add(1, Ordering::Relaxed);
    format!("gradatim-{process}-{started}-{driver}")
}
