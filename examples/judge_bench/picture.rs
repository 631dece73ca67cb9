//! Failed requests against false rollbacks, a point for each judge.

use std::fmt::Write as _;

use crate::judge::{KINDS, Kind};
use crate::score::Score;
use crate::table::{Results, short};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 860.0;
const TOP: f64 = 90.0;
const BOTTOM: f64 = 490.0;
const OURS: &str = "#c2570c";
const OTHERS: &str = "#5b6f82";

/// A judge on the picture.
struct Point<'a> {
    kind: &'a Kind,
    /// The geometric mean of the requests that bad versions spoil.
    harm: f64,
    /// In percent.
    false_rollbacks: f64,
}

pub(crate) fn draw(results: &Results<'_>) -> String {
    let mut points = points(results);
    points.sort_by(|a, b| place(b).1.total_cmp(&place(a).1));
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" \
         font-family=\"Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif\">\n\
         <title>{TITLE}</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>"
    );
    heading(&mut svg, results);
    axes(&mut svg);
    dots(&mut svg, &points);
    svg.push_str("</svg>\n");
    svg
}

const TITLE: &str = "Judges of releases: what they miss and what they take back for nothing";

fn points<'a>(results: &Results<'_>) -> Vec<Point<'a>> {
    let judges = KINDS
        .iter()
        .enumerate()
        .filter(|(_, kind)| kind.id != "oracle");
    let points = judges.filter_map(|(judge, kind)| {
        let score = Score::of(&results.of(judge));
        let ((harm, _, _), (false_rollbacks, _)) = score.harm.zip(score.false_rollbacks)?;
        Some(Point {
            kind,
            harm,
            false_rollbacks,
        })
    });
    points.collect()
}

fn heading(svg: &mut String, results: &Results<'_>) {
    text(svg, (LEFT, 34.0), "start", 18.0, "#222222", TITLE);
    let schedule = results.options.schedule;
    let about = format!("Simulated releases at {schedule} %. Lower and further left is better.");
    text(svg, (LEFT, 56.0), "start", 12.0, "#555555", &about);
}

fn axes(svg: &mut String) {
    for power in 1..=4 {
        let value = 10_f64.powi(power);
        let at = x(value);
        line(svg, (at, TOP), (at, BOTTOM), "#ececec");
        text(
            svg,
            (at, BOTTOM + 18.0),
            "middle",
            11.0,
            "#222222",
            &short(value),
        );
    }
    for value in [0.0, 20.0, 40.0, 60.0, 80.0] {
        let at = y(value);
        line(svg, (LEFT, at), (RIGHT, at), "#ececec");
        let label = format!("{value} %");
        text(svg, (LEFT - 8.0, at + 4.0), "end", 11.0, "#222222", &label);
    }
    line(svg, (LEFT, BOTTOM), (RIGHT, BOTTOM), "#333333");
    line(svg, (LEFT, TOP), (LEFT, BOTTOM), "#333333");
    let below = "requests that a bad version spoils before it is taken back (geometric mean)";
    text(
        svg,
        ((LEFT + RIGHT) / 2.0, BOTTOM + 40.0),
        "middle",
        12.0,
        "#555555",
        below,
    );
    text(
        svg,
        (LEFT, TOP - 10.0),
        "start",
        12.0,
        "#555555",
        "good versions taken back",
    );
}

/// From the lowest upwards, so that each label can move above what is in its way.
fn dots(svg: &mut String, points: &[Point<'_>]) {
    let mut taken: Vec<Area> = points.iter().map(Area::of_dot).collect();
    for point in points {
        let (x, y) = place(point);
        let mut label = Area::of_label(point);
        while let Some(above) = taken.iter().find(|area| area.meets(&label)) {
            label = label.ending_at(above.top - 1.0);
        }
        if y - label.bottom > 12.0 {
            line(svg, (x, y), (x + 4.0, label.bottom), "#bbbbbb");
        }
        dot(svg, point);
        let title = point.kind.title;
        text(
            svg,
            (label.left, label.bottom - 3.0),
            "start",
            12.0,
            ink(point),
            title,
        );
        taken.push(label);
    }
}

/// A part of the picture.
struct Area {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Area {
    fn of_dot(point: &Point<'_>) -> Self {
        let (x, y) = place(point);
        let (left, right, top, bottom) = (x - 6.0, x + 6.0, y - 6.0, y + 6.0);
        Self {
            left,
            right,
            top,
            bottom,
        }
    }

    fn of_label(point: &Point<'_>) -> Self {
        let (x, y) = place(point);
        let wide = 6.5 * point.kind.title.chars().count() as f64;
        let (left, right) = (x + 7.0, x + 7.0 + wide);
        let (top, bottom) = (y - 8.0, y + 6.0);
        Self {
            left,
            right,
            top,
            bottom,
        }
    }

    fn ending_at(self, bottom: f64) -> Self {
        let top = bottom - (self.bottom - self.top);
        Self {
            top,
            bottom,
            ..self
        }
    }

    fn meets(&self, other: &Self) -> bool {
        let beside = self.left >= other.right || other.left >= self.right;
        !beside && self.top < other.bottom && other.top < self.bottom
    }
}

fn ink(point: &Point<'_>) -> &'static str {
    match point.kind.is_ours() {
        true => OURS,
        false => OTHERS,
    }
}

fn dot(svg: &mut String, point: &Point<'_>) {
    let (x, y) = place(point);
    let (title, harm, off) = (point.kind.title, short(point.harm), point.false_rollbacks);
    let _ = writeln!(
        svg,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{}\"><title>{title}: {harm} failed \
         requests, {off:.2} % false rollbacks</title></circle>",
        ink(point),
    );
}

fn place(point: &Point<'_>) -> (f64, f64) {
    (x(point.harm), y(point.false_rollbacks))
}

/// From 3 to 30,000, by powers.
fn x(value: f64) -> f64 {
    let part = (value.clamp(3.0, 30_000.0) / 3.0).log10() / 4.0;
    LEFT + part * (RIGHT - LEFT)
}

fn y(percent: f64) -> f64 {
    BOTTOM - percent.clamp(0.0, 100.0) / 80.0 * (BOTTOM - TOP)
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), ink: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{ink}\"/>"
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, size: f64, ink: &str, words: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{ink}\" \
         text-anchor=\"{anchor}\">{words}</text>"
    );
}
