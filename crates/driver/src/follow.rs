//! One rollout on the driver's loop: from what happens to the next round.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::future::{Either, select};
use futures::{FutureExt, StreamExt};
use gradatim_core::order::{Expects, OrderKind};
use gradatim_core::time::Timestamp;
use tokio::sync::watch;
use tracing::{error, warn};

use crate::changes::Changes;
use crate::clock::Clock;
use crate::ports::Ports;
use crate::release::{Command, Ended, Status};
use crate::round::{Round, beat};
use crate::turn::{Turn, TurnError};
use crate::witness::Witness;

/// The shortest time between two rounds: many changes at once are one round, and a port that
/// says "changed" without end, or a decision that wakes in the past, cannot spin the loop.
const PACE: Duration = Duration::from_millis(50);
/// How often a holder says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long after a failed take the next one comes.
const RETAKE: Duration = Duration::from_secs(5);
/// How long a stop waits for the traffic to be back.
const LONGEST_ABORT: Duration = Duration::from_secs(120);

/// Everything around a [`Round`] that the loop holds.
pub(crate) struct Follow {
    pub(crate) holder: String,
    pub(crate) witnesses: Arc<[Arc<dyn Witness>]>,
    pub(crate) closing: watch::Receiver<bool>,
    pub(crate) changes: Changes,
    pub(crate) inbox: mpsc::UnboundedReceiver<Command>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) abort_on_exit: Arc<AtomicBool>,
}

/// What the loop does next for a rollout.
enum Next {
    Turn,
    Command(Command),
    Stop,
}

/// What rounds have left to be done.
struct Course {
    come_back: Timestamp,
    last: Timestamp,
    /// Whom to tell when the next round is over.
    asked: Vec<oneshot::Sender<()>>,
    /// Until when a stop waits for the traffic to be back; none while nobody wants to stop.
    stopping: Option<Timestamp>,
}

impl Course {
    /// Whether it is time to leave everything as it is seen: a round might move traffic that
    /// nobody would watch. An order that was given before is still taken up.
    fn is_left(&self, round: &Round) -> bool {
        let now = round.ports().clock.now();
        self.stopping.is_some_and(|until| until <= now) && !round.has_orders()
    }
}

impl Follow {
    // In boxes: an async function has room for what it is given and once more for what it moves.
    pub(crate) async fn run(mut self: Box<Self>, mut round: Box<Round>, turn: Turn) {
        let id = round.id().clone();
        let driven = AssertUnwindSafe(self.drive(&mut round, turn)).catch_unwind();
        let ended = driven.await.unwrap_or_else(|_| {
            error!(rollout = %id, "a port, a policy or a witness panicked; the rollout is left");
            Ended::Broken
        });
        if ended == Ended::Stopped {
            // Its heartbeat has ended, and no action of it is under way.
            let handed_over = AssertUnwindSafe(round.hand_over()).catch_unwind().await;
            if handed_over.is_err() {
                error!(rollout = %id, "the store panicked; the next driver waits");
            }
        }
        for witness in self.witnesses.iter() {
            // One that has panicked may do so again, and others drive on this task.
            let told = catch_unwind(AssertUnwindSafe(|| witness.left(&id)));
            if told.is_err() {
                error!(rollout = %id, "a witness panicked");
            }
        }
        self.status.send_modify(|status| status.ended = Some(ended));
    }

    async fn drive(&mut self, round: &mut Round, turn: Turn) -> Ended {
        let (ports, holder) = (round.shared_ports(), self.holder.clone());
        self.tell(round, &turn);
        let course = Course {
            come_back: turn.come_back,
            last: turn.now,
            asked: Vec::new(),
            stopping: None,
        };
        // What was seen and decided in it is not kept for as long as the rollout lasts.
        drop(turn);
        let alive = pin!(stay_alive(&ports, &holder));
        match select(pin!(self.rounds(round, course)), alive).await {
            Either::Left((ended, _)) => ended,
            Either::Right((never, _)) => match never {},
        }
    }

