//! Telling events: beside the rounds, never in their way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use gradatim_core::event::{Event, EventId};
use gradatim_core::fault::Retry;
use gradatim_core::id::RolloutId;
use gradatim_core::port::Notifier;
use tracing::warn;

use crate::clock::Clock;
use crate::deadline::{Backoff, within};
use crate::ports::Ports;

/// How often an event is tried before the state is asked again whether it still matters.
const TRIES: u32 = 6;

/// An event that a notifier, by its place among the ports, was told.
type Told = (EventId, usize);

/// Which events are being told, and which were.
#[derive(Default)]
pub(crate) struct Telling {
    batches: FuturesUnordered<BoxFuture<'static, (Vec<EventId>, Vec<Told>)>>,
    open: BTreeSet<EventId>,
    told: BTreeSet<Told>,
    delivered: BTreeSet<EventId>,
}

impl Telling {
    /// Events that everyone was told and that the state still holds.
    pub(crate) fn delivered(&self) -> Vec<EventId> {
        self.delivered.iter().copied().collect()
    }

    /// Tells what is new among the events of a saved state; each notifier in their order.
    pub(crate) fn follow(&mut self, rollout: &RolloutId, events: &[Event], ports: &Ports) {
        let held: BTreeSet<EventId> = events.iter().map(|event| event.id).collect();
        self.delivered.retain(|id| held.contains(id));
        self.told.retain(|(id, _)| held.contains(id));
        let is_new = |e: &&Event| !self.open.contains(&e.id) && !self.delivered.contains(&e.id);
        let fresh: Vec<Event> = events.iter().filter(is_new).cloned().collect();
        if fresh.is_empty() {
            return;
        }
        let ids: Vec<EventId> = fresh.iter().map(|event| event.id).collect();
        if ports.notifiers.is_empty() {
            self.delivered.extend(ids);
            return;
        }
        self.open.extend(&ids);
        let batch = self.batch(rollout, &fresh, ports);
        self.batches
            .push(Box::pin(async move { (ids, batch.await) }));
    }

    fn batch(
        &self,
        rollout: &RolloutId,
        events: &[Event],
        ports: &Ports,
    ) -> BoxFuture<'static, Vec<Told>> {
        let notifiers = ports.notifiers.iter().enumerate().map(|(place, notifier)| {
            let untold = |event: &&Event| !self.told.contains(&(event.id, place));
            let teller = Teller {
                clock: Arc::clone(&ports.clock),
                limit: ports.deadlines.call,
                notifier: Arc::clone(notifier),
                rollout: rollout.clone(),
            };
            let events: Vec<Event> = events.iter().filter(untold).cloned().collect();
            async move { teller.tell_all(events, place).await }
        });
        let all: Vec<_> = notifiers.collect();
        Box::pin(async move { join_all(all).await.concat() })
    }

    /// Resolves when a batch was told or given up; never when none is under way.
    pub(crate) async fn ready(&mut self, ports: &Ports) {
        match self.batches.next().await {
            Some((ids, told)) => self.take(ids, told, ports.notifiers.len()),
            None => std::future::pending().await,
        }
    }

    fn take(&mut self, ids: Vec<EventId>, told: Vec<Told>, notifiers: usize) {
        self.told.extend(told);
        for id in ids {
            self.open.remove(&id);
            if (0..notifiers).all(|place| self.told.contains(&(id, place))) {
                self.delivered.insert(id);
            }
        }
    }

    /// Whether nothing is being told.
    pub(crate) fn is_quiet(&self) -> bool {
        self.batches.is_empty()
    }
}

struct Teller {
    clock: Arc<dyn Clock>,
    limit: Duration,
    notifier: Arc<dyn Notifier>,
    rollout: RolloutId,
}

impl Teller {
    async fn tell_all(&self, events: Vec<Event>, place: usize) -> Vec<Told> {
        let mut told = Vec::new();
        for event in events {
            if self.tell(&event).await {
                told.push((event.id, place));
            }
        }
        told
    }

    /// Whether it was told, or can never be.
    async fn tell(&self, event: &Event) -> bool {
        let clock = self.clock.as_ref();
        let mut backoff = Backoff::default();
        loop {
            let call = self.notifier.tell(&self.rollout, event);
            let Err(error) = within(clock, self.limit, "a notifier", call).await else {
                return true;
            };
            warn!(%error, rollout = %self.rollout, event = %event.id, "an event was not told");
            let fault = error.to_fault();
            if fault.retry == Retry::Never {
                return true;
            }
            backoff.failed(&fault, Duration::from_secs(30), clock.now());
            if backoff.failures() >= TRIES {
                return false;
            }
            clock
                .sleep_until(backoff.not_before().unwrap_or_default())
                .await;
        }
    }
}
