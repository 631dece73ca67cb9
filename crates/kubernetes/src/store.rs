//! The store on objects of ours.
//!
//! ```text
//! ConfigMap <rollout>-gradatim-state    the state, the number of its save, and who owns it
//! ConfigMap <rollout>-gradatim-orders   the mailbox: who may order need not be let at the state
//! Lease     gradatim-<holder>           the heartbeat of a driver, for all that it owns
//! ```
//!
//! Each write is conditional on the `resourceVersion` that was read, so that state and ownership
//! change together or not at all.

mod beat;
mod mailbox;
mod state;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gradatim_core::decision::Saved;
use gradatim_core::fault::FaultKind;
use gradatim_core::order::{Acknowledgement, Order};
use gradatim_core::port::{Loaded, MailboxOrder, Ownership, PortError, Store, Token};
use gradatim_core::state::State;
use kube::Client;
use serde_json::{Value, json};

use self::beat::Beats;
use self::mailbox::Mailbox;
use self::state::Held;
use crate::fence::now;
use crate::names;
use crate::objects::{Kind, Objects};
use crate::owner::Owner;
use crate::watch::{Memory, Watch};

/// The least that a store may: a Role, as YAML.
pub const ROLE: &str = include_str!("../roles/store.yaml");

/// Keeps rollouts in one namespace; clones share it.
#[derive(Clone)]
pub struct KubeStore {
    client: Client,
    namespace: String,
    maps: Objects,
    beats: Arc<Beats>,
}

impl KubeStore {
    /// A store in a namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        let maps = Kind::new("v1", "ConfigMap", "configmaps");
        Self {
            maps: Objects::new(client.clone(), namespace, maps),
            beats: Arc::new(Beats::new(client.clone(), namespace)),
            client,
            namespace: namespace.to_owned(),
        }
    }

    /// The store of one rollout. Of a name that is too long for an object's a part stands there,
    /// with a hash of the whole.
    pub fn rollout(&self, name: &str) -> KubeRollout {
        let orders = names::of_object(name, "-gradatim-orders");
        KubeRollout {
            state: names::of_object(name, "-gradatim-state"),
            mail: self.maps.watch(&orders),
            orders,
            owner: None,
            seen: Memory::default(),
            store: self.clone(),
        }
    }

    /// The client that it was made with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Says that a holder is gone, so that others need not wait for its heartbeat to expire.
    ///
    /// # Errors
    /// When it could not be said.
    pub async fn retire(&self, holder: &str) -> Result<(), PortError> {
        self.beats.end(holder).await
    }
}

/// One rollout of a [`KubeStore`].
pub struct KubeRollout {
    store: KubeStore,
    state: String,
    orders: String,
    owner: Option<Owner>,
    mail: Watch,
    seen: Memory<Vec<Order>>,
}

