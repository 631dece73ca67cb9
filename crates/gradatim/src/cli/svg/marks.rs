//! Decisions as marks on a line, each with its sentence, and bands for what is wrong.

use super::axis::{TimeAxis, clock};
use super::element::{Canvas, Text, fitted, number, width};
use super::{Band, Mark, Tone};

const SIZE: f64 = 10.5;
const ROW: f64 = 15.0;
/// The least room between two labels.
const GAP: f64 = 6.0;
/// The most rows of labels; a label that finds no room keeps its mark and its sentence on hover.
const ROWS: usize = 12;

/// The strip of decisions: marks on its line, and labels in rows below it.
pub(in crate::cli) struct Decisions<'a> {
    marks: Vec<Placed<'a>>,
    top: f64,
    rows: usize,
    left: f64,
    right: f64,
}

struct Placed<'a> {
    mark: &'a Mark,
    x: f64,
    label: Option<Label>,
}

struct Label {
    row: usize,
    x: f64,
    text: String,
    ends: bool,
}

impl<'a> Decisions<'a> {
    pub(in crate::cli) fn new(marks: &'a [Mark], axis: &TimeAxis, top: f64) -> Self {
        let mut marks: Vec<Placed<'a>> = marks
            .iter()
            .map(|mark| Placed {
                mark,
                x: axis.x(mark.at),
                label: None,
            })
            .collect();
        let rows = label(&mut marks, axis);
        Self {
            marks,
            top,
            rows,
            left: axis.left(),
            right: axis.right(),
        }
    }

    pub(in crate::cli) fn height(&self) -> f64 {
        24.0 + ROW * self.rows as f64
    }

    /// Where something ends, and in which ink that is shown.
    pub(in crate::cli) fn guides(&self) -> impl Iterator<Item = (f64, &'static str)> {
        let ends = self.marks.iter().filter(|placed| placed.mark.ends);
        ends.map(|placed| (placed.x, placed.mark.tone.ink()))
    }

    pub(in crate::cli) fn draw(&self, canvas: &mut Canvas) {
        let title = Text::new(self.left, self.top - 9.0, "decisions")
            .size(12.0)
            .bold();
        canvas.text(&title);
        canvas.line(
            (self.left, self.top),
            (self.right, self.top),
            &[("stroke", "#333333")],
        );
        for placed in &self.marks {
            self.leader(canvas, placed);
        }
        let (plain, toned): (Vec<_>, Vec<_>) = self
            .marks
            .iter()
            .partition(|placed| placed.mark.tone == Tone::Plain);
        for placed in plain.into_iter().chain(toned) {
            self.mark(canvas, placed);
        }
    }

    /// The line from a mark down to its label, drawn first so that no mark is hidden.
    fn leader(&self, canvas: &mut Canvas, placed: &Placed<'_>) {
        let Some(label) = &placed.label else { return };
        let y = self.row_y(label.row);
        let style = [("stroke", "#bbbbbb"), ("stroke-width", "0.7")];
        canvas.line((placed.x, self.top + 5.0), (placed.x, y - 4.0), &style);
    }

    fn mark(&self, canvas: &mut Canvas, placed: &Placed<'_>) {
        let (mark, x) = (placed.mark, placed.x);
        let shape = match mark.tone {
            Tone::Plain => circle(x, self.top, 3.2),
            Tone::Good => triangle(x, self.top, -5.5),
            Tone::Bad => triangle(x, self.top, 5.5),
        };
        let style = [
            ("d", shape.as_str()),
            ("fill", mark.tone.ink()),
            ("stroke", "#ffffff"),
            ("stroke-width", "0.8"),
        ];
        let sentence = format!("{} {}", clock(mark.at), mark.sentence);
        canvas.hovered("path", &style, &sentence);
        if let Some(label) = &placed.label {
            let text = Text::new(label.x, self.row_y(label.row), &label.text).size(SIZE);
            let text = if label.ends { text.ending() } else { text };
            canvas.text(&text.ink(mark.tone.ink()));
        }
    }

    fn row_y(&self, row: usize) -> f64 {
        self.top + 22.0 + ROW * row as f64
    }
}

