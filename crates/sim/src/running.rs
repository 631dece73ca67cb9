//! A simulation under way: rounds, and the time between them.

mod staging;

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use gradatim_core::fault::{Fault, FaultKind};
use gradatim_core::go_duration;
use gradatim_core::id::RolloutId;
use gradatim_core::port::{MailboxOrder, Ownership, Store};
use gradatim_core::time::Timestamp;
use gradatim_driver::store::MemoryStore;
use gradatim_driver::{Turn, TurnError, Witness};

use self::staging::Staging;
use crate::check::{Checks, Scene, Violation};
use crate::clock::SimClock;
use crate::fact::{Fact, What};
use crate::fault::Fault as CallFault;
use crate::happening::Happening;
use crate::measure::Measure;
use crate::record::Record;
use crate::report::{Outcome, Report};
use crate::seat::{Ran, Seat};
use crate::simulation::Simulation;
use crate::site::{Blow, Shared};
use crate::world::World;

/// What came of one round.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stepped {
    /// The driver that took it: 0 is the first.
    pub driver: usize,
    /// The time since the start.
    pub at: Duration,
    /// The round, or why there was none: the rollout could not be taken, or was lost to another
    /// driver.
    pub turn: Result<Turn, Fault>,
}

/// A simulation under way.
///
/// [`step`](Self::step) takes one round and lets as much time pass as there is until then; between
/// rounds everything may be looked at and changed.
pub struct Running {
    shared: Shared,
    clock: SimClock,
    store: MemoryStore,
    seats: Vec<Seat>,
    script: VecDeque<(Timestamp, Happening)>,
    staging: Staging,
    record: Record,
    checks: Checks,
    /// How many writes the checks have seen.
    checked: usize,
    limit: Timestamp,
    last: Option<Turn>,
    id: RolloutId,
    witnesses: Vec<Arc<dyn Witness>>,
    seed: u64,
}

impl Running {
    pub(crate) fn new(simulation: Simulation) -> Self {
        staging::start(simulation)
    }

    /// The world, to look at and to change; drivers notice as they notice any change.
    ///
    /// Let go of it before the next step.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// Lets something happen now.
    pub fn happen(&mut self, what: impl Into<Happening>) {
        self.play(what.into());
    }

