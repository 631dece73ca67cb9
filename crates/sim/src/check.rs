//! What must hold, checked after every round: a file for each group of invariants.
//!
//! A check reads the world and the list of writes, and of a decision only what it reports; it
//! never reads a state.

mod capacity;
mod fence;
mod progress;
mod prompt;
mod reading;
mod report;
mod shadow;

use std::fmt;
use std::time::Duration;

use gradatim_driver::Turn;
use serde::Serialize;

use self::fence::Stamps;
use self::prompt::Quiet;
use self::shadow::Shadow;
use crate::world::{World, Write, WriteKind};

/// The invariants, by their names in the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum Invariant {
    /// No write raises a side above what it can carry.
    S1,
    /// Traffic leaves before pods do.
    S2,
    /// A split sums to its total and is one that the router can express.
    S3,
    /// The canary rises only by a step or an order, and never past a gate.
    S4,
    /// After an abort nothing is raised; at most two revisions carry traffic.
    S5,
    /// No verdict from no data.
    S6,
    /// A crash and a restart give the same routes as no crash.
    S7,
    /// The version called stable changes only when everything has passed or was waived.
    S8,
    /// Two drivers cannot both act.
    S9,
    /// An order takes effect once.
    S10,
    /// What is reported is never ahead of what is so.
    S11,
    /// With healthy inputs a rollout ends within its bound.
    L1,
    /// A failing verdict lowers the canary with the very next write.
    L2,
    /// No wait is silent.
    L3,
    /// Scaling is independent of progress.
    L4,
    /// An object is written only when what it shall say changes.
    L5,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// The time since the start of the simulation.
    pub at: Duration,
    /// What was so and should not be.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}: {}", self.invariant, self.at, self.text)
    }
}

/// What a check sees after a round.
pub(crate) struct Scene<'a> {
    pub(crate) world: &'a World,
    /// What was written since the last round, by any driver.
    pub(crate) writes: &'a [Write],
    /// The round; none when a driver could not take one.
    pub(crate) turn: Option<&'a Turn>,
}

impl Scene<'_> {
    /// How far the clock of the driver that took the round is ahead of the world's.
    fn ahead(&self) -> Duration {
        self.turn
            .map_or(Duration::ZERO, |turn| turn.now.since(self.world.now()))
    }
}

/// Where a check says what does not hold.
type Tell<'a> = dyn FnMut(Invariant, String) + 'a;

/// Every check, and what each remembers.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    rounds: u32,
    bound: Option<Duration>,
    shadow: Shadow,
    stamps: Stamps,
    quiet: Quiet,
}

impl Checks {
    pub(crate) fn new(bound: Option<Duration>) -> Self {
        Self {
            bound,
            ..Self::default()
        }
    }

    /// Looks at a round and tells what does not hold.
    pub(crate) fn after(&mut self, scene: &Scene<'_>) -> Vec<Violation> {
        let at = scene.world.elapsed();
        let mut violations = Vec::new();
        let tell = &mut |invariant, text| {
            violations.push(Violation {
                invariant,
                at,
                text,
            });
        };
        let shadow = &mut self.shadow;
        shadow.see(scene);
        for check in CHECKS {
            check(shadow, scene, tell);
        }
        fence::s9(&mut self.stamps, scene, tell);
        prompt::l1(&mut self.bound, scene, tell);
        prompt::l5(&mut self.quiet, shadow, scene, tell);
        shadow.remember(scene);
        self.rounds += 1;
        violations
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.rounds
    }
}

/// Whether two runs of the same world wrote the same routes, repeats apart: a crash at any point
/// and a restart without delay change none (S7).
pub fn same_routes(calm: &[Write], other: &[Write]) -> Result<(), String> {
    let (calm, other) = (routes_of(calm), routes_of(other));
    let differs = calm
        .iter()
        .zip(&other)
        .position(|(one, other)| one != other);
    match differs {
        Some(place) => Err(format!(
            "route {place} is {:?} and was {:?} without a crash",
            other.get(place),
            calm.get(place)
        )),
        None if calm.len() != other.len() => Err(format!(
            "{} routes were written and {} without a crash",
            other.len(),
            calm.len()
        )),
        None => Ok(()),
    }
}

/// What was written to the routers, whatever its stamps, each repeat once.
fn routes_of(writes: &[Write]) -> Vec<(usize, String)> {
    let mut routes: Vec<(usize, String)> = Vec::new();
    for write in writes.iter().filter(|write| write.refused.is_none()) {
        if let WriteKind::Route { router, route } = &write.kind {
            let parts: Vec<String> = route
                .split
                .value
                .parts()
                .map(|(slot, part)| format!("{slot} {part}"))
                .collect();
            let bind: Vec<String> = route
                .bind
                .value
                .iter()
                .map(|(slot, revision)| format!("{slot} is {revision}"))
                .collect();
            let text = format!("{}; {}", parts.join(", "), bind.join(", "));
            let last = routes.iter().rev().find(|(place, _)| place == router);
            if last.is_none_or(|(_, last)| *last != text) {
                routes.push((*router, text));
            }
        }
    }
    routes
}

/// A check of one round against the rounds before.
type Check = fn(&Shadow, &Scene<'_>, &mut Tell<'_>);

const CHECKS: [Check; 13] = [
    capacity::s1,
    capacity::s2,
    fence::s3,
    progress::s4,
    progress::s5,
    progress::s6,
    fence::s7,
    progress::s8,
    fence::s10,
    report::s11,
    prompt::l2,
    report::l3,
    capacity::l4,
];
