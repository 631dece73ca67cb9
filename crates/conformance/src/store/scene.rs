//! One world with two stores on it, and states to save in them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use gradatim_core::decide;
use gradatim_core::decision::Saved;
use gradatim_core::fault::{Fault, FaultKind};
use gradatim_core::observation::Observation;
use gradatim_core::order::{Acknowledgement, Expects, Order, OrderKind};
use gradatim_core::plan::Plan;
use gradatim_core::port::{MailboxOrder, Ownership, Store, Token};
use gradatim_core::state::State;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::{RevisionSeen, WorkloadSeen};
use serde_json::Value;

use super::Bench;
use crate::report::{Check, Unkept, broken, done, ensure, refused, same};

pub(super) struct Scene<B: Bench> {
    pub(super) world: B::World,
    pub(super) store: Arc<dyn Store>,
    /// As another process has it.
    pub(super) other: Arc<dyn Store>,
    states: u64,
}

impl<B: Bench> Scene<B> {
    pub(super) async fn set(bench: &B) -> Self {
        let world = bench.world().await;
        let (store, other) = (bench.store(&world).await, bench.store(&world).await);
        Self {
            world,
            store,
            other,
            states: 0,
        }
    }

    /// A state that differs from all before, with what is easily lost on the way.
    pub(super) fn state(&mut self) -> Box<State> {
        self.states += 1;
        let text = "a \"quoted\" word,\na line, \u{e9}, \u{1f6a6} and \\u0000";
        let mut state = decided();
        state.sequence = self.states;
        // More than a double can hold.
        state.generation = u64::MAX - self.states;
        state.now = Timestamp::from_millis(1_800_000_000_001);
        state.told = Some(Fault::new(FaultKind::Other, text));
        state
    }

    pub(super) async fn take(&self, holder: &str) -> Result<Ownership, Unkept> {
        done(self.store.take(holder, 0, true).await, "`take`")
    }

    /// Saves a new state for an owner.
    pub(super) async fn save(&mut self, owner: &Ownership) -> Result<Box<State>, Unkept> {
        let token = done(self.store.load().await, "`load`")?.token;
        let state = self.state();
        let new = done(self.store.save(&state, &token, owner).await, "`save`")?;
        let found = done(self.other.load().await, "`load` by another process")?.token;
        same(
            new,
            found,
            "the token that `save` answers with, against the one that is loaded",
        )?;
        Ok(state)
    }

    /// Both processes load this state, bit for bit.
    pub(super) async fn holds_exactly(&self, state: &State, when: &str) -> Check {
        self.holds(state, when).await?;
        for store in [&self.store, &self.other] {
            let found = done(store.load().await, "`load`")?.saved;
            let differences = differences(&found, state);
            ensure(differences.is_empty(), || {
                format!(
                    "{when} the state that is loaded differs in {}",
                    differences.join("; ")
                )
            })?;
        }
        Ok(())
    }

    /// Both processes load this state, by its number.
    pub(super) async fn holds(&self, state: &State, when: &str) -> Check {
        for store in [&self.store, &self.other] {
            let found = done(store.load().await, "`load`")?.saved;
            let wanted = state.sequence;
            same(
                name(&found),
                format!("state {wanted}"),
                &format!("{when} what is loaded"),
            )?;
        }
        Ok(())
    }

    /// A save under the newest token is refused.
    pub(super) async fn is_fenced(&mut self, owner: &Ownership, what: &str) -> Check {
        let token = done(self.store.load().await, "`load`")?.token;
        let state = self.state();
        refused(
            self.store.save(&state, &token, owner).await,
            FaultKind::Fenced,
            what,
        )
    }

    pub(super) async fn unreadable(&self, when: &str) -> Result<Token, Unkept> {
        let loaded = done(self.other.load().await, "`load` of a spoilt state")?;
        match loaded.saved {
            Saved::Unreadable { .. } => Ok(loaded.token),
            other => broken(format!("{when} the state is loaded as {}", name(&other))),
        }
    }

    /// Both processes find these orders pending.
    pub(super) async fn pends(&self, numbers: &[u64]) -> Check {
        for store in [&self.store, &self.other] {
            let pending = done(store.pending().await, "`pending`")?;
            let found: Vec<u64> = pending.iter().map(|order| order.sequence).collect();
            same(found.as_slice(), numbers, "the orders that are pending")?;
        }
        Ok(())
    }
}

/// A state as the library decides one: the store need not know what is in it.
fn decided() -> Box<State> {
    let revision = RevisionSeen::new("v1", 1, Timestamp::ZERO).serving(2);
    let seen = Observation::new(1, WorkloadSeen::new("v1", 2, vec![revision]), Vec::new());
    let (plan, nothing) = (
        Plan::rolling_update("checked"),
        Saved::Nothing { incarnation: 1 },
    );
    let decision = decide(&plan, &nothing, &seen, Timestamp::from_secs(1_800_000_000));
    // A rollout that nothing is known of always gets a state.
    decision
        .state
        .unwrap_or_else(|| unreachable!("the first decision saves a state"))
}

/// What a store holds, in a word.
pub(super) fn name(saved: &Saved) -> String {
    match saved {
        Saved::Nothing { .. } => "nothing".to_owned(),
        Saved::State(state) => format!("state {}", state.sequence),
        Saved::Unreadable { message } => format!("what cannot be read ({message})"),
    }
}

/// The fields in which what is loaded differs from what was saved.
fn differences(found: &Saved, saved: &State) -> Vec<String> {
    let Saved::State(found) = found else {
        return vec![name(found)];
    };
    let fields = |state: &State| match serde_json::to_value(state) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (found, saved) = (fields(found), fields(saved));
    let differ = saved
        .iter()
        .filter(|(field, value)| found.get(*field) != Some(value));
    let told = differ.map(|(field, value)| {
        let found = found.get(field).unwrap_or(&Value::Null);
        format!("{field}: saved {value}, loaded {found}")
    });
    told.collect()
}

/// What a future answers, or none when it is dropped where it waits for the nth time.
pub(super) async fn cut_short<F: Future>(future: F, waits: u32) -> Option<F::Output> {
    let (mut future, mut waited) = (pin!(future), 0);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending if waited == waits => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

pub(super) fn order(kind: OrderKind) -> MailboxOrder {
    let expects = Expects {
        attempt: Some(3),
        ..Expects::default()
    };
    let by = Some("ann".to_owned());
    MailboxOrder { kind, expects, by }
}

pub(super) fn abort() -> MailboxOrder {
    order(OrderKind::Abort)
}

/// The acknowledgement of the order with this number.
pub(super) fn done_with(pending: &[Order], number: u64) -> Vec<Acknowledgement> {
    let found = pending.iter().filter(|order| order.sequence == number);
    let done = found.map(|order| Acknowledgement {
        source: order.source.clone(),
        sequence: order.sequence,
        refused: None,
    });
    done.collect()
}
