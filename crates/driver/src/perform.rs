//! Making actions so: after the save, each by its port, none twice for nothing.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use gradatim_core::action::Action;
use gradatim_core::fault::{Fault, FaultKind};
use gradatim_core::observation::{ActionFault, Observation};
use gradatim_core::port::{Ownership, PortError, TrafficRouter};
use gradatim_core::route::Route;
use gradatim_core::time::Timestamp;
use tracing::{info, warn};

use crate::deadline::{Backoff, within};
use crate::ports::Ports;
use crate::shows::{is_unread, shows_else};

/// How long a write that succeeded is given to show itself before it is repeated.
const HOLD: Duration = Duration::from_secs(30);
/// The same for one that takes the canary down.
const HOLD_LOWERING: Duration = Duration::from_secs(5);
/// How soon after a write it is looked whether it shows itself.
const FIRST_LOOK: Duration = Duration::from_millis(250);
/// The longest pause between two tries of an action.
const SLOWEST: Duration = Duration::from_secs(30);
/// The same for one that takes the canary down.
const SLOWEST_LOWERING: Duration = Duration::from_secs(5);

/// What was done about the actions that are wanted.
#[derive(Default)]
pub(crate) struct Hands {
    done: Vec<Done>,
    failed: Vec<Failed>,
}

struct Done {
    action: Action,
    seen: Arc<Observation>,
    at: Timestamp,
    until: Timestamp,
}

struct Failed {
    action: Action,
    fault: Fault,
    backoff: Backoff,
}

/// What became of one action.
enum Effect {
    Done,
    /// A raise that must wait until every router can be read.
    Waits,
    Failed(PortError),
}

/// What one round's performing needs to know.
pub(crate) struct Stage<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) owner: &'a Ownership,
    pub(crate) seen: &'a Arc<Observation>,
    /// Whether the save has failed, so that only what lowers the canary may go out.
    pub(crate) only_lowering: bool,
}

impl Hands {
    /// Actions whose last try failed and that are still wanted.
    pub(crate) fn faults(&self) -> Vec<ActionFault> {
        let fault = |failed: &Failed| ActionFault {
            stamp: failed.action.stamp(),
            fault: failed.fault.clone(),
        };
        self.failed.iter().map(fault).collect()
    }

    /// The first instant at which anything is worth another try, for a round that was decided at
    /// `now`; what was due before and could not go out waits for something else.
    pub(crate) fn retry_at(&self, now: Timestamp) -> Option<Timestamp> {
        let failed = self.failed.iter().filter_map(|f| f.backoff.not_before());
        let done = self.done.iter().map(|done| done.until);
        failed.chain(done).filter(|at| *at >= now).min()
    }

    /// When to look whether what was done shows itself, for ports that do not say so: soon, and
    /// then each time after twice as long.
    pub(crate) fn look_at(&self, now: Timestamp) -> Option<Timestamp> {
        let looks = self.done.iter().map(|done| {
            let age = now.since(done.at);
            now + age.max(FIRST_LOOK)
        });
        looks.min()
    }

    /// Performs what is wanted and not held back, all at once: each is safe by what was seen.
    ///
    /// Answers with the fault when a port has refused us for a newer stamp.
    pub(crate) async fn perform(&mut self, actions: &[Action], stage: &Stage<'_>) -> Option<Fault> {
        self.forget(actions, stage.seen);
        let now = stage.ports.clock.now();
        let allowed = |action: &&Action| !stage.only_lowering || lowers(action);
        let due: Vec<&Action> = actions
            .iter()
            .filter(allowed)
            .filter(|action| self.is_due(action, stage.seen, now))
            .collect();
        let effects = join_all(due.iter().map(|action| stage.perform(action))).await;
        let mut fenced = None;
        for (action, effect) in due.into_iter().zip(effects) {
            let fault = self.note(action, effect, stage);
            fenced = fenced.or(fault.filter(|fault| fault.kind == FaultKind::Fenced));
        }
        fenced
    }

    /// Forgets what is not wanted any more; what cannot be read may be wanted all the same.
    fn forget(&mut self, actions: &[Action], seen: &Observation) {
        let wanted = |known: &Action| actions.iter().any(|action| same(action, known));
        self.done
            .retain(|done| wanted(&done.action) || is_unread(&done.action, seen));
        self.done.shrink_to_fit();
        self.failed.retain(|failed| wanted(&failed.action));
    }

    fn is_due(&self, action: &Action, seen: &Observation, now: Timestamp) -> bool {
        let waits = |done: &Done| now < done.until && !shows_else(action, &done.seen, seen);
        let held = self
            .done
            .iter()
            .any(|done| same(&done.action, action) && waits(done));
        let failed = self
            .failed
            .iter()
            .find(|failed| same(&failed.action, action));
        !held && failed.is_none_or(|failed| failed.backoff.is_over(now))
    }

