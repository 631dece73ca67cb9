//! One rollout of a file store.

use async_trait::async_trait;
use gradatim_core::decision::{Decision, Saved};
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RolloutId;
use gradatim_core::order::{Acknowledgement, Order};
use gradatim_core::port::{Loaded, MailboxOrder, Ownership, PortError, Store, Token};
use gradatim_core::state::State;
use gradatim_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::disk::{Area, Disk};
use super::{FileStore, Published};
use crate::clock::wall;
use crate::store::memory::{conflict, is_done, unreadable};

/// One rollout of a [`FileStore`].
#[derive(Clone, Debug)]
pub struct FileRollout {
    store: FileStore,
    id: RolloutId,
}

/// A state with the number of its save.
#[derive(Serialize, Deserialize)]
struct Envelope<S> {
    save: u64,
    state: S,
}

/// What an owner's file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    #[serde(flatten)]
    owner: Ownership,
    /// Whether the owner has given the rollout up; its epoch is still the highest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    handed_over: bool,
}

impl Held {
    fn owner(self) -> Option<Ownership> {
        (!self.handed_over).then_some(self.owner)
    }
}

/// What a state's file holds.
struct Found {
    saved: Saved,
    save: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct Mailbox {
    last: u64,
    orders: Vec<Order>,
    /// What became of the newest ones that were taken out.
    #[serde(default)]
    answers: Vec<Acknowledgement>,
}

/// How many answers are kept for whoever gave the orders.
const MOST_ANSWERS: usize = 32;

impl FileRollout {
    pub(super) fn new(store: FileStore, id: RolloutId) -> Self {
        Self { store, id }
    }

    /// Its name.
    pub fn id(&self) -> &RolloutId {
        &self.id
    }

    /// Writes what a decision says, for people and other processes.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn publish(&self, decision: &Decision, now: Timestamp) -> Result<(), PortError> {
        self.store.publish(Published::new(&self.id, decision, now))
    }

    /// What the last decision said; none before the first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn published(&self) -> Result<Option<Published>, PortError> {
        self.store.published(&self.id)
    }

    /// Whether the driver that owns it is alive.
    ///
    /// # Errors
    /// When it cannot be read who owns it.
    pub fn is_driven(&self) -> Result<bool, PortError> {
        Ok(self
            .owner_now()?
            .is_some_and(|owner| self.store.is_alive(&owner.holder)))
    }

    /// What became of an order, by the number that [`Store::leave`] gave it; none while it is
    /// pending. The last 32 answers are kept.
    ///
    /// # Errors
    /// When the mailbox cannot be read.
    pub fn answer(&self, sequence: u64) -> Result<Option<Acknowledgement>, PortError> {
        let mailbox: Option<Mailbox> = self.disk().read(Area::Orders, self.id.as_str())?;
        let mut answers = mailbox.unwrap_or_default().answers.into_iter();
        Ok(answers.find(|answer| answer.sequence == sequence))
    }

    fn owner_now(&self) -> Result<Option<Ownership>, PortError> {
        let held: Option<Held> = self.disk().read(Area::Owner, self.id.as_str())?;
        Ok(held.and_then(Held::owner))
    }

    fn disk(&self) -> &Disk {
        &self.store.shared.disk
    }

    fn find(&self) -> Result<Found, PortError> {
        let Some(text) = self.disk().text(Area::State, self.id.as_str())? else {
            // Unlike a count it differs from every life before, whatever files were deleted.
            let incarnation = wall().as_millis().unsigned_abs();
            let saved = Saved::Nothing { incarnation };
            return Ok(Found { saved, save: 0 });
        };
        Ok(
            match serde_json::from_str::<Envelope<serde_json::Value>>(&text) {
                Ok(Envelope { save, state }) => Found {
                    saved: Saved::from_json(&state.to_string()),
                    save,
                },
                Err(error) => Found {
                    saved: Saved::Unreadable {
                        message: format!("the file of the state cannot be read: {error}"),
                    },
                    save: 0,
                },
            },
        )
    }

    fn save_now(
        &self,
        state: &State,
        token: &Token,
        owner: &Ownership,
    ) -> Result<Token, PortError> {
        let name = self.id.as_str();
        self.disk().locked(name, |disk| {
            let known = self.owner_now()?;
            if known.as_ref() != Some(owner) {
                return Err(Ownership::fenced(known.as_ref()));
            }
            let found = self.find()?;
            if let Saved::Unreadable { message } = &found.saved {
                return Err(unreadable(message));
            }
            if found.token() != *token {
                return Err(conflict());
            }
            let save = found.save.saturating_add(1);
            disk.replace(Area::State, name, &Envelope { save, state })?;
            Ok(Token(save.to_string()))
        })
    }

    fn take_now(&self, holder: &str, above: u64, force: bool) -> Result<Ownership, PortError> {
        let name = self.id.as_str();
        self.disk().locked(name, |disk| {
            let known = match disk.read::<Held>(Area::Owner, name) {
                Err(error) if force && error.kind == FaultKind::Malformed => None,
                known => known?,
            };
            let granted = known.as_ref().map_or(0, |held| held.owner.epoch);
            let other = known.and_then(Held::owner);
            let other = other.filter(|owner| owner.holder != holder);
            if let Some(other) = other.filter(|other| !force && self.store.is_alive(&other.holder))
            {
                return Err(Ownership::held(&other.holder));
            }
            let written = match self.find()?.saved {
                Saved::State(state) => state.epoch,
                Saved::Nothing { .. } | Saved::Unreadable { .. } => 0,
            };
            let owner = Ownership {
                holder: holder.to_owned(),
                epoch: granted.max(written).max(above).saturating_add(1),
            };
            self.store.beat(holder, true)?;
            disk.replace(Area::Owner, name, &owner)?;
            Ok(owner)
        })
    }

    fn hand_over_now(&self, owner: &Ownership) -> Result<(), PortError> {
        let name = self.id.as_str();
        self.disk().locked(name, |disk| {
            if self.owner_now()?.as_ref() != Some(owner) {
                return Ok(());
            }
            let held = Held {
                owner: owner.clone(),
                handed_over: true,
            };
            disk.replace(Area::Owner, name, &held)
        })
    }

    fn change_mailbox<T>(&self, change: impl FnOnce(&mut Mailbox) -> T) -> Result<T, PortError> {
        let name = self.id.as_str();
        self.disk().locked(name, |disk| {
            let mut mailbox = disk.read(Area::Orders, name)?.unwrap_or_default();
            let changed = change(&mut mailbox);
            disk.replace(Area::Orders, name, &mailbox)?;
            Ok(changed)
        })
    }

    /// Runs what waits for the disk where it holds up nobody, if there is a runtime for it.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let rollout = self.clone();
        if Handle::try_current().is_err() {
            return work(&rollout);
        }
        let broken =
            |error| PortError::new(FaultKind::Other, "the disk's thread is gone").caused_by(error);
        spawn_blocking(move || work(&rollout))
            .await
            .map_err(broken)?
    }
}

