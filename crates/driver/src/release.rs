//! A rollout as its owner holds it: where it stands, how it ends, and what to order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::channel::{mpsc, oneshot};
use gradatim_core::decision::{Decision, Phase};
use gradatim_core::id::{RevisionId, RolloutId};
use gradatim_core::order::{Expects, OrderKind};
use gradatim_core::plan::Plan;
use gradatim_core::reason::Reason;
use gradatim_core::time::Timestamp;
use tokio::sync::watch;

use crate::driver::StartError;
use crate::evidence::Evidence;
use crate::orders::OrderError;
use crate::ports::Ports;
use crate::probe::Unmeasurable;
use crate::turn::Turn;

/// Where a rollout stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// The rollout.
    pub rollout: RolloutId,
    /// The plan that it follows.
    pub plan: Arc<Plan>,
    /// When the last round was decided.
    pub now: Timestamp,
    /// What it decided: phase, message, what it waits for, weights.
    pub decision: Arc<Decision>,
    /// Lines that say why measurements failed, the newest last.
    pub evidence: Arc<[Evidence]>,
    /// What its metrics would not have to measure, as it was when the attempt began.
    pub unmeasurable: Arc<[Unmeasurable]>,
    /// Why it is no longer driven here; none while it is.
    pub ended: Option<Ended>,
}

impl Status {
    pub(crate) fn of(rollout: &RolloutId, turn: &Turn) -> Self {
        Self {
            rollout: rollout.clone(),
            plan: Arc::clone(&turn.plan),
            now: turn.now,
            decision: Arc::clone(&turn.decision),
            evidence: Arc::clone(&turn.evidence),
            unmeasurable: Arc::clone(&turn.unmeasurable),
            ended: None,
        }
    }

    /// How the release has ended; none while it is under way.
    pub fn outcome(&self) -> Option<Outcome> {
        match &self.ended {
            // What a stop has taken back before it left is taken back.
            Some(Ended::Stopped) => outcome(&self.decision).or(Some(Outcome::Stopped)),
            Some(Ended::Lost(why)) => Some(Outcome::Lost { why: why.clone() }),
            Some(Ended::Broken) => Some(Outcome::Broken),
            None => outcome(&self.decision),
        }
    }
}

fn outcome(decision: &Decision) -> Option<Outcome> {
    let summary = &decision.summary;
    match (&decision.waiting.reason, decision.phase) {
        (_, Phase::Healthy) if summary.stable == summary.latest => Some(Outcome::Promoted {
            revision: summary.latest.clone()?,
        }),
        // With no router nothing is read of a weight; with one, 0 must have been seen.
        (Reason::Aborted { message }, Phase::Degraded)
            if summary.weight_seen.unwrap_or(summary.weight) == 0 =>
        {
            Some(Outcome::RolledBack {
                revision: summary.latest.clone()?,
                why: message.clone(),
            })
        }
        _ => None,
    }
}

/// Why a rollout is no longer driven here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to stop.
    Stopped,
    /// Another driver has taken it.
    Lost(String),
    /// A port or a policy panicked.
    Broken,
}

/// How a release has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The wanted version serves everyone.
    Promoted {
        /// The version.
        revision: RevisionId,
    },
    /// The wanted version was taken back; stable serves everyone again.
    RolledBack {
        /// The version that was taken back.
        revision: RevisionId,
        /// Why.
        why: String,
    },
    /// It was stopped before its end; what is saved goes on with the next driver.
    Stopped,
    /// Another driver has taken the rollout.
    Lost {
        /// How that was found.
        why: String,
    },
    /// A port or a policy panicked; what is saved goes on with the next driver.
    Broken,
}

/// What a handle asks of the loop.
pub(crate) enum Command {
    Order(OrderKind, Expects, oneshot::Sender<Result<(), OrderError>>),
    Plan(Box<Plan>),
    /// A turn at once; answered when it is over.
    Turn(oneshot::Sender<()>),
    Stop,
}

/// A handle on a rollout that a [`Driver`](crate::Driver) turns. Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Release {
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) abort_on_exit: Arc<AtomicBool>,
    pub(crate) ports: Arc<Ports>,
}

impl Release {
    /// Where it stands, as of the last round.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Every change of where it stands; a slow reader sees the newest.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Gives an order, and waits until its effect is saved.
    ///
    /// # Errors
    /// When it was refused, or the rollout is no longer driven here.
    pub async fn order(&self, kind: OrderKind) -> Result<(), OrderError> {
        self.order_expecting(kind, Expects::default()).await
    }

    /// Gives an order for a situation; it is refused when that has passed.
    ///
    /// # Errors
    /// When it was refused, or the rollout is no longer driven here.
    pub async fn order_expecting(
        &self,
        kind: OrderKind,
        expects: Expects,
    ) -> Result<(), OrderError> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Order(kind, expects, answer));
        answered.await.unwrap_or(Err(OrderError::Gone))
    }

    /// Follows another plan from the next round on.
    ///
    /// # Errors
    /// When the ports lack what it needs; then the plan before stays.
    pub fn set_plan(&self, plan: Plan) -> Result<(), StartError> {
        let lacking = self.ports.lacking(&plan);
        if !lacking.is_empty() {
            return Err(StartError::Lacking(lacking));
        }
        self.send(Command::Plan(Box::new(plan)));
        Ok(())
    }

    /// Waits until the wanted version serves everyone, was taken back, or is no longer driven
    /// here. It looks anew first, so that a version wanted just before the call counts.
    pub async fn outcome(&self) -> Outcome {
        let (answer, turned) = oneshot::channel();
        self.send(Command::Turn(answer));
        // An error means that it is no longer driven: then the status says why.
        let _ = turned.await;
        let mut status = self.status.clone();
        match status.wait_for(|status| status.outcome().is_some()).await {
            Ok(status) => status.outcome().unwrap_or(Outcome::Stopped),
            Err(_) => self.status().outcome().unwrap_or(Outcome::Stopped),
        }
    }

    /// Whether stopping takes the traffic back first; by default it leaves it where it is.
    pub fn abort_on_exit(&self, abort: bool) {
        self.abort_on_exit.store(abort, Ordering::Relaxed);
    }

    /// Stops driving it. The route stays as it is seen, unless
    /// [`abort_on_exit`](Self::abort_on_exit) says otherwise, and what is saved goes on with the
    /// next driver, to which the rollout is handed over.
    pub async fn stop(&self) {
        self.send(Command::Stop);
        let mut status = self.status.clone();
        // An error means that the loop is gone, which is as stopped as can be.
        let _ = status.wait_for(|status| status.ended.is_some()).await;
    }

    fn send(&self, command: Command) {
        // A loop that is gone drops the answer's sender, and that is how the caller learns it.
        let _ = self.commands.unbounded_send(command);
    }
}
