//! An analysis by itself: a gate in a pipeline, or a trial on recorded data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use gradatim_core::analysis::{Frame, RunPlan, RunState, Turned, start, turn};
use gradatim_core::id::RevisionId;
use gradatim_core::measurement::{Ask, Measurement, MeasurementId, Outcome, RunKey};
use gradatim_core::port::MetricProvider;
use gradatim_core::time::Timestamp;

use crate::clock::Clock;
use crate::deadline::Deadlines;
use crate::evidence::{self, Evidence};
use crate::measure::{ask_provider, is_served_by};
use crate::probe::{Unmeasurable, probe};

/// It comes to an end by itself, as one in a step does.
const KEY: RunKey = RunKey::Step(0);

/// An analysis that is measured to its end, without a rollout around it.
///
/// It makes progress only while [`step`](Self::step) is awaited. Dropping it leaves work that runs
/// on the other side; [`stop`](Self::stop) ends that first.
///
/// ```
/// use std::sync::Arc;
///
/// use gradatim_core::analysis::{AnalysisPhase, RunPlan};
/// use gradatim_core::port::MetricProvider;
/// use gradatim_driver::AnalysisRun;
///
/// async fn passes(plan: RunPlan, prometheus: Arc<dyn MetricProvider>) -> bool {
///     let mut run = AnalysisRun::new(plan).provider("prometheus", prometheus);
///     while !run.state().phase.is_final() {
///         run.step().await;
///     }
///     run.state().phase == AnalysisPhase::Successful
/// }
/// ```
pub struct AnalysisRun {
    plan: RunPlan,
    providers: BTreeMap<String, Arc<dyn MetricProvider>>,
    clock: Arc<dyn Clock>,
    limit: Duration,
    /// The instant that it stands at in the past, where it runs on recorded data.
    recorded: Option<Timestamp>,
    id: RevisionId,
    started: Option<RunState>,
    pending: RunState,
    calls: FuturesUnordered<BoxFuture<'static, Measurement>>,
    under_way: BTreeSet<MeasurementId>,
    results: BTreeMap<MeasurementId, Measurement>,
    last: Vec<Measurement>,
}

impl AnalysisRun {
    /// A run that begins with its first step, on the system's clock.
    pub fn new(plan: RunPlan) -> Self {
        let pending = start(&plan, KEY, Timestamp::ZERO);
        Self {
            plan,
            providers: BTreeMap::new(),
            clock: Arc::new(crate::clock::SystemClock::new()),
            limit: Deadlines::default().measurement,
            recorded: None,
            id: RevisionId::new("analysis"),
            started: None,
            pending,
            calls: FuturesUnordered::new(),
            under_way: BTreeSet::new(),
            results: BTreeMap::new(),
            last: Vec::new(),
        }
    }

    /// A provider, by the name a manifest calls it by.
    #[must_use]
    pub fn provider(mut self, name: impl Into<String>, provider: Arc<dyn MetricProvider>) -> Self {
        self.providers.insert(name.into(), provider);
        self
    }

    /// A clock of one's own.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// What names its measurements, for what is not done twice: by default the same each time.
    #[must_use]
    pub fn named(mut self, id: impl Into<RevisionId>) -> Self {
        self.id = id.into();
        self
    }

    /// Runs as if it had begun at an instant in the past: nothing is waited for but answers.
    ///
    /// Only providers that have history can tell what they would have answered then.
    #[must_use]
    pub fn at(mut self, past: Timestamp) -> Self {
        self.recorded = Some(past);
        self
    }

    /// How long one measurement may take. Default 30 s.
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Where it stands.
    pub fn state(&self) -> &RunState {
        self.started.as_ref().unwrap_or(&self.pending)
    }

    /// What it measures.
    pub fn plan(&self) -> &RunPlan {
        &self.plan
    }

    /// The measurements that the last step counted, as they arrived.
    pub fn measured(&self) -> &[Measurement] {
        &self.last
    }

    /// The instant of the next measurement, as far as it is known.
    pub fn next_at(&self) -> Option<Timestamp> {
        match self.state().phase.is_final() {
            true => None,
            false => self.turn(self.now()).wake,
        }
    }

    /// Waits until something has been measured, and counts it. Returns at once when it has ended.
    pub async fn step(&mut self) {
        self.last.clear();
        if self.started.is_none() {
            self.started = Some(start(&self.plan, KEY, self.now()));
        }
        while !self.state().phase.is_final() && self.last.is_empty() {
            let turned = self.turn(self.now());
            self.ask(&turned.wanted);
            self.wait(turned.wake).await;
            let turned = self.turn(self.now());
            self.started = Some(turned.state);
        }
    }

