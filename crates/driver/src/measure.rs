//! Measurements that outlive a round, kept by their names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{AbortHandle, BoxFuture, abortable};
use futures::stream::FuturesUnordered;
use gradatim_core::fault::{Fault, FaultKind, Retry};
use gradatim_core::id::cut;
use gradatim_core::measurement::{Ask, Measurement, MeasurementId, Outcome};
use gradatim_core::plan::Plan;
use gradatim_core::port::MetricProvider;
use gradatim_core::state::State;
use gradatim_core::time::Timestamp;
use tracing::{Instrument, debug_span, warn};

use crate::clock::Clock;
use crate::deadline::{Backoff, within};
use crate::ports::Ports;

/// How often ending a piece of work that nobody wants is tried.
const TERMINATE_TRIES: u32 = 5;

/// What is being measured, what was, and what runs on the other side.
///
/// A result stays until it is no longer wanted, and the first one of a name wins. A call that its
/// metric's grid has passed over goes on, and keeps the next one waiting: what it answers, or that
/// it never did, is the metric's newest measurement. Ended early, a provider that hangs for longer
/// than an interval would never be seen to fail.
#[derive(Default)]
pub(crate) struct Measurements {
    calls: FuturesUnordered<BoxFuture<'static, Option<Measurement>>>,
    /// Calls without an answer yet.
    asked: BTreeMap<MeasurementId, Asked>,
    wanted: BTreeSet<MeasurementId>,
    results: BTreeMap<MeasurementId, Measurement>,
    /// Work on the other side whose end was not seen.
    at_work: BTreeMap<MeasurementId, AtWork>,
}

struct Asked {
    provider: String,
    abort: AbortHandle,
}

#[derive(Clone)]
struct AtWork {
    provider: String,
    handle: String,
}

impl Measurements {
    /// The answers that have arrived and are still wanted.
    pub(crate) fn results(&self) -> Vec<Measurement> {
        self.results.values().cloned().collect()
    }

    /// Resolves when a call has ended; never when none is under way.
    pub(crate) async fn ready(&mut self, ports: &Ports) {
        match self.calls.next().await {
            Some(ended) => self.take(ended, ports),
            None => std::future::pending().await,
        }
    }

    /// Starts what is newly wanted and ends what no longer is; `state` is the one that is saved.
    pub(crate) fn follow(
        &mut self,
        wanted: &[Ask],
        state: Option<&State>,
        ports: &Ports,
        plan: &Plan,
    ) {
        self.wanted = wanted.iter().map(|ask| ask.id.clone()).collect();
        self.results.retain(|id, _| self.wanted.contains(id));
        free_if_empty(&mut self.results);
        self.drop_pure_reads(ports);
        self.end_work(state, ports, plan);
        for ask in wanted {
            if !self.is_under_way(ask) && self.is_due(ask, ports.clock.now()) {
                self.results.remove(&ask.id);
                self.start(ask.clone(), ports);
            }
        }
    }

    /// Whether this measurement, or an earlier one that it waits for, has no answer yet.
    fn is_under_way(&self, ask: &Ask) -> bool {
        self.asked.keys().any(|id| is_served_by(&ask.id, id))
    }

    /// Whether nothing has been asked under this name, or what runs shall be asked for again.
    fn is_due(&self, ask: &Ask, now: Timestamp) -> bool {
        match self.results.get(&ask.id).map(|result| &result.outcome) {
            None => true,
            Some(Outcome::Running {
                handle,
                ask_again_at,
            }) => ask.handle.as_ref() == Some(&cut(handle)) && *ask_again_at <= now,
            Some(_) => false,
        }
    }

    /// Whether its answer would count: it is wanted, or a later one of its metric is.
    fn is_wanted(&self, id: &MeasurementId) -> bool {
        self.wanted.iter().any(|wanted| is_served_by(wanted, id))
    }

    /// A call that has started something must be waited for, or it could not be ended.
    fn drop_pure_reads(&self, ports: &Ports) {
        for (id, asked) in &self.asked {
            let provider = ports.providers.get(&asked.provider);
            if !self.is_wanted(id) && provider.is_none_or(|p| p.has_history()) {
                asked.abort.abort();
            }
        }
    }

    /// Ends work that the saved state does not hold any more.
    fn end_work(&mut self, state: Option<&State>, ports: &Ports, plan: &Plan) {
        let held = state.map(|state| work_of(state, plan)).unwrap_or_default();
        let known = std::mem::take(&mut self.at_work);
        for (id, work) in known {
            let alive = held.get(&id).is_some_and(|held| held.handle == work.handle);
            if alive || self.wanted.contains(&id) || self.asked.contains_key(&id) {
                self.at_work.insert(id, work);
            } else {
                self.terminate(id, work, ports);
            }
        }
        for (id, work) in held {
            self.at_work.entry(id).or_insert(work);
        }
    }

