//! How far back a query looks.

use std::time::Duration;

/// The longest range that stands in brackets, subqueries included.
pub(crate) fn of(query: &str) -> Option<Duration> {
    let ranges = query.split('[').skip(1);
    let ranges = ranges.filter_map(|rest| rest.split_once(']'));
    let lengths = ranges.filter_map(|(range, _)| parse(range.split(':').next()?.trim()));
    lengths.max()
}

/// A duration as PromQL writes it: `5m`, `1h30m`, `1d`, `500ms`.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let millis = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        let millis = number.parse::<u64>().ok()?.checked_mul(millis)?;
        sum = sum.checked_add(Duration::from_millis(millis))?;
        rest = after;
    }
    (!sum.is_zero()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_range_counts() {
        for (query, seconds) in [
            ("rate(a[5m]) / rate(b[1h30m])", Some(5400)),
            ("max_over_time(rate(a[30s])[10m:1m])", Some(600)),
            ("a[1d2h]", Some(93_600)),
            ("a[ 90s ] or b['5m']", Some(90)),
            ("up", None),
            ("a[5x]", None),
            ("a[", None),
            ("a[99999999999999999999y]", None),
        ] {
            assert_eq!(of(query), seconds.map(Duration::from_secs), "{query}");
        }
    }
}
