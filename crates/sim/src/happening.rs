//! What happens to the world at a time.

use std::fmt;
use std::time::Duration;

use gradatim_core::order::{Expects, OrderKind};
use gradatim_core::plan::Plan;
use gradatim_core::route::Split;

use crate::fault::Fault;
use crate::measure::Measure;
use crate::traffic::Traffic;
use crate::version::Version;
use crate::world::World;

/// Something that happens at a time: see [`Simulation::at`](crate::Simulation::at).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Happening {
    /// An operator leaves an order in the store's mailbox.
    Order(OrderKind),
    /// The same for a situation; it is refused when that has passed.
    OrderFor(OrderKind, Expects),
    /// A version is wanted; a name that exists already wants that revision again.
    Deploy(String, Version),
    /// A version behaves like another one from now on.
    Behave(String, Version),
    /// Another plan is to be followed.
    Plan(Box<Plan>),
    /// Another number of pods is wanted for the whole workload.
    Scale(u32),
    /// The user's pause (`spec.paused`) is set or cleared.
    Pause(bool),
    /// Pods older than this moment are to be restarted (`spec.restartAt`).
    RestartAt,
    /// The users send other traffic.
    Traffic(Traffic),
    /// A metric measures something else.
    Metric(String, Measure),
    /// A stranger changes a router's split and leaves our stamp where it is.
    Split {
        /// The router's place among the plan's.
        router: usize,
        /// What it says now.
        split: Split,
    },
    /// A stranger empties a router's objects.
    Wipe {
        /// The router's place among the plan's.
        router: usize,
    },
    /// So many pods of a revision are lost, and made anew.
    LosePods(String, u32),
    /// So many pods may exist at once from now on; as many as wanted when absent.
    Room(Option<u32>),
    /// Routers' data planes follow so long after a write from now on.
    RouterLag(Duration),
    /// Something breaks.
    Break(Fault),
    /// Everything that broke works again.
    Repair,
    /// The driver's clock jumps ahead.
    ClockJumps(Duration),
    /// The driver dies between two rounds, and is started again after a while.
    Crash(Duration),
    /// The driver is stopped between two rounds (SIGSTOP), and goes on after a while.
    Freeze(Duration),
    /// One more driver is started on the same rollout; by force it takes it from a living one.
    SecondDriver {
        /// Whether it takes the rollout from a driver that is alive.
        force: bool,
    },
}

impl From<OrderKind> for Happening {
    fn from(kind: OrderKind) -> Self {
        Self::Order(kind)
    }
}

impl From<Fault> for Happening {
    fn from(fault: Fault) -> Self {
        Self::Break(fault)
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(kind) | Self::OrderFor(kind, _) => write!(f, "order: {kind}"),
            Self::Deploy(name, _) => write!(f, "{name} is wanted"),
            Self::Behave(name, _) => write!(f, "{name} behaves differently"),
            Self::Plan(_) => write!(f, "another plan"),
            Self::Scale(replicas) => write!(f, "{replicas} replicas are wanted"),
            Self::Pause(true) => write!(f, "the rollout is paused by its user"),
            Self::Pause(false) => write!(f, "the user's pause ends"),
            Self::RestartAt => write!(f, "a restart is wanted"),
            Self::Traffic(traffic) => write!(f, "{} requests/s", traffic.per_second),
            Self::Metric(name, measure) => write!(f, "{name} measures {measure}"),
            Self::Split { router, split } => {
                let parts = split.parts().map(|(slot, part)| format!("{slot} {part}"));
                let parts: Vec<String> = parts.collect();
                write!(f, "a stranger sets router {router} to {}", parts.join(", "))
            }
            Self::Wipe { router } => write!(f, "a stranger empties router {router}"),
            Self::LosePods(name, count) => write!(f, "{name} loses {count} pods"),
            Self::Room(Some(room)) => write!(f, "there is room for {room} pods"),
            Self::Room(None) => write!(f, "there is room for any number of pods"),
            Self::RouterLag(lag) => write!(f, "routers follow after {lag:?}"),
            Self::Break(fault) => write!(f, "fault: {fault}"),
            Self::Repair => write!(f, "everything works again"),
            Self::ClockJumps(by) => write!(f, "the driver's clock jumps ahead by {by:?}"),
            Self::Crash(back) => write!(f, "the driver dies, back in {back:?}"),
            Self::Freeze(span) => write!(f, "the driver is stopped for {span:?}"),
            Self::SecondDriver { force: true } => write!(f, "another driver takes over by force"),
            Self::SecondDriver { force: false } => write!(f, "another driver is started"),
        }
    }
}

impl World {
    /// Lets something happen to the world itself.
    pub(crate) fn suffer(&mut self, what: Happening) {
        match what {
            Happening::Deploy(name, version) => self.deploy(&name, version),
            Happening::Behave(name, version) => self.change(&name, version),
            Happening::Scale(replicas) => self.scale_to(replicas),
            Happening::Pause(paused) => self.pause(paused),
            Happening::RestartAt => {
                self.restart_at = Some(self.now);
                self.touch();
            }
            Happening::Traffic(traffic) => self.set_traffic(traffic),
            Happening::Metric(name, measure) => self.measures.name(name, measure),
            Happening::Split { router, split } => self.edit_split(router, split),
            Happening::Wipe { router } => self.wipe_router(router),
            Happening::LosePods(name, count) => self.lose_pods(&name, count),
            Happening::Room(room) => self.make_room(room),
            Happening::RouterLag(lag) => {
                self.routers.iter_mut().for_each(|router| router.lag = lag);
            }
            Happening::Break(fault) => self.break_with(fault),
            Happening::Repair => self.repair(),
            Happening::Order(_)
            | Happening::OrderFor(..)
            | Happening::Plan(_)
            | Happening::ClockJumps(_)
            | Happening::Crash(_)
            | Happening::Freeze(_)
            | Happening::SecondDriver { .. } => {}
        }
    }
}
