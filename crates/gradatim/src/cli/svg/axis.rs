//! The axis of time that all strips share.

use std::time::Duration;

use gradatim_core::time::Timestamp;

use super::element::{Canvas, Text};

/// Steps between ticks, in seconds.
const STEPS: [u64; 22] = [
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14_400,
    21_600,
    43_200,
    DAY,
    2 * DAY,
    7 * DAY,
    30 * DAY,
    365 * DAY,
];
const DAY: u64 = 86_400;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// The most ticks.
const TICKS: u64 = 14;

pub(in crate::cli) struct TimeAxis {
    end: f64,
    left: f64,
    right: f64,
    step: u64,
    /// The instant at its left end, where it shows instants.
    from: Option<Timestamp>,
}

impl TimeAxis {
    pub(in crate::cli) fn new(end: Duration, left: f64, right: f64) -> Self {
        let end = end.max(Duration::from_secs(1));
        let fits = |step: &&u64| end.as_secs() / **step <= TICKS;
        Self {
            end: end.as_secs_f64(),
            left,
            right,
            step: *STEPS.iter().find(fits).unwrap_or(&(365 * DAY)),
            from: None,
        }
    }

    /// The same, labelled with the instants of UTC instead of the time since the start.
    pub(in crate::cli) fn dated(mut self, from: Timestamp) -> Self {
        self.from = Some(from);
        self
    }

    /// Where an instant lies.
    pub(in crate::cli) fn x(&self, at: Duration) -> f64 {
        let part = (at.as_secs_f64() / self.end).clamp(0.0, 1.0);
        self.left + part * (self.right - self.left)
    }

    pub(in crate::cli) fn left(&self) -> f64 {
        self.left
    }

    pub(in crate::cli) fn right(&self) -> f64 {
        self.right
    }

    fn ticks(&self) -> impl Iterator<Item = Duration> {
        let (step, end) = (self.step, self.end as u64);
        // Instants are round ones, wherever the axis begins.
        let begin = self.from.map_or(0, |from| from.as_millis() / 1000);
        let first = begin.rem_euclid(step as i64).unsigned_abs();
        let first = (step - first) % step;
        (first..=end)
            .step_by(step as usize)
            .map(Duration::from_secs)
    }

    pub(in crate::cli) fn grid(&self, canvas: &mut Canvas, top: f64, bottom: f64) {
        for tick in self.ticks() {
            let x = self.x(tick);
            canvas.line((x, top), (x, bottom), &[("stroke", "#ececec")]);
        }
    }

    pub(in crate::cli) fn labels(&self, canvas: &mut Canvas, bottom: f64) {
        let ink = [("stroke", "#333333")];
        canvas.line((self.left, bottom), (self.right, bottom), &ink);
        for tick in self.ticks() {
            let x = self.x(tick);
            canvas.line((x, bottom), (x, bottom + 4.0), &ink);
            canvas.text(&Text::new(x, bottom + 17.0, &self.label(tick)).centred());
        }
        let unit = if self.end < 3600.0 {
            "min:s"
        } else {
            "h:min:s"
        };
        let unit = match self.from {
            Some(from) => format!("time, UTC; the first start is at {from}"),
            None => format!("time since the start, {unit}"),
        };
        let middle = f64::midpoint(self.left, self.right);
        canvas.text(
            &Text::new(middle, bottom + 35.0, &unit)
                .centred()
                .ink("#555555"),
        );
    }
}

impl TimeAxis {
    /// `6:05`, or of an instant `18:30` and at midnight `1 Oct`.
    fn label(&self, at: Duration) -> String {
        let Some(from) = self.from else {
            return clock(at);
        };
        let text = (from + at).to_string();
        let part = |range| text.get(range).unwrap_or_default();
        let (month, day, time) = (part(5..7), part(8..10), part(11..16));
        match (time, month.parse::<usize>()) {
            ("00:00", Ok(month @ 1..=12)) => {
                let day = day.trim_start_matches('0');
                format!("{day} {}", MONTHS[month - 1])
            }
            _ if self.step < 60 => part(11..19).to_owned(),
            _ => time.to_owned(),
        }
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
    fn an_axis_of_instants_is_labelled_at_round_ones() {
        let axis = TimeAxis::new(Duration::from_secs(2 * DAY), 0.0, 100.0);
        let axis = axis.dated("2026-09-30T21:10:05Z".parse().unwrap());
        let labels: Vec<String> = axis.ticks().map(|tick| axis.label(tick)).collect();
        assert_eq!(labels[..4], ["1 Oct", "04:00", "08:00", "12:00"]);
    }

    #[test]
    fn an_axis_has_a_few_round_ticks_whatever_its_length() {
        for seconds in [0, 1, 59, 61, 600, 3599, 7200, 100_000, 604_800] {
            let axis = TimeAxis::new(Duration::from_secs(seconds), 0.0, 100.0);
            let ticks = axis.ticks().count();
            assert!((2..=15).contains(&ticks), "{seconds}: {ticks}");
        }
        for days in [1, 14, 31, 400, 30_000] {
            let axis = TimeAxis::new(Duration::from_secs(days * DAY), 0.0, 100.0);
            let axis = axis.dated("2026-10-01T00:10:05Z".parse().unwrap());
            let ticks = axis.ticks().count();
            assert!((1..=100).contains(&ticks), "{days}: {ticks}");
        }
        assert_eq!(clock(Duration::from_secs(3725)), "1:02:05");
        assert_eq!(clock(Duration::from_secs(65)), "1:05");
    }
}
