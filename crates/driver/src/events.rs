//! Telling events: beside the rounds, never in their way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use gradatim_core::event::{Event, EventId, EventKind};
use gradatim_core::fault::Retry;
use gradatim_core::id::RolloutId;
use gradatim_core::port::Notifier;
use tracing::warn;

use crate::clock::Clock;
use crate::deadline::{Backoff, within};
use crate::evidence::{Evidence, Gathering};
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
    ///
    /// That an analysis failed is told with the lines that say why: it waits for them, for as long
    /// as reading them may take.
    pub(crate) fn follow(
        &mut self,
        rollout: &RolloutId,
        events: &[Event],
        ports: &Ports,
        gathering: &Gathering,
    ) {
        let held: BTreeSet<EventId> = events.iter().map(|event| event.id).collect();
        self.delivered.retain(|id| held.contains(id));
        self.told.retain(|(id, _)| held.contains(id));
        let is_new = |e: &&Event| !self.open.contains(&e.id) && !self.delivered.contains(&e.id);
        let mut fresh: Vec<Event> = events.iter().filter(is_new).cloned().collect();
        if fresh.is_empty() {
            return;
        }
        let ids: Vec<EventId> = fresh.iter().map(|event| event.id).collect();
        if ports.notifiers.is_empty() {
            self.delivered.extend(ids);
            return;
        }
        self.open.extend(&ids);
        let tellers = self.tellers(rollout, ports);
        let failed = fresh
            .iter()
            .any(|it| it.kind == EventKind::AnalysisRunFailed);
        let why = failed.then(|| gathering.settled());
        self.batches.push(Box::pin(async move {
            if let Some(why) = why {
                explain(&mut fresh, &why.await);
            }
            let told = tellers.iter().map(|teller| teller.tell_all(&fresh));
            (ids, join_all(told).await.concat())
        }));
    }

    fn tellers(&self, rollout: &RolloutId, ports: &Ports) -> Vec<Teller> {
        let notifiers = ports.notifiers.iter().enumerate();
        let teller = |(place, notifier): (usize, &Arc<dyn Notifier>)| Teller {
            clock: Arc::clone(&ports.clock),
            limit: ports.deadlines.call,
            notifier: Arc::clone(notifier),
            rollout: rollout.clone(),
            place,
            told: self.told.clone(),
        };
        notifiers.map(teller).collect()
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

/// Puts the lines that say why into the events of a failure.
fn explain(events: &mut [Event], found: &[Evidence]) {
    let said = found.iter().flat_map(|evidence| {
        let lines = evidence.lines.iter();
        lines.map(|line| format!("{}: {line}", evidence.metric))
    });
    let lines: Vec<String> = said.collect();
    for event in events {
        if matches!(
            event.kind,
            EventKind::AnalysisRunFailed | EventKind::RolloutAborted
        ) {
            event.evidence.clone_from(&lines);
        }
    }
}

struct Teller {
    clock: Arc<dyn Clock>,
    limit: Duration,
    notifier: Arc<dyn Notifier>,
    rollout: RolloutId,
    place: usize,
    /// What this notifier, and others, were told before.
    told: BTreeSet<Told>,
}

impl Teller {
    async fn tell_all(&self, events: &[Event]) -> Vec<Told> {
        let mut told = Vec::new();
        for event in events {
            let name = (event.id, self.place);
            if !self.told.contains(&name) && self.tell(event).await {
                told.push(name);
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