impl Mailbox {
    fn answered(&mut self, done: &[Acknowledgement]) {
        let is_ours = |done: &&Acknowledgement| {
            let mut orders = self.orders.iter();
            orders.any(|order| is_done(order, std::slice::from_ref(*done)))
        };
        let ours: Vec<_> = done.iter().filter(is_ours).cloned().collect();
        self.answers.extend(ours);
        let old = self.answers.len().saturating_sub(MOST_ANSWERS);
        self.answers.drain(..old);
        self.orders.retain(|order| !is_done(order, done));
    }
}

impl Found {
    fn token(&self) -> Token {
        Token(self.save.to_string())
    }
}

#[async_trait]
impl Store for FileRollout {
    async fn load(&self) -> Result<Loaded, PortError> {
        let found = self.blocking(Self::find).await?;
        let token = found.token();
        let saved = found.saved;
        Ok(Loaded { saved, token })
    }

    async fn save(
        &self,
        state: &State,
        token: &Token,
        owner: &Ownership,
    ) -> Result<Token, PortError> {
        let (state, token, owner) = (state.clone(), token.clone(), owner.clone());
        self.blocking(move |rollout| rollout.save_now(&state, &token, &owner))
            .await
    }

    async fn take(&self, holder: &str, above: u64, force: bool) -> Result<Ownership, PortError> {
        let holder = holder.to_owned();
        self.blocking(move |rollout| rollout.take_now(&holder, above, force))
            .await
    }

    async fn owner(&self) -> Result<Option<Ownership>, PortError> {
        self.blocking(Self::owner_now).await
    }

    async fn hand_over(&self, owner: &Ownership) -> Result<(), PortError> {
        let owner = owner.clone();
        self.blocking(move |rollout| rollout.hand_over_now(&owner))
            .await
    }

    async fn heartbeat(&self, holder: &str) -> Result<(), PortError> {
        self.store.beat(holder, false)
    }

    async fn leave(&self, order: &MailboxOrder) -> Result<u64, PortError> {
        let order = order.clone();
        self.blocking(move |rollout| {
            rollout.change_mailbox(|mailbox| {
                mailbox.last = mailbox.last.saturating_add(1);
                mailbox.orders.push(order.numbered(mailbox.last));
                mailbox.last
            })
        })
        .await
    }

    async fn pending(&self) -> Result<Vec<Order>, PortError> {
        let mailbox: Option<Mailbox> = self.disk().read(Area::Orders, self.id.as_str())?;
        Ok(mailbox.unwrap_or_default().orders)
    }

    async fn acknowledge(&self, done: &[Acknowledgement]) -> Result<(), PortError> {
        let done = done.to_vec();
        self.blocking(move |rollout| rollout.change_mailbox(|mailbox| mailbox.answered(&done)))
            .await
    }

    async fn changed(&self) {
        self.store.shared.bell.rung_for(self.id.as_str()).await;
    }
}
