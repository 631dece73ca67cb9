//! A store that lives as long as the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gradatim_core::decision::Saved;
use gradatim_core::fault::FaultKind;
use gradatim_core::order::{Acknowledgement, Order};
use gradatim_core::port::{Loaded, MailboxOrder, Ownership, PortError, Store, Token};
use gradatim_core::state::State;
use gradatim_core::time::Timestamp;
use tokio::sync::Notify;

use super::file::EXPIRY;
use crate::clock::Clock;

/// Keeps one rollout in memory; clones share what they hold.
///
/// Without a clock an owner counts as alive for ever, so that another one has to force its way.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    clock: Option<Arc<dyn Clock>>,
}

#[derive(Default)]
struct Shared {
    held: Mutex<Held>,
    mail: Notify,
}

#[derive(Default)]
struct Held {
    saved: Option<Saved>,
    saves: u64,
    owner: Option<Ownership>,
    epoch: u64,
    beats: BTreeMap<String, Timestamp>,
    orders: Vec<Order>,
    last_order: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store in which an owner's heartbeat expires after 30 s of this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::default(),
            clock: Some(clock),
        }
    }

    /// Puts something there as if it had been saved before: a backup, or what nobody can read.
    pub fn put(&self, saved: Saved) {
        let mut held = self.held();
        held.saves += 1;
        held.saved = Some(saved);
    }

    /// What is saved, for a test or a screen.
    pub fn saved(&self) -> Option<Saved> {
        self.held().saved.clone()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        let held = self.shared.held.lock();
        held.unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.clock
            .as_ref()
            .map_or(Timestamp::ZERO, |clock| clock.now())
    }
}

impl Held {
    fn token(&self) -> Token {
        Token(self.saves.to_string())
    }

    fn is_alive(&self, holder: &str, now: Timestamp) -> bool {
        let expired = |beat: &Timestamp| now.since(*beat) > EXPIRY;
        !self.beats.get(holder).is_some_and(expired)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self) -> Result<Loaded, PortError> {
        let held = self.held();
        let nothing = Saved::Nothing { incarnation: 1 };
        Ok(Loaded {
            saved: held.saved.clone().unwrap_or(nothing),
            token: held.token(),
        })
    }

    async fn save(
        &self,
        state: &State,
        token: &Token,
        owner: &Ownership,
    ) -> Result<Token, PortError> {
        let mut held = self.held();
        if held.owner.as_ref() != Some(owner) {
            return Err(Ownership::fenced(held.owner.as_ref()));
        }
        if let Some(Saved::Unreadable { message }) = &held.saved {
            return Err(unreadable(message));
        }
        if held.token() != *token {
            return Err(conflict());
        }
        held.saves += 1;
        held.saved = Some(Saved::State(Box::new(state.clone())));
        Ok(held.token())
    }

    async fn take(&self, holder: &str, above: u64, force: bool) -> Result<Ownership, PortError> {
        let now = self.now();
        let mut held = self.held();
        if let Some(owner) = &held.owner
            && owner.holder != holder
            && !force
            && held.is_alive(&owner.holder, now)
        {
            return Err(Ownership::held(&owner.holder));
        }
        held.epoch = held.epoch.max(above).saturating_add(1);
        let owner = Ownership {
            holder: holder.to_owned(),
            epoch: held.epoch,
        };
        held.owner = Some(owner.clone());
        held.beats.insert(holder.to_owned(), now);
        Ok(owner)
    }

    async fn hand_over(&self, owner: &Ownership) -> Result<(), PortError> {
        let mut held = self.held();
        if held.owner.as_ref() == Some(owner) {
            // The epoch stays, so that the next grant is above it.
            held.owner = None;
        }
        Ok(())
    }

    async fn owner(&self) -> Result<Option<Ownership>, PortError> {
        Ok(self.held().owner.clone())
    }

    async fn heartbeat(&self, holder: &str) -> Result<(), PortError> {
        let now = self.now();
        self.held().beats.insert(holder.to_owned(), now);
        Ok(())
    }

    async fn leave(&self, order: &MailboxOrder) -> Result<u64, PortError> {
        let sequence = {
            let mut held = self.held();
            held.last_order += 1;
            let order = order.numbered(held.last_order);
            held.orders.push(order);
            held.last_order
        };
        self.shared.mail.notify_one();
        Ok(sequence)
    }

    async fn pending(&self) -> Result<Vec<Order>, PortError> {
        Ok(self.held().orders.clone())
    }

    async fn acknowledge(&self, done: &[Acknowledgement]) -> Result<(), PortError> {
        self.held().orders.retain(|order| !is_done(order, done));
        Ok(())
    }

    fn is_watched(&self) -> bool {
        true
    }

    async fn changed(&self) {
        self.shared.mail.notified().await;
    }
}

pub(super) fn is_done(order: &Order, done: &[Acknowledgement]) -> bool {
    done.iter()
        .any(|done| done.source == order.source && done.sequence == order.sequence)
}

pub(super) fn conflict() -> PortError {
    PortError::new(FaultKind::Conflict, "somebody else has saved in between")
}

pub(super) fn unreadable(message: &str) -> PortError {
    let text = format!("what cannot be read is never overwritten: {message}");
    PortError::new(FaultKind::Invalid, text)
}
