//! The axis of time that all strips share.

use std::time::Duration;

use super::element::{Canvas, Text};

/// Steps between ticks, in seconds.
const STEPS: [u64; 18] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400,
];
/// The most ticks.
const TICKS: u64 = 14;

pub(super) struct TimeAxis {
    end: f64,
    left: f64,
    right: f64,
    step: u64,
}

impl TimeAxis {
    pub(super) fn new(end: Duration, left: f64, right: f64) -> Self {
        let end = end.max(Duration::from_secs(1));
        let fits = |step: &&u64| end.as_secs() / **step <= TICKS;
        Self {
            end: end.as_secs_f64(),
            left,
            right,
            step: *STEPS.iter().find(fits).unwrap_or(&86_400),
        }
    }

    /// Where an instant lies.
    pub(super) fn x(&self, at: Duration) -> f64 {
        let part = (at.as_secs_f64() / self.end).clamp(0.0, 1.0);
        self.left + part * (self.right - self.left)
    }

    pub(super) fn left(&self) -> f64 {
        self.left
    }

    pub(super) fn right(&self) -> f64 {
        self.right
    }

    fn ticks(&self) -> impl Iterator<Item = Duration> {
        let (step, end) = (self.step, self.end as u64);
        (0..=end / step).map(move |tick| Duration::from_secs(tick * step))
    }

    pub(super) fn grid(&self, canvas: &mut Canvas, top: f64, bottom: f64) {
        for tick in self.ticks() {
            let x = self.x(tick);
            canvas.line((x, top), (x, bottom), &[("stroke", "#ececec")]);
        }
    }

    pub(super) fn labels(&self, canvas: &mut Canvas, bottom: f64) {
        let ink = [("stroke", "#333333")];
        canvas.line((self.left, bottom), (self.right, bottom), &ink);
        for tick in self.ticks() {
            let x = self.x(tick);
            canvas.line((x, bottom), (x, bottom + 4.0), &ink);
            canvas.text(&Text::new(x, bottom + 17.0, &clock(tick)).centred());
        }
        let unit = if self.end < 3600.0 {
            "min:s"
        } else {
            "h:min:s"
        };
        let unit = format!("time since the start, {unit}");
        let middle = f64::midpoint(self.left, self.right);
        canvas.text(
            &Text::new(middle, bottom + 35.0, &unit)
                .centred()
                .ink("#555555"),
        );
    }
}

/// `m:ss`, or `h:mm:ss` from an hour on.
pub(in crate::cli) fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_few_round_ticks_whatever_its_length() {
        for seconds in [0, 1, 59, 61, 600, 3599, 7200, 100_000, 604_800] {
            let axis = TimeAxis::new(Duration::from_secs(seconds), 0.0, 100.0);
            let ticks = axis.ticks().count();
            assert!((2..=15).contains(&ticks), "{seconds}: {ticks}");
        }
        assert_eq!(clock(Duration::from_secs(3725)), "1:02:05");
        assert_eq!(clock(Duration::from_secs(65)), "1:05");
    }
}
