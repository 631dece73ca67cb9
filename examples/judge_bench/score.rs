//! What many releases come to.

use crate::play::{End, Outcome};
use crate::scenario::Scenario;

/// What became of one scenario's releases under one judge.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    pub releases: usize,
    pub rolled_back: usize,
    pub promoted: usize,
    /// The median time until a rollback, in seconds; none where fewer than half were rolled back.
    pub rolled_back_after: Option<u32>,
    /// The same until promotion.
    pub promoted_after: Option<u32>,
    /// The mean of requests spoiled.
    pub harm: f64,
}

impl Cell {
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        let ends = |of: fn(End) -> Option<u32>| -> Vec<u32> {
            outcomes
                .iter()
                .filter_map(|outcome| of(outcome.end))
                .collect()
        };
        let rolled_back = ends(|end| match end {
            End::RolledBack(at) => Some(at),
            End::Promoted(_) | End::Undecided => None,
        });
        let promoted = ends(|end| match end {
            End::Promoted(at) => Some(at),
            End::RolledBack(_) | End::Undecided => None,
        });
        let harm: f64 = outcomes.iter().map(|outcome| outcome.harm).sum();
        Self {
            releases: outcomes.len(),
            rolled_back: rolled_back.len(),
            promoted: promoted.len(),
            rolled_back_after: median(rolled_back, outcomes.len()),
            promoted_after: median(promoted, outcomes.len()),
            harm: harm / outcomes.len().max(1) as f64,
        }
    }

    /// In percent.
    pub(crate) fn rollbacks(&self) -> f64 {
        percent(self.rolled_back, self.releases)
    }

    /// Bad versions that were given everything, in percent.
    pub(crate) fn misses(&self) -> f64 {
        percent(self.promoted, self.releases)
    }

    /// What the share of rollbacks is at least, in percent, with a confidence of 95 % (Wilson's
    /// bound, one side).
    pub(crate) fn rollbacks_at_least(&self) -> f64 {
        const Z: f64 = 1.645;
        let n = self.releases.max(1) as f64;
        let seen = self.rolled_back as f64 / n;
        let middle = seen + Z * Z / (2.0 * n);
        let spread = Z * (seen * (1.0 - seen) / n + Z * Z / (4.0 * n * n)).sqrt();
        100.0 * ((middle - spread) / (1.0 + Z * Z / n)).max(0.0)
    }
}

fn percent(part: usize, all: usize) -> f64 {
    100.0 * part as f64 / all.max(1) as f64
}

/// The median of so many, the missing ones being the longest.
fn median(mut times: Vec<u32>, all: usize) -> Option<u32> {
    times.sort_unstable();
    times.get((all / 2).min(all.saturating_sub(1))).copied()
}

/// What a judge comes to over all scenarios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    /// Good versions taken back, in percent: the mean over scenarios, and the worst of them.
    pub false_rollbacks: Option<(f64, f64)>,
    /// Over the bad scenarios with 100 requests a second and more: how many were missed, in
    /// percent.
    pub misses: Option<f64>,
    /// Requests spoiled in these: the geometric mean, the sum and the most.
    pub harm: Option<(f64, f64, f64)>,
    /// The median of the median times to a rollback in these, in seconds.
    pub seconds: Option<u32>,
    /// The same until a good version is promoted, with 100 requests a second and more.
    pub promoted: Option<u32>,
}

impl Score {
    /// Over a judge's cells.
    pub(crate) fn of(cells: &[(&Scenario, Cell)]) -> Self {
        let good: Vec<Cell> = matching(cells, |it| it.is_good());
        let bad: Vec<Cell> = matching(cells, |it| !it.is_good() && it.rate >= 100);
        let harms = || bad.iter().map(|cell| cell.harm);
        let logs: f64 = harms().map(|harm| libm::log(harm.max(0.1))).sum();
        let misses: f64 = bad.iter().map(Cell::misses).sum();
        let false_rollbacks: f64 = good.iter().map(Cell::rollbacks).sum();
        let worst = good.iter().map(Cell::rollbacks).fold(0.0, f64::max);
        let has_good = !good.is_empty();
        let count = bad.len() as f64;
        let spoiled = || {
            let most = harms().fold(0.0, f64::max);
            (libm::exp(logs / count), harms().sum(), most)
        };
        let times = bad.iter().filter_map(|cell| cell.rolled_back_after);
        let busy = matching(cells, |it| it.is_good() && it.rate >= 100);
        let promoted = busy.iter().filter_map(|cell| cell.promoted_after);
        Self {
            false_rollbacks: has_good.then(|| (false_rollbacks / good.len() as f64, worst)),
            misses: (!bad.is_empty()).then(|| misses / count),
            harm: (!bad.is_empty()).then(spoiled),
            seconds: median(times.collect(), bad.len()),
            promoted: median(promoted.collect(), busy.len()),
        }
    }
}

fn matching(cells: &[(&Scenario, Cell)], wanted: impl Fn(&Scenario) -> bool) -> Vec<Cell> {
    let matching = cells.iter().filter(|(scenario, _)| wanted(scenario));
    matching.map(|(_, cell)| *cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(end: End, harm: f64) -> Outcome {
        Outcome { end, harm }
    }

    #[test]
    fn a_cell_counts_ends_and_the_median_counts_what_never_came() {
        let cell = Cell::of(&[
            outcome(End::RolledBack(30), 1.0),
            outcome(End::RolledBack(10), 2.0),
            outcome(End::Promoted(900), 9.0),
        ]);
        assert_eq!((cell.rolled_back, cell.promoted), (2, 1));
        assert_eq!(
            (cell.rolled_back_after, cell.promoted_after),
            (Some(30), None)
        );
        assert_eq!(cell.harm, 4.0);
        assert_eq!(Cell::of(&[]).rolled_back_after, None);
    }

    #[test]
    fn a_bound_lies_below_what_was_seen() {
        let cell = |rolled_back, releases| Cell {
            releases,
            rolled_back,
            ..Cell::default()
        };
        assert_eq!(cell(0, 500).rollbacks_at_least(), 0.0);
        let bound = cell(50, 1000).rollbacks_at_least();
        assert!((3.9..4.1).contains(&bound), "{bound}");
    }
}
