//! Everything the core is told about the world in one round.

use serde::{Deserialize, Serialize};

use crate::event::EventId;
use crate::fault::Fault;
use crate::measurement::Measurement;
use crate::order::Order;
use crate::route::RouteSeen;
use crate::stamp::Stamp;
use crate::workload::WorkloadSeen;

/// What a port answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Read<T> {
    /// What is there.
    Seen(T),
    /// It could not be read.
    Failed(Fault),
}

impl<T> Read<T> {
    /// What is there, if it could be read.
    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Failed(_) => None,
        }
    }

    /// Why it could not be read.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Seen(_) => None,
            Self::Failed(fault) => Some(fault),
        }
    }
}

/// An action that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionFault {
    /// The action's stamp.
    pub stamp: Stamp,
    /// Why.
    pub fault: Fault,
}

/// Everything the core is told about the world in one round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// The epoch that the store granted to this driver.
    pub epoch: u64,
    /// Whether this driver has just taken the rollout from another one.
    #[serde(default)]
    pub taken_over: bool,
    /// The workload.
    pub workload: Read<WorkloadSeen>,
    /// The route as each router reads it, in the plan's order; empty without a router.
    pub routes: Vec<Read<RouteSeen>>,
    /// Answers that have arrived and are still wanted.
    pub measurements: Vec<Measurement>,
    /// Orders not yet acknowledged.
    pub orders: Vec<Order>,
    /// Actions that failed since the last round.
    pub faults: Vec<ActionFault>,
    /// Events that were delivered.
    pub delivered: Vec<EventId>,
}

impl Observation {
    /// What is seen of a workload and its routers, with nothing else to tell.
    pub fn new(epoch: u64, workload: WorkloadSeen, routes: Vec<RouteSeen>) -> Self {
        Self {
            epoch,
            taken_over: false,
            workload: Read::Seen(workload),
            routes: routes.into_iter().map(Read::Seen).collect(),
            measurements: Vec::new(),
            orders: Vec::new(),
            faults: Vec::new(),
            delivered: Vec::new(),
        }
    }
}
