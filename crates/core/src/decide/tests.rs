//! Decisions in a small world that does at once what it is told: one file for each subject.

mod back;
mod blue_green;
mod canary;
mod chaos;
mod compared;
mod delays;
mod gates;
mod orders;
mod ratio;
mod settles;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use super::decide;
use crate::action::Action;
use crate::capability::Capabilities;
use crate::decision::{Decision, Phase, Saved};
use crate::id::RevisionId;
use crate::measurement::{Measurement, Outcome};
use crate::observation::{Observation, Read};
use crate::order::{Expects, Order, OrderKind};
use crate::plan::{Plan, RouterPlan, Step, StepKind, StrategyKind};
use crate::route::{BoundSlot, Confidence, Route, RouteSeen, Seen, Slot};
use crate::time::Timestamp;
use crate::workload::{RevisionSeen, WorkloadSeen};

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) saved: Saved,
    pub(super) now: Timestamp,
    pub(super) workload: WorkloadSeen,
    pub(super) route: Option<Route>,
    pub(super) routed_at: Timestamp,
    /// The most pods of a revision that may be available.
    pub(super) limits: BTreeMap<String, u32>,
    pub(super) answers: BTreeMap<String, f64>,
    /// What is answered that is not a number; it wins over `answers`.
    pub(super) outcomes: BTreeMap<String, Outcome>,
    pub(super) measurements: Vec<Measurement>,
    pub(super) orders: Vec<Order>,
    pub(super) log: Vec<String>,
    pub(super) router_down: bool,
    /// Whether somebody has emptied the router: it can be read and shows nothing.
    pub(super) emptied: bool,
    /// How sure the router is of what it shows.
    pub(super) confidence: Confidence,
    /// Seconds until a router shows what was written.
    pub(super) lag: u64,
    /// Seconds until a pod that was asked for is available.
    pub(super) slow_pods: u64,
    pending: Vec<(Timestamp, Route)>,
    scaled_at: BTreeMap<RevisionId, Timestamp>,
}

pub(super) fn steps(kinds: Vec<StepKind>) -> Vec<Step> {
    let step = |(index, kind)| Step::new(u32::try_from(index).unwrap(), kind);
    kinds.into_iter().enumerate().map(step).collect()
}

pub(super) fn canary(kinds: Vec<StepKind>) -> Plan {
    let router = RouterPlan {
        name: "test".into(),
        part: serde_json::Value::Null,
        capabilities: Capabilities::all(),
    };
    let mut plan = Plan::rolling_update("shop");
    plan.strategy = StrategyKind::Canary;
    plan.routers = vec![router];
    plan.steps = steps(kinds);
    plan.sealed()
}

impl World {
    /// A world in which v1 has been delivered and v2 is wanted from the next round on.
    pub(super) fn new(plan: Plan, replicas: u32) -> Self {
        let v1 = RevisionSeen::new("v1", 1, Timestamp::from_secs(0));
        let mut world = Self {
            plan,
            saved: Saved::Nothing { incarnation: 1 },
            now: Timestamp::from_secs(0),
            workload: WorkloadSeen::new("v1", replicas, vec![v1]),
            route: None,
            routed_at: Timestamp::ZERO,
            limits: BTreeMap::new(),
            answers: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            measurements: Vec::new(),
            orders: Vec::new(),
            log: Vec::new(),
            router_down: false,
            emptied: false,
            confidence: Confidence::Proxy,
            lag: 0,
            slow_pods: 0,
            pending: Vec::new(),
            scaled_at: BTreeMap::new(),
        };
        let end = world.run(60);
        assert_eq!(end.phase, Phase::Healthy, "{:#?}", world.log);
        world.log.clear();
        world.deploy("v2", 2);
        world
    }

    pub(super) fn deploy(&mut self, name: &str, number: u64) {
        self.workload.wanted = RevisionId::new(name);
        self.workload
            .revisions
            .push(RevisionSeen::new(name, number, self.now));
    }

    pub(super) fn order(&mut self, kind: OrderKind) {
        let sequence = u64::try_from(self.orders.len()).unwrap() + 1;
        self.orders.push(Order {
            source: "test".into(),
            sequence,
            kind,
            expects: Expects::default(),
            by: None,
        });
    }

    pub(super) fn observe(&self) -> Observation {
        let seen = match &self.route {
            _ if self.plan.routers.is_empty() => Vec::new(),
            Some(route) if !self.emptied => vec![self.seen(route)],
            _ => vec![RouteSeen::default()],
        };
        let mut observation = Observation::new(1, self.workload.clone(), seen);
        if self.router_down {
            let fault = crate::fault::Fault::new(crate::fault::FaultKind::Unreachable, "down");
            observation.routes = vec![Read::Failed(fault)];
        }
        observation.measurements.clone_from(&self.measurements);
        observation.orders.clone_from(&self.orders);
        observation
    }

