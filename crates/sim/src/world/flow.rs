//! Which way the traffic flows.

use std::borrow::Cow;

use gradatim_core::capability::Part;
use gradatim_core::plan::StrategyKind;
use gradatim_core::route::{Bindings, Slot};
use gradatim_core::time::Timestamp;

use super::World;
use super::ledger::Flow;
use super::revision::Revision;
use super::route::RouterState;

/// How long a stretch is at most where something is another from one moment to the next.
pub(super) const CELL: i64 = 5_000;
/// Two seconds to say that nothing can be reached.
const UNREACHED: f64 = 2_000.0;

/// The flows of every revision, as of the last change.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    /// Whether they must be computed anew.
    pub(crate) dirty: bool,
    each: Vec<Flow>,
    nowhere: Flow,
    shares: Shares,
}

/// Which share of the users' requests goes where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares {
    /// To each revision, 0 to 1.
    pub(crate) parts: Vec<f64>,
    /// Copies to each revision, as a share of the users' requests.
    pub(crate) mirrored: Vec<f64>,
}

impl World {
    /// Writes down what flowed until an instant.
    pub(crate) fn account(&mut self, to: Timestamp) {
        if self.flows.dirty || self.varies() {
            self.compute_flows();
        }
        let from = self.now;
        for (revision, flow) in self.revisions.iter_mut().zip(&self.flows.each) {
            revision.ledger.write(from, to, *flow);
        }
        self.nowhere.write(from, to, self.flows.nowhere);
    }

    /// Whether a stretch must not be longer than a cell.
    pub(crate) fn varies(&self) -> bool {
        let elapsed = self.elapsed();
        self.traffic.scattered
            || self.traffic.varies()
            || self
                .revisions
                .iter()
                .any(|revision| revision.version.at(elapsed).varies())
    }

    fn compute_flows(&mut self) {
        let rate = self.traffic.at(self.elapsed(), hour(self.now));
        let shares = self.divide();
        let trusted = self
            .revisions
            .iter()
            .find(|revision| revision.id == self.trusted);
        let trusted = trusted.map_or(0.0, |revision| self.errors(revision));
        let cell = self.now.as_millis().div_euclid(CELL);
        let mut each = Vec::with_capacity(self.revisions.len());
        for (place, revision) in self.revisions.iter().enumerate() {
            let part = |parts: &[f64]| parts.get(place).copied().unwrap_or(0.0) * rate;
            let mut flow = self.flow(revision, part(&shares.parts), part(&shares.mirrored));
            if self.traffic.scattered {
                self.scatter(&mut flow, revision.number, cell);
            }
            if revision.id != self.trusted {
                flow.beyond = (flow.errors - trusted).max(0.0);
            }
            each.push(flow);
        }
        self.log_shares(&shares.parts);
        let reached: f64 = shares.parts.iter().sum();
        let nowhere = Flow {
            users: rate * (1.0 - reached).max(0.0),
            errors: 1.0,
            median: UNREACHED,
            ..Flow::default()
        };
        // What rounding leaves over is nobody's request.
        let nowhere = if 1.0 - reached < 1e-9 {
            Flow::default()
        } else {
            nowhere
        };
        self.flows = Flows {
            dirty: false,
            each,
            nowhere,
            shares,
        };
    }

    fn log_shares(&mut self, parts: &[f64]) {
        if self.share_log.last().is_none_or(|(_, last)| last != parts) {
            self.share_log.push((self.now, parts.to_vec()));
        }
    }

    /// The largest share of the users' requests that a revision has had since an instant, this
    /// moment included.
    pub(crate) fn largest_share(&self, name: &str, since: Timestamp) -> f64 {
        self.share(name).max(self.largest_past_share(name, since))
    }

    /// The largest share that a revision has had since an instant and before this moment.
    pub(crate) fn largest_past_share(&self, name: &str, since: Timestamp) -> f64 {
        self.largest_share_between(name, since, self.now)
    }

    /// The largest share that a revision has had from one instant until before another.
    pub(crate) fn largest_share_between(
        &self,
        name: &str,
        since: Timestamp,
        until: Timestamp,
    ) -> f64 {
        let Some(place) = self
            .revisions
            .iter()
            .position(|one| one.id.as_str() == name)
        else {
            return 0.0;
        };
        let mut largest: f64 = 0.0;
        for (from, parts) in self
            .share_log
            .iter()
            .rev()
            .filter(|(from, _)| *from < until)
        {
            largest = largest.max(parts.get(place).copied().unwrap_or(0.0));
            if *from <= since {
                break;
            }
        }
        largest
    }

    fn flow(&self, revision: &Revision, users: f64, mirrored: f64) -> Flow {
        if users + mirrored == 0.0 {
            return Flow::default();
        }
        Flow {
            users,
            mirrored,
            errors: self.errors(revision),
            beyond: 0.0,
            median: self.median(revision),
        }
    }

    /// The share of its requests that a revision fails at this moment.
    fn errors(&self, revision: &Revision) -> f64 {
        if revision.available == 0 {
            return 1.0;
        }
        let version = revision.version.at(self.elapsed());
        let age = revision.first_available.map(|first| self.now.since(first));
        let minutes = age.unwrap_or_default().as_secs_f64() / 60.0;
        (version.errors + version.growth * minutes).clamp(0.0, 1.0)
    }