    /// The store, as it is without any fault.
    pub fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// The virtual clock.
    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.shared.world().elapsed()
    }

    /// The last round that was taken.
    pub fn last(&self) -> Option<&Turn> {
        self.last.as_ref()
    }

    /// Who owns the rollout.
    pub fn owner(&self) -> Option<Ownership> {
        self.store.owner().now_or_never()?.ok()?
    }

    /// How it stands: the outcome once there is one, undecided before.
    pub fn outcome(&self) -> Outcome {
        self.outcome_in(&self.shared.world())
    }

    fn is_decided(&self, world: &World) -> bool {
        let latest = |turn: &Turn| turn.decision.summary.latest.as_ref() == Some(&world.wanted);
        let mut last = self.last.iter();
        last.any(|turn| latest(turn) && Outcome::stands(turn))
    }

    fn outcome_in(&self, world: &World) -> Outcome {
        let latest = |turn: &Turn| turn.decision.summary.latest.clone();
        match &self.last {
            Some(turn) if latest(turn).is_some_and(|latest| latest != world.wanted) => {
                let why = format!("no round has seen that {} is wanted", world.wanted);
                let phase = Some(turn.decision.phase);
                Outcome::Undecided { phase, why }
            }
            last => Outcome::of(last.as_ref()),
        }
    }

    /// Takes one round; none when nothing will ever happen any more, or the limit has come.
    pub fn step(&mut self) -> Option<Stepped> {
        self.step_before(self.limit)
    }

    /// Takes one round that is due until a time since the start; stands at that time when there
    /// is none.
    pub fn step_until(&mut self, at: Duration) -> Option<Stepped> {
        let until = self.shared.world().origin + at;
        let stepped = self.step_before(until);
        if stepped.is_none() {
            self.pass(until);
        }
        stepped
    }

    /// Takes every round that is due until a time since the start, and stands there.
    pub fn run_until(&mut self, at: Duration) {
        while self.step_until(at).is_some() {}
    }

    /// Runs until the outcome stands and nothing is left to be done, and reports.
    pub fn run(mut self) -> Report {
        while !self.is_over() && self.step().is_some() {}
        if !self.outcome().is_final() {
            // Its users go on to live with how it stands.
            self.pass(self.limit);
        }
        let told = self.record.take();
        self.report_of(told)
    }

    /// What has happened so far.
    pub fn report(&self) -> Report {
        self.report_of(self.record.told())
    }

    fn report_of(&self, told: (Vec<Fact>, Vec<Violation>)) -> Report {
        let (world, rounds) = (self.shared.world(), self.checks.rounds());
        let outcome = self.outcome_in(&world);
        self.record.report(told, &world, outcome, rounds, self.seed)
    }

    /// Whether the outcome stands and nothing is left to be done.
    pub fn is_over(&self) -> bool {
        let world = self.shared.world();
        let quiet = world
            .revisions
            .iter()
            .all(|revision| revision.next.is_none())
            && world.routers.iter().all(|router| router.pending.is_empty())
            && world.echoes.is_empty();
        let driven = |seat: &Seat| seat.frozen.is_none() && seat.reborn.is_none();
        let quiet = quiet && self.seats.iter().all(driven);
        let rested = self.last.as_ref().is_some_and(|turn| {
            turn.due.is_none()
                && turn.decision.actions.is_empty()
                && turn.decision.wanted.is_empty()
        });
        self.script.is_empty() && quiet && rested && !world.changed && self.is_decided(&world)
    }

    /// Lets the first version come to rest before the start.
    fn prologue(&mut self, start: Timestamp) {
        while self.step_before(start).is_some() {
            if self.last.as_ref().is_some_and(Turn::is_at_rest) && !self.shared.world().changed {
                break;
            }
        }
        self.pass(start);
    }

    /// From now on everything counts.
    fn begin(&mut self, measures: Vec<(String, Measure)>, faults: Vec<CallFault>) {
        let mut world = self.shared.world();
        for (name, measure) in measures {
            world.measures.name(name, measure);
        }
        for fault in faults {
            world.break_with(fault);
        }
        self.record.begin(&world, self.last.as_ref());
    }

    fn step_before(&mut self, until: Timestamp) -> Option<Stepped> {
        loop {
            self.play_due();
            self.spread_changes();
            if let Some(stepped) = self.run_seats() {
                return Some(stepped);
            }
            if self.shared.world().changed || self.is_due() {
                continue;
            }
            let next = self.next_instant().filter(|at| *at <= until)?;
            self.pass(next);
        }
    }

    /// Whether something of the script is due now.
    fn is_due(&self) -> bool {
        let now = self.clock.world_now();
        self.script.front().is_some_and(|(at, _)| *at <= now)
    }

    fn next_instant(&self) -> Option<Timestamp> {
        let frozen = self.seats.iter().filter_map(|seat| seat.frozen);
        let reborn = self.seats.iter().filter_map(|seat| seat.reborn);
        let script = self.script.front().map(|(at, _)| *at);
        let world = self.shared.world().next_change();
        let timer = self.next_timer();
        let known = frozen.chain(reborn).chain(script).chain(world);
        known.chain(timer).min()
    }

    /// The next timer of anybody who is not stopped.
    fn next_timer(&self) -> Option<Timestamp> {
        let now = self.clock.world_now();
        let stopped = self.seats.iter().any(|seat| seat.frozen.is_some());
        // A stopped driver's timers stand in the past until it goes on.
        self.clock.next_timer().filter(|at| !stopped || *at > now)
    }

    fn pass(&mut self, to: Timestamp) {
        self.shared.world().pass(to);
        self.clock.advance(to);
        let now = self.clock.world_now();
        for seat in &mut self.seats {
            if seat.frozen.is_some_and(|until| until <= now) {
                seat.thaw();
            }
        }
        for driver in 0..self.seats.len() {
            if self
                .seats
                .get(driver)
                .is_some_and(|seat| seat.reborn.is_some_and(|at| at <= now))
            {
                self.staging.revive(driver, &mut self.seats);
                self.tell(driver, "is started again");
            }
        }
        self.mark_living();
    }

    /// Drivers are told of a change as a watch tells them, but for those that must look themselves.
    fn spread_changes(&mut self) {
        let mut world = self.shared.world();
        if !std::mem::take(&mut world.changed) {
            return;
        }
        self.record.pods(&world);
        let lossy = !world.faults.is_empty();
        drop(world);
        for seat in &self.seats {
            seat.desk
                .look_for_yourself(lossy || self.staging.is_lossy());
            seat.desk.nudge();
        }
    }

    fn run_seats(&mut self) -> Option<Stepped> {
        for driver in 0..self.seats.len() {
            let Some(seat) = self.seats.get_mut(driver) else {
                continue;
            };
            match seat.run() {
                Ran::Idle => {}
                Ran::Over => self.tell(driver, "no longer drives"),
                Ran::Struck(blow) => self.suffer(driver, blow),
                Ran::Turned(turned) => return Some(self.take(driver, *turned)),
            }
        }
        None
    }

    fn suffer(&mut self, driver: usize, blow: Blow) {
        let now = self.clock.world_now();
        if let Some(seat) = self.seats.get_mut(driver) {
            match blow {
                Blow::Crash(back) => seat.die(now + back),
                Blow::Freeze(span) => seat.frozen = Some(now + span),
            }
        }
        match blow {
            Blow::Crash(back) => self.tell(
                driver,
                &format!("dies, back in {}", go_duration::format(back)),
            ),
            Blow::Freeze(span) => self.tell(
                driver,
                &format!("is stopped for {}", go_duration::format(span)),
            ),
        }
        self.mark_living();
    }

    /// Looks at a round, and lets the driver go on.
    fn take(&mut self, driver: usize, turned: Result<Turn, TurnError>) -> Stepped {
        if let Some(seat) = self.seats.get(driver) {
            seat.desk.release();
        }
        if let Ok(turn) = &turned {
            self.witnesses
                .iter()
                .for_each(|witness| witness.turned(&self.id, turn));
        }
        let world = self.shared.world();
        let writes = world.writes.get(self.checked..).unwrap_or_default();
        let scene = Scene {
            world: &world,
            writes,
            turn: turned.as_ref().ok(),
        };
        let violations = self.checks.after(&scene);
        self.record.round(&world, driver, &scene, violations);
        self.checked = world.writes.len();
        let at = world.elapsed();
        drop(world);
        let turn = turned.map_err(|error| fault_of(&error));
        match &turn {
            Ok(turn) => self.last = Some(turn.clone()),
            Err(fault) => self.tell(driver, &format!("takes no round: {fault}")),
        }
        Stepped { driver, at, turn }
    }

    fn tell(&mut self, driver: usize, text: &str) {
        let text = text.to_owned();
        let world = self.shared.world();
        self.record.fact(&world, What::Driver { driver, text });
    }

    fn mark_living(&self) {
        let mut world = self.shared.world();
        for (seat, (_, alive)) in self.seats.iter().zip(&mut world.drivers) {
            *alive = seat.is_alive() && seat.frozen.is_none();
        }
    }

    fn play_due(&mut self) {
        let now = self.clock.world_now();
        while self.script.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, what)) = self.script.pop_front() {
                self.play(what);
            }
        }
    }

    fn play(&mut self, what: Happening) {
        {
            let world = self.shared.world();
            self.record.happening(&world, &what);
        }
        match what {
            Happening::Order(kind) => self.leave(kind, Default::default()),
            Happening::OrderFor(kind, expects) => self.leave(kind, expects),
            Happening::Plan(plan) => {
                self.shared.world().plan = Arc::new((*plan).clone());
                self.staging.follow_plan(&plan);
                self.seats
                    .iter()
                    .for_each(|seat| seat.desk.follow_plan((*plan).clone()));
            }
            Happening::ClockJumps(by) => self.seats.iter().for_each(|seat| seat.clock.jump(by)),
            Happening::Crash(back) => self.strike(Blow::Crash(back)),
            Happening::Freeze(span) => self.strike(Blow::Freeze(span)),
            Happening::SecondDriver { force } => {
                self.staging.add(force, &self.clock, &mut self.seats);
                self.mark_living();
            }
            what => self.shared.world().suffer(what),
        }
    }

    fn strike(&mut self, blow: Blow) {
        let living = self.seats.iter().position(Seat::is_alive);
        living
            .into_iter()
            .for_each(|driver| self.suffer(driver, blow));
    }

    fn leave(
        &mut self,
        kind: gradatim_core::order::OrderKind,
        expects: gradatim_core::order::Expects,
    ) {
        let order = MailboxOrder {
            kind,
            expects,
            by: None,
        };
        // The store in memory answers at once and never refuses.
        let _ = self.store.leave(&order).now_or_never();
        self.shared.world().changed = true;
    }
}

fn fault_of(error: &TurnError) -> Fault {
    match error {
        TurnError::Lost(fault) => fault.clone(),
        TurnError::NotTaken(error) => error.to_fault(),
        other => Fault::new(FaultKind::Other, other.to_string()),
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("rollout", &self.id)
            .field("elapsed", &self.elapsed())
            .finish_non_exhaustive()
    }
}
