//! What can go wrong on the way, in words and by kind.

use std::error::Error;
use std::time::{Duration, SystemTime};

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use reqwest::Url;

use crate::vault::Vault;

/// Host and port, without anything that could be secret.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

pub(crate) fn wrong(what: &str, value: &str) -> PortError {
    PortError::new(FaultKind::Invalid, format!("{what}: {value:?}"))
}

pub(crate) fn unusable(error: reqwest::Error) -> PortError {
    let text = "no HTTP client can be made on this system";
    PortError::new(FaultKind::Other, text).caused_by(error.without_url())
}

pub(crate) fn late(url: &str, within: Duration) -> PortError {
    let host = Url::parse(url).map_or_else(|_| url.to_owned(), |url| host(&url));
    let text = format!("{host} has not answered within {within:?}");
    PortError::new(FaultKind::Timeout, text)
}

pub(crate) fn too_large(host: &str, most: usize) -> PortError {
    let text = format!("{host} answers more than {most} bytes; ask for less");
    PortError::new(FaultKind::Invalid, text)
}

/// There is no answer.
pub(crate) fn unsent(host: &str, vault: &Vault, error: reqwest::Error) -> PortError {
    let error = error.without_url();
    let why = vault.strike(&deepest(&error));
    let (kind, text) = if error.is_timeout() {
        (
            FaultKind::Timeout,
            format!("{host} has not answered in time"),
        )
    } else if error.is_redirect() {
        (FaultKind::Invalid, format!("{host}: {why}"))
    } else if error.is_builder() {
        (
            FaultKind::Invalid,
            format!("the request to {host} cannot be built: {why}"),
        )
    } else if error.is_connect() {
        (
            FaultKind::Unreachable,
            format!("{host} cannot be reached: {why}"),
        )
    } else {
        (
            FaultKind::Unreachable,
            format!("{host} did not answer: {why}"),
        )
    };
    PortError::new(kind, text)
}

/// The answer ended before its end.
pub(crate) fn cut_short(host: &str, vault: &Vault, error: reqwest::Error) -> PortError {
    let error = error.without_url();
    let why = vault.strike(&deepest(&error));
    let kind = match error.is_timeout() {
        true => FaultKind::Timeout,
        false => FaultKind::Unreachable,
    };
    PortError::new(
        kind,
        format!("{host} broke off in the middle of its answer: {why}"),
    )
}

/// The innermost cause says most: "connection refused", "invalid peer certificate".
fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Seconds, or an instant of RFC 9110.
pub(crate) fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?;
    let at = SystemTime::from(at.timestamp());
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_an_instant() {
        assert_eq!(retry_after("120"), Some(Duration::from_secs(120)));
        let past = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(past), Some(Duration::ZERO));
        let far = retry_after("Wed, 31 Dec 2200 23:59:59 GMT").unwrap();
        assert!(far > Duration::from_secs(3600));
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after("-5"), None);
    }
}