    fn note(&mut self, action: &Action, effect: Effect, stage: &Stage<'_>) -> Option<Fault> {
        let now = stage.ports.clock.now();
        self.done.retain(|done| !same(&done.action, action));
        let known = self
            .failed
            .iter()
            .position(|failed| same(&failed.action, action));
        let known = known.map(|place| self.failed.swap_remove(place));
        let lowers = lowers(action);
        match effect {
            Effect::Waits => self.failed.extend(known),
            Effect::Done => {
                info!(stamp = %action.stamp(), ?action, "performed");
                self.done.push(Done {
                    action: action.clone(),
                    seen: Arc::clone(stage.seen),
                    at: now,
                    until: now + if lowers { HOLD_LOWERING } else { HOLD },
                });
            }
            Effect::Failed(error) => {
                let fault = error.to_fault();
                warn!(%error, stamp = %action.stamp(), "an action failed");
                let mut backoff = known.map(|failed| failed.backoff).unwrap_or_default();
                let slowest = if lowers { SLOWEST_LOWERING } else { SLOWEST };
                backoff.failed(&fault, slowest, now);
                self.failed.push(Failed {
                    action: action.clone(),
                    fault: fault.clone(),
                    backoff,
                });
                return Some(fault);
            }
        }
        None
    }
}

/// Whether an action only lowers the canary.
fn lowers(action: &Action) -> bool {
    matches!(action, Action::Route { lowers: true, .. })
}

/// Whether two actions are the same intent.
fn same(one: &Action, other: &Action) -> bool {
    match (one, other) {
        (Action::Route { route, .. }, Action::Route { route: other, .. }) => route == other,
        _ => one == other,
    }
}

impl Stage<'_> {
    async fn perform(&self, action: &Action) -> Effect {
        let workload = &self.ports.workload;
        if let Action::Route { route, lowers } = action {
            return self.route(route, *lowers).await;
        }
        if let Err(error) = self.still_ours(workload.is_fenced(), false).await {
            return Effect::Failed(error);
        }
        let performed = match action {
            Action::Scale {
                revision,
                replicas,
                stamp,
            } => self.call(workload.scale(revision, *replicas, *stamp)).await,
            Action::Restart {
                before,
                at_most,
                stamp,
            } => self.call(workload.restart(*before, *at_most, *stamp)).await,
            Action::Undo { to, stamp } => self.call(workload.undo(to, *stamp)).await,
            other => Err(unknown(other)),
        };
        performed.map_or_else(Effect::Failed, |()| Effect::Done)
    }

    async fn call(
        &self,
        call: impl Future<Output = Result<(), PortError>>,
    ) -> Result<(), PortError> {
        let ports = self.ports;
        within(
            ports.clock.as_ref(),
            ports.deadlines.call,
            "the workload",
            call,
        )
        .await
    }

    async fn route(&self, route: &Route, lowers: bool) -> Effect {
        let unread = self.seen.routes.iter().any(|read| read.fault().is_some());
        if unread && !lowers {
            return Effect::Waits;
        }
        let fenced = |router: &Arc<dyn TrafficRouter>| router.capabilities().fenced;
        let fenced = self.ports.routers.iter().all(fenced);
        if let Err(error) = self.still_ours(fenced, lowers).await {
            return Effect::Failed(error);
        }
        let written = if lowers {
            self.lower(route).await
        } else {
            self.raise(route).await
        };
        written.map_or_else(Effect::Failed, |()| Effect::Done)
    }

    /// Every router was read in this round; the first write that fails is the last.
    async fn raise(&self, route: &Route) -> Result<(), PortError> {
        for router in &self.ports.routers {
            self.apply(router.as_ref(), route).await?;
        }
        Ok(())
    }

    /// Writes every router it can, whatever becomes of the others.
    async fn lower(&self, route: &Route) -> Result<(), PortError> {
        let writes = self
            .ports
            .routers
            .iter()
            .map(|router| self.apply(router.as_ref(), route));
        let mut errors: Vec<PortError> = join_all(writes)
            .await
            .into_iter()
            .filter_map(Result::err)
            .collect();
        errors.sort_by_key(|error| error.kind != FaultKind::Fenced);
        errors.into_iter().next().map_or(Ok(()), Err)
    }

    async fn apply(&self, router: &dyn TrafficRouter, route: &Route) -> Result<(), PortError> {
        let ports = self.ports;
        within(
            ports.clock.as_ref(),
            ports.deadlines.call,
            "a router",
            router.apply(route),
        )
        .await
    }

    /// A port that does not refuse an older stamp by itself is written only by the owner.
    ///
    /// Where that cannot be read, the canary may still be lowered.
    async fn still_ours(&self, fenced: bool, lowers: bool) -> Result<(), PortError> {
        if fenced {
            return Ok(());
        }
        match is_owner(self.ports, self.owner).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(PortError::new(
                FaultKind::Fenced,
                "another driver owns the rollout",
            )),
            Err(_) if lowers => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether the store says that we own the rollout.
pub(crate) async fn is_owner(ports: &Ports, owner: &Ownership) -> Result<bool, PortError> {
    let call = ports.store.owner();
    let found = within(
        ports.clock.as_ref(),
        ports.deadlines.call,
        "the store",
        call,
    )
    .await?;
    Ok(found.as_ref() == Some(owner))
}

fn unknown(action: &Action) -> PortError {
    let text = format!("this driver does not know how to perform {action:?}");
    PortError::new(FaultKind::Invalid, text)
}