    fn start(&mut self, ask: Ask, ports: &Ports) {
        let clock = Arc::clone(&ports.clock);
        let limit = ports.deadlines.measurement;
        let provider = ports.providers.get(&ask.provider).cloned();
        let (id, name) = (ask.id.clone(), ask.provider.clone());
        let span = debug_span!("gradatim.measure", metric = %id.metric, tick = id.tick);
        let call = async move {
            let outcome = ask_provider(clock.as_ref(), limit, provider, &ask).await;
            let (id, at) = (ask.id, clock.now());
            Measurement { id, outcome, at }
        };
        let (call, abort) = abortable(call.instrument(span));
        self.calls.push(Box::pin(async move { call.await.ok() }));
        self.asked.insert(
            id,
            Asked {
                provider: name,
                abort,
            },
        );
    }

    fn take(&mut self, ended: Option<Measurement>, ports: &Ports) {
        self.asked.retain(|_, asked| !asked.abort.is_aborted());
        let Some(measurement) = ended else {
            return;
        };
        let id = measurement.id.clone();
        let asked = self.asked.remove(&id);
        free_if_empty(&mut self.asked);
        match (&measurement.outcome, asked) {
            (Outcome::Running { handle, .. }, Some(Asked { provider, .. })) => {
                let handle = cut(handle);
                self.at_work.insert(id.clone(), AtWork { provider, handle });
            }
            (Outcome::Done { .. }, _) => {
                self.at_work.remove(&id);
            }
            _ => {}
        }
        if self.is_wanted(&id) {
            self.results.entry(id).or_insert(measurement);
        } else if let Some(work) = self.at_work.remove(&id) {
            self.terminate(id, work, ports);
        }
    }

    fn terminate(&self, id: MeasurementId, work: AtWork, ports: &Ports) {
        let Some(provider) = ports.providers.get(&work.provider).cloned() else {
            return;
        };
        let (clock, limit) = (Arc::clone(&ports.clock), ports.deadlines.call);
        self.calls.push(Box::pin(async move {
            terminate(clock.as_ref(), limit, provider.as_ref(), &id, &work.handle).await;
            None
        }));
    }
}

/// An empty map keeps room for its next entries: in thousands of rollouts that is most of them.
fn free_if_empty<V>(map: &mut BTreeMap<MeasurementId, V>) {
    if map.is_empty() {
        *map = BTreeMap::new();
    }
}

/// Whether a measurement is this one, or an earlier one of the same metric that may still be
/// answered in its place.
pub(crate) fn is_served_by(wanted: &MeasurementId, id: &MeasurementId) -> bool {
    let as_early = || MeasurementId {
        tick: id.tick,
        retry: id.retry,
        ..wanted.clone()
    };
    id == wanted || (id.tick < wanted.tick && *id == as_early())
}

pub(crate) async fn ask_provider(
    clock: &dyn Clock,
    limit: Duration,
    provider: Option<Arc<dyn MetricProvider>>,
    ask: &Ask,
) -> Outcome {
    let Some(provider) = provider else {
        let text = format!("no provider is called {:?}", ask.provider);
        return Outcome::Failed(Fault::new(FaultKind::Invalid, text));
    };
    let what = ask.provider.as_str();
    match within(clock, limit, what, provider.measure(ask)).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed(error.to_fault()),
    }
}

async fn terminate(
    clock: &dyn Clock,
    limit: Duration,
    provider: &dyn MetricProvider,
    id: &MeasurementId,
    handle: &str,
) {
    let mut backoff = Backoff::default();
    loop {
        let ended = within(clock, limit, "a provider", provider.terminate(id, handle)).await;
        let Err(error) = ended else {
            return;
        };
        let fault = error.to_fault();
        backoff.failed(&fault, Duration::from_secs(30), clock.now());
        if fault.retry == Retry::Never || backoff.failures() >= TERMINATE_TRIES {
            warn!(%error, %id, handle, "a measurement that nobody wants may still be running");
            return;
        }
        clock
            .sleep_until(backoff.not_before().unwrap_or_default())
            .await;
    }
}

/// What a state knows to be running on the other side.
fn work_of(state: &State, plan: &Plan) -> BTreeMap<MeasurementId, AtWork> {
    let mut work = BTreeMap::new();
    for run in state.runs.iter().filter(|run| !run.phase.is_final()) {
        for metric in run.metrics.iter().filter(|metric| !metric.phase.is_final()) {
            let planned = plan
                .metrics()
                .find(|m| m.name == metric.name && m.digest == metric.digest);
            let (Some(handle), Some(planned)) = (&metric.handle, planned) else {
                continue;
            };
            let id = MeasurementId {
                incarnation: state.incarnation,
                revision: state.latest.clone(),
                attempt: state.attempt,
                run: run.key,
                metric: metric.name.clone(),
                digest: metric.digest,
                tick: metric.tick,
                retry: metric.retry,
            };
            let (provider, handle) = (planned.provider.clone(), handle.clone());
            work.insert(id, AtWork { provider, handle });
        }
    }
    work
}
