//! Whether the library's judge is as good as it should be.

use std::fmt::Write as _;

use crate::judge::KINDS;
use crate::scenario::Scenario;
use crate::score::{Cell, Score};
use crate::table::Results;

/// A figure and what it may be at most.
struct Goal {
    what: &'static str,
    found: Option<f64>,
    most: f64,
}

/// A line for each goal, for each of our judges.
pub(crate) fn say(results: &Results<'_>) -> String {
    let mut text = String::new();
    for (judge, kind) in KINDS.iter().enumerate() {
        if !matches!(kind.id, "ours" | "ours-learned" | "ours-learned-small") {
            continue;
        }
        let cells = results.of(judge);
        for goal in goals(&cells, kind.id == "ours-learned-small") {
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

fn goals(cells: &[(&Scenario, Cell)], small: bool) -> Vec<Goal> {
    let of = |wanted: fn(&Scenario) -> bool| -> Vec<Cell> {
        let wanted = cells.iter().filter(|(scenario, _)| wanted(scenario));
        wanted.map(|(_, cell)| *cell).collect()
    };
    let nulls = of(Scenario::is_null);
    let tolerable = of(|it| it.is_good() && !it.is_null());
    let twice = of(|it| !it.is_good() && it.rate >= 100 && it.id != "B5");
    let mut goals = vec![
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
        Goal {
            what: "versions twice as bad and worse missed, %, mean",
            found: mean(&twice, Cell::misses),
            most: 0.5,
        },
    ];
    if small {
        let harm = Score::of(cells).harm;
        goals.push(Goal {
            what: "failed requests, geometric mean",
            found: harm.map(|(mean, _, _)| mean),
            most: 22.0,
        });
        goals.push(Goal {
            what: "failed requests in the worst scenario",
            found: harm.map(|(_, _, most)| most),
            most: 110.0,
        });
    }
    goals
}

fn mean(cells: &[Cell], of: fn(&Cell) -> f64) -> Option<f64> {
    let sum: f64 = cells.iter().map(of).sum();
    (!cells.is_empty()).then(|| sum / cells.len() as f64)
}

fn most(cells: &[Cell], of: fn(&Cell) -> f64) -> Option<f64> {
    cells.iter().map(of).reduce(f64::max)
}
