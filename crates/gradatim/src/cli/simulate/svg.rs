//! A simulation as one picture: weight, errors, pods and decisions along one axis of time.

use std::time::Duration;

use super::super::svg::axis::TimeAxis;
use super::super::svg::element::{Canvas, Text, number};
use super::super::svg::marks::{self, Decisions};
use super::super::svg::strip::{self, Scale, Strip};
use super::super::svg::{BOUND, Band, GAP, LEFT, Mark, Points, RIGHT, Tone, WIDTH};

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) verdict: String,
    pub(super) tone: Tone,
    pub(super) end: Duration,
    /// In percent.
    pub(super) weight_wanted: Points,
    /// The part of the users' requests that it got, in percent.
    pub(super) weight_seen: Points,
    pub(super) stable: Side,
    pub(super) canary: Side,
    /// Bounds on the error rate, in percent, with the metric that sets each.
    pub(super) bounds: Vec<(f64, String)>,
    pub(super) marks: Vec<Mark>,
    /// What goes wrong in the world, and when.
    pub(super) bands: Vec<Band>,
}

/// One side of a release.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    pub(super) name: String,
    /// In percent of the side's own requests; none while it has none.
    pub(super) errors: Points,
    pub(super) pods_wanted: Points,
    pub(super) pods_available: Points,
}

const STABLE: &str = "#5b6f82";
const CANARY: &str = "#c2570c";
const SEEN: &str = "#f3c9a5";

/// Draws it.
pub(super) fn draw(picture: &Picture) -> String {
    let axis = TimeAxis::new(picture.end, LEFT, RIGHT);
    let bands = marks::band_rows(&picture.bands, &axis);
    let top = 88.0 + 15.0 * bands.len() as f64;
    let strips = [
        weight(picture, top + 20.0, 110.0),
        errors(picture, top + 20.0 + 110.0 + GAP, 110.0),
        pods(picture, top + 20.0 + 2.0 * (110.0 + GAP), 110.0),
    ];
    let below = top + 20.0 + 3.0 * (110.0 + GAP);
    let decisions = Decisions::new(&picture.marks, &axis, below);
    let bottom = below + decisions.height();
    let mut canvas = Canvas::new(WIDTH, bottom + 46.0, &picture.title);
    heading(&mut canvas, picture);
    marks::bands(&mut canvas, &bands, &axis, 90.0, bottom);
    axis.grid(&mut canvas, top + 20.0, bottom);
    for strip in &strips {
        strip.draw(&mut canvas, &axis);
        for (x, ink) in decisions.guides() {
            strip.guide(&mut canvas, x, ink);
        }
    }
    decisions.draw(&mut canvas);
    axis.labels(&mut canvas, bottom);
    canvas.finish()
}

fn heading(canvas: &mut Canvas, picture: &Picture) {
    canvas.text(&Text::new(LEFT, 32.0, &picture.title).size(20.0).bold());
    canvas.text(
        &Text::new(LEFT, 51.0, &picture.subtitle)
            .size(12.0)
            .ink("#555555"),
    );
    let verdict = Text::new(LEFT, 71.0, &picture.verdict).size(13.0).bold();
    canvas.text(&verdict.ink(picture.tone.ink()));
}

fn weight(picture: &Picture, top: f64, height: f64) -> Strip<'_> {
    let mut strip = Strip::new("weight of the new version", top, height, Scale::percent());
    strip.area("requests on it", &picture.weight_seen, SEEN);
    strip.line("wanted", &picture.weight_wanted, CANARY, strip::Dash::Solid);
    strip
}

fn errors(picture: &Picture, top: f64, height: f64) -> Strip<'_> {
    let sides = [&picture.stable, &picture.canary];
    let highest = sides.iter().flat_map(|side| &side.errors);
    let highest = highest.filter_map(|(_, rate)| *rate).fold(0.0, f64::max);
    let bounds = picture.bounds.iter().map(|(bound, _)| *bound);
    let most = bounds.fold(highest.max(2.0), |most, bound| most.max(bound * 1.25));
    let mut strip = Strip::new("answers that fail", top, height, Scale::up_to(most, "%"));
    strip.line(
        &picture.stable.name,
        &picture.stable.errors,
        STABLE,
        strip::Dash::Long,
    );
    strip.line(
        &picture.canary.name,
        &picture.canary.errors,
        CANARY,
        strip::Dash::Solid,
    );
    for (bound, metric) in &picture.bounds {
        let label = format!("{} % {metric}", number(*bound));
        strip.bound(*bound, label, BOUND);
    }
    strip
}

fn pods(picture: &Picture, top: f64, height: f64) -> Strip<'_> {
    let sides = [&picture.stable, &picture.canary];
    let counts = sides
        .iter()
        .flat_map(|side| side.pods_wanted.iter().chain(&side.pods_available));
    let most = counts.filter_map(|(_, pods)| *pods).fold(1.0, f64::max);
    let mut strip = Strip::new("pods", top, height, Scale::whole_up_to(most));
    for (side, ink, dash) in [
        (&picture.stable, STABLE, strip::Dash::Long),
        (&picture.canary, CANARY, strip::Dash::Solid),
    ] {
        strip.thin_line(&side.pods_wanted, ink);
        strip.line(&side.name, &side.pods_available, ink, dash);
    }
    strip.note("available; dotted: wanted");
    strip
}

#[cfg(test)]
mod tests;