impl KubeRollout {
    /// The same, its objects owned by another one: they go when it goes.
    #[must_use]
    pub fn owned_by(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// What became of an order, by the number that [`Store::leave`] gave it; none while it is
    /// pending. The last 32 answers are kept.
    ///
    /// # Errors
    /// When the mailbox cannot be read.
    pub async fn answer(&self, sequence: u64) -> Result<Option<Acknowledgement>, PortError> {
        Ok(self.mailbox().await?.answer(sequence))
    }

    /// A ConfigMap that is not there yet.
    fn fresh(&self, name: &str) -> Value {
        let mut fresh = self.store.maps.kind().named(name);
        fresh["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "gradatim"});
        if let Some(owner) = &self.owner {
            fresh["metadata"]["ownerReferences"] = json!([owner.reference()]);
        }
        fresh
    }

    async fn held(&self) -> Result<Held, PortError> {
        let found = self.store.maps.find(&self.state).await?;
        Ok(Held::read(found.as_ref()))
    }

    async fn mailbox(&self) -> Result<Mailbox, PortError> {
        Mailbox::read(self.store.maps.find(&self.orders).await?.as_ref())
    }

    async fn change_mailbox<T>(&self, change: impl Fn(&mut Mailbox) -> T) -> Result<T, PortError> {
        let fresh = self.fresh(&self.orders);
        let changed = Cell::default();
        let edit = |found: Option<&Value>| {
            let mut mailbox = Mailbox::read(found)?;
            changed.put(change(&mut mailbox));
            mailbox.patch().map(Some)
        };
        let written = self.store.maps.change_or_create(&fresh, edit).await;
        self.mail.forget();
        written?;
        changed.take()
    }
}

/// What the last of several tries to write made.
struct Cell<T>(Mutex<Option<T>>);

impl<T> Default for Cell<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Cell<T> {
    fn put(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    fn take(self) -> Result<T, PortError> {
        let value = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        value.ok_or_else(|| PortError::new(FaultKind::Other, "nothing was written"))
    }
}

#[async_trait]
impl Store for KubeRollout {
    async fn load(&self) -> Result<Loaded, PortError> {
        let held = self.held().await?;
        let nothing = Saved::Nothing {
            // Unlike a count it differs from every life before, whatever was deleted.
            incarnation: now().as_millis().unsigned_abs(),
        };
        Ok(Loaded {
            saved: held.saved().unwrap_or(nothing),
            token: held.token(),
        })
    }

    async fn save(
        &self,
        state: &State,
        token: &Token,
        owner: &Ownership,
    ) -> Result<Token, PortError> {
        let edit = |found: &Value| Held::read(Some(found)).save(state, token, owner).map(Some);
        match self.store.maps.change(&self.state, edit).await {
            Ok(written) => Ok(Held::read(Some(&written)).token()),
            Err(error) if error.kind == FaultKind::NotFound => Err(Ownership::fenced(None)),
            Err(error) => Err(error),
        }
    }

    async fn take(&self, holder: &str, above: u64, force: bool) -> Result<Ownership, PortError> {
        let found = self.held().await?;
        if let Some(other) = found.other_owner(holder, force)?
            && !force
            && self.store.beats.is_alive(&other.holder).await?
        {
            return Err(Ownership::held(&other.holder));
        }
        self.store.beats.beat(holder, true).await?;
        let granted = Cell::default();
        let edit = |now: Option<&Value>| {
            let held = Held::read(now);
            // Whether whoever took it in between is alive was not asked.
            if !force && !held.is_owned_as(&found) {
                return Err(state::taken());
            }
            let owner = held.grant(holder, above, force)?;
            granted.put(owner.clone());
            Ok(Some(state::grant_patch(&owner)))
        };
        let fresh = self.fresh(&self.state);
        self.store.maps.change_or_create(&fresh, edit).await?;
        granted.take()
    }

    async fn hand_over(&self, owner: &Ownership) -> Result<(), PortError> {
        let edit = |found: &Value| {
            let is_owner = Held::read(Some(found)).owner()?.as_ref() == Some(owner);
            Ok(is_owner.then(|| state::hand_over_patch(owner)))
        };
        match self.store.maps.change(&self.state, edit).await {
            Err(error) if error.kind != FaultKind::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn owner(&self) -> Result<Option<Ownership>, PortError> {
        self.held().await?.owner()
    }

    async fn heartbeat(&self, holder: &str) -> Result<(), PortError> {
        self.store.beats.beat(holder, false).await
    }

    async fn leave(&self, order: &MailboxOrder) -> Result<u64, PortError> {
        self.change_mailbox(|mailbox| mailbox.leave(order)).await
    }

    async fn pending(&self) -> Result<Vec<Order>, PortError> {
        let read = async { Ok(self.mailbox().await?.pending()) };
        self.mail.remembered(&self.seen, read).await
    }

    async fn acknowledge(&self, done: &[Acknowledgement]) -> Result<(), PortError> {
        if done.is_empty() {
            return Ok(());
        }
        self.change_mailbox(|mailbox| mailbox.answered(done)).await
    }

    fn is_watched(&self) -> bool {
        true
    }

    async fn changed(&self) {
        self.mail.changed().await;
    }
}