    async fn rounds(&mut self, round: &mut Round, mut course: Course) -> Ended {
        loop {
            match self.next(round, &course).await {
                Next::Turn => {}
                Next::Stop => self.begin_to_stop(round, &mut course),
                Next::Command(command) => self.obey(command, round, &mut course),
            }
            self.drain_inbox(round, &mut course);
            if course.is_left(round) {
                round.finish().await;
                return Ended::Stopped;
            }
            match self.turn(round, &mut course).await {
                Ok(turn) if self.is_over(&turn, &course) => {
                    round.finish().await;
                    return Ended::Stopped;
                }
                Ok(_) => {}
                Err(TurnError::Lost(fault)) => return Ended::Lost(fault.text),
                Err(TurnError::NotTaken(_)) if course.stopping.is_some() => return Ended::Stopped,
                Err(TurnError::NotTaken(error)) => {
                    warn!(%error, rollout = %round.id(), "the rollout could not be taken");
                    course.come_back = round.ports().clock.now() + RETAKE;
                }
            }
        }
    }

    /// Waits for whatever makes a round due.
    async fn next(&mut self, round: &mut Round, course: &Course) -> Next {
        let clock = Arc::clone(&round.ports().clock);
        let stopping = course.stopping.is_some();
        let until = course
            .stopping
            .map_or(course.come_back, |at| at.min(course.come_back));
        tokio::select! {
            biased;
            Some(command) = self.inbox.next() => Next::Command(command),
            Ok(()) = self.closing.changed(), if !stopping => Next::Stop,
            () = round.ready() => Next::Turn,
            () = self.changes.next() => Next::Turn,
            () = clock.sleep_until(until) => Next::Turn,
        }
    }

    fn drain_inbox(&mut self, round: &mut Round, course: &mut Course) {
        while let Ok(command) = self.inbox.try_recv() {
            self.obey(command, round, course);
        }
    }

    fn obey(&self, command: Command, round: &mut Round, course: &mut Course) {
        match command {
            Command::Order(kind, expects, answer) => round.give(kind, expects, answer),
            Command::Plan(plan) => round.set_plan(*plan),
            Command::Turn(answer) => course.asked.push(answer),
            Command::Stop => self.begin_to_stop(round, course),
        }
    }

    fn begin_to_stop(&self, round: &mut Round, course: &mut Course) {
        let now = round.ports().clock.now();
        let status = self.status.borrow();
        let aborts = self.abort_on_exit.load(Ordering::Relaxed) && status.outcome().is_none();
        if aborts {
            // What becomes of the order shows in the decisions.
            drop(round.order(OrderKind::Abort, Expects::default()));
        }
        course.stopping = Some(if aborts { now + LONGEST_ABORT } else { now });
    }

    async fn turn(&mut self, round: &mut Round, course: &mut Course) -> Result<Turn, TurnError> {
        let clock = Arc::clone(&round.ports().clock);
        clock.sleep_until(course.last + PACE).await;
        self.changes.catch_up();
        // In a box of its own: most of the time nothing is turned, and thousands wait.
        let turn = Box::pin(round.turn()).await;
        course.last = clock.now();
        let turn = turn?;
        course.come_back = turn.come_back;
        self.tell(round, &turn);
        for asked in course.asked.drain(..) {
            // Whoever asked may have gone.
            let _ = asked.send(());
        }
        Ok(turn)
    }

    fn is_over(&self, turn: &Turn, course: &Course) -> bool {
        let back = || self.status.borrow().outcome().is_some();
        course
            .stopping
            .is_some_and(|until| until <= turn.now || back())
    }

    fn tell(&self, round: &Round, turn: &Turn) {
        for witness in self.witnesses.iter() {
            witness.turned(round.id(), turn);
        }
        self.status.send_replace(Status::of(round.id(), turn));
    }
}

/// Says that the holder is alive, whatever a round is waiting for; never resolves.
async fn stay_alive(ports: &Ports, holder: &str) -> Infallible {
    let clock: &dyn Clock = ports.clock.as_ref();
    loop {
        clock.sleep_until(clock.now() + HEARTBEAT).await;
        if let Err(error) = beat(ports, holder).await {
            warn!(%error, "the heartbeat could not be written");
        }
    }
}
