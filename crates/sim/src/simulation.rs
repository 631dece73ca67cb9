//! What is simulated, said piece by piece.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gradatim_core::measurement::GateState;
use gradatim_core::plan::Plan;
use gradatim_core::policy::Policy;
use gradatim_core::port::{MetricProvider, TrafficRouter};
use gradatim_core::spec::RolloutSpec;
use gradatim_core::time::Timestamp;
use gradatim_driver::Witness;
use gradatim_driver::deadline::Deadlines;

use crate::clock::SimClock;
use crate::fault::Fault;
use crate::happening::Happening;
use crate::measure::Measure;
use crate::report::Report;
use crate::running::Running;
use crate::traffic::Traffic;
use crate::version::Version;
use crate::world::Autoscaler;

/// When a simulation begins unless it is told otherwise: noon, so that a day's curve is at its top.
const START: Timestamp = Timestamp::from_secs(1_767_268_800);
/// How long it may take at most.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// A simulation to be run: a plan and a world, said piece by piece. What is not said is healthy:
/// 10 replicas of `v1`, 100 requests a second, routers without lag, nothing that fails.
#[must_use = "a simulation does nothing before it is run"]
pub struct Simulation {
    pub(crate) plan: Plan,
    pub(crate) seed: u64,
    pub(crate) start: Timestamp,
    pub(crate) clock: SimClock,
    pub(crate) limit: Duration,
    pub(crate) replicas: u32,
    pub(crate) first: String,
    pub(crate) fresh: bool,
    pub(crate) versions: BTreeMap<String, Version>,
    pub(crate) traffic: Traffic,
    pub(crate) measures: Vec<(String, Measure)>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) script: Vec<(Duration, Happening)>,
    pub(crate) lag: Duration,
    pub(crate) min_ready: Duration,
    pub(crate) room: Option<u32>,
    pub(crate) scales: bool,
    pub(crate) paused: bool,
    pub(crate) autoscaler: Option<Autoscaler>,
    pub(crate) policy: Option<Arc<dyn Policy>>,
    pub(crate) routers: BTreeMap<usize, Arc<dyn TrafficRouter>>,
    pub(crate) providers: BTreeMap<String, Arc<dyn MetricProvider>>,
    pub(crate) witnesses: Vec<Arc<dyn Witness>>,
    pub(crate) deadlines: Deadlines,
    pub(crate) notified: bool,
    pub(crate) bound: Option<Duration>,
}

