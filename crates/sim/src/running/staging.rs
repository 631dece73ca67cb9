//! How a simulation is set up: the world before its start, and drivers with their ports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gradatim_core::id::RolloutId;
use gradatim_core::plan::Plan;
use gradatim_core::policy::Policy;
use gradatim_core::port::{MetricProvider, TrafficRouter};
use gradatim_core::time::Timestamp;
use gradatim_driver::deadline::Deadlines;
use gradatim_driver::store::MemoryStore;
use gradatim_driver::{Ports, Round};

use super::Running;
use crate::check::Checks;
use crate::clock::SimClock;
use crate::happening::Happening;
use crate::notifier::SimNotifier;
use crate::provider::SimProvider;
use crate::record::Record;
use crate::rng::Rng;
use crate::router::{SimRouter, Watched};
use crate::seat::Seat;
use crate::simulation::Simulation;
use crate::site::{Shared, Site};
use crate::store::SimStore;
use crate::workload::SimWorkload;
use crate::world::{RouterState, World};

/// How long before the start the first version may take to come to rest.
const PROLOGUE: Duration = Duration::from_secs(600);

/// What a driver is made of.
pub(super) struct Staging {
    shared: Shared,
    store: MemoryStore,
    plan: Plan,
    id: RolloutId,
    policy: Option<Arc<dyn Policy>>,
    routers: BTreeMap<usize, Arc<dyn TrafficRouter>>,
    providers: BTreeMap<String, Arc<dyn MetricProvider>>,
    names: BTreeSet<String>,
    deadlines: Deadlines,
    notified: bool,
    forced: BTreeSet<usize>,
}

impl Staging {
    /// Whether changes may go unnoticed: nobody knows what an embedder's router tells.
    pub(super) fn is_lossy(&self) -> bool {
        !self.routers.is_empty()
    }

    pub(super) fn follow_plan(&mut self, plan: &Plan) {
        self.plan = plan.clone();
    }

    /// Starts one more driver.
    pub(super) fn add(&mut self, force: bool, clock: &SimClock, seats: &mut Vec<Seat>) {
        let driver = seats.len();
        if force {
            self.forced.insert(driver);
        }
        let site = Site::new(self.shared.clone(), driver);
        seats.push(Seat::new(site, clock.apart(0)));
        self.shared.world().drivers.push((holder(driver), true));
        self.revive(driver, seats);
    }

    /// Starts a driver, or starts it again: it knows nothing but what its store and ports say.
    pub(super) fn revive(&mut self, driver: usize, seats: &mut [Seat]) {
        let Some(seat) = seats.get_mut(driver) else {
            return;
        };
        let lossy = self.is_lossy() || !self.shared.world().faults.is_empty();
        seat.desk.look_for_yourself(lossy);
        let ports = self.ports(&seat.site, &seat.clock);
        let round = Round::new(self.id.clone(), self.plan.clone(), ports)
            .holder(holder(driver))
            .take_over(self.forced.contains(&driver));
        seat.drive(round, self.routers.values().cloned().collect());
    }

    fn ports(&self, site: &Site, clock: &SimClock) -> Ports {
        let store = SimStore {
            site: site.clone(),
            inner: self.store.clone(),
        };
        let workload = SimWorkload { site: site.clone() };
        let mut ports = Ports::new(Arc::new(workload), Arc::new(store))
            .clock(Arc::new(clock.clone()))
            .deadlines(self.deadlines);
        for place in 0..self.plan.routers.len() {
            ports = ports.router(self.router(site, place));
        }
        for name in &self.names {
            let (site, clock) = (site.clone(), clock.clone());
            let ours = || SimProvider { site, clock }.shared();
            let provider = self.providers.get(name).cloned().unwrap_or_else(ours);
            ports = ports.provider(name.clone(), provider);
        }
        if self.notified {
            ports = ports.notifier(Arc::new(SimNotifier { site: site.clone() }));
        }
        match &self.policy {
            Some(policy) => ports.policy(Arc::clone(policy)),
            None => ports,
        }
    }

