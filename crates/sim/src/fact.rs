//! What happened, in the order in which it happened: what a transcript is written from.

use std::time::Duration;

use gradatim_core::analysis::AnalysisPhase;
use gradatim_core::decision::Phase;
use gradatim_core::event::EventKind;
use gradatim_core::id::{MetricName, RevisionId};
use gradatim_core::measurement::{Reading, RunKey};
use gradatim_core::reason::Reason;
use gradatim_core::route::{Bindings, Split};
use serde::Serialize;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Fact {
    /// The time since the start of the simulation.
    pub at: Duration,
    /// What happened.
    pub what: What,
}

/// What happened. Each stands for a change; nothing is told twice.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum What {
    /// The simulation began.
    Start {
        /// The first version, which serves everyone.
        stable: RevisionId,
        /// How many pods the whole workload shall have.
        replicas: u32,
        /// How many requests the users send, a second.
        per_second: f64,
    },
    /// Something happened to the world; see [`Happening`](crate::Happening).
    Happening(String),
    /// A replica target was written.
    Scale {
        /// The revision.
        revision: RevisionId,
        /// How many pods it shall have.
        replicas: u32,
    },
    /// A revision's pods changed.
    Pods {
        /// The revision.
        revision: RevisionId,
        /// How many are asked for.
        desired: u32,
        /// How many exist.
        pods: u32,
        /// How many can answer.
        available: u32,
        /// What keeps the others from it, in the server's words.
        trouble: Option<String>,
    },
    /// A route was written that says something new of who gets how much, or of who is who.
    Route {
        /// The router's place among the plan's.
        router: usize,
        /// Who gets how much.
        split: Split,
        /// Who is who.
        bind: Bindings,
        /// The names of its header routes.
        headers: Vec<String>,
        /// The names of its mirrors.
        mirrors: Vec<String>,
    },
    /// The new version's wanted weight changed.
    Weight {
        /// In parts of the total.
        weight: u32,
        /// The total.
        total: u32,
        /// The user's step index; the number of the user's steps when all are done.
        step: u32,
    },
    /// The new version's weight was read.
    Seen {
        /// In parts of the total.
        weight: u32,
        /// The total.
        total: u32,
    },
    /// Another version is called stable.
    Stable {
        /// The version.
        revision: RevisionId,
    },
    /// A measurement arrived.
    Measured {
        /// The run that it belongs to.
        run: RunKey,
        /// The metric.
        metric: MetricName,
        /// What was measured; none when there was no answer.
        reading: Option<Reading>,
        /// What it counts as; Running where it counts as nothing.
        verdict: AnalysisPhase,
        /// Why, with the number and the bound, or the fault's text.
        why: String,
        /// How many failures of this metric there were in this run, this one included.
        failed: u32,
        /// How many there may be; none without a limit.
        limit: Option<u32>,
    },
    /// What it waits for changed.
    Waits {
        /// For what.
        reason: Reason,
        /// Its end or deadline, since the start of the simulation.
        until: Option<Duration>,
    },
    /// The phase or its message changed.
    Phase {
        /// The phase.
        phase: Phase,
        /// Its message.
        message: String,
    },
    /// The core told an event.
    Event {
        /// What happened.
        kind: EventKind,
        /// A sentence for a person.
        text: String,
    },
    /// An order took effect, or was refused.
    Answered {
        /// The order's number in the mailbox.
        order: u64,
        /// Why it was refused; none when it took effect.
        refused: Option<String>,
    },
    /// Something about a driver: it died, was stopped, was started again, was refused.
    Driver {
        /// Which: 0 is the first.
        driver: usize,
        /// A sentence.
        text: String,
    },
    /// An invariant was broken.
    Violation(crate::check::Violation),
}