impl Simulation {
    /// A plan in a healthy world.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            seed: 0,
            start: START,
            clock: SimClock::new(START),
            limit: LIMIT,
            replicas: 10,
            first: "v1".to_owned(),
            fresh: false,
            versions: BTreeMap::new(),
            traffic: Traffic::default(),
            measures: Vec::new(),
            faults: Vec::new(),
            script: Vec::new(),
            lag: Duration::ZERO,
            min_ready: Duration::ZERO,
            room: None,
            scales: true,
            paused: false,
            autoscaler: None,
            policy: None,
            routers: BTreeMap::new(),
            providers: BTreeMap::new(),
            witnesses: Vec::new(),
            deadlines: Deadlines::default(),
            notified: false,
            bound: None,
        }
    }

    /// What a manifest says beside its plan: replicas, `minReadySeconds` and `paused`.
    pub fn like(mut self, spec: &RolloutSpec) -> Self {
        self.replicas = spec.replicas;
        self.min_ready = Duration::from_secs(spec.min_ready_seconds.into());
        self.paused = spec.paused;
        self
    }

    /// Where all randomness comes from; without any it changes nothing. 0 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many pods the whole workload has. 10 by default.
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// How long a pod must have been ready to be available (`minReadySeconds`). 0 by default.
    pub fn min_ready(mut self, span: Duration) -> Self {
        self.min_ready = span;
        self
    }

    /// How many pods may exist at once; more are not made. No limit by default.
    pub fn room_for(mut self, pods: u32) -> Self {
        self.room = Some(pods);
        self
    }

    /// A fixed set of servers: nothing is scaled.
    pub fn fixed_servers(mut self) -> Self {
        self.scales = false;
        self
    }

    /// The rollout is paused by its user (`spec.paused`) from the start.
    pub fn paused(mut self, paused: bool) -> Self {
        self.paused = paused;
        self
    }

    /// Something that moves the replica count with the traffic.
    pub fn autoscaler(mut self, autoscaler: Autoscaler) -> Self {
        self.autoscaler = Some(autoscaler);
        self
    }

    /// What a version is like. One that nothing is said of is healthy.
    pub fn version(mut self, name: impl Into<String>, version: Version) -> Self {
        self.versions.insert(name.into(), version);
        self
    }

    /// The version that serves everyone when the simulation begins. `v1` by default.
    pub fn stable(mut self, name: impl Into<String>) -> Self {
        self.first = name.into();
        self
    }

    /// Nothing runs yet when the simulation begins: the first version comes up under its eyes.
    pub fn from_nothing(mut self) -> Self {
        self.fresh = true;
        self
    }

    /// A version that is wanted from the start.
    pub fn wants(self, name: impl Into<String>) -> Self {
        self.deploy(Duration::ZERO, name)
    }

    /// A version that is wanted from a time on. A name that exists already wants it again.
    pub fn deploy(self, at: Duration, name: impl Into<String>) -> Self {
        // What it is like is looked up when everything has been said.
        self.at(at, Happening::Deploy(name.into(), Version::healthy()))
    }

    /// How many requests the users send. 100 a second by default.
    pub fn traffic(mut self, traffic: Traffic) -> Self {
        self.traffic = traffic;
        self
    }

    /// What a metric of the plan measures, by its name. One that nothing is said of is guessed, and
    /// the report says so.
    pub fn metric(mut self, name: impl Into<String>, measure: Measure) -> Self {
        self.measures.push((name.into(), measure));
        self
    }

    /// What a gate of the plan says, by its name. Open by default.
    pub fn gate(self, name: impl Into<String>, state: GateState) -> Self {
        self.metric(name, Measure::gate(state))
    }

    /// How long after a write a router's data plane follows, and a router that is surer than
    /// `Config` shows it. At once by default.
    pub fn router_lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }

    /// Something that goes wrong.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Something that happens at a time since the start: an order, a deploy, a stranger's edit, a
    /// fault.
    pub fn at(mut self, at: Duration, what: impl Into<Happening>) -> Self {
        self.script.push((at, what.into()));
        self
    }

    /// A policy of one's own in place of the library's.
    pub fn policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.policy = Some(policy);
        self
    }

    /// A router of one's own in place of the simulation's, for the plan's first router.
    ///
    /// The traffic flows as it is read back. For one that lets time pass there is the
    /// [`clock`](Self::clock).
    pub fn router(self, router: Arc<dyn TrafficRouter>) -> Self {
        self.router_at(0, router)
    }

    /// A router of one's own, for the router of this place among the plan's.
    pub fn router_at(mut self, place: usize, router: Arc<dyn TrafficRouter>) -> Self {
        self.routers.insert(place, router);
        self
    }

    /// A metric provider of one's own, by the name a manifest calls it by.
    pub fn provider(mut self, name: impl Into<String>, provider: Arc<dyn MetricProvider>) -> Self {
        self.providers.insert(name.into(), provider);
        self
    }

    /// Events are delivered to a notifier, instead of counting as delivered at once.
    pub fn notified(mut self) -> Self {
        self.notified = true;
        self
    }

    /// Somebody who is told of every round, such as a decision log.
    pub fn witness(mut self, witness: Arc<dyn Witness>) -> Self {
        self.witnesses.push(witness);
        self
    }

    /// How long the driver lets a port take for a call.
    pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// How long it may take until the end, for [`Invariant::L1`](crate::Invariant::L1). Without it
    /// that is not checked.
    pub fn bound(mut self, bound: Duration) -> Self {
        self.bound = Some(bound);
        self
    }

    /// When it ends at the latest. After a day by default.
    pub fn until(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The virtual clock, for a router or provider of one's own.
    pub fn clock(&self) -> SimClock {
        self.clock.clone()
    }

    /// Lets the first version come to rest, and stands at the start.
    pub fn start(self) -> Running {
        Running::new(self)
    }

    /// Runs to the end.
    pub fn run(self) -> Report {
        self.start().run()
    }

    /// What a version is like.
    pub(crate) fn version_of(&self, name: &str) -> Version {
        self.versions.get(name).cloned().unwrap_or_default()
    }
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation")
            .field("plan", &self.plan.name)
            .field("seed", &self.seed)
            .field("script", &self.script)
            .finish_non_exhaustive()
    }
}
