//! Everything a rollout reaches the world through, as one value.

use std::collections::BTreeMap;
use std::sync::Arc;

use gradatim_core::plan::{Compiled, Plan};
use gradatim_core::policy::{Policy, Standard};
use gradatim_core::port::{
    MetricProvider, Notifier, PortError, Secrets, Store, TrafficRouter, Workload,
};
use gradatim_core::registry::Registry;

use crate::clock::{Clock, SystemClock};
use crate::deadline::Deadlines;

/// Everything a rollout reaches the world through.
///
/// Workload, routers and store are one value for each rollout; providers, notifiers, policy and
/// clock may be shared. What is not said is the default: no router, no provider, no notifier,
/// the library's own policy, the system's clock and the [default deadlines](Deadlines).
#[derive(Clone)]
pub struct Ports {
    pub(crate) workload: Arc<dyn Workload>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) routers: Vec<Arc<dyn TrafficRouter>>,
    pub(crate) providers: BTreeMap<String, Arc<dyn MetricProvider>>,
    pub(crate) notifiers: Vec<Arc<dyn Notifier>>,
    pub(crate) policy: Arc<dyn Policy>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) deadlines: Deadlines,
}

impl Ports {
    /// A workload and a store: what every rollout needs.
    pub fn new(workload: Arc<dyn Workload>, store: Arc<dyn Store>) -> Self {
        Self {
            workload,
            store,
            routers: Vec::new(),
            providers: BTreeMap::new(),
            notifiers: Vec::new(),
            policy: Arc::new(Standard),
            clock: Arc::new(SystemClock::new()),
            deadlines: Deadlines::default(),
        }
    }

    /// One more router. They are added in the order in which the plan names them.
    #[must_use]
    pub fn router(mut self, router: Arc<dyn TrafficRouter>) -> Self {
        self.routers.push(router);
        self
    }

    /// A provider, by the name a manifest calls it by.
    #[must_use]
    pub fn provider(mut self, name: impl Into<String>, provider: Arc<dyn MetricProvider>) -> Self {
        self.providers.insert(name.into(), provider);
        self
    }

    /// The routers and providers that a compiled manifest names, as a registry builds them:
    /// routers in the plan's order behind those that are there, and providers that are not there
    /// yet, so that one which several rollouts share is given before.
    ///
    /// # Errors
    /// When no builder is registered under a name, or a builder fails.
    pub fn backends(
        mut self,
        compiled: &Compiled,
        registry: &Registry,
        secrets: &Arc<dyn Secrets>,
    ) -> Result<Self, PortError> {
        for router in compiled.plan.routers.iter().skip(self.routers.len()) {
            let router = registry.build_router(router, &compiled.frame)?;
            self.routers.push(Arc::from(router));
        }
        for metric in compiled.plan.metrics() {
            let name = &metric.provider;
            if !self.providers.contains_key(name) {
                let provider = registry.build_provider(name, Arc::clone(secrets))?;
                self.providers.insert(name.clone(), provider);
            }
        }
        Ok(self)
    }

    /// One more notifier.
    #[must_use]
    pub fn notifier(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.notifiers.push(notifier);
        self
    }

    /// A policy of one's own in place of the library's.
    #[must_use]
    pub fn policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.policy = policy;
        self
    }

    /// A clock of one's own in place of the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Other deadlines.
    #[must_use]
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// Whether every change that a look at the world would show is told by a port.
    pub(crate) fn are_watched(&self) -> bool {
        let routers = self.routers.iter().all(|router| router.is_watched());
        routers && self.workload.is_watched() && self.store.is_watched()
    }

    /// What a plan needs and these ports do not have, a sentence each; empty when it can run.
    pub fn lacking(&self, plan: &Plan) -> Vec<String> {
        let mut lacking = Vec::new();
        let (has, wants) = (self.routers.len(), plan.routers.len());
        if has != wants {
            let names: Vec<&str> = plan.routers.iter().map(|r| r.name.as_str()).collect();
            let names = names.join(", ");
            lacking.push(format!(
                "the plan has {wants} routers ({names}), the ports {has}"
            ));
        }
        let mut missing: Vec<&str> = plan
            .metrics()
            .map(|metric| metric.provider.as_str())
            .filter(|name| !self.providers.contains_key(*name))
            .collect();
        missing.sort_unstable();
        missing.dedup();
        lacking.extend(
            missing
                .iter()
                .map(|name| format!("no provider is called {name:?}")),
        );
        lacking
    }
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports")
            .field("routers", &self.routers.len())
            .field("providers", &self.providers.keys())
            .field("notifiers", &self.notifiers.len())
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}