    fn seen(&self, route: &Route) -> RouteSeen {
        let ready = |id: &RevisionId| {
            self.workload
                .revision(id)
                .map(|revision| revision.available)
        };
        let bound = route.bind.value.iter().map(|(slot, id)| {
            (
                *slot,
                BoundSlot {
                    revision: Some(id.clone()),
                    ready_endpoints: ready(id),
                },
            )
        });
        let since = self.routed_at;
        RouteSeen {
            bind: Some(Seen::agreed(
                bound.collect(),
                Some(route.bind.stamp),
                self.confidence,
                since,
            )),
            split: Some(Seen::agreed(
                route.split.value.clone(),
                Some(route.split.stamp),
                self.confidence,
                since,
            )),
            headers: Some(Seen::agreed(
                route.headers.value.clone(),
                Some(route.headers.stamp),
                self.confidence,
                since,
            )),
            mirrors: Some(Seen::agreed(
                route.mirrors.value.clone(),
                Some(route.mirrors.stamp),
                self.confidence,
                since,
            )),
        }
    }

    pub(super) fn round(&mut self) -> Decision {
        let decision = decide(&self.plan, &self.saved, &self.observe(), self.now);
        if let Some(state) = &decision.state {
            self.saved = Saved::State(state.clone());
        }
        for action in &decision.actions {
            self.perform(action);
        }
        self.measurements.clear();
        for ask in &decision.wanted {
            let metric = ask.id.metric.as_str();
            let number = || Some(Outcome::number(*self.answers.get(metric)?));
            if let Some(outcome) = self.outcomes.get(metric).cloned().or_else(number) {
                self.measurements.push(Measurement {
                    id: ask.id.clone(),
                    outcome,
                    at: self.now,
                });
            }
        }
        self.pass();
        decision
    }

    /// What was written shows after its lag, and pods come after a while.
    fn pass(&mut self) {
        let now = self.now;
        let due = self.pending.iter().rposition(|(at, _)| *at <= now);
        if let Some(index) = due {
            let (at, route) = self.pending.drain(..=index).next_back().unwrap();
            (self.route, self.routed_at) = (Some(route), at);
        }
        for revision in &mut self.workload.revisions {
            let limit = self
                .limits
                .get(revision.id.as_str())
                .copied()
                .unwrap_or(u32::MAX);
            let since = self
                .scaled_at
                .get(&revision.id)
                .copied()
                .unwrap_or_default();
            let ready = now.since(since) >= Duration::from_secs(self.slow_pods);
            let most = if ready {
                revision.desired
            } else {
                revision.available.min(revision.desired)
            };
            (revision.pods, revision.available) = (revision.desired, most.min(limit));
            revision.ready = revision.available;
        }
    }

    fn perform(&mut self, action: &Action) {
        match action {
            Action::Route { route, .. } if !self.router_down => {
                let share = |id: &str| route.share(&RevisionId::new(id));
                let line = format!(
                    "{} route v1 {} v2 {} v3 {}",
                    self.clock(),
                    share("v1"),
                    share("v2"),
                    share("v3")
                );
                self.log.push(line);
                let newest = self
                    .pending
                    .last()
                    .map(|(_, route)| route)
                    .or(self.route.as_ref());
                if newest != Some(route) {
                    self.pending
                        .push((self.now + Duration::from_secs(self.lag), route.clone()));
                }
            }
            Action::Scale {
                revision,
                replicas,
                stamp,
            } => {
                self.log
                    .push(format!("{} scale {revision} {replicas}", self.clock()));
                if let Some(seen) = self
                    .workload
                    .revisions
                    .iter_mut()
                    .find(|seen| seen.id == *revision)
                {
                    if *replicas > seen.desired {
                        self.scaled_at.insert(revision.clone(), self.now);
                    }
                    (seen.desired, seen.stamp) = (*replicas, Some(*stamp));
                }
            }
            _ => {}
        }
    }

    fn clock(&self) -> u64 {
        self.now.since(Timestamp::ZERO).as_secs()
    }

    /// Runs for so many seconds, a round each second, and returns the last decision.
    pub(super) fn run(&mut self, seconds: u64) -> Decision {
        let mut decision = self.round();
        for _ in 0..seconds {
            self.now = self.now + Duration::from_secs(1);
            decision = self.round();
        }
        decision
    }

    /// Runs until a revision has this share.
    pub(super) fn until_share(&mut self, id: &str, share: u32) {
        for _ in 0..600 {
            if self.share(id) == share {
                return;
            }
            self.run(1);
        }
        panic!("{id} has {}: {:#?}", self.share(id), self.log)
    }

    pub(super) fn share(&self, id: &str) -> u32 {
        self.route
            .as_ref()
            .map_or(0, |route| route.share(&RevisionId::new(id)))
    }

    pub(super) fn desired(&self, id: &str) -> u32 {
        self.workload
            .revision(&RevisionId::new(id))
            .map_or(0, |revision| revision.desired)
    }

    pub(super) fn part(&self, slot: Slot) -> u32 {
        self.route
            .as_ref()
            .map_or(0, |route| route.split.value.part(slot))
    }
}
