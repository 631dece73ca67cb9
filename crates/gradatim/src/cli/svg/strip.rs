//! One strip: a scale, lines, an area, and the words that say which is which.

use super::Points;
use super::axis::TimeAxis;
use super::element::{Canvas, Text, fitted, number, width};

/// What the height of a strip means.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Scale {
    least: f64,
    most: f64,
    step: f64,
    unit: &'static str,
}

impl Scale {
    pub(in crate::cli) fn percent() -> Self {
        Self {
            least: 0.0,
            most: 100.0,
            step: 25.0,
            unit: "%",
        }
    }

    /// From 0 to a round number of at least this.
    pub(in crate::cli) fn up_to(most: f64, unit: &'static str) -> Self {
        let most = if most.is_finite() {
            most.clamp(1.0, 1e9)
        } else {
            1.0
        };
        Self::stepped(most, step(most / 4.0, &[1.0, 2.0, 2.5, 5.0, 10.0]), unit)
    }

    /// The same for what is counted.
    pub(in crate::cli) fn whole_up_to(most: f64) -> Self {
        let most = if most.is_finite() {
            most.clamp(1.0, 1e9)
        } else {
            1.0
        };
        let step = step(most / 5.0, &[1.0, 2.0, 5.0, 10.0]).max(1.0);
        Self::stepped(most, step, "")
    }

    /// Between round numbers around all of these, from 0 where they are not far from it.
    pub(in crate::cli) fn around(values: impl Iterator<Item = f64>) -> Self {
        let finite = values.filter(|value| value.abs() < 1e15);
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return Self::stepped(1.0, 0.25, "");
        }
        let low = if low > 0.0 && low < high * 0.4 {
            0.0
        } else {
            low
        };
        // Values that do not differ stand in the middle.
        let room = (high - low).max(high.abs().max(low.abs()) * 1e-3).max(1e-6);
        let step = step(room / 4.0, &[1.0, 2.0, 2.5, 5.0, 10.0]);
        let least = (low / step + 1e-9).floor() * step;
        let most = (high / step - 1e-9).ceil() * step;
        Self {
            least,
            most: most.max(least + step),
            step,
            unit: "",
        }
    }

    fn stepped(most: f64, step: f64, unit: &'static str) -> Self {
        Self {
            least: 0.0,
            // What is highest does not lie on the frame.
            most: step * (most * 1.02 / step).ceil(),
            step,
            unit,
        }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let count = ((self.most - self.least) / self.step).round() as u32;
        let (least, step) = (self.least, self.step);
        (0..=count).map(move |tick| least + f64::from(tick) * step)
    }

    /// A value with as many digits as tell two ticks apart.
    fn text(&self, value: f64) -> String {
        let places = (1.0 - self.step.log10().floor()).clamp(0.0, 12.0) as usize;
        let text = format!("{:.places$}", value + 0.0);
        let text = match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.'),
            false => &text,
        };
        match text {
            "-0" => "0".to_owned(),
            text if text.len() > 8 => format!("{value:.1e}"),
            text => text.to_owned(),
        }
    }
}

/// The smallest of some numbers times a power of ten that is at least this.
fn step(least: f64, nice: &[f64]) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let steps = nice.iter().map(|step| step * power);
    let mut large = steps.filter(|step| *step >= least * 0.999);
    large.next().unwrap_or(least)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Dash {
    Solid,
    Long,
    Dotted,
}

impl Dash {
    fn pattern(self) -> &'static str {
        match self {
            Self::Solid => "none",
            Self::Long => "7 3",
            Self::Dotted => "1.5 3",
        }
    }
}

struct Line<'a> {
    points: &'a Points,
    ink: &'static str,
    dash: Dash,
    width: &'static str,
}

