use std::time::Duration;

use super::super::cursor::{Cursor, MOST};
use crate::go_duration;

const SYNTAX: &str = "write it as 30s, 5m or 1h30m";

/// A pause's length: seconds, or a Go duration cut to whole seconds.
pub(super) fn pause(field: &Cursor<'_>) -> Option<Duration> {
    let Some(scalar) = field.scalar() else {
        field.refuse("duration must be seconds or a duration such as 5m");
        return None;
    };
    let whole = scalar
        .integer()
        .or_else(|| scalar.raw.parse::<i32>().ok().map(i64::from));
    let seconds = match whole {
        Some(seconds) => u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds <= u64::from(MOST)),
        None => parsed(&scalar.raw).map(|duration| duration.as_secs()),
    };
    if seconds.is_none() {
        field.refuse_with("invalid duration", "write seconds, or 30s, 5m or 1h30m");
    }
    seconds.map(Duration::from_secs)
}

/// A Go duration, not negative.
pub(super) fn duration(field: &Cursor<'_>) -> Option<Duration> {
    let text = text(field)?;
    let duration = parsed(&text);
    if duration.is_none() {
        field.refuse_with("invalid duration", SYNTAX);
    }
    duration
}

/// A Go duration that stays text, since its arguments may not be filled in yet.
pub(super) fn templated(field: &Cursor<'_>) -> Option<String> {
    let text = text(field)?;
    if text.contains("{{") {
        return Some(text);
    }
    if parsed(&text).is_none() {
        field.refuse_with("invalid duration", SYNTAX);
        return None;
    }
    Some(text)
}

fn parsed(text: &str) -> Option<Duration> {
    go_duration::parse_non_negative(text).ok()
}

fn text(field: &Cursor<'_>) -> Option<String> {
    match field.scalar().and_then(|scalar| scalar.integer()) {
        // `0` is the one duration without a unit.
        Some(0) => Some("0".to_owned()),
        Some(number) => {
            let help = format!("for seconds write {number}s");
            field.refuse_with(format!("{} needs a unit", field.name()), help);
            None
        }
        None => field.text(),
    }
}
