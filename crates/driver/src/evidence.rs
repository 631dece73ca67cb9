//! Lines that say why a measurement failed: for people, beside the rounds, never in their way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, Shared, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use gradatim_core::analysis::{AnalysisPhase, LateArg, MetricPlan, RunPlan, fill, judge};
use gradatim_core::id::{MetricName, RevisionId};
use gradatim_core::measurement::{Measurement, MeasurementId, Outcome};
use gradatim_core::observation::Observation;
use gradatim_core::plan::Plan;
use gradatim_core::port::MetricProvider;
use gradatim_core::state::State;
use gradatim_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::warn;

use crate::clock::Clock;
use crate::deadline::within;
use crate::ports::Ports;

/// How many lines are kept of one failure.
const MOST: usize = 5;
/// How long a line is at most, in characters; a provider may cut earlier.
const LONGEST: usize = 500;
/// How many failures are kept, the newest.
const KEPT: usize = 8;
/// How far back is looked where the metric has no window.
const WINDOW: Duration = Duration::from_secs(60);

/// Lines that say why a measurement failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The metric.
    pub metric: MetricName,
    /// When it was measured.
    pub at: Timestamp,
    /// The newest lines of its window, newest first; at most five.
    pub lines: Vec<String>,
}

/// One failure whose lines are being read: by the rounds, and by events that wait for them.
type Call = Shared<BoxFuture<'static, Option<Evidence>>>;

/// Failures whose lines are being read, and those that were; of one attempt at one version.
#[derive(Default)]
pub(crate) struct Gathering {
    calls: FuturesUnordered<Call>,
    asked: BTreeSet<MeasurementId>,
    found: Arc<[Evidence]>,
    attempt: Option<(RevisionId, u32)>,
}

impl Gathering {
    /// What was found so far, oldest first.
    pub(crate) fn found(&self) -> Arc<[Evidence]> {
        Arc::clone(&self.found)
    }

    /// What was found, with what is being read now; each call has its deadline, and so has this.
    pub(crate) fn settled(&self) -> impl Future<Output = Arc<[Evidence]>> + Send + use<> {
        let found = self.found();
        let calls: Vec<Call> = self.calls.iter().cloned().collect();
        async move { join_all(calls).await.into_iter().fold(found, kept) }
    }

    /// Resolves when lines have been read; never when none are being read.
    pub(crate) async fn ready(&mut self) {
        match self.calls.next().await {
            Some(evidence) => self.found = kept(self.found(), evidence),
            None => std::future::pending().await,
        }
    }

    /// What an earlier version or attempt wrote explains nothing of this one.
    fn begin(&mut self, state: &State) {
        let attempt = (state.latest.clone(), state.attempt);
        if self.attempt.as_ref() == Some(&attempt) {
            return;
        }
        if self.attempt.replace(attempt).is_some() {
            self.found = Arc::default();
            self.calls.clear();
        }
    }

    /// Reads the lines of measurements that have just failed.
    pub(crate) fn follow(
        &mut self,
        seen: &Observation,
        state: Option<&State>,
        ports: &Ports,
        plan: &Plan,
    ) {
        let Some(state) = state else { return };
        self.begin(state);
        let current: BTreeSet<_> = seen.measurements.iter().map(|it| it.id.clone()).collect();
        self.asked.retain(|id| current.contains(id));
        for measurement in &seen.measurements {
            let Some((run, metric)) = planned(plan, measurement) else {
                continue;
            };
            if failed(metric, measurement) && self.asked.insert(measurement.id.clone()) {
                let args = late_values(run, seen, state);
                self.calls.extend(call(metric, measurement, &args, ports));
            }
        }
    }
}

/// The failures that are known, each metric's newest, with one more.
fn kept(found: Arc<[Evidence]>, evidence: Option<Evidence>) -> Arc<[Evidence]> {
    let Some(evidence) = evidence.filter(|evidence| !evidence.lines.is_empty()) else {
        return found;
    };
    let older = found.iter().filter(|it| it.metric != evidence.metric);
    let mut found: Vec<Evidence> = older.cloned().collect();
    found.push(evidence);
    let more = found.len().saturating_sub(KEPT);
    found.drain(..more);
    found.into()
}

