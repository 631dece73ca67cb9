//! What came of it, as text.

use std::fmt;

use crate::goals;
use crate::judge::{KINDS, Kind};
use crate::options::Options;
use crate::scenario::Scenario;
use crate::score::{Cell, Score};

/// Everything that was played.
pub(crate) struct Results<'a> {
    pub options: &'a Options,
    /// For each scenario of the options, a cell for each judge.
    pub cells: &'a [Vec<Cell>],
}

impl Results<'_> {
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Scenario, &[Cell])> {
        let cells = self.cells.iter().map(Vec::as_slice);
        self.options.scenarios.iter().zip(cells)
    }

    /// A judge's cells.
    pub(crate) fn of(&self, judge: usize) -> Vec<(&Scenario, Cell)> {
        let cell = |cells: &[Cell]| cells.get(judge).copied().unwrap_or_default();
        self.rows()
            .map(|(scenario, cells)| (scenario, cell(cells)))
            .collect()
    }
}

impl fmt::Display for Results<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schedule = self.options.schedule;
        let good = self.table(true, |cell| format!("{:.1}", cell.rollbacks()));
        if !good.is_empty() {
            let title = "a good version: false rollbacks, %";
            write!(f, "{schedule}, {title}\n\n{}\n", aligned(&good))?;
        }
        let bad = self.table(false, bad);
        if !bad.is_empty() {
            let title = "a bad version: missed, % · median s to rollback · failed requests";
            write!(f, "{schedule}, {title}\n\n{}\n", aligned(&bad))?;
        }
        let all = self.scoreboard();
        if all.len() > 1 {
            let title =
                "in all; failures over the bad versions with 100 requests a second and more";
            write!(f, "{schedule}, {title}\n\n{}\n", aligned(&all))?;
        }
        f.write_str(&goals::say(self))
    }
}

impl Results<'_> {
    fn table(&self, good: bool, text: impl Fn(&Cell) -> String) -> Vec<Vec<String>> {
        let in_tables = |cells: &[Cell]| -> Vec<Cell> {
            let cells = KINDS
                .iter()
                .zip(cells)
                .filter(|(kind, _)| shown(kind, good));
            cells.map(|(_, cell)| *cell).collect()
        };
        let rows = self
            .rows()
            .filter(|(scenario, _)| scenario.is_good() == good);
        let rows: Vec<Vec<String>> = rows
            .map(|(scenario, cells)| {
                let texts = in_tables(cells).into_iter().map(|cell| text(&cell));
                std::iter::once(scenario.to_string()).chain(texts).collect()
            })
            .collect();
        let heads = KINDS
            .iter()
            .filter(|kind| shown(kind, good))
            .map(|kind| kind.title.to_owned());
        let head = std::iter::once(String::new()).chain(heads).collect();
        match rows.is_empty() {
            true => rows,
            false => std::iter::once(head).chain(rows).collect(),
        }
    }

    fn scoreboard(&self) -> Vec<Vec<String>> {
        let heads = [
            "",
            "false % mean",
            "worst",
            "missed %",
            "failed, geo-mean",
            "sum",
            "most",
        ];
        let head = heads
            .into_iter()
            .chain(["median s", "promoted s"])
            .map(str::to_owned)
            .collect();
        let rows = KINDS
            .iter()
            .enumerate()
            .filter(|(_, kind)| kind.id != "oracle");
        let rows = rows.filter_map(|(judge, kind)| {
            let score = Score::of(&self.of(judge));
            score.false_rollbacks.or(score.misses.zip(score.misses))?;
            let (mean, worst) = score.false_rollbacks.unzip();
            let harm = |of: fn((f64, f64, f64)) -> f64| option(score.harm.map(of).map(short));
            Some(vec![
                kind.title.to_owned(),
                option(mean.map(|it| format!("{it:.2}"))),
                option(worst.map(|it| format!("{it:.1}"))),
                option(score.misses.map(|it| format!("{it:.1}"))),
                harm(|(mean, _, _)| mean),
                harm(|(_, sum, _)| sum),
                harm(|(_, _, most)| most),
                option(score.seconds.map(|it| it.to_string())),
                option(score.promoted.map(|it| it.to_string())),
            ])
        });
        std::iter::once(head).chain(rows).collect()
    }
}

/// The oracle was told what a bad version does: of a good one it has nothing to say.
fn shown(kind: &Kind, good: bool) -> bool {
    kind.in_tables && !(good && kind.id == "oracle")
}

fn bad(cell: &Cell) -> String {
    let missed = format!("{:.0}", cell.misses());
    let seconds = option(cell.rolled_back_after.map(|it| it.to_string()));
    format!("{missed}·{seconds}·{}", short(cell.harm))
}

fn option(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

/// A count, in thousands when there are many.
pub(crate) fn short(value: f64) -> String {
    match value {
        value if value >= 9999.5 => format!("{:.0}k", value / 1000.0),
        value => format!("{value:.0}"),
    }
}

/// Columns under each other, the first to the left and the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let line: Vec<String> = cells
            .map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}
