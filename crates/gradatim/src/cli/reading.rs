//! What was measured, short enough for a person.

use gradatim_core::analysis::MetricPlan;
use gradatim_core::measurement::{Measurement, Outcome, Reading};
use gradatim_core::number::Number;

/// What a measurement gave, short enough for a cell; none while it runs on.
pub(super) fn value(measurement: &Measurement) -> Option<String> {
    let reading = match &measurement.outcome {
        Outcome::Done { reading, .. } => reading,
        Outcome::Failed(_) => return Some("–".to_owned()),
        Outcome::Running { .. } => return None,
    };
    Some(match reading {
        Reading::Number(number) => short(*number),
        Reading::Series(series) => {
            let mut values = series.iter().flat_map(|series| &series.samples);
            match (values.next(), values.count()) {
                (None, _) => "no data".to_owned(),
                (Some(only), 0) => short(only.value),
                (Some(first), more) => format!("{} +{more}", short(first.value)),
            }
        }
        Reading::Json(json) => json.to_string().chars().take(24).collect(),
        Reading::Work { phase, .. } => format!("{phase:?}").to_lowercase(),
        Reading::Gate(state) => format!("{state:?}").to_lowercase(),
        _ => "counters".to_owned(),
    })
}

/// What is wanted of a metric; nothing where the provider itself decides.
pub(super) fn wanted(plan: &MetricPlan) -> Option<String> {
    match (&plan.success, &plan.failure) {
        (Some(success), _) => Some(success.to_string()),
        (None, Some(failure)) => Some(format!("not {failure}")),
        (None, None) => None,
    }
}

/// Four digits are enough for a person.
fn short(number: Number) -> String {
    let value = number.get();
    if !value.is_finite() || value == 0.0 {
        return number.to_string();
    }
    let digits = value.abs().log10().floor();
    if !(-5.0..9.0).contains(&digits) {
        return format!("{value:.3e}");
    }
    let places = (3.0 - digits).clamp(0.0, 8.0) as usize;
    let text = format!("{value:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_a_person_reads_them() {
        for (value, text) in [
            (0.997_312, "0.9973"),
            (0.95, "0.95"),
            (12_345.678, "12346"),
            (0.000_123_456, "0.0001235"),
            (1e-9, "1.000e-9"),
            (0.0, "0"),
            (f64::NAN, "NaN"),
            (-1.5, "-1.5"),
        ] {
            assert_eq!(short(Number::new(value)), text);
        }
    }
}
