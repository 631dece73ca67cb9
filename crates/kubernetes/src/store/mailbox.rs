//! Orders on their way to whoever drives the rollout; pure.

use gradatim_core::fault::FaultKind;
use gradatim_core::order::{Acknowledgement, Order};
use gradatim_core::port::{MailboxOrder, PortError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::objects::text;

/// How many answers are kept for whoever gave the orders.
const MOST_ANSWERS: usize = 32;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Mailbox {
    last: u64,
    orders: Vec<Order>,
    /// What became of the newest ones that were taken out.
    #[serde(default)]
    answers: Vec<Acknowledgement>,
}

impl Mailbox {
    pub(super) fn read(found: Option<&Value>) -> Result<Self, PortError> {
        let Some(text) = found.and_then(|found| text(found, "/data/orders")) else {
            return Ok(Self::default());
        };
        serde_json::from_str(text).map_err(|error| {
            let text = "the mailbox cannot be read; delete it, and the orders in it are lost";
            PortError::new(FaultKind::Malformed, text).caused_by(error)
        })
    }

    pub(super) fn patch(&self) -> Result<Value, PortError> {
        let text = serde_json::to_string(self).map_err(|error| {
            PortError::new(FaultKind::Other, "the mailbox cannot be written").caused_by(error)
        })?;
        Ok(json!({"data": {"orders": text}}))
    }

    pub(super) fn leave(&mut self, order: &MailboxOrder) -> u64 {
        self.last = self.last.saturating_add(1);
        self.orders.push(order.numbered(self.last));
        self.last
    }

    pub(super) fn pending(self) -> Vec<Order> {
        self.orders
    }

    pub(super) fn answered(&mut self, done: &[Acknowledgement]) {
        let is_done = |order: &Order, done: &Acknowledgement| {
            done.source == order.source && done.sequence == order.sequence
        };
        let ours = done
            .iter()
            .filter(|done| self.orders.iter().any(|order| is_done(order, done)));
        let ours: Vec<_> = ours.cloned().collect();
        self.answers.extend(ours);
        let old = self.answers.len().saturating_sub(MOST_ANSWERS);
        self.answers.drain(..old);
        self.orders
            .retain(|order| !done.iter().any(|done| is_done(order, done)));
    }

    pub(super) fn answer(self, sequence: u64) -> Option<Acknowledgement> {
        self.answers
            .into_iter()
            .find(|answer| answer.sequence == sequence)
    }
}
