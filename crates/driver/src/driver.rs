//! Many rollouts on one loop.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures::StreamExt;
use futures::channel::mpsc;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use gradatim_core::id::RolloutId;
use gradatim_core::plan::Plan;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::changes::Changes;
use crate::follow::Follow;
use crate::keep::default_holder;
use crate::ports::Ports;
use crate::release::{Release, Status};
use crate::round::Round;
use crate::turn::TurnError;
use crate::witness::Witness;

/// A rollout cannot be started, or cannot go on with another plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The plan needs what the ports do not have.
    #[error("the plan cannot run with these ports: {}", .0.join("; "))]
    Lacking(Vec<String>),
    /// The rollout could not be taken from its store, or was taken by another driver at once.
    #[error(transparent)]
    Turn(#[from] TurnError),
    /// The driver has been shut down.
    #[error("the driver has been shut down")]
    ShutDown,
}

/// How a driver is made.
#[derive(Default)]
pub struct DriverBuilder {
    holder: Option<String>,
    take_over: bool,
    witnesses: Vec<Arc<dyn Witness>>,
}

impl DriverBuilder {
    /// The name under which rollouts are owned; by default one of this process alone.
    ///
    /// With a name that outlives the process a restart need not wait for its own heartbeat to
    /// expire, not even after a crash. No two living drivers may share one.
    #[must_use]
    pub fn holder(mut self, name: impl Into<String>) -> Self {
        self.holder = Some(name.into());
        self
    }

    /// Takes rollouts even from a driver that is alive.
    #[must_use]
    pub fn take_over(mut self, force: bool) -> Self {
        self.take_over = force;
        self
    }

    /// Somebody who is told of every round.
    #[must_use]
    pub fn witness(mut self, witness: Arc<dyn Witness>) -> Self {
        self.witnesses.push(witness);
        self
    }

    /// Starts the loop.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its time enabled.
    pub fn build(self) -> Driver {
        let (rollouts, added) = mpsc::unbounded();
        Driver {
            holder: self.holder.unwrap_or_else(default_holder),
            take_over: self.take_over,
            witnesses: self.witnesses.into(),
            rollouts,
            closing: watch::Sender::new(false),
            task: tokio::spawn(drive(added)),
        }
    }
}

/// Turns any number of rollouts on one tokio task.
///
/// A round is due when the last decision said so, when a port says that something changed, when
/// a measurement has ended, and when an order is given; at the latest after 10 s in flight and
/// 5 min at rest, or where every port [is watched](gradatim_core::port::Workload::is_watched). Dropping the driver ends all of it at once, which is as safe as a crash;
/// [`shut_down`](Self::shut_down) ends it in good order.
pub struct Driver {
    holder: String,
    take_over: bool,
    witnesses: Arc<[Arc<dyn Witness>]>,
    rollouts: mpsc::UnboundedSender<BoxFuture<'static, ()>>,
    closing: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Driver {
    /// A driver with a name of its own and no witness; see [`builder`](Self::builder).
    ///
    /// # Panics
    /// Outside of a tokio runtime with its time enabled.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A driver to be made.
    pub fn builder() -> DriverBuilder {
        DriverBuilder::default()
    }

    /// Takes a rollout, turns it once, and drives it from then on.
    ///
    /// # Errors
    /// When the ports lack what the plan needs, or another driver owns the rollout.
    pub async fn start(
        &self,
        id: impl Into<RolloutId>,
        plan: Plan,
        ports: Ports,
    ) -> Result<Release, StartError> {
        let lacking = ports.lacking(&plan);
        if !lacking.is_empty() {
            return Err(StartError::Lacking(lacking));
        }
        let round = Round::new(id, plan, ports)
            .holder(&*self.holder)
            .take_over(self.take_over);
        self.follow(round).await
    }

    async fn follow(&self, mut round: Round) -> Result<Release, StartError> {
        let mut changes = Changes::new(round.shared_ports());
        changes.catch_up();
        let turn = round.turn().await?;
        let (commands, inbox) = mpsc::unbounded();
        let (status, watched) = watch::channel(Status::of(round.id(), &turn));
        let abort_on_exit = Arc::new(AtomicBool::new(false));
        let release = Release {
            commands,
            status: watched,
            abort_on_exit: Arc::clone(&abort_on_exit),
            ports: round.shared_ports(),
        };
        let follow = Follow {
            holder: self.holder.clone(),
            witnesses: Arc::clone(&self.witnesses),
            closing: self.closing.subscribe(),
            changes,
            inbox,
            status,
            abort_on_exit,
        };
        let rollout = Box::pin(Box::new(follow).run(Box::new(round), turn));
        self.rollouts
            .unbounded_send(rollout)
            .map_err(|_| StartError::ShutDown)?;
        Ok(release)
    }

    /// Stops every rollout as [`Release::stop`] does, and then the loop. Each is handed over: the
    /// next driver takes it at once.
    pub async fn shut_down(mut self) {
        self.closing.send_replace(true);
        self.rollouts = mpsc::unbounded().0;
        // An error means that the loop is gone already.
        let _ = (&mut self.task).await;
    }
}

impl Default for Driver {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// Turns what is due and nothing else: a rollout that waits costs nothing.
async fn drive(mut added: mpsc::UnboundedReceiver<BoxFuture<'static, ()>>) {
    let mut rollouts = FuturesUnordered::new();
    let mut open = true;
    while open || !rollouts.is_empty() {
        tokio::select! {
            rollout = added.next(), if open => match rollout {
                Some(rollout) => rollouts.push(rollout),
                None => open = false,
            },
            _ = rollouts.next(), if !rollouts.is_empty() => {}
        }
    }
}
