//! `now() - duration("5m")`: an instant of a range query, as Argo Rollouts has it.

use std::time::Duration;

use gradatim_core::go_duration;
use gradatim_core::time::Timestamp;

/// An instant relative to the one that a measurement speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    later: Duration,
    earlier: Duration,
}

impl Moment {
    /// Reads `now()` with any number of `+ duration("…")` and `- duration("…")` behind it.
    ///
    /// # Errors
    /// With a sentence, when it is anything else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.trim();
        rest = eat(rest, "now()").ok_or("it begins with now()")?;
        let mut moment = Self::default();
        while !rest.is_empty() {
            let (adds, after) = match (eat(rest, "+"), eat(rest, "-")) {
                (Some(after), _) => (true, after),
                (None, Some(after)) => (false, after),
                (None, None) => return Err(format!("+ or - is wanted before {rest:?}")),
            };
            let (length, after) = duration(after)?;
            let sum = if adds {
                &mut moment.later
            } else {
                &mut moment.earlier
            };
            *sum = sum.saturating_add(length);
            rest = after;
        }
        Ok(moment)
    }

    /// The instant, when the measurement speaks of `at`.
    pub fn of(self, at: Timestamp) -> Timestamp {
        at + self.later - self.earlier
    }

    /// How far before the measurement's instant it lies at most.
    pub fn back(self) -> Duration {
        self.earlier.saturating_sub(self.later)
    }
}

fn eat<'t>(text: &'t str, token: &str) -> Option<&'t str> {
    text.strip_prefix(token).map(str::trim_start)
}

/// `duration("5m")`, with either kind of quotes.
fn duration(text: &str) -> Result<(Duration, &str), String> {
    let inner = eat(text, "duration").and_then(|text| eat(text, "("));
    let quoted = inner.and_then(|text| {
        let quote = text
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\'' | '`'))?;
        let (value, after) = text.get(1..)?.split_once(quote)?;
        Some((value, eat(after.trim_start(), ")")?))
    });
    let (value, after) = quoted.ok_or_else(|| format!("duration(\"5m\") is wanted at {text:?}"))?;
    let length = go_duration::parse_non_negative(value).map_err(|error| error.to_string())?;
    Ok((length, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_as_argo_reads_it() {
        let at = Timestamp::from_secs(10_000);
        for (text, seconds) in [
            ("now()", 10_000),
            ("now() - duration(\"5m\")", 9_700),
            (" now()-duration('1h30m') ", 4_600),
            ("now() - duration(\"10m\") + duration(\"1m\")", 9_460),
        ] {
            let moment = Moment::parse(text).unwrap();
            assert_eq!(moment.of(at), Timestamp::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_in_words() {
        for text in [
            "",
            "5m",
            "now",
            "now() - 5m",
            "now() - duration(5m)",
            "now() * duration(\"5m\")",
            "now() - duration(\"5 minutes\")",
            "now() - duration(\"5m\"",
            "now() - duration(\"-5m\")",
        ] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }
}
