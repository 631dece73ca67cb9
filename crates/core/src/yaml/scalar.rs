//! What a scalar means, by how it is written.

use serde_json::{Number, Value};

/// A scalar as it was written.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) raw: String,
    /// Without quotes: it may be a number, a boolean or null.
    pub(super) plain: bool,
    /// A `|` block, whose lines are the file's own.
    pub(super) literal: bool,
}

impl Scalar {
    pub(super) fn is_null(&self) -> bool {
        self.plain && matches!(self.raw.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// Kubernetes' clients read YAML 1.1, where `yes` and `on` are booleans too.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.raw.as_str() {
            _ if !self.plain => None,
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
            _ => None,
        }
    }

    /// A whole number, `20.0` included, since JSON knows no difference.
    pub(super) fn integer(&self) -> Option<i64> {
        if !self.plain {
            return None;
        }
        whole(&self.raw).or_else(|| {
            let float = decimal(&self.raw)?;
            let exact = float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0;
            exact.then_some(float as i64)
        })
    }

    /// A number, or a boolean that nobody could take for a word.
    pub(super) fn is_typed(&self) -> bool {
        let word = matches!(
            self.raw.as_str(),
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE"
        );
        self.plain && (word || self.json().is_number())
    }

    /// The value as JSON; `.inf` and `.nan`, which JSON has not, stay text.
    pub(super) fn json(&self) -> Value {
        if self.is_null() {
            return Value::Null;
        }
        if let Some(boolean) = self.boolean() {
            return Value::Bool(boolean);
        }
        let number = match self.plain {
            true => number(&self.raw),
            false => None,
        };
        number.map_or_else(|| Value::String(self.raw.clone()), Value::Number)
    }

    /// The value as a message shows it.
    pub(super) fn shown(&self) -> String {
        match self.plain {
            true => self.raw.clone(),
            false => format!("\"{}\"", self.raw),
        }
    }
}

/// A number as Kubernetes' clients read it, for what is handed on and not ours to judge:
/// `defaultMode: 0755` is octal there, and `_` parts digits.
fn number(raw: &str) -> Option<Number> {
    let digits = match raw.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        true => raw.replace('_', ""),
        false => return None,
    };
    let octal = || {
        let (sign, digits) = match digits.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", digits.strip_prefix('+').unwrap_or(&digits)),
        };
        let digits = digits.strip_prefix('0').filter(|rest| !rest.is_empty())?;
        let known = digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        known
            .then(|| i64::from_str_radix(&format!("{sign}{digits}"), 8).ok())
            .flatten()
    };
    whole(&digits)
        .or_else(octal)
        .map(Number::from)
        .or_else(|| digits.parse::<u64>().ok().map(Number::from))
        .or_else(|| decimal(&digits).and_then(Number::from_f64))
}

fn whole(raw: &str) -> Option<i64> {
    let (negative, digits) = match raw.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, raw.strip_prefix('+').unwrap_or(raw)),
    };
    let (radix, digits) = match digits {
        _ if digits.starts_with("0x") => (16, digits.get(2..)?),
        _ if digits.starts_with("0o") => (8, digits.get(2..)?),
        _ => (10, digits),
    };
    // `010` is 8 to some readers and 10 to others: to us it is text.
    let ambiguous = radix == 10 && digits.len() > 1 && digits.starts_with('0');
    if ambiguous || digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

fn decimal(raw: &str) -> Option<f64> {
    let plain = raw
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let marked = raw.contains(['.', 'e', 'E']) && raw.contains(|c: char| c.is_ascii_digit());
    let float: f64 = (plain && marked).then(|| raw.parse().ok()).flatten()?;
    float.is_finite().then_some(float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(raw: &str) -> Scalar {
        Scalar {
            raw: raw.to_owned(),
            plain: true,
            literal: false,
        }
    }

    #[test]
    fn whole_numbers_are_read_as_json_would_hold_them() {
        for (raw, number) in [
            ("20", 20),
            ("-1", -1),
            ("20.0", 20),
            ("0x10", 16),
            ("1e2", 100),
        ] {
            assert_eq!(plain(raw).integer(), Some(number), "{raw}");
        }
        for raw in [
            "010",
            "20.5",
            "1_000",
            "",
            "-",
            "--1",
            "9223372036854775808",
            "1e99",
            "abc",
        ] {
            assert_eq!(plain(raw).integer(), None, "{raw}");
        }
    }

    #[test]
    fn quotes_keep_text_text() {
        let quoted = Scalar {
            plain: false,
            ..plain("20")
        };
        assert_eq!((quoted.integer(), quoted.boolean()), (None, None));
        assert_eq!(quoted.json(), Value::from("20"));
        assert_eq!(quoted.shown(), "\"20\"");
    }

    #[test]
    fn json_has_numbers_booleans_null_and_else_text() {
        assert_eq!(plain("0.95").json(), Value::from(0.95));
        assert_eq!(plain("on").json(), Value::from(true));
        assert_eq!(plain("~").json(), Value::Null);
        for text in [".inf", ".nan", "1.2.3", "v1", "2026-11-24", "nan", "-"] {
            assert_eq!(plain(text).json(), Value::from(text));
        }
    }
}