fn planned<'p>(plan: &'p Plan, measurement: &Measurement) -> Option<(&'p RunPlan, &'p MetricPlan)> {
    let id = &measurement.id;
    plan.runs().find_map(|run| {
        let mut metrics = run.metrics.iter();
        let metric = metrics.find(|it| it.name == id.metric && it.digest == id.digest)?;
        Some((run, metric))
    })
}

/// Whether a metric that names evidence fails on a measurement.
pub(crate) fn failed(metric: &MetricPlan, measurement: &Measurement) -> bool {
    match &measurement.outcome {
        Outcome::Done { reading, .. } if metric.evidence.is_some() => {
            judge(metric, reading).phase == AnalysisPhase::Failed
        }
        _ => false,
    }
}

fn late_values(run: &RunPlan, seen: &Observation, state: &State) -> BTreeMap<String, String> {
    let value = |arg: &LateArg| match arg {
        LateArg::StableHash => state.stable.as_ref().map(ToString::to_string),
        LateArg::LatestHash => Some(state.latest.to_string()),
        LateArg::Field(path) => seen.workload.seen()?.fields.get(path).cloned(),
    };
    let known = run.late_args.iter();
    known
        .filter_map(|(name, arg)| Some((name.clone(), value(arg)?)))
        .collect()
}

fn call(
    metric: &MetricPlan,
    measurement: &Measurement,
    args: &BTreeMap<String, String>,
    ports: &Ports,
) -> Option<Call> {
    let (name, part) = provider_of(metric.evidence.as_ref()?)?;
    let provider = Arc::clone(ports.providers.get(name)?);
    let (clock, limit) = (Arc::clone(&ports.clock), ports.deadlines.call);
    let part = fill(part, args);
    let (metric, at) = (metric.clone(), measurement.at);
    let call =
        async move { read(clock.as_ref(), limit, provider.as_ref(), &metric, &part, at).await };
    Some(call.boxed().shared())
}

/// `{loki: {query: …}}`: a provider's name, and its part.
pub(crate) fn provider_of(evidence: &Value) -> Option<(&str, &Value)> {
    let mut fields = evidence.as_object()?.iter();
    fields.next().map(|(name, part)| (name.as_str(), part))
}

/// The lines of one failure; none where they could not be read.
pub(crate) async fn read(
    clock: &dyn Clock,
    limit: Duration,
    provider: &dyn MetricProvider,
    metric: &MetricPlan,
    part: &Value,
    at: Timestamp,
) -> Option<Evidence> {
    let window = if metric.window.is_zero() {
        WINDOW
    } else {
        metric.window
    };
    let lines = provider.evidence(part, at, window, MOST);
    match within(clock, limit, "the evidence", lines).await {
        Ok(lines) => Some(Evidence {
            metric: metric.name.clone(),
            at,
            lines: lines.iter().take(MOST).map(|line| plain(line)).collect(),
        }),
        Err(error) => {
            warn!(%error, metric = %metric.name, "the lines that explain it cannot be read");
            None
        }
    }
}

