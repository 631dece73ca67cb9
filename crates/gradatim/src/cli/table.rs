//! Tables: numbers stand right, words left, the last column takes what is left and wraps, each of
//! its lines by itself.

use std::io::{self, Write};

use super::Output;
use super::look::{Look, Tone};
use super::text::wrap;

/// Where the text of a column stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Rows of cells below their heads.
pub(super) struct Table {
    columns: Vec<(String, Side)>,
    rows: Vec<Row>,
}

struct Row {
    cells: Vec<String>,
    /// A cell that has a colour.
    tone: Option<(usize, Tone)>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            columns: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Adds a column; its text is taken as it is.
    pub(super) fn column(&mut self, head: &str, side: Side) {
        self.columns.push((head.to_owned(), side));
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(Row { cells, tone: None });
    }

    /// Gives a cell of the last row a colour.
    pub(super) fn tone(&mut self, column: usize, tone: Tone) {
        if let Some(row) = self.rows.last_mut() {
            row.tone = Some((column, tone));
        }
    }

    pub(super) fn write(&self, out: &mut Output<'_>) -> io::Result<()> {
        for line in self.drawn(out.look()) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    /// The table as lines.
    pub(super) fn drawn(&self, look: Look) -> Vec<String> {
        let heads = self.columns.iter().map(|(head, _)| head.clone()).collect();
        let heads = Row {
            cells: heads,
            tone: None,
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(|at| self.width(at)).collect();
        let heads = self.lines(&heads, &widths, look).into_iter();
        let mut lines: Vec<_> = heads
            .map(|line| look.paint(Tone::Faint, line).into_owned())
            .collect();
        lines.extend(
            self.rows
                .iter()
                .flat_map(|row| self.lines(row, &widths, look)),
        );
        lines
    }

    /// A row as lines: only its last cell wraps.
    fn lines(&self, row: &Row, widths: &[usize], look: Look) -> Vec<String> {
        let Row { cells, tone } = row;
        let Some(last) = self.columns.len().checked_sub(1) else {
            return Vec::new();
        };
        let mut line = String::new();
        let mut indent = 2;
        for (at, (_, side)) in self.columns.iter().enumerate().take(last) {
            let cell = cells.get(at).map_or("", String::as_str);
            let wide = widths.get(at).copied().unwrap_or(0);
            let gap = " ".repeat(wide.saturating_sub(cell.chars().count()));
            let cell = match tone {
                Some((column, tone)) if *column == at => look.paint(*tone, cell),
                _ => cell.into(),
            };
            let (left, right) = match side {
                Side::Left => ("", gap.as_str()),
                Side::Right => (gap.as_str(), ""),
            };
            line.push_str(&format!("  {left}{cell}{right}"));
            indent += wide + 2;
        }
        let text = cells.get(last).map_or("", String::as_str);
        let room = look.width.saturating_sub(indent).max(12);
        // What is left of a line of its own stands further in than its beginning.
        let hanging = |text: &str| {
            let lines = wrap(text, room - 2).into_iter().enumerate();
            let lines = lines.map(|(at, line)| if at == 0 { line } else { format!("  {line}") });
            lines.collect::<Vec<_>>()
        };
        let mut rest = text.lines().flat_map(hanging);
        let first = rest.next().unwrap_or_default();
        let mut lines = vec![format!("{line}  {first}").trim_end().to_owned()];
        lines.extend(rest.map(|text| format!("{:indent$}{text}", "")));
        lines
    }

    fn width(&self, at: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.cells.get(at));
        let cells = cells.map(|cell| cell.chars().count());
        let head = self
            .columns
            .get(at)
            .map_or(0, |(head, _)| head.chars().count());
        cells.max().unwrap_or(0).max(head)
    }
}
