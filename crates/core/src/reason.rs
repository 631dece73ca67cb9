//! Why a decision was taken, what it waits for, and until when.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measurement::GatePoint;
use crate::time::Timestamp;

/// Why a decision advanced, waits or went back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
#[non_exhaustive]
pub enum Reason {
    /// Stable serves everyone.
    Resting,
    /// The first version is coming up.
    FirstVersion {
        /// Pods available.
        available: u32,
        /// Pods wanted.
        wanted: u32,
    },
    /// The previous version's traffic must be seen gone and drained.
    Clearing,
    /// Pods of the new version must become available.
    Pods {
        /// Pods available.
        available: u32,
        /// Pods that are enough.
        wanted: u32,
        /// What keeps them from it, in the server's words.
        trouble: Option<String>,
    },
    /// Pods of the old version must become available or go.
    StablePods {
        /// Pods available.
        available: u32,
        /// Pods wanted.
        wanted: u32,
    },
    /// The route must be seen as it was wanted.
    Route {
        /// The canary's weight that is wanted, in parts of the total.
        wanted: u32,
        /// The canary's weight as it was read; none when unknown or mixed.
        seen: Option<u32>,
    },
    /// A pause of the plan.
    Pause,
    /// An operator, or `spec.paused`, holds it.
    Held,
    /// An analysis is being measured.
    Analysis {
        /// The metric that is measured next or is running.
        metric: String,
    },
    /// An analysis could not decide; an operator must.
    Inconclusive {
        /// The run's message.
        message: String,
    },
    /// A running background metric has no fresh measurement.
    StaleAnalysis {
        /// The metric.
        metric: String,
    },
    /// A judge has neither proved that the new version is worse nor that it is good enough.
    NotEnoughData {
        /// What is missing, and how long it takes.
        message: String,
    },
    /// The weight follows the evidence.
    Pace {
        /// How many requests failed so far that stable would not have failed.
        lost: u32,
        /// How many may be lost finding out.
        budget: u32,
    },
    /// The new version is asked much less than its weight says, so that little is known of it.
    ShortOfTraffic {
        /// The metric that counts it.
        metric: String,
    },
    /// A gate is closed or unknown.
    Gate {
        /// Where it stands.
        point: GatePoint,
        /// Its name.
        name: String,
    },
    /// The old side's pods wait for their delay.
    Draining,
    /// The new version is stable; its traffic moves to the stable slot.
    Promoting,
    /// Traffic was taken back.
    Aborted {
        /// Why.
        message: String,
    },
    /// The route was found lower than we made it; resume or abort.
    RouteDrift,
    /// No replicas are wanted.
    ScaledToZero,
    /// The saved state cannot be read.
    StateUnreadable {
        /// Why.
        message: String,
    },
    /// The workload or a router cannot be read.
    Unobserved {
        /// Why.
        message: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resting => write!(f, "stable serves everyone"),
            Self::FirstVersion { available, wanted } => {
                write!(f, "first version: {available} of {wanted} pods available")
            }
            Self::Clearing => write!(
                f,
                "the previous version must be seen without traffic and drained"
            ),
            Self::Pods {
                available,
                wanted,
                trouble: None,
            } => {
                write!(f, "{available} of {wanted} new pods available")
            }
            Self::Pods {
                available,
                wanted,
                trouble: Some(text),
            } => {
                write!(f, "{available} of {wanted} new pods available ({text})")
            }
            Self::StablePods { available, wanted } => {
                write!(
                    f,
                    "stable has {available} available pods where {wanted} are wanted"
                )
            }
            Self::Route {
                wanted,
                seen: Some(seen),
            } => {
                write!(f, "weight {wanted} must be seen; the router shows {seen}")
            }
            Self::Route { wanted, seen: None } => write!(f, "weight {wanted} must be seen"),
            Self::Pause => write!(f, "pause"),
            Self::Held => write!(f, "held by an operator"),
            Self::Analysis { metric } => write!(f, "waiting for {metric}"),
            Self::Inconclusive { message } => {
                write!(f, "undecided, an operator must promote or abort: {message}")
            }
            Self::StaleAnalysis { metric } => write!(f, "{metric} has no fresh measurement"),
            Self::NotEnoughData { message } => f.write_str(message),
            Self::Pace { lost, budget } => write!(
                f,
                "the weight follows the evidence: {lost} of {budget} requests lost so far"
            ),
            Self::ShortOfTraffic { metric } => write!(
                f,
                "{metric}: the new version gets less than half of the requests that its weight says"
            ),
            Self::Gate { point, name } => write!(f, "gate {name} ({point:?}) is not open"),
            Self::Draining => write!(f, "the old pods wait for their delay"),
            Self::Promoting => write!(
                f,
                "the new version is stable; its traffic moves to the stable slot"
            ),
            Self::Aborted { message } => write!(f, "taken back: {message}"),
            Self::RouteDrift => write!(f, "somebody lowered the canary's weight; resume or abort"),
            Self::ScaledToZero => write!(f, "no replicas are wanted"),
            Self::StateUnreadable { message } => write!(f, "{message}"),
            Self::Unobserved { message } => write!(f, "cannot observe: {message}"),
        }
    }
}

/// A reason with its deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Why.
    pub reason: Reason,
    /// The wait's end or deadline; none for rest and for a pause that the user wrote without end.
    pub until: Option<Timestamp>,
}
