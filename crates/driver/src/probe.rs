//! What cannot be measured as things stand: looked for when a release begins, never in its way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use gradatim_core::analysis::MetricPlan;
use gradatim_core::decision::Decision;
use gradatim_core::id::{MetricName, RevisionId};
use gradatim_core::plan::Plan;
use gradatim_core::port::MetricProvider;
use gradatim_core::state::State;
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::deadline::within;
use crate::ports::Ports;
use crate::turn::is_at_rest;

/// Why a metric would have nothing to measure as things stand: a name without series, or without
/// the label that tells the sides apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Unmeasurable {
    /// The metric.
    pub metric: MetricName,
    /// What is missing.
    pub what: String,
    /// What to do about it.
    pub help: String,
}

/// What is being found out about the attempt under way, and what was.
#[derive(Default)]
pub(crate) struct Probing {
    call: Option<BoxFuture<'static, Vec<Unmeasurable>>>,
    found: Arc<[Unmeasurable]>,
    attempt: Option<(RevisionId, u32)>,
}

impl Probing {
    /// What was found.
    pub(crate) fn found(&self) -> Arc<[Unmeasurable]> {
        Arc::clone(&self.found)
    }

    /// Resolves when something was found out; never when nothing is being looked for.
    pub(crate) async fn ready(&mut self) {
        let Some(call) = &mut self.call else {
            return std::future::pending().await;
        };
        let found = call.await;
        self.call = None;
        for one in &found {
            let Unmeasurable { metric, what, help } = one;
            warn!(%metric, %what, %help, "a metric would have nothing to measure");
        }
        self.found = found.into();
    }

    /// Looks once for each attempt, while it begins.
    pub(crate) fn follow(
        &mut self,
        decision: &Decision,
        state: Option<&State>,
        ports: &Ports,
        plan: &Plan,
    ) {
        if is_at_rest(decision) {
            self.found = Arc::default();
            return;
        }
        let Some(state) = state else { return };
        let attempt = (state.latest.clone(), state.attempt);
        if self.attempt.as_ref() == Some(&attempt) {
            return;
        }
        self.attempt = Some(attempt);
        self.found = Arc::default();
        let (clock, limit) = (Arc::clone(&ports.clock), ports.deadlines.call);
        self.call = Some(probe(clock, limit, &ports.providers, plan.metrics()));
    }
}

/// Asks the provider of each metric what is missing; one that cannot tell is left out.
pub(crate) fn probe<'m>(
    clock: Arc<dyn Clock>,
    limit: Duration,
    providers: &BTreeMap<String, Arc<dyn MetricProvider>>,
    metrics: impl Iterator<Item = &'m MetricPlan>,
) -> BoxFuture<'static, Vec<Unmeasurable>> {
    let mut asked: Vec<(MetricPlan, Arc<dyn MetricProvider>)> = Vec::new();
    for metric in metrics {
        let is_asked = |(known, _): &(MetricPlan, _)| known.query == metric.query;
        if let Some(provider) = providers.get(&metric.provider)
            && !asked.iter().any(is_asked)
        {
            asked.push((metric.clone(), Arc::clone(provider)));
        }
    }
    Box::pin(async move {
        let calls = asked.iter().map(|(metric, provider)| {
            let clock = clock.as_ref();
            one(clock, limit, metric, provider.as_ref())
        });
        join_all(calls).await.concat()
    })
}

async fn one(
    clock: &dyn Clock,
    limit: Duration,
    metric: &MetricPlan,
    provider: &dyn MetricProvider,
) -> Vec<Unmeasurable> {
    let probed = provider.probe(&metric.query);
    let missing = within(clock, limit, &metric.provider, probed).await;
    let missing = missing.unwrap_or_else(|error| {
        // The first measurement says the same, and is counted.
        debug!(%error, metric = %metric.name, "what it would measure cannot be found out");
        Vec::new()
    });
    let missing = missing.into_iter().map(|missing| Unmeasurable {
        metric: metric.name.clone(),
        what: missing.what,
        help: missing.help,
    });
    missing.collect()
}

#[cfg(test)]
mod tests {
    use gradatim_core::analysis::RunPlan;
    use gradatim_core::fault::FaultKind;
    use gradatim_core::plan::Background;
    use gradatim_core::port::mock::MockMetricProvider;
    use gradatim_core::port::{Missing, PortError};
    use serde_json::{Value, json};

    use super::*;
    use crate::store::MemoryStore;
    use crate::testing::{flight, rest, state, workload};

    /// One that has no series of what is queried, and cannot say so of `broken`.
    fn provider() -> MockMetricProvider {
        let mut provider = MockMetricProvider::new();
        provider.expect_probe().returning(|query: &Value| {
            if query == "broken" {
                return Err(PortError::new(FaultKind::Unreachable, "no"));
            }
            Ok(vec![Missing {
                what: format!("no series {query}"),
                help: String::new(),
            }])
        });
        provider
    }

    fn plan() -> Plan {
        let metric = |name: &str, query| MetricPlan::new(name, "fake", query).sealed();
        let run = RunPlan {
            metrics: vec![
                metric("one", json!("a")),
                metric("same", json!("a")),
                metric("broken", json!("broken")),
                metric("two", json!("b")),
            ],
            ..RunPlan::default()
        };
        let mut plan = Plan::rolling_update("shop");
        plan.background = Some(Background {
            run,
            starting_step: 0,
        });
        plan.sealed()
    }

    #[tokio::test]
    async fn each_attempt_is_looked_at_once_when_it_begins_and_none_at_rest() {
        let ports = Ports::new(Arc::new(workload()), Arc::new(MemoryStore::new()));
        let ports = ports.provider("fake", Arc::new(provider()));
        let (mut probing, plan, mut state) = (Probing::default(), plan(), state(1));
        probing.follow(&rest(), Some(&state), &ports, &plan);
        assert!(probing.call.is_none());
        probing.follow(&flight(), Some(&state), &ports, &plan);
        probing.ready().await;
        let named = |probing: &Probing| -> Vec<String> {
            let found = probing.found();
            let named = found.iter().map(|it| format!("{}: {}", it.metric, it.what));
            named.collect()
        };
        assert_eq!(
            named(&probing),
            ["one: no series \"a\"", "two: no series \"b\""]
        );
        probing.follow(&flight(), Some(&state), &ports, &plan);
        assert!(probing.call.is_none(), "it was looked at");
        state.attempt += 1;
        probing.follow(&flight(), Some(&state), &ports, &plan);
        assert!(named(&probing).is_empty() && probing.call.is_some());
    }
}
