//! Lines that say why a measurement failed: for people, beside the rounds, never in their way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use gradatim_core::analysis::{AnalysisPhase, LateArg, MetricPlan, RunPlan, fill, judge};
use gradatim_core::id::MetricName;
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
use crate::measure::runs;
use crate::ports::Ports;

/// How many lines are kept of one failure.
const MOST: usize = 5;
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

/// Failures whose lines are being read, and those that were.
#[derive(Default)]
pub(crate) struct Gathering {
    calls: FuturesUnordered<BoxFuture<'static, Option<Evidence>>>,
    asked: BTreeSet<MeasurementId>,
    found: Arc<[Evidence]>,
}

impl Gathering {
    /// What was found so far, oldest first.
    pub(crate) fn found(&self) -> Arc<[Evidence]> {
        Arc::clone(&self.found)
    }

    /// Resolves when lines have been read; never when none are being read.
    pub(crate) async fn ready(&mut self) {
        match self.calls.next().await {
            Some(evidence) => self.keep(evidence),
            None => std::future::pending().await,
        }
    }

    fn keep(&mut self, evidence: Option<Evidence>) {
        let Some(evidence) = evidence.filter(|evidence| !evidence.lines.is_empty()) else {
            return;
        };
        let older = self.found.iter().filter(|it| it.metric != evidence.metric);
        let mut found: Vec<Evidence> = older.cloned().collect();
        found.push(evidence);
        let more = found.len().saturating_sub(KEPT);
        found.drain(..more);
        self.found = found.into();
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

fn planned<'p>(plan: &'p Plan, measurement: &Measurement) -> Option<(&'p RunPlan, &'p MetricPlan)> {
    let id = &measurement.id;
    runs(plan).find_map(|run| {
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
) -> Option<BoxFuture<'static, Option<Evidence>>> {
    let (name, part) = provider_of(metric.evidence.as_ref()?)?;
    let provider = Arc::clone(ports.providers.get(name)?);
    let (clock, limit) = (Arc::clone(&ports.clock), ports.deadlines.call);
    let part = fill(part, args);
    let (metric, at) = (metric.clone(), measurement.at);
    Some(Box::pin(async move {
        read(clock.as_ref(), limit, provider.as_ref(), &metric, &part, at).await
    }))
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
            lines,
        }),
        Err(error) => {
            warn!(%error, metric = %metric.name, "the lines that explain it cannot be read");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use gradatim_core::analysis::RunPlan;
    use gradatim_core::condition::Condition;
    use gradatim_core::measurement::Ask;
    use gradatim_core::plan::Background;
    use gradatim_core::port::PortError;
    use serde_json::json;

    use super::*;
    use crate::store::MemoryStore;
    use crate::testing::{ask, seen_workload, state, workload};

    /// Answers with the query that it was asked.
    struct Echo;

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
            Ok(vec![query.to_string()])
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
        let ports = ports.provider("loki", Arc::new(Echo));
        let state = state(1);
        let mut gathering = Gathering::default();
        for (tick, value, calls) in [(1, 0.99, 0), (2, 0.5, 1), (2, 0.5, 1)] {
            let seen = observation(&plan, tick, value);
            gathering.follow(&seen, Some(&state), &ports, &plan);
            assert_eq!(gathering.calls.len(), calls, "tick {tick} measures {value}");
        }
        gathering.ready().await;
        let found = gathering.found();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].lines, [r#"{"query":"{v=\"v2\"}"}"#]);
    }
}
