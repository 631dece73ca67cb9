//! Tables: numbers stand right, words left, the last column takes what is left and wraps, each of
//! its lines by itself.

use std::io::{self, Write};

use super::Output;
use super::look::Tone;
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
    rows: Vec<Vec<String>>,
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
        self.rows.push(cells);
    }

    pub(super) fn write(&self, out: &mut Output<'_>) -> io::Result<()> {
        let look = out.look();
        let heads: Vec<String> = self.columns.iter().map(|(head, _)| head.clone()).collect();
        for line in self.lines(&heads, look.width) {
            writeln!(out, "{}", look.paint(Tone::Faint, line))?;
        }
        for row in &self.rows {
            for line in self.lines(row, look.width) {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }

    /// A row as lines: only its last cell wraps.
    fn lines(&self, cells: &[String], width: usize) -> Vec<String> {
        let Some(last) = self.columns.len().checked_sub(1) else {
            return Vec::new();
        };
        let mut line = String::new();
        for (at, (_, side)) in self.columns.iter().enumerate().take(last) {
            let cell = cells.get(at).map_or("", String::as_str);
            let wide = self.width(at);
            line.push_str("  ");
            line.push_str(&match side {
                Side::Left => format!("{cell:<wide$}"),
                Side::Right => format!("{cell:>wide$}"),
            });
        }
        let indent = line.chars().count() + 2;
        let text = cells.get(last).map_or("", String::as_str);
        let room = width.saturating_sub(indent).max(12);
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
        let cells = self.rows.iter().filter_map(|row| row.get(at));
        let cells = cells.map(|cell| cell.chars().count());
        let head = self
            .columns
            .get(at)
            .map_or(0, |(head, _)| head.chars().count());
        cells.max().unwrap_or(0).max(head)
    }
}