    /// Lines that say why its metrics failed; those that cannot be read are left out.
    pub async fn evidence(&self) -> Vec<Evidence> {
        let mut found = Vec::new();
        for (plan, state) in self.plan.metrics.iter().zip(&self.state().metrics) {
            if state.failed == 0 {
                continue;
            }
            let Some((name, part)) = plan.evidence.as_ref().and_then(evidence::provider_of) else {
                continue;
            };
            let Some(provider) = self.providers.get(name) else {
                continue;
            };
            let at = state.measured_at.unwrap_or(self.now());
            let clock = self.clock.as_ref();
            let read = evidence::read(clock, self.limit, provider.as_ref(), plan, part, at);
            found.extend(read.await.filter(|evidence| !evidence.lines.is_empty()));
        }
        found
    }

    /// What its metrics would not have to measure as things stand; a provider that cannot tell
    /// is left out. Worth a look before the first step, for at most one deadline.
    pub async fn probe(&self) -> Vec<Unmeasurable> {
        let (clock, metrics) = (Arc::clone(&self.clock), self.plan.metrics.iter());
        probe(clock, self.limit, &self.providers, metrics).await
    }

    /// Ends what runs on the other side.
    pub async fn stop(&mut self) {
        self.calls.clear();
        let running: Vec<_> = self.results.values().filter_map(running).collect();
        for (id, handle) in running {
            for provider in self.providers.values() {
                // A provider that does not know it has nothing to end.
                let _ = provider.terminate(&id, &handle).await;
            }
        }
    }

    /// The instant that it stands at.
    fn now(&self) -> Timestamp {
        self.recorded.unwrap_or_else(|| self.clock.now())
    }

    fn turn(&self, now: Timestamp) -> Turned {
        let args = BTreeMap::new();
        let frame = Frame::new(1, &self.id, 0, &args);
        let measurements: Vec<_> = self.results.values().cloned().collect();
        turn(&self.plan, self.state(), &measurements, &frame, now)
    }

    fn ask(&mut self, wanted: &[Ask]) {
        for ask in wanted {
            // What runs on is wanted again once it is time to ask for it again.
            let ended = self
                .results
                .get(&ask.id)
                .is_some_and(|known| running(known).is_none());
            // What hangs is the metric's newest measurement until it has answered, or never did.
            let waits = self.under_way.iter().any(|id| is_served_by(&ask.id, id));
            if !ended && !waits {
                self.under_way.insert(ask.id.clone());
                self.calls.push(self.call(ask.clone()));
            }
        }
        let wanted: Vec<_> = wanted.iter().map(|ask| &ask.id).collect();
        self.results.retain(|id, _| wanted.contains(&id));
    }

    fn call(&self, ask: Ask) -> BoxFuture<'static, Measurement> {
        let clock = Arc::clone(&self.clock);
        let provider = self.providers.get(&ask.provider).cloned();
        let (limit, recorded) = (self.limit, self.recorded);
        Box::pin(async move {
            let outcome = ask_provider(clock.as_ref(), limit, provider, &ask).await;
            let (id, at) = (ask.id, recorded.unwrap_or_else(|| clock.now()));
            Measurement { id, outcome, at }
        })
    }

    /// Waits for a measurement, or for the instant at which the next one is due.
    async fn wait(&mut self, wake: Option<Timestamp>) {
        if self.recorded.is_some() {
            return self.wait_on_record(wake).await;
        }
        let clock = Arc::clone(&self.clock);
        if self.calls.is_empty() {
            match wake {
                Some(wake) => clock.sleep_until(wake).await,
                // Nothing is under way and nothing will be: only the wall can move on.
                None => {
                    clock
                        .sleep_until(clock.now() + Duration::from_secs(1))
                        .await
                }
            }
            return;
        }
        let timer = async {
            match wake {
                Some(wake) => clock.sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(measurement) = self.calls.next() => self.take(measurement),
            () = timer => {}
        }
    }

    /// Recorded time passes only while nothing is asked for.
    async fn wait_on_record(&mut self, wake: Option<Timestamp>) {
        match self.calls.next().await {
            Some(measurement) => self.take(measurement),
            None => self.recorded = wake.or(self.recorded.map(|at| at + Duration::from_secs(1))),
        }
    }

    fn take(&mut self, measurement: Measurement) {
        self.under_way.remove(&measurement.id);
        self.last.push(measurement.clone());
        self.results.insert(measurement.id.clone(), measurement);
    }
}

impl std::fmt::Debug for AnalysisRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnalysisRun")
            .field("state", self.state())
            .finish_non_exhaustive()
    }
}

fn running(measurement: &Measurement) -> Option<(MeasurementId, String)> {
    match &measurement.outcome {
        Outcome::Running { handle, .. } => Some((measurement.id.clone(), handle.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
