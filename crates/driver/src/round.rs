//! One round of the ring, on any executor: observe, decide, persist, perform.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, join, select};
use futures::{FutureExt, pin_mut};
use gradatim_core::decision::Decision;
use gradatim_core::id::RolloutId;
use gradatim_core::observation::Observation;
use gradatim_core::order::{Expects, OrderKind};
use gradatim_core::plan::Plan;
use gradatim_core::port::{Ownership, PortError};
use gradatim_core::time::Timestamp;
use tracing::{Instrument, debug_span};

use crate::deadline::within;
use crate::events::Telling;
use crate::evidence::Gathering;
use crate::keep::Keeper;
use crate::measure::Measurements;
use crate::observe::Eyes;
use crate::orders::{Answer, Desk, OrderTicket};
use crate::perform::{Hands, Stage};
use crate::ports::Ports;
use crate::probe::Probing;
use crate::turn::{Persisted, Turn, TurnError, is_at_rest};

/// How long nothing is observed in flight at most, where a port may miss a change.
const SAFETY_IN_FLIGHT: Duration = Duration::from_secs(10);
/// How long nothing is observed at most.
const SAFETY_AT_REST: Duration = Duration::from_secs(300);

/// A rollout that is turned one round at a time, by whatever loop you have.
///
/// Between rounds it holds running measurements and untold events, which make progress only
/// while [`ready`](Self::ready) is awaited. Dropping the future of a round, or the round itself,
/// at any point loses nothing: what is saved is saved, and the next round begins by looking.
pub struct Round {
    id: RolloutId,
    plan: Arc<Plan>,
    ports: Arc<Ports>,
    wake: Option<Timestamp>,
    keeper: Keeper,
    eyes: Eyes,
    hands: Hands,
    desk: Desk,
    measurements: Measurements,
    telling: Telling,
    gathering: Gathering,
    probing: Probing,
}

impl Round {
    /// A rollout that follows a plan through its ports; nothing happens before the first turn.
    pub fn new(id: impl Into<RolloutId>, plan: Plan, ports: Ports) -> Self {
        let ports = Arc::new(ports);
        Self {
            id: id.into(),
            plan: Arc::new(plan),
            wake: None,
            keeper: Keeper::new(Arc::clone(&ports)),
            ports,
            eyes: Eyes::default(),
            hands: Hands::default(),
            desk: Desk::default(),
            measurements: Measurements::default(),
            telling: Telling::default(),
            gathering: Gathering::default(),
            probing: Probing::default(),
        }
    }

    /// The name under which the rollout is owned; by default one of this process alone.
    ///
    /// With a name that outlives the process a restart need not wait for its own heartbeat to
    /// expire.
    #[must_use]
    pub fn holder(mut self, name: impl Into<String>) -> Self {
        self.keeper.holder = name.into();
        self
    }

    /// Takes the rollout even from a driver that is alive.
    #[must_use]
    pub fn take_over(mut self, force: bool) -> Self {
        self.keeper.take_over = force;
        self
    }

    /// The rollout's name.
    pub fn id(&self) -> &RolloutId {
        &self.id
    }

