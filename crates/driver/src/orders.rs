//! Orders given inside the process, and what became of them.

use futures::channel::oneshot;
use gradatim_core::decision::Saved;
use gradatim_core::order::{Acknowledgement, Expects, Order, OrderKind};

/// Who numbers the orders that are given inside the process.
const SOURCE: &str = "handle";

/// An order did not take effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It does not fit where the rollout stands.
    #[error("refused: {0}")]
    Refused(String),
    /// The rollout is no longer driven here; what became of the order is not known.
    #[error("the rollout is no longer driven here")]
    Gone,
}

/// The answer to an order that was given; resolves once its effect is saved.
#[derive(Debug)]
pub struct OrderTicket(oneshot::Receiver<Result<(), OrderError>>);

impl OrderTicket {
    /// Waits for the answer.
    ///
    /// # Errors
    /// When the order was refused, or nobody drives the rollout any more.
    pub async fn answer(self) -> Result<(), OrderError> {
        self.0.await.unwrap_or(Err(OrderError::Gone))
    }
}

impl OrderTicket {
    pub(crate) fn new() -> (Answer, Self) {
        let (answer, ticket) = oneshot::channel();
        (answer, Self(ticket))
    }
}

/// Where an answer is awaited.
pub(crate) type Answer = oneshot::Sender<Result<(), OrderError>>;

/// Orders that wait for their save.
#[derive(Default)]
pub(crate) struct Desk {
    open: Vec<Open>,
    last: u64,
}

struct Open {
    kind: OrderKind,
    expects: Expects,
    /// None before the first round that takes it up.
    sequence: Option<u64>,
    answer: Answer,
}

impl Desk {
    pub(crate) fn give(&mut self, kind: OrderKind, expects: Expects, answer: Answer) {
        self.open.push(Open {
            kind,
            expects,
            sequence: None,
            answer,
        });
    }

    /// Whether no order waits for its answer.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The open orders, numbered above everything that the state has taken.
    pub(crate) fn orders(&mut self, saved: &Saved) -> Vec<Order> {
        let taken = match saved {
            Saved::State(state) => state.orders.get(SOURCE).copied().unwrap_or(0),
            Saved::Nothing { .. } | Saved::Unreadable { .. } => 0,
        };
        self.last = self.last.max(taken);
        let last = &mut self.last;
        let order = |open: &mut Open| Order {
            source: SOURCE.to_owned(),
            sequence: *open.sequence.get_or_insert_with(|| {
                *last += 1;
                *last
            }),
            kind: open.kind.clone(),
            expects: open.expects.clone(),
            by: None,
        };
        self.open.iter_mut().map(order).collect()
    }

    /// Answers orders whose effect is saved; the rest of the acknowledgements is the mailbox's.
    pub(crate) fn answer(&mut self, done: &[Acknowledgement]) -> Vec<Acknowledgement> {
        let (ours, theirs): (Vec<_>, Vec<_>) =
            done.iter().cloned().partition(|done| done.source == SOURCE);
        for done in ours {
            let place = self
                .open
                .iter()
                .position(|open| open.sequence == Some(done.sequence));
            if let Some(open) = place.map(|place| self.open.remove(place)) {
                let answer = done
                    .refused
                    .map_or(Ok(()), |why| Err(OrderError::Refused(why)));
                // Whoever gave the order may not care for the answer.
                let _ = open.answer.send(answer);
            }
        }
        theirs
    }
}
