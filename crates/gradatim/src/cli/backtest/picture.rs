//! A backtest as one picture: each metric with its bound, and how every start ended.

use std::time::Duration;

use gradatim_core::analysis::{MetricPlan, RunPlan};
use gradatim_core::time::Timestamp;

use super::super::svg::axis::TimeAxis;
use super::super::svg::element::{Canvas, Text, fitted, number};
use super::super::svg::strip::{Scale, Strip};
use super::super::svg::{BOUND, GAP, RIGHT, Tone, WIDTH};
use super::super::text;
use super::report::{End, Report, Start};

const LEFT: f64 = 84.0;
const TOP: f64 = 118.0;
const HEIGHT: f64 = 110.0;
/// The height of a row of verdicts.
const ROW: f64 = 20.0;
/// The least width of a verdict; starts that lie closer share one.
const LEAST: f64 = 4.0;
const GOOD_INK: &str = "#3f6f8f";
const FAILED_INK: &str = "#b3201f";
/// The longest time between two values that a line connects, as a part of the whole.
const CONNECTED: f64 = 0.04;

/// What was measured of one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// The metric, by its place in the plan.
    pub(super) metric: usize,
    pub(super) at: Timestamp,
    pub(super) value: f64,
    /// Whether it counted as a failure.
    pub(super) failed: bool,
}

/// Draws it.
pub(super) fn draw(plan: &RunPlan, report: &Report) -> String {
    let from = report.starts.first().map_or(Timestamp::ZERO, |it| it.at);
    let ends = report.starts.iter().map(|start| start.at + start.after);
    let to = ends.fold(from, Timestamp::max);
    // A start at the very end is not cut.
    let length = to.since(from).mul_f64(1.01) + Duration::from_secs(1);
    let axis = TimeAxis::new(length, LEFT, RIGHT).dated(from);

    let below = TOP + (HEIGHT + GAP) * plan.metrics.len() as f64;
    let bottom = below + 3.0 * ROW;
    let title = title(plan);
    let mut canvas = Canvas::new(WIDTH, bottom + 46.0, &title);
    heading(&mut canvas, &title, report);
    axis.grid(&mut canvas, TOP, bottom);
    for (index, metric) in plan.metrics.iter().enumerate() {
        let columns = columns(report, index, &axis, from);
        let top = TOP + (HEIGHT + GAP) * index as f64;
        draw_metric(&mut canvas, metric, &columns, &axis, top);
    }
    verdicts(&mut canvas, report, &axis, from, below);
    axis.labels(&mut canvas, bottom);
    canvas.finish()
}

fn title(plan: &RunPlan) -> String {
    let names = match plan.templates.is_empty() {
        true => plan.metrics.iter().map(|it| it.name.to_string()).collect(),
        false => plan.templates.clone(),
    };
    text::clean(&names.join(", ")).into_owned()
}

fn heading(canvas: &mut Canvas, title: &str, report: &Report) {
    let room = RIGHT - LEFT;
    let title = fitted(title, 20.0, room);
    canvas.text(&Text::new(LEFT, 32.0, &title).size(20.0).bold());
    let counts = [End::Promoted, End::RolledBack, End::Undecided]
        .map(|end| format!("{} {}", report.count(end), end.word()));
    let head = format!("{}: {}", report.head(), counts.join(", "));
    let head = fitted(&head, 12.0, room);
    canvas.text(&Text::new(LEFT, 51.0, &head).size(12.0).ink("#555555"));
    let tone = match report.count(End::RolledBack) {
        0 => Tone::Plain,
        _ => Tone::Bad,
    };
    let sentence = fitted(&report.sentence(), 13.0, room);
    let sentence = Text::new(LEFT, 71.0, &sentence).size(13.0).bold();
    canvas.text(&sentence.ink(tone.ink()));
}

/// The values of one column of the picture, one unit wide, that failed or did not.
#[derive(Clone, Copy, Debug)]
struct Column {
    x: f64,
    low: f64,
    high: f64,
    failed: bool,
}

/// However much was measured, there are no more columns than the picture is wide.
fn columns(report: &Report, metric: usize, axis: &TimeAxis, from: Timestamp) -> Vec<Column> {
    let points = report.starts.iter().flat_map(|start| &start.points);
    let points = points.filter(|point| point.metric == metric && !point.value.is_nan());
    let mut all: Vec<(f64, &Point)> = points
        .map(|point| (axis.x(point.at.since(from)).round(), point))
        .collect();
    all.sort_by(|(one, this), (other, that)| {
        one.total_cmp(other).then(this.failed.cmp(&that.failed))
    });
    let mut columns: Vec<Column> = Vec::new();
    for (x, Point { value, failed, .. }) in all {
        let same = |last: &&mut Column| last.x == x && last.failed == *failed;
        match columns.last_mut().filter(same) {
            Some(last) => {
                last.low = last.low.min(*value);
                last.high = last.high.max(*value);
            }
            None => columns.push(Column {
                x,
                low: *value,
                high: *value,
                failed: *failed,
            }),
        }
    }
    columns
}