    fn median(&self, revision: &Revision) -> f64 {
        let version = revision.version.at(self.elapsed());
        let median = version.median.as_secs_f64() * 1000.0;
        let Some((span, times)) = version.cold else {
            return median;
        };
        let cold = |pod: &&Timestamp| self.now.since(**pod) < version.start + span;
        let pods = revision.pods.len().max(1) as f64;
        let cold = revision.pods.iter().filter(cold).count() as f64;
        median * (1.0 + (times - 1.0) * cold / pods)
    }

    /// Draws what is expected of a cell: the same draw wherever in the cell it begins.
    fn scatter(&self, flow: &mut Flow, number: u64, cell: i64) {
        let mut rng = self.rng.of(number).of(cell.unsigned_abs());
        let seconds = CELL as f64 / 1000.0;
        let users = rng.count(flow.users * seconds);
        let mirrored = rng.count(flow.mirrored * seconds);
        let all = users + mirrored;
        if all > 0.0 {
            flow.errors = rng.hits(all, flow.errors) / all;
        }
        (flow.users, flow.mirrored) = (users / seconds, mirrored / seconds);
    }

    /// Who gets which share at this moment.
    pub(crate) fn shares(&self) -> Cow<'_, Shares> {
        if self.flows.dirty || self.flows.shares.parts.is_empty() {
            Cow::Owned(self.divide())
        } else {
            Cow::Borrowed(&self.flows.shares)
        }
    }

    fn divide(&self) -> Shares {
        let routed = || {
            self.routers
                .iter()
                .filter(|router| router.carries(Part::Split))
        };
        let mut shares = Shares {
            parts: vec![0.0; self.revisions.len()],
            mirrored: vec![0.0; self.revisions.len()],
        };
        let splitting = routed().count();
        if self.plan.strategy == StrategyKind::BlueGreen {
            let active = self.bindings(None).and_then(|bind| bind.get(&Slot::Active));
            // A service that is bound to nothing leads nowhere.
            if let Some(active) = active {
                self.give(&mut shares.parts, active.as_str(), 1.0);
            }
        } else if splitting == 0 {
            self.by_pods(&mut shares.parts, 1.0);
        }
        if self.plan.strategy != StrategyKind::BlueGreen {
            for router in routed() {
                self.by_router(router, 1.0 / splitting as f64, &mut shares);
            }
        }
        shares
    }

    /// A router's part of the traffic, along its split and its header routes.
    fn by_router(&self, router: &RouterState, part: f64, shares: &mut Shares) {
        let bind = self.bindings(Some(router));
        let (Some(split), Some(bind)) = (&router.plane.split, bind) else {
            return self.by_pods(&mut shares.parts, part);
        };
        let headers = router.plane.headers.as_ref();
        let tested =
            headers.is_some_and(|part| part.value.iter().any(|route| !route.matches.is_empty()));
        let testers = if tested {
            self.traffic.share_of_testers()
        } else {
            0.0
        };
        let total = f64::from(split.value.total());
        let canary = bind.get(&Slot::Canary);
        if let Some(canary) = canary {
            self.give(&mut shares.parts, canary.as_str(), part * testers);
            let mirrors = router.plane.mirrors.iter().flat_map(|part| &part.value);
            let copied: f64 = mirrors
                .map(|mirror| f64::from(mirror.percentage) / 100.0)
                .sum();
            self.give(
                &mut shares.mirrored,
                canary.as_str(),
                part * copied.min(1.0),
            );
        }
        for (slot, weight) in split.value.parts() {
            if let Some(revision) = bind.get(&slot) {
                let share = part * (1.0 - testers) * f64::from(weight) / total;
                self.give(&mut shares.parts, revision.as_str(), share);
            }
        }
    }

    /// The bindings that a router goes by: its own, or those of the router that holds them.
    fn bindings<'a>(&'a self, router: Option<&'a RouterState>) -> Option<&'a Bindings> {
        let own = router.and_then(|router| router.plane.bind.as_ref());
        let others = || {
            self.routers
                .iter()
                .find_map(|router| router.plane.bind.as_ref())
        };
        own.or_else(others).map(|bind| &bind.value)
    }

    /// Every available pod gets the same.
    fn by_pods(&self, parts: &mut [f64], part: f64) {
        let all: u32 = self
            .revisions
            .iter()
            .map(|revision| revision.available)
            .sum();
        if all == 0 {
            return;
        }
        for (share, revision) in parts.iter_mut().zip(&self.revisions) {
            *share += part * f64::from(revision.available) / f64::from(all);
        }
    }

    fn give(&self, parts: &mut [f64], name: &str, share: f64) {
        let mut named = parts.iter_mut().zip(&self.revisions);
        if let Some((part, _)) = named.find(|(_, revision)| revision.id.as_str() == name) {
            *part += share;
        }
    }
}

/// The hour of the day, UTC.
pub(super) fn hour(now: Timestamp) -> f64 {
    now.as_millis().rem_euclid(86_400_000) as f64 / 3_600_000.0
}
