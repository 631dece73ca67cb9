//! Keys that are orders: they go through the same mailbox as those from another terminal.

use gradatim_core::decision::Summary;
use gradatim_core::order::{Acknowledgement, OrderKind};
use gradatim_core::port::{MailboxOrder, Store};
use gradatim_driver::Turn;
use gradatim_driver::store::FileRollout;

use super::keys::{Key, Keys};
use super::look::Tone;
use super::order::{expects, operator};
use super::text::clean;

/// What can be pressed.
pub(super) const KEYS: &str = "p promote   a abort   q leave it as it is";

/// Takes keys, and says what became of the orders.
pub(super) struct Desk {
    keys: Option<Keys>,
    rollout: FileRollout,
    open: Vec<(u64, OrderKind)>,
    /// The numbers of what was ordered here.
    own: Vec<u64>,
    /// The newest order of the mailbox that was told.
    told: u64,
}

impl Desk {
    /// Without keys nothing is ever ordered here.
    pub(super) fn new(keys: Option<Keys>, rollout: FileRollout) -> Self {
        Self {
            keys,
            rollout,
            open: Vec::new(),
            own: Vec::new(),
            told: 0,
        }
    }

    /// Whether somebody can press keys.
    pub(super) fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// Resolves with the next key.
    pub(super) async fn pressed(&mut self) -> Key {
        match &mut self.keys {
            Some(keys) => keys.pressed().await,
            None => std::future::pending().await,
        }
    }

    /// Leaves the order that a key stands for, for what is seen now.
    pub(super) async fn order(&mut self, key: Key, seen: Option<&Summary>) -> (Tone, String) {
        let kind = match key {
            Key::Promote => OrderKind::Promote,
            Key::Abort => OrderKind::Abort,
            // The caller's own business.
            Key::Leave => return (Tone::Plain, String::new()),
        };
        let order = MailboxOrder {
            expects: expects(&kind, seen),
            kind: kind.clone(),
            by: operator(),
        };
        match self.rollout.leave(&order).await {
            Ok(sequence) => {
                self.open.push((sequence, kind.clone()));
                self.own.push(sequence);
                (Tone::Waiting, said(&kind, order.by.as_deref(), seen))
            }
            Err(error) => {
                let why = clean(&error.text).into_owned();
                (Tone::Bad, format!("{kind} could not be ordered: {why}"))
            }
        }
    }

    /// What somebody else has ordered, as far as it is new.
    pub(super) fn others(&mut self, turn: &Turn) -> Vec<String> {
        let orders = turn.observation.orders.iter();
        let fresh: Vec<_> = orders
            .filter(|order| order.source == MailboxOrder::SOURCE && order.sequence > self.told)
            .collect();
        let newest = fresh.iter().map(|order| order.sequence).max();
        self.told = newest.unwrap_or(self.told);
        let others = fresh.iter().filter(|it| !self.own.contains(&it.sequence));
        let seen = Some(&turn.decision.summary);
        let told = others.map(|order| said(&order.kind, order.by.as_deref(), seen));
        told.collect()
    }

    /// What became of orders since it was asked last.
    pub(super) fn answers(&mut self) -> Vec<(Tone, String)> {
        let mut said = Vec::new();
        // A mailbox that cannot be read now is read again; the release goes on.
        self.open
            .retain(|(sequence, kind)| match self.rollout.answer(*sequence) {
                Ok(Some(answer)) => {
                    said.push(answered(kind, &answer));
                    false
                }
                Ok(None) | Err(_) => true,
            });
        said
    }
}

fn said(kind: &OrderKind, by: Option<&str>, seen: Option<&Summary>) -> String {
    let by = by.map_or_else(|| "an operator".into(), clean);
    let stable = seen.and_then(|it| it.stable.as_ref());
    let stable = stable.map_or_else(|| "stable".into(), |it| clean(it.as_str()));
    match kind {
        OrderKind::Abort => format!("abort by {by}: all traffic goes back to {stable}"),
        kind => format!("{kind} by {by}"),
    }
}

fn answered(kind: &OrderKind, answer: &Acknowledgement) -> (Tone, String) {
    match &answer.refused {
        Some(why) => (Tone::Bad, format!("refused: {kind}: {}", clean(why))),
        None => (Tone::Good, format!("done: {kind}")),
    }
}
