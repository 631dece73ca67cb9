//! Durations as Go writes and reads them: `90s`, `1h30m`, `1.5m`.
//!
//! Reading is exact to the nanosecond, down to the rounding of long fractions, so that a
//! manifest means here what it means to Argo. There is no day, no week and no bare number but 0.

use std::time::Duration;

use thiserror::Error;

/// One more than the largest number of nanoseconds; the magnitude of the smallest.
const LIMIT: u64 = 1 << 63;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DurationError {
    /// Not of the form number, unit, number, unit.
    #[error("invalid duration {0:?}")]
    Invalid(String),
    /// A number without a unit.
    #[error("missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit that Go does not know.
    #[error("unknown unit {unit:?} in duration {text:?}: there are h, m, s, ms, us and ns")]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// Longer than 292 years.
    #[error("duration {0:?} is too long")]
    TooLong(String),
    /// Below zero, where time goes only forward.
    #[error("duration {0:?} is negative")]
    Negative(String),
}

/// Reads a duration in nanoseconds, as Go's `time.ParseDuration`.
///
/// # Errors
///
/// When Go would refuse it.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(0);
    }
    if unsigned.is_empty() {
        return Err(DurationError::Invalid(text.to_owned()));
    }
    let mut total = 0_u64;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let (part, after) = part(rest, text)?;
        total = total
            .checked_add(part)
            .filter(|total| *total <= LIMIT)
            .ok_or_else(|| DurationError::TooLong(text.to_owned()))?;
        rest = after;
    }
    signed(total, negative).ok_or_else(|| DurationError::TooLong(text.to_owned()))
}

/// Reads a duration of at least zero.
///
/// # Errors
///
/// When Go would refuse it, or when it is below zero.
pub fn parse_non_negative(text: &str) -> Result<Duration, DurationError> {
    u64::try_from(parse(text)?)
        .map(Duration::from_nanos)
        .map_err(|_| DurationError::Negative(text.to_owned()))
}

/// Writes a duration as a person does, which Go reads as well: `1h`, `90s` as `1m30s`, `2m`.
pub fn short(duration: Duration) -> String {
    let text = format(duration);
    let text = match text.strip_suffix("m0s") {
        Some(minutes) => format!("{minutes}m"),
        None => text,
    };
    match text.strip_suffix("h0m") {
        Some(hours) => format!("{hours}h"),
        None => text,
    }
}

/// Writes a duration as Go's `Duration.String()`: `1h0m0s`, `1m30s`, `1.5s`, `20ms`, `0s`.
pub fn format(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), u64::from(duration.subsec_nanos()));
    if seconds == 0 {
        return match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
            _ => format!("{}ms", decimal(nanos, 1_000_000)),
        };
    }
    let (minutes, hours) = (seconds / 60 % 60, seconds / 3600);
    let seconds = with_fraction(seconds % 60, nanos, 9);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn signed(total: u64, negative: bool) -> Option<i64> {
    if negative {
        0_i64.checked_sub_unsigned(total)
    } else {
        i64::try_from(total).ok()
    }
}

/// One number with its unit, in nanoseconds, and what follows.
fn part<'t>(rest: &'t str, text: &str) -> Result<(u64, &'t str), DurationError> {
    let too_long = || DurationError::TooLong(text.to_owned());
    let (whole, after) = digits(rest);
    let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Invalid(text.to_owned()));
    }
    let end = after
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(after.len());
    let (unit, after) = after.split_at(end);
    let nanos = nanos_per(unit).ok_or_else(|| match unit {
        "" => DurationError::MissingUnit(text.to_owned()),
        _ => DurationError::UnknownUnit {
            unit: unit.to_owned(),
            text: text.to_owned(),
        },
    })?;
    let whole = leading(whole)
        .and_then(|whole| whole.checked_mul(nanos))
        .filter(|whole| *whole <= LIMIT)
        .ok_or_else(too_long)?;
    Ok((whole + of_fraction(fraction, nanos), after))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn nanos_per(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // Both signs for micro: U+00B5 and U+03BC.
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn leading(digits: &str) -> Option<u64> {
    digits.bytes().try_fold(0_u64, |value, digit| {
        let value = value.checked_mul(10)?;
        value
            .checked_add(u64::from(digit - b'0'))
            .filter(|value| *value <= LIMIT)
    })
}

/// What a fraction of a unit is in nanoseconds: rounded as Go rounds it, in floating point.
fn of_fraction(digits: &str, nanos: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1_f64);
    for digit in digits.bytes() {
        let next = value
            .checked_mul(10)
            .map(|next| next + u64::from(digit - b'0'));
        match next.filter(|next| *next <= LIMIT) {
            Some(next) => (value, scale) = (next, scale * 10.0),
            None => break,
        }
    }
    (value as f64 * (nanos as f64 / scale)) as u64
}

