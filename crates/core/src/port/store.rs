use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{PortError, never};
use crate::decision::Saved;
use crate::fault::FaultKind;
use crate::order::{Acknowledgement, Expects, Order, OrderKind};
use crate::state::State;

/// What a save is conditional on: the version of what was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Token(pub String);

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The state.
    pub saved: Saved,
    /// What the next save is conditional on.
    pub token: Token,
}

/// Who may act on a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// The driver's name.
    pub holder: String,
    /// The epoch that was granted with it; each grant's is higher.
    pub epoch: u64,
}

impl Ownership {
    /// What a save is refused with whose driver is not, or no longer, the owner.
    pub fn fenced(owner: Option<&Self>) -> PortError {
        let text = match owner {
            Some(Self { holder, epoch }) => format!("{holder} owns the rollout, epoch {epoch}"),
            None => "nobody has taken the rollout".to_owned(),
        };
        PortError::new(FaultKind::Fenced, text)
    }

    /// What a take is refused with while the holder is alive.
    pub fn held(holder: &str) -> PortError {
        let text =
            format!("{holder} owns the rollout and is alive; take over by force, or stop it");
        PortError::new(FaultKind::Forbidden, text)
    }
}

/// An order as it is left in a store's mailbox; the store numbers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxOrder {
    /// What it asks for.
    pub kind: OrderKind,
    /// What it was meant for.
    #[serde(default)]
    pub expects: Expects,
    /// Who gives it, for people; none where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl MailboxOrder {
    /// The source of every order that was left in a mailbox.
    pub const SOURCE: &'static str = "mailbox";

    /// The order under the number that its store gives it.
    pub fn numbered(&self, sequence: u64) -> Order {
        Order {
            source: Self::SOURCE.to_owned(),
            sequence,
            kind: self.kind.clone(),
            expects: self.expects.clone(),
            by: self.by.clone(),
        }
    }
}

/// Keeps the state of one rollout, grants its ownership and carries orders to its owner.
///
/// The rules:
/// 1. What was saved is loaded, bit for bit, by any process.
/// 2. `save` is compare-and-set: with a token that is not the newest it changes nothing and is
///    an error of kind [`Conflict`](crate::fault::FaultKind::Conflict).
/// 3. `take` grants an epoch above every one granted before and above `above`.
/// 4. A save by a holder that no longer owns the rollout is an error of kind
///    [`Fenced`](crate::fault::FaultKind::Fenced).
/// 5. A crash at any instant leaves what was saved before or what was saved after, never between.
/// 6. What cannot be read is [`Saved::Unreadable`], and no save overwrites it.
/// 7. Orders are numbered in the order in which they were left; an acknowledged one is not
///    pending again, one that is not acknowledged stays pending.
/// 8. `take` by another holder while the owner's heartbeat is fresh is an error of kind
///    [`Forbidden`](crate::fault::FaultKind::Forbidden), unless `force` says otherwise.
/// 9. `hand_over` by exactly the owner lets another holder take the rollout at once, with a higher
///    epoch, and the one that has handed it over saves no more; by anybody else, or under an
///    older epoch, it changes nothing.
#[async_trait]
pub trait Store: Send + Sync {
    /// What is saved.
    ///
    /// # Errors
    /// When it could not be read; a state that makes no sense is not an error but
    /// [`Saved::Unreadable`].
    async fn load(&self) -> Result<Loaded, PortError>;

    /// Saves a state on behalf of an owner, if nobody saved since `token` was given out.
    ///
    /// # Errors
    /// See the rules.
    async fn save(
        &self,
        state: &State,
        token: &Token,
        owner: &Ownership,
    ) -> Result<Token, PortError>;

    /// Takes the rollout for a holder, with an epoch above `above`.
    ///
    /// # Errors
    /// When somebody else owns it and is alive.
    async fn take(&self, holder: &str, above: u64, force: bool) -> Result<Ownership, PortError>;

    /// Who owns it now.
    ///
    /// # Errors
    /// When it could not be read.
    async fn owner(&self) -> Result<Option<Ownership>, PortError>;

    /// Gives the rollout up for whoever comes next: its owner is alive, perhaps for other rollouts,
    /// and acts on this one no more. By default nothing: the next holder waits for the heartbeat
    /// to expire.
    ///
    /// # Errors
    /// When it could not be written.
    async fn hand_over(&self, owner: &Ownership) -> Result<(), PortError> {
        let _ = owner;
        Ok(())
    }

    /// Says that the holder is alive, for everything that it owns.
    ///
    /// # Errors
    /// When it could not be written.
    async fn heartbeat(&self, holder: &str) -> Result<(), PortError>;

    /// Leaves an order for whoever drives the rollout, and numbers it.
    ///
    /// # Errors
    /// When it could not be written.
    async fn leave(&self, order: &MailboxOrder) -> Result<u64, PortError>;

    /// Orders not yet acknowledged, oldest first.
    ///
    /// # Errors
    /// When they could not be read.
    async fn pending(&self) -> Result<Vec<Order>, PortError>;

    /// Takes orders out of the mailbox.
    ///
    /// # Errors
    /// When they could not be taken out.
    async fn acknowledge(&self, done: &[Acknowledgement]) -> Result<(), PortError>;

    /// Whether [`changed`](Self::changed) misses no order; see
    /// [`Workload::is_watched`](super::Workload::is_watched).
    fn is_watched(&self) -> bool {
        false
    }

    /// Resolves when an order may have been left; pending for ever by default.
    async fn changed(&self) {
        never().await;
    }
}
