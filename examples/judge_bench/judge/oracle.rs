//! What nobody can do better than: Wald's test, told which stream to watch and the exact effect.
//! It knows no warm-up, no noise and no other version than this one.

use gradatim::analysis::judge::{Count, Scrape};

use super::{Judge, Seen, Verdict};
use crate::latency::{EDGES, slower};
use crate::scenario::Scenario;
use crate::world::Counters;

const ERRORS: f64 = 0.003;

pub(super) struct Oracle {
    /// How many times as many events a bad version has; none where there is nothing to tell.
    ratio: Option<f64>,
    /// The edge beyond which requests are events; none where errors are.
    edge: Option<usize>,
    last: (Counters, Counters),
    evidence: f64,
}

impl Oracle {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let defect = scenario.defect;
        let (ratio, edge) = match (defect.latency > 1.0, defect.leak) {
            (true, _) => best_edge(defect.latency),
            (_, true) => (None, None),
            _ => {
                let risk = (ERRORS * defect.errors + defect.added).min(1.0);
                (Some(risk / ERRORS), None)
            }
        };
        Self {
            ratio: ratio.filter(|ratio| *ratio > 1.0 && !scenario.is_good()),
            edge,
            last: Default::default(),
            evidence: 0.0,
        }
    }

    fn events(&self, counters: &Counters) -> Count {
        let events = self
            .edge
            .map_or(counters.errors, |edge| counters.slower[edge]);
        Count::new(counters.requests, events)
    }
}

/// The edge that tells most about a version that takes `scale` times as long.
fn best_edge(scale: f64) -> (Option<f64>, Option<usize>) {
    let told = |edge: &usize| {
        let (good, bad) = (slower(EDGES[*edge], 1.0), slower(EDGES[*edge], scale));
        let ratio = bad / good;
        good * (ratio * libm::log(ratio) - ratio + 1.0)
    };
    let best = (0..EDGES.len()).max_by(|a, b| told(a).total_cmp(&told(b)));
    let ratio = best.map(|edge| slower(EDGES[edge], scale) / slower(EDGES[edge], 1.0));
    (ratio, best)
}

impl Judge for Oracle {
    fn look(&mut self, _: u32, seen: Option<&Seen<'_>>) -> Verdict {
        let (Some(seen), Some(ratio)) = (seen, self.ratio) else {
            return Verdict::GoOn;
        };
        let now = (seen.canary_total, seen.stable_total);
        let scrape = Scrape {
            canary: self.events(&now.0.since(&self.last.0)),
            stable: self.events(&now.1.since(&self.last.1)),
        };
        self.last = now;
        if let Some(share) = scrape.share() {
            let mixed = 1.0 - share + share * ratio;
            self.evidence += scrape.canary.events as f64 * libm::log(ratio);
            self.evidence -= scrape.events() * libm::log(mixed);
        }
        match self.evidence >= libm::log(100.0) {
            true => Verdict::RollBack,
            false => Verdict::GoOn,
        }
    }
}