    /// Its ports.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    pub(crate) fn shared_ports(&self) -> Arc<Ports> {
        Arc::clone(&self.ports)
    }

    /// Follows another plan from the next turn on; what is saved is kept.
    pub fn set_plan(&mut self, plan: Plan) {
        self.plan = Arc::new(plan);
    }

    /// Gives an order; it is taken up by the next turn and answered once its effect is saved.
    pub fn order(&mut self, kind: OrderKind, expects: Expects) -> OrderTicket {
        let (answer, ticket) = OrderTicket::new();
        self.give(kind, expects, answer);
        ticket
    }

    /// Whether an order waits to be taken up or answered.
    pub(crate) fn has_orders(&self) -> bool {
        !self.desk.is_empty()
    }

    pub(crate) fn give(&mut self, kind: OrderKind, expects: Expects, answer: Answer) {
        self.desk.give(kind, expects, answer);
    }

    /// Takes one turn: observes, decides, saves, and performs what was decided.
    ///
    /// It takes no longer than a few [deadlines](crate::deadline::Deadlines), whatever hangs.
    ///
    /// # Errors
    /// When the rollout could not be taken from its store, or was taken by another driver.
    pub async fn turn(&mut self) -> Result<Turn, TurnError> {
        let span = debug_span!("gradatim.round", rollout = %self.id);
        self.take_turn().instrument(span).await
    }

    /// Says that the holder is alive; owed every 10 s, also while a turn is being taken.
    ///
    /// # Errors
    /// When it could not be said.
    pub fn heartbeat(&self) -> impl Future<Output = Result<(), PortError>> + Send + use<> {
        let (ports, holder) = (Arc::clone(&self.ports), self.keeper.holder.clone());
        async move { beat(&ports, &holder).await }
    }

    /// Lets measurements, what is looked for beside them, and notifications go on, and resolves
    /// when one has ended: then it is time for a turn. Never resolves when none is under way.
    pub async fn ready(&mut self) {
        let measured = self.measurements.ready(&self.ports);
        let told = self.telling.ready(&self.ports);
        let gathered = self.gathering.ready();
        let probed = self.probing.ready();
        pin_mut!(measured, told, gathered, probed);
        match select(select(measured, probed), select(told, gathered)).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }

    /// Waits until every event of the last turn was told or given up, at most one deadline.
    pub async fn finish(&mut self) {
        let clock = Arc::clone(&self.ports.clock);
        let until = clock.now() + self.ports.deadlines.call;
        while !self.telling.is_quiet() && clock.now() < until {
            let timer = clock.sleep_until(until);
            let told = self.telling.ready(&self.ports);
            pin_mut!(told, timer);
            select(told, timer).await;
        }
    }

    /// Gives the rollout up: another driver may take it at once. A turn after this one takes it
    /// anew. Where that cannot be written, the next driver waits for the heartbeat to expire.
    pub async fn hand_over(&mut self) {
        self.keeper.hand_over().await;
    }

    async fn take_turn(&mut self) -> Result<Turn, TurnError> {
        let began = self.ports.clock.now();
        let owner = self.keeper.own().await?;
        while self.ready().now_or_never().is_some() {}
        let (mut observation, loaded) = self.look(owner.epoch).await;
        let unloaded = loaded.err();
        let saved = self.keeper.saved(unloaded.as_ref());
        observation.orders.extend(self.desk.orders(&saved));
        let observation = Arc::new(observation);
        let now = self.ports.clock.now();
        let late = self
            .wake
            .take()
            .map_or(Duration::ZERO, |wake| now.since(wake));
        let policy = &self.ports.policy;
        let decision = Arc::new(policy.decide(&self.plan, &saved, &observation, now));
        let persisted = self.keeper.persist(&decision, &owner, unloaded).await?;
        let is_saved = !matches!(persisted, Persisted::Failed(_));
        self.perform(&decision, &owner, &observation, is_saved)
            .await?;
        if is_saved {
            self.follow(&decision, &observation).await;
        }
        self.wake = decision.wake;
        let due = self.due(&decision, now);
        let look = now + self.safety(&decision);
        let look = self.hands.look_at(now).map_or(look, |at| at.min(look));
        Ok(Turn {
            due,
            come_back: due.map_or(look, |due| due.min(look)),
            plan: Arc::clone(&self.plan),
            saved,
            observation,
            now,
            decision,
            persisted,
            evidence: self.gathering.found(),
            unmeasurable: self.probing.found(),
            late,
            took: self.ports.clock.now().since(began),
        })
    }

    /// Reads the world, and the store where it is not known what it holds.
    async fn look(&mut self, epoch: u64) -> (Observation, Result<(), PortError>) {
        let span = debug_span!("gradatim.observe");
        let taken_over = self.keeper.is_taken_over();
        let sight = self.eyes.observe(&self.ports).instrument(span);
        let (sight, loaded) = join(sight, self.keeper.load()).await;
        let observation = Observation {
            epoch,
            taken_over,
            workload: sight.workload,
            routes: sight.routes,
            measurements: self.measurements.results(),
            orders: sight.mailbox,
            faults: self.hands.faults(),
            delivered: self.telling.delivered(),
        };
        (observation, loaded)
    }

    async fn perform(
        &mut self,
        decision: &Decision,
        owner: &Ownership,
        seen: &Arc<Observation>,
        is_saved: bool,
    ) -> Result<(), TurnError> {
        let stage = Stage {
            ports: &self.ports,
            owner,
            seen,
            only_lowering: !is_saved,
        };
        let span = debug_span!("gradatim.perform");
        let performed = self.hands.perform(&decision.actions, &stage);
        match performed.instrument(span).await {
            Some(fenced) => self.keeper.refused(fenced, owner).await,
            None => Ok(()),
        }
    }

    /// What may happen only once the decision is saved, after its actions are out.
    async fn follow(&mut self, decision: &Decision, seen: &Observation) {
        let (ports, state) = (&self.ports, self.keeper.state());
        self.measurements
            .follow(&decision.wanted, state, ports, &self.plan);
        self.gathering.follow(seen, state, ports, &self.plan);
        self.probing.follow(decision, state, ports, &self.plan);
        self.telling
            .follow(&self.id, &decision.events, ports, &self.gathering);
        let mailbox = self.desk.answer(&decision.acknowledged);
        self.keeper.take_out(&mailbox).await;
    }

    /// How long nothing is observed at most.
    fn safety(&self, decision: &Decision) -> Duration {
        if is_at_rest(decision) || self.ports.are_watched() {
            SAFETY_AT_REST
        } else {
            SAFETY_IN_FLIGHT
        }
    }

    fn due(&self, decision: &Decision, now: Timestamp) -> Option<Timestamp> {
        let due = [
            decision.wake,
            self.eyes.retry_at(),
            self.hands.retry_at(now),
            self.keeper.retry_at(now),
        ];
        due.into_iter().flatten().min()
    }
}

/// Says that a holder is alive, within the deadline of a call.
pub(crate) async fn beat(ports: &Ports, holder: &str) -> Result<(), PortError> {
    let call = ports.store.heartbeat(holder);
    within(
        ports.clock.as_ref(),
        ports.deadlines.call,
        "the store",
        call,
    )
    .await
}
