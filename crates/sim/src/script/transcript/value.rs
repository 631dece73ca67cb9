//! Numbers, times and readings as a person writes them.

use std::time::Duration;

use gradatim_core::measurement::{GateState, Reading};

/// `m:ss`, or `h:mm:ss` from an hour on.
pub fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A share of a total in percent, with what digits it needs.
pub(super) fn percent(part: u32, total: u32) -> String {
    let share = 100.0 * f64::from(part) / f64::from(total.max(1));
    format!("{} %", short(share))
}

/// Four digits at most behind the point, and no more than it needs.
pub(super) fn short(value: f64) -> String {
    if !value.is_finite() {
        return match value {
            _ if value.is_nan() => "NaN".to_owned(),
            _ if value > 0.0 => "+Inf".to_owned(),
            _ => "-Inf".to_owned(),
        };
    }
    let rounded = (value * 1e4).round() / 1e4;
    format!("{}", rounded + 0.0)
}

/// A length of time: `12 s`, `0.5 s`, or a clock's from a minute on.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        0..60 => format!("{} s", short(span.as_secs_f64())),
        _ => clock(span),
    }
}

/// A count with its thousands apart.
pub(super) fn count(count: f64) -> String {
    let digits = format!("{}", count.max(0.0).round());
    let lead = digits.len() % 3;
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && place % 3 == lead {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// What was measured, in a word or two.
pub(super) fn reading(reading: &Reading) -> String {
    match reading {
        Reading::Number(number) => short(number.get()),
        Reading::Series(series) if series.is_empty() => "no data".to_owned(),
        Reading::Series(series) => {
            let last = series.iter().filter_map(|one| one.samples.last());
            let values: Vec<String> = last
                .take(4)
                .map(|sample| short(sample.value.get()))
                .collect();
            values.join(", ")
        }
        Reading::Json(json) => json.to_string().chars().take(60).collect(),
        Reading::Counters(_) => "counters".to_owned(),
        Reading::Work { text, .. } => text.clone(),
        Reading::Gate(GateState::Open) => "open".to_owned(),
        Reading::Gate(GateState::Closed) => "closed".to_owned(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        assert_eq!(short(0.948_000_000_1), "0.948");
        assert_eq!(short(-0.0), "0");
        assert_eq!(
            (short(f64::NAN), short(f64::NEG_INFINITY)),
            ("NaN".into(), "-Inf".into())
        );
        assert_eq!(
            (percent(1, 3), percent(1250, 10_000)),
            ("33.3333 %".into(), "12.5 %".into())
        );
        assert_eq!(percent(1, 0), "100 %");
    }

    #[test]
    fn counts_and_spans_read_as_a_person_writes_them() {
        let counts = [0.0, 999.4, 1240.0, 1_234_567.0, -3.0].map(count);
        assert_eq!(counts, ["0", "999", "1 240", "1 234 567", "0"]);
        let spans = [0, 500, 12_000, 61_000]
            .map(Duration::from_millis)
            .map(span);
        assert_eq!(spans, ["0 s", "0.5 s", "12 s", "1:01"]);
    }
}