fn decimal(nanos: u64, unit: u64) -> String {
    let places = unit.ilog10() as usize;
    with_fraction(nanos / unit, nanos % unit, places)
}

fn with_fraction(whole: u64, fraction: u64, places: usize) -> String {
    let text = format!("{whole}.{fraction:0places$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_to_the_nanosecond_as_go_reads_them() {
        for (text, nanos) in [
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("2µs", 2_000),
            ("2μs", 2_000),
            ("2us", 2_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("0", 0),
            ("+0", 0),
            ("-0", 0),
            ("0s", 0),
            ("+5s", 5_000_000_000),
            ("-1h5m", -3_900_000_000_000),
            ("1s1h", 3_601_000_000_000),
            ("1.5m1.5s", 91_500_000_000),
            ("0.0000000001s", 0),
            ("0.100000000000000000000h", 360_000_000_000),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("9007199254.740993ms", 9_007_199_254_740_993),
            ("0.830103483285477580700h", 2_988_372_539_827),
            ("2562047h47m16.854775807s", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "30",
            "",
            " 5s",
            "5s ",
            "5 s",
            "1h 30m",
            "1d",
            "1w",
            "1y",
            "1h30",
            "h",
            ".s",
            ".",
            "-",
            "+",
            "--5s",
            "+-5s",
            "1e3s",
            "5S",
            "5M",
            "5sec",
            "5min",
            "1_000s",
            "0x10s",
            "inf",
            "1h-5m",
            "1.5.5s",
            "1µ",
            "00",
            "٣s",
            "9223372036854775808ns",
            "-9223372036854775809ns",
            "9223372036854775807ns1ns",
            "99999999999999999999s",
            "3000000h",
            "2562047h47m16.854775808s",
        ] {
            assert!(parse(text).is_err(), "{text:?} gave {:?}", parse(text));
        }
    }

    #[test]
    fn a_refusal_names_what_is_wrong() {
        let said = |text| parse(text).unwrap_err().to_string();
        assert_eq!(said("30"), r#"missing unit in duration "30""#);
        assert_eq!(said("h"), r#"invalid duration "h""#);
        assert_eq!(said("3000000h"), r#"duration "3000000h" is too long"#);
        assert_eq!(
            said("1d"),
            r#"unknown unit "d" in duration "1d": there are h, m, s, ms, us and ns"#
        );
    }

    #[test]
    fn a_time_to_wait_is_never_negative() {
        assert_eq!(parse_non_negative("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_non_negative("-0"), Ok(Duration::ZERO));
        assert_eq!(
            parse_non_negative("-1ns"),
            Err(DurationError::Negative("-1ns".to_owned()))
        );
    }

    #[test]
    fn durations_are_written_in_go_s_form() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (20_000_000, "20ms"),
            (3_300_000_000, "3.3s"),
            (90_000_000_000, "1m30s"),
            (245_001_000_000, "4m5.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (i64::MAX as u64, "2562047h47m16.854775807s"),
        ] {
            assert_eq!(format(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let duration = Duration::from_nanos((seed >> 1) >> (seed % 60));
            assert_eq!(parse_non_negative(&format(duration)), Ok(duration));
        }
    }

    #[test]
    fn random_text_is_never_a_panic() {
        const ALPHABET: &[u8] = b"0123456789.-+hmsun";
        let mut seed = 11_u64;
        for _ in 0..50_000 {
            let mut text = String::new();
            for _ in 0..seed >> 59 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(3);
                text.push(char::from(ALPHABET[(seed >> 33) as usize % ALPHABET.len()]));
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let _ = parse(&text);
        }
    }

    #[test]
    fn a_short_duration_has_no_parts_that_are_zero() {
        for (seconds, text) in [
            (0, "0s"),
            (30, "30s"),
            (90, "1m30s"),
            (120, "2m"),
            (3600, "1h"),
            (3660, "1h1m"),
            (3605, "1h0m5s"),
        ] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(short(duration), text);
            assert_eq!(parse_non_negative(text), Ok(duration));
        }
    }
}