/// A line of one row, as long as a person reads; whoever wrote it cannot paint a terminal.
fn plain(line: &str) -> String {
    let plain = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut text: String = plain.take(LONGEST + 1).collect();
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use gradatim_core::analysis::RunPlan;
    use gradatim_core::condition::Condition;
    use gradatim_core::event::{Event, EventId, EventKind};
    use gradatim_core::measurement::Ask;
    use gradatim_core::plan::Background;
    use gradatim_core::port::PortError;
    use gradatim_core::port::mock::MockNotifier;
    use serde_json::json;

    use super::*;
    use crate::events::Telling;
    use crate::store::MemoryStore;
    use crate::testing::{ask, seen_workload, state, workload};

    /// Answers with the query that it was asked, some time later.
    #[derive(Default)]
    struct Echo(Duration);

    #[async_trait]
    impl MetricProvider for Echo {
        async fn measure(&self, _: &Ask) -> Result<Outcome, PortError> {
            Ok(Outcome::number(0.0))
        }

        async fn evidence(
            &self,
            query: &Value,
            _: Timestamp,
            _: Duration,
            _: usize,
        ) -> Result<Vec<String>, PortError> {
            tokio::time::sleep(self.0).await;
            Ok(vec![query.to_string(), "\u{1b}[2Jx".repeat(200)])
        }
    }

    fn plan() -> Plan {
        let metric = MetricPlan {
            success: Condition::parse("result >= 0.95").ok(),
            evidence: Some(json!({"loki": {"query": "{v=\"{{args.hash}}\"}"}})),
            ..MetricPlan::new("success-rate", "prometheus", Value::Null)
        };
        let run = RunPlan {
            metrics: vec![metric.sealed()],
            late_args: BTreeMap::from([("hash".to_owned(), LateArg::LatestHash)]),
            ..RunPlan::default()
        };
        let mut plan = Plan::rolling_update("shop");
        plan.background = Some(Background {
            run,
            starting_step: 0,
        });
        plan.sealed()
    }

    fn observation(plan: &Plan, tick: u32, value: f64) -> Observation {
        let metric = &plan.background.as_ref().unwrap().run.metrics[0];
        let mut id = ask(tick, None).id;
        (id.metric, id.digest) = (metric.name.clone(), metric.digest);
        let mut observation = Observation::new(1, seen_workload(), Vec::new());
        observation.measurements.push(Measurement {
            id,
            outcome: Outcome::number(value),
            at: Timestamp::from_secs(9),
        });
        observation
    }

    #[tokio::test]
    async fn lines_are_read_once_for_each_failure_and_for_nothing_else() {
        let plan = plan();
        let ports = Ports::new(Arc::new(workload()), Arc::new(MemoryStore::new()));
        let ports = ports.provider("loki", Arc::new(Echo::default()));
        let mut state = state(1);
        let mut gathering = Gathering::default();
        for (tick, value, calls) in [(1, 0.99, 0), (2, 0.5, 1), (2, 0.5, 1)] {
            let seen = observation(&plan, tick, value);
            gathering.follow(&seen, Some(&state), &ports, &plan);
            assert_eq!(gathering.calls.len(), calls, "tick {tick} measures {value}");
        }
        gathering.ready().await;
        let found = gathering.found();
        assert_eq!(found.len(), 1);
        let [query, painted] = found[0].lines.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(query, r#"{"query":"{v=\"v2\"}"}"#);
        assert!(painted.starts_with(" [2Jx") && painted.chars().count() == LONGEST + 1);

        // The next attempt begins without what the last one left.
        state.attempt += 1;
        let seen = observation(&plan, 3, 0.99);
        gathering.follow(&seen, Some(&state), &ports, &plan);
        assert_eq!(gathering.found().len(), 0);
    }

    fn event(kind: EventKind, number: u64) -> Event {
        Event {
            id: EventId {
                incarnation: 1,
                number,
            },
            at: Timestamp::ZERO,
            kind,
            text: String::new(),
            evidence: Vec::new(),
        }
    }

    /// What a notifier is told of a failure whose lines take so long to read.
    async fn told(takes: Duration) -> Vec<(EventKind, usize)> {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (mut notifier, hears) = (MockNotifier::new(), Arc::clone(&heard));
        notifier.expect_tell().returning(move |_, event| {
            let lines = event.evidence.len();
            hears.lock().unwrap().push((event.kind, lines));
            Ok(())
        });
        let ports = Ports::new(Arc::new(workload()), Arc::new(MemoryStore::new()));
        let ports = ports.provider("loki", Arc::new(Echo(takes)));
        let ports = ports.notifier(Arc::new(notifier));
        let (plan, state) = (plan(), state(1));
        let (mut gathering, mut telling) = (Gathering::default(), Telling::default());
        let seen = observation(&plan, 1, 0.5);
        gathering.follow(&seen, Some(&state), &ports, &plan);
        let events = [
            event(EventKind::AnalysisRunFailed, 1),
            event(EventKind::RolloutAborted, 2),
            event(EventKind::TrafficWeightUpdated, 3),
        ];
        telling.follow(&"shop".into(), &events, &ports, &gathering);
        assert!(telling.ready(&ports).now_or_never().is_none(), "it waits");
        telling.ready(&ports).await;
        assert_eq!(telling.delivered().len(), 3);
        heard.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_with_its_lines_and_without_them_when_they_cannot_be_had() {
        let [failed, aborted, weight] = [
            EventKind::AnalysisRunFailed,
            EventKind::RolloutAborted,
            EventKind::TrafficWeightUpdated,
        ];
        let soon = told(Duration::from_secs(2)).await;
        assert_eq!(soon, [(failed, 2), (aborted, 2), (weight, 0)]);
        let never = told(Duration::from_secs(86_400)).await;
        assert_eq!(never, [(failed, 0), (aborted, 0), (weight, 0)]);
    }
}
