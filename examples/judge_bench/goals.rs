//! Whether the library's judge is as good as it should be.

use std::fmt::Write as _;

use crate::judge::{KINDS, Kind, Way};
use crate::scenario::Scenario;
use crate::score::{Cell, Score};
use crate::table::Results;

/// A figure and what it may be at most.
struct Goal {
    what: &'static str,
    found: Option<f64>,
    most: f64,
}

/// Whose goals they are, by the judge's id.
const JUDGED: [&str; 4] = ["ours", "ours-learned", "ours-learned-small", "ours-paced"];

/// A line for each goal, for each of our judges.
pub(crate) fn say(results: &Results<'_>) -> String {
    let mut text = String::new();
    for (judge, kind) in KINDS.iter().enumerate() {
        if !JUDGED.contains(&kind.id) {
            continue;
        }
        for goal in goals(results, judge, kind) {
            let Some(found) = goal.found else { continue };
            let verdict = if found <= goal.most { "met" } else { "NOT MET" };
            let (title, what, most) = (kind.title, goal.what, goal.most);
            let _ = writeln!(
                text,
                "{title:<18}  {what:<52}  {found:8.2} (at most {most})  {verdict}"
            );
        }
    }
    match text.is_empty() {
        true => text,
        false => format!("the goals of the library's judge\n\n{text}"),
    }
}

fn goals(results: &Results<'_>, judge: usize, kind: &Kind) -> Vec<Goal> {
    let cells = results.of(judge);
    let mut goals = good(&cells);
    match kind.way {
        // Promoted early, a version is not watched when it begins to leak, and one that is
        // exactly twice as bad is what it may overlook: the tables show both.
        Way::Own => goals.push(fast(results, &cells)),
        Way::Fixed => goals.push(seen(&cells)),
        Way::SmallFirst => {
            goals.push(seen(&cells));
            goals.extend(cheap(&cells));
        }
    }
    goals
}

/// What becomes of good versions.
fn good(cells: &[(&Scenario, Cell)]) -> Vec<Goal> {
    let nulls = of(cells, Scenario::is_null);
    let tolerable = of(cells, |it| it.is_good() && !it.is_null());
    vec![
        Goal {
            what: "good versions taken back, %, mean",
            found: mean(&nulls, Cell::rollbacks),
            most: 0.5,
        },
        Goal {
            what: "the same in the worst scenario, %, lower 95 % bound",
            found: most(&nulls, Cell::rollbacks_at_least),
            most: 1.0,
        },
        Goal {
            what: "versions with 10 % more errors taken back, %",
            found: most(&tolerable, Cell::rollbacks),
            most: 2.0,
        },
    ]
}

/// Whether bad versions are seen.
fn seen(cells: &[(&Scenario, Cell)]) -> Goal {
    let twice = of(cells, |it| !it.is_good() && it.rate >= 100 && it.id != "B5");
    Goal {
        what: "versions twice as bad and worse missed, %, mean",
        found: mean(&twice, Cell::misses),
        most: 0.5,
    }
}

/// What bad versions cost.
fn cheap(cells: &[(&Scenario, Cell)]) -> [Goal; 2] {
    let harm = Score::of(cells).harm;
    [
        Goal {
            what: "failed requests, geometric mean",
            found: harm.map(|(mean, _, _)| mean),
            most: 22.0,
        },
        Goal {
            what: "failed requests in the worst scenario",
            found: harm.map(|(_, _, most)| most),
            most: 110.0,
        },
    ]
}

/// How long good versions take that are given traffic as evidence allows.
fn fast(results: &Results<'_>, cells: &[(&Scenario, Cell)]) -> Goal {
    let steps = results.options.schedule.steps(false);
    let fixed: u32 = steps.iter().map(|(_, seconds)| seconds).sum();
    Goal {
        what: "good versions promoted, s, median",
        found: Score::of(cells).promoted.map(f64::from),
        most: f64::from(fixed / 3),
    }
}

fn of(cells: &[(&Scenario, Cell)], wanted: impl Fn(&Scenario) -> bool) -> Vec<Cell> {
    let wanted = cells.iter().filter(|(scenario, _)| wanted(scenario));
    wanted.map(|(_, cell)| *cell).collect()
}

fn mean(cells: &[Cell], of: fn(&Cell) -> f64) -> Option<f64> {
    let sum: f64 = cells.iter().map(of).sum();
    (!cells.is_empty()).then(|| sum / cells.len() as f64)
}

fn most(cells: &[Cell], of: fn(&Cell) -> f64) -> Option<f64> {
    cells.iter().map(of).reduce(f64::max)
}