fn draw_metric(
    canvas: &mut Canvas,
    metric: &MetricPlan,
    columns: &[Column],
    axis: &TimeAxis,
    top: f64,
) {
    let conditions: Vec<_> = metric.success.iter().chain(&metric.failure).collect();
    let bounds = conditions.iter().filter_map(|it| Some(it.bounds()?.value));
    let needed = metric.judge.as_ref().map(|judge| judge.needed());
    let bounds: Vec<f64> = bounds.chain(needed).collect();
    let values = columns.iter().flat_map(|column| [column.low, column.high]);
    let scale = Scale::around(values.chain(bounds.iter().copied()));
    let name = text::clean(metric.name.as_str()).into_owned();
    let note = match columns.is_empty() {
        true => "nothing was measured that can be drawn as a number".to_owned(),
        false if needed.is_some() => {
            "the evidence at each scrape; dotted: what takes back".to_owned()
        }
        false => "each measurement; red: it failed".to_owned(),
    };
    let bounded = conditions.iter().filter(|it| it.bounds().is_some());
    let bounded = bounded.map(|it| format!("; dotted: {}", text::clean(it.source())));
    let note = fitted(
        &bounded.fold(note, |note, bound| note + &bound),
        11.0,
        600.0,
    );
    let mut strip = Strip::new(&name, top, HEIGHT, scale);
    strip.note(&note);
    for bound in bounds {
        // Values lie all along it, so that its words stand above the strip.
        strip.bound(bound, String::new(), BOUND);
    }
    strip.draw(canvas, axis);
    connect(canvas, &strip, columns);
    for column in columns {
        mark(canvas, &strip, column);
    }
}

/// A faint line through the values, which ends where nothing was measured for long.
fn connect(canvas: &mut Canvas, strip: &Strip<'_>, columns: &[Column]) {
    let mut path = String::new();
    let mut last = f64::NEG_INFINITY;
    for column in columns {
        let near = column.x - last < CONNECTED * (RIGHT - LEFT);
        let stroke = if near { "L" } else { "M" };
        let y = strip.y(f64::midpoint(column.low, column.high));
        path.push_str(&format!("{stroke} {} {} ", number(column.x), number(y)));
        last = column.x;
    }
    if !path.is_empty() {
        let style = [
            ("d", path.trim_end()),
            ("fill", "none"),
            ("stroke", "#c9d6df"),
            ("stroke-width", "1.2"),
        ];
        canvas.element("path", &style);
    }
}

/// From the least to the most of a column; what failed is wider, so that it shows in grey too.
fn mark(canvas: &mut Canvas, strip: &Strip<'_>, column: &Column) {
    let (top, bottom) = (strip.y(column.high), strip.y(column.low));
    let (ink, half) = match column.failed {
        true => (FAILED_INK, 1.8),
        false => (GOOD_INK, 1.1),
    };
    let at = (column.x - half, top - half);
    canvas.rect(
        at,
        (2.0 * half, bottom - top + 2.0 * half),
        &[("fill", ink)],
    );
}

/// A row for each way to end, and each start in one of them.
fn verdicts(canvas: &mut Canvas, report: &Report, axis: &TimeAxis, from: Timestamp, top: f64) {
    let title = Text::new(axis.left(), top - 9.0, "how each start ended");
    canvas.text(&title.size(12.0).bold());
    let rows = [
        (End::Promoted, Tone::Good),
        (End::RolledBack, Tone::Bad),
        (End::Undecided, Tone::Plain),
    ];
    for (index, (end, tone)) in rows.into_iter().enumerate() {
        let y = top + ROW * index as f64;
        canvas.line(
            (axis.left(), y + ROW),
            (axis.right(), y + ROW),
            &[("stroke", "#e4e4e4")],
        );
        let label = Text::new(axis.left() - 8.0, y + 13.5, end.word());
        canvas.text(&label.size(10.0).ending().ink(tone.ink()));
        for group in grouped(report.of(end), axis, from) {
            let style = [("fill", tone.ink())];
            let x = group.x.min(axis.right() - LEAST);
            let (at, size) = ((x, y + 3.0), (LEAST - 0.8, ROW - 6.0));
            canvas.hovered_rect(at, size, &style, &group.sentence(end));
        }
    }
}

/// Starts that lie too close to each other to be told apart.
struct Group<'a> {
    x: f64,
    first: &'a Start,
    last: &'a Start,
    count: usize,
}

fn grouped<'a>(
    starts: impl Iterator<Item = &'a Start>,
    axis: &TimeAxis,
    from: Timestamp,
) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for start in starts {
        let x = axis.x(start.at.since(from));
        let close = |group: &&mut Group<'_>| x - group.x < LEAST;
        match groups.last_mut().filter(close) {
            Some(group) => (group.last, group.count) = (start, group.count + 1),
            None => groups.push(Group {
                x,
                first: start,
                last: start,
                count: 1,
            }),
        }
    }
    groups
}

impl Group<'_> {
    fn sentence(&self, end: End) -> String {
        let (first, last) = (self.first.at, self.last.at);
        let word = end.word();
        if self.count > 1 {
            return format!("{} starts from {first} to {last}: {word}", self.count);
        }
        let after = text::clock(self.first.after);
        let why = self.first.decisive.iter();
        let why = why.map(|(name, last)| format!("; {name}: {last}"));
        let why: String = why.collect();
        format!("{first}: {word} after {after}{}", text::clean(&why))
    }
}

#[cfg(test)]
mod tests;