/// Gives the marks their labels, from the last to the first, and says how many rows that took.
fn label(marks: &mut [Placed<'_>], axis: &TimeAxis) -> usize {
    let labelled = marks.iter().filter(|placed| placed.mark.label.is_some());
    let places: Vec<f64> = labelled.map(|placed| placed.x).collect();
    let mut room = Room {
        left: axis.left(),
        right: axis.right(),
        rows: vec![Vec::new(); ROWS],
    };
    let mut last_first: Vec<&mut Placed<'_>> = marks.iter_mut().collect();
    // What ends something finds its place before all others.
    last_first.sort_by(|one, other| {
        let ends = other.mark.ends.cmp(&one.mark.ends);
        ends.then(other.x.total_cmp(&one.x))
    });
    for placed in last_first {
        if let Some(label) = &placed.mark.label {
            let text = format!("{} {label}", clock(placed.mark.at));
            let text = fitted(&text, SIZE, axis.right() - axis.left());
            placed.label = room.find(placed.x, text, &places);
        }
    }
    let used = marks
        .iter()
        .filter_map(|placed| Some(placed.label.as_ref()?.row + 1));
    used.max().unwrap_or(0)
}

/// What is still free below the line of decisions.
struct Room {
    left: f64,
    right: f64,
    /// What is taken in each row, from where to where.
    rows: Vec<Vec<(f64, f64)>>,
}

impl Room {
    /// To the right of its mark in the first row that is free, or else to the left; there the
    /// marks below which it lies keep rows above it.
    fn find(&mut self, x: f64, text: String, marks: &[f64]) -> Option<Label> {
        let wide = width(&text, SIZE);
        let right = (x + 2.0, x + 3.0 + wide + GAP);
        let left = (x - 3.0 - wide - GAP, x - 2.0);
        let above = marks.iter().filter(|mark| left.0 < **mark && **mark < x);
        let above = above.count().min(ROWS - 1);
        let spans = (0..ROWS).map(|row| (row, right, false));
        let spans = spans.chain((above..ROWS).map(|row| (row, left, true)));
        let (row, span, ends) = spans
            .into_iter()
            .find(|(row, span, _)| self.is_free(x, *row, *span))?;
        for taken in self.rows.iter_mut().take(row) {
            taken.push((x - 1.0, x + 1.0));
        }
        if let Some(taken) = self.rows.get_mut(row) {
            taken.push(span);
        }
        let x = if ends { x - 3.0 } else { x + 3.0 };
        Some(Label { row, x, text, ends })
    }

    /// Whether nothing lies in the label's way, nor in that of the line down to it.
    fn is_free(&self, x: f64, row: usize, span: (f64, f64)) -> bool {
        let meets = |row: &[(f64, f64)], span: (f64, f64)| {
            row.iter().any(|taken| span.0 < taken.1 && taken.0 < span.1)
        };
        let inside = span.0 + GAP >= self.left && span.1 - GAP <= self.right;
        let way_down = (x - 1.0, x + 1.0);
        let mut above = self.rows.iter().take(row);
        let label = self.rows.get(row).is_some_and(|taken| !meets(taken, span));
        // Marks of one instant share the way down.
        let blocked = |taken: &Vec<(f64, f64)>| {
            let others: Vec<_> = taken
                .iter()
                .copied()
                .filter(|other| *other != way_down)
                .collect();
            meets(&others, way_down)
        };
        inside && label && !above.any(blocked)
    }
}

fn circle(x: f64, y: f64, radius: f64) -> String {
    let (left, right, y, r) = (
        number(x - radius),
        number(x + radius),
        number(y),
        number(radius),
    );
    format!("M {left} {y} A {r} {r} 0 1 1 {right} {y} A {r} {r} 0 1 1 {left} {y} Z")
}

/// Points up where `height` is below zero, else down.
fn triangle(x: f64, y: f64, height: f64) -> String {
    let (left, right, x) = (number(x - 5.0), number(x + 5.0), number(x));
    let (base, tip) = (number(y - height), number(y + height));
    format!("M {left} {base} L {right} {base} L {x} {tip} Z")
}

/// Bands in rows, so that no two labels meet.
pub(in crate::cli) fn band_rows<'a>(bands: &'a [Band], axis: &TimeAxis) -> Vec<Vec<&'a Band>> {
    let mut rows: Vec<(f64, Vec<&Band>)> = Vec::new();
    for band in bands.iter().take(40) {
        let from = label_x(band, axis);
        let end = (from + width(&band.label, 10.0)).max(axis.x(band.to)) + 8.0;
        match rows.iter_mut().find(|(taken, _)| *taken < from) {
            Some((taken, row)) => {
                *taken = end;
                row.push(band);
            }
            None => rows.push((end, vec![band])),
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

fn label_x(band: &Band, axis: &TimeAxis) -> f64 {
    let last = axis.right() - width(&band.label, 10.0);
    axis.x(band.from).min(last).max(axis.left())
}

pub(in crate::cli) fn bands(
    canvas: &mut Canvas,
    rows: &[Vec<&Band>],
    axis: &TimeAxis,
    top: f64,
    bottom: f64,
) {
    for (index, row) in rows.iter().enumerate() {
        let y = top + 15.0 * index as f64;
        for band in row {
            let (from, to) = (axis.x(band.from), axis.x(band.to));
            let style = [("fill", "#000000"), ("fill-opacity", "0.045")];
            canvas.rect(
                (from, y + 4.0),
                ((to - from).max(1.0), bottom - y - 4.0),
                &style,
            );
            canvas.line(
                (from, y + 4.0),
                (to.max(from + 1.0), y + 4.0),
                &[("stroke", "#777777")],
            );
            let label = fitted(&band.label, 10.0, axis.right() - axis.left());
            let text = Text::new(label_x(band, axis), y, &label).size(10.0);
            canvas.text(&text.ink("#555555"));
        }
    }
}
