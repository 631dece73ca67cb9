//! Numbers and lists as people write them.

pub(super) fn joined(sentences: &[String]) -> String {
    let said = sentences.iter().filter(|it| !it.is_empty());
    said.map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// A number of requests: `0.5`, `15`, `2,566`.
pub(super) fn counted(requests: f64) -> String {
    match requests >= 10.0 {
        true => thousands(requests.round() as u64),
        false => short(requests),
    }
}

/// `errors`, `errors and answers slower than 0.25 s`
pub(super) fn listed(names: &[String]) -> String {
    match names.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} and {last} are", first.join(", ")),
        _ => format!("{} are", names.concat()),
    }
}

/// `90 s`, `40 min`, `3 h`
pub(super) fn about(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 120.0 => format!("{:.0} s", seconds.max(1.0)),
        seconds if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.0} h", seconds / 3_600.0),
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut signs = text.chars();
    let first = signs.next().map(|sign| sign.to_uppercase().to_string());
    first.unwrap_or_default() + signs.as_str()
}

/// `2.1×`, `0.09×`, `120×`
pub(super) fn times(ratio: f64) -> String {
    let digits = match ratio {
        ratio if ratio >= 9.95 => 0,
        ratio if ratio >= 0.995 => 1,
        _ => 2,
    };
    format!("{ratio:.digits$}×")
}

/// A percentage of which two digits say something.
pub(super) fn percent(part: f64) -> String {
    let percent = part * 100.0;
    let digits = match percent {
        percent if percent >= 9.95 || percent == 0.0 => 0,
        percent if percent >= 0.995 => 1,
        percent if percent >= 0.0995 => 2,
        _ => 3,
    };
    format!("{percent:.digits$} %")
}

/// Without needless digits.
pub(super) fn short(value: f64) -> String {
    let digits = if value >= 9.95 || value.fract() == 0.0 {
        0
    } else {
        1
    };
    format!("{value:.digits$}")
}

/// To one digit, and no more than a million: 427 is 400.
pub(super) fn rounded_down(value: f64) -> u64 {
    let value = value.clamp(1.0, 1e6);
    let power = libm::pow(10.0, libm::floor(libm::log10(value) + 1e-12));
    (libm::floor(value / power + 1e-9) * power) as u64
}

/// `35,990`
pub(super) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_they_need() {
        assert_eq!(
            [427.0, 1000.0, 99.9, 0.1, f64::INFINITY].map(rounded_down),
            [400, 1000, 90, 1, 1_000_000]
        );
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0.0, 0.0001, 0.0062, 0.05, 0.5].map(percent),
            ["0 %", "0.010 %", "0.62 %", "5.0 %", "50 %"]
        );
    }
}