    fn router(&self, site: &Site, place: usize) -> Arc<dyn TrafficRouter> {
        let site = site.clone();
        match self.routers.get(&place) {
            Some(inner) => {
                let inner = Arc::clone(inner);
                Arc::new(Watched { site, place, inner })
            }
            None => Arc::new(SimRouter { site, place }),
        }
    }
}

fn holder(driver: usize) -> String {
    format!("driver-{driver}")
}

/// Sets everything up, lets the first version come to rest, and stands at the start.
pub(super) fn start(mut simulation: Simulation) -> Running {
    let script = script(&mut simulation);
    let shared = Shared::new(world(&simulation));
    let clock = simulation.clock.clone();
    let store = MemoryStore::with_clock(Arc::new(clock.clone()));
    let id = simulation.plan.name.clone();
    let plans = script.iter().filter_map(|(_, what)| match what {
        Happening::Plan(plan) => Some(plan.as_ref()),
        _ => None,
    });
    let plans = plans.chain([&simulation.plan]);
    let names = plans
        .flat_map(Plan::metrics)
        .map(|metric| metric.provider.clone())
        .collect();
    let mut staging = Staging {
        shared: shared.clone(),
        store: store.clone(),
        plan: simulation.plan.clone(),
        id: id.clone(),
        policy: simulation.policy,
        routers: simulation.routers,
        providers: simulation.providers,
        names,
        deadlines: simulation.deadlines,
        notified: simulation.notified,
        forced: BTreeSet::new(),
    };
    let mut seats = Vec::new();
    staging.add(false, &clock, &mut seats);
    let mut running = Running {
        record: Record::default(),
        checks: Checks::new(simulation.bound),
        checked: 0,
        limit: simulation.start + simulation.limit,
        shared,
        clock,
        store,
        seats,
        script: Default::default(),
        staging,
        last: None,
        id,
        witnesses: simulation.witnesses,
        seed: simulation.seed,
    };
    if !simulation.fresh {
        running.prologue(simulation.start);
    }
    running.begin(simulation.measures, simulation.faults);
    running.script = script.into();
    running
}

/// What happens, in its order, with every version as it was said to be.
fn script(simulation: &mut Simulation) -> Vec<(Timestamp, Happening)> {
    let start = simulation.start;
    let mut script = std::mem::take(&mut simulation.script);
    script.sort_by_key(|(at, _)| *at);
    let known = |what: Happening| match what {
        Happening::Deploy(name, version) => {
            let said = simulation.versions.get(&name).cloned().unwrap_or(version);
            Happening::Deploy(name, said)
        }
        what => what,
    };
    let instants = script
        .into_iter()
        .map(|(at, what)| (start + at, known(what)));
    instants.collect()
}

fn world(simulation: &Simulation) -> World {
    let (start, fresh) = (simulation.start, simulation.fresh);
    let before = if fresh { start } else { start - PROLOGUE };
    simulation.clock.set(before);
    let first = simulation.version_of(&simulation.first);
    let plan = Arc::new(simulation.plan.clone());
    let mut world = World::new(plan, simulation.replicas, &simulation.first, first, before);
    let routers = simulation.plan.routers.iter().enumerate();
    world.routers = routers
        .map(|(place, router)| {
            let mut state = RouterState::new(router, simulation.lag);
            state.foreign = simulation.routers.contains_key(&place);
            state
        })
        .collect();
    world.origin = start;
    world.traffic = simulation.traffic.clone();
    world.min_ready = simulation.min_ready;
    world.room = simulation.room;
    world.scales = simulation.scales;
    world.autoscaler = simulation.autoscaler.clone();
    world.rng = Rng::new(simulation.seed);
    world.paused = simulation.paused;
    world.come_up(fresh);
    world
}

impl World {
    /// The first version's pods stand since long before, or not at all.
    fn come_up(&mut self, fresh: bool) {
        let long_ago = self.now - Duration::from_secs(3600);
        for revision in &mut self.revisions {
            revision.desired = if fresh && self.scales {
                0
            } else {
                self.replicas
            };
            if !fresh {
                revision.pods = (0..self.replicas).map(|_| long_ago).collect();
            }
        }
        self.touch();
    }
}