enum Key {
    Area(&'static str),
    Line(&'static str, Dash),
}

pub(in crate::cli) struct Strip<'a> {
    title: &'a str,
    top: f64,
    height: f64,
    scale: Scale,
    area: Option<(&'a Points, &'static str)>,
    lines: Vec<Line<'a>>,
    bounds: Vec<(f64, String, &'static str)>,
    keys: Vec<(Key, &'a str)>,
    note: &'a str,
}

impl<'a> Strip<'a> {
    pub(in crate::cli) fn new(title: &'a str, top: f64, height: f64, scale: Scale) -> Self {
        Self {
            title,
            top,
            height,
            scale,
            area: None,
            lines: Vec::new(),
            bounds: Vec::new(),
            keys: Vec::new(),
            note: "",
        }
    }

    pub(in crate::cli) fn area(&mut self, name: &'a str, points: &'a Points, ink: &'static str) {
        self.area = Some((points, ink));
        self.keys.push((Key::Area(ink), name));
    }

    pub(in crate::cli) fn line(
        &mut self,
        name: &'a str,
        points: &'a Points,
        ink: &'static str,
        dash: Dash,
    ) {
        self.lines.push(Line {
            points,
            ink,
            dash,
            width: "1.8",
        });
        self.keys.push((Key::Line(ink, dash), name));
    }

    pub(in crate::cli) fn thin_line(&mut self, points: &'a Points, ink: &'static str) {
        self.lines.push(Line {
            points,
            ink,
            dash: Dash::Dotted,
            width: "1.2",
        });
    }

    pub(in crate::cli) fn bound(&mut self, value: f64, label: String, ink: &'static str) {
        self.bounds.push((value, label, ink));
    }

    pub(in crate::cli) fn note(&mut self, note: &'a str) {
        self.note = note;
    }

    /// Marks an instant from top to bottom.
    pub(in crate::cli) fn guide(&self, canvas: &mut Canvas, x: f64, ink: &'static str) {
        let style = [
            ("stroke", ink),
            ("stroke-width", "0.8"),
            ("stroke-dasharray", "1 2"),
        ];
        canvas.line((x, self.top), (x, self.top + self.height), &style);
    }

    /// Where a value lies; what is above or below the scale lies on its edge.
    pub(in crate::cli) fn y(&self, value: f64) -> f64 {
        let (least, most) = (self.scale.least, self.scale.most);
        let part = ((value - least) / (most - least)).clamp(0.0, 1.0);
        self.top + self.height * (1.0 - part)
    }

    pub(in crate::cli) fn draw(&self, canvas: &mut Canvas, axis: &TimeAxis) {
        self.frame(canvas, axis);
        if let Some((points, ink)) = self.area {
            let path = self.area_path(points, axis);
            canvas.element("path", &[("d", &path), ("fill", ink)]);
        }
        self.draw_bounds(canvas, axis);
        for line in &self.lines {
            let path = self.line_path(line.points, axis);
            canvas.element(
                "path",
                &[
                    ("d", &path),
                    ("fill", "none"),
                    ("stroke", line.ink),
                    ("stroke-width", line.width),
                    ("stroke-dasharray", line.dash.pattern()),
                    ("stroke-linejoin", "round"),
                ],
            );
        }
    }

    fn frame(&self, canvas: &mut Canvas, axis: &TimeAxis) {
        canvas.text(
            &Text::new(axis.left(), self.top - 9.0, self.title)
                .size(12.0)
                .bold(),
        );
        self.legend(canvas, axis);
        for tick in self.scale.ticks() {
            let y = self.y(tick);
            let is_floor = tick == self.scale.least;
            let ink = if is_floor { "#333333" } else { "#e4e4e4" };
            canvas.line((axis.left(), y), (axis.right(), y), &[("stroke", ink)]);
            let gap = if self.scale.unit.is_empty() { "" } else { " " };
            let label = format!("{}{gap}{}", self.scale.text(tick), self.scale.unit);
            canvas.text(
                &Text::new(axis.left() - 8.0, y + 3.5, &label)
                    .size(10.0)
                    .ending(),
            );
        }
    }

    /// From right to left above the strip, so that it never meets the title.
    fn legend(&self, canvas: &mut Canvas, axis: &TimeAxis) {
        let (y, size) = (self.top - 9.0, 11.0);
        let mut x = axis.right();
        if !self.note.is_empty() {
            canvas.text(&Text::new(x, y, self.note).ending().ink("#555555"));
            x -= width(self.note, size) + 12.0;
        }
        for (key, name) in self.keys.iter().rev() {
            let name = fitted(name, size, 200.0);
            x -= width(&name, size);
            canvas.text(&Text::new(x, y, &name));
            x -= 6.0;
            match key {
                Key::Area(ink) => canvas.rect((x - 22.0, y - 9.0), (22.0, 10.0), &[("fill", ink)]),
                Key::Line(ink, dash) => canvas.line(
                    (x - 22.0, y - 4.0),
                    (x, y - 4.0),
                    &[
                        ("stroke", ink),
                        ("stroke-width", "2"),
                        ("stroke-dasharray", dash.pattern()),
                    ],
                ),
            }
            x -= 22.0 + 12.0;
        }
    }

    fn draw_bounds(&self, canvas: &mut Canvas, axis: &TimeAxis) {
        let mut taken: Vec<f64> = Vec::new();
        for (value, label, ink) in &self.bounds {
            let y = self.y(*value);
            let style = [("stroke", *ink), ("stroke-dasharray", "2 2")];
            canvas.line((axis.left(), y), (axis.right(), y), &style);
            // Two bounds that lie close together have one label, the first one's.
            if label.is_empty() || taken.iter().any(|other| (other - y).abs() < 11.0) {
                continue;
            }
            taken.push(y);
            let below = y - 4.0 < self.top + 8.0;
            let at = if below { y + 11.0 } else { y - 4.0 };
            let label = fitted(label, 10.0, 400.0);
            canvas.text(&Text::new(axis.left() + 5.0, at, &label).size(10.0).ink(ink));
        }
    }

    /// Values hold until the next one: a line of steps, with gaps where there is no value.
    fn line_path(&self, points: &Points, axis: &TimeAxis) -> String {
        let (mut path, mut ended) = (String::new(), String::new());
        for (x, until, value) in self.spans(points, axis) {
            let y = number(self.y(value));
            let (x, until) = (number(x), number(until));
            let stroke = if ended == x { "L" } else { "M" };
            path.push_str(&format!("{stroke} {x} {y} L {until} {y} "));
            ended = until;
        }
        path.trim_end().to_owned()
    }

    fn area_path(&self, points: &Points, axis: &TimeAxis) -> String {
        let floor = number(self.y(self.scale.least));
        let mut path = String::new();
        for (x, until, value) in self.spans(points, axis) {
            let (y, x, until) = (number(self.y(value)), number(x), number(until));
            path.push_str(&format!(
                "M {x} {floor} L {x} {y} L {until} {y} L {until} {floor} Z "
            ));
        }
        path.trim_end().to_owned()
    }

    /// From where to where there is which value.
    fn spans(&self, points: &Points, axis: &TimeAxis) -> Vec<(f64, f64, f64)> {
        let ends = points.iter().skip(1).map(|(at, _)| axis.x(*at));
        let ends = ends.chain([axis.right()]);
        let spans = points.iter().zip(ends);
        let known = spans.filter_map(|((at, value), end)| Some((axis.x(*at), end, (*value)?)));
        known.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(values: &[f64]) -> Vec<String> {
        let scale = Scale::around(values.iter().copied());
        scale.ticks().map(|tick| scale.text(tick)).collect()
    }

    #[test]
    fn a_scale_has_a_few_round_ticks_around_its_values() {
        assert_eq!(
            ticks(&[0.9, 1.0, 0.95]),
            ["0.9", "0.925", "0.95", "0.975", "1"]
        );
        assert_eq!(ticks(&[0.1, 0.5]), ["0", "0.2", "0.4", "0.6"]);
        assert_eq!(ticks(&[-1.0, 1.0]), ["-1", "-0.5", "0", "0.5", "1"]);
        for values in [
            &[][..],
            &[0.0],
            &[f64::NAN, f64::INFINITY],
            &[7.0],
            &[1e14, 0.0],
            &[-1e-12],
            &[1e300],
        ] {
            let ticks = ticks(values);
            assert!((2..=12).contains(&ticks.len()), "{values:?}: {ticks:?}");
        }
    }
}
