//! What the API server and the way to it answer, as a port's error.

use std::error::Error as StdError;
use std::io;

use gradatim_core::fault::{FaultKind, Retry};
use gradatim_core::port::PortError;
use kube::Error;
use kube::core::Status;

use crate::objects::Kind;

/// An error of the client as a port's, with the object that it is about and the server's words.
pub(crate) fn in_words(kind: &Kind, name: &str, error: Error) -> PortError {
    let what = told(kind, name);
    match error {
        Error::Api(status) => refused(&what, &status),
        Error::SerdeError(error) => {
            let text = format!("the answer about {what} cannot be understood");
            PortError::new(FaultKind::Malformed, text).caused_by(error)
        }
        Error::BuildRequest(error) => {
            let text = format!("no request about {what} can be made");
            PortError::new(FaultKind::Invalid, text).caused_by(error)
        }
        Error::Auth(error) => {
            let text = format!("no credentials to ask for {what}");
            PortError::new(FaultKind::Forbidden, text).caused_by(error)
        }
        error if is_late(&error) => {
            let text = format!("the API server has not answered about {what} in time");
            PortError::new(FaultKind::Timeout, text).caused_by(error)
        }
        error => {
            let text = format!("the API server cannot be reached for {what}");
            PortError::new(FaultKind::Unreachable, text).caused_by(error)
        }
    }
}

/// No answer in time. A write may have been made all the same.
pub(crate) fn late(kind: &Kind, name: &str, limit: std::time::Duration) -> PortError {
    let what = told(kind, name);
    let text = format!("the API server has not answered about {what} within {limit:?}");
    PortError::new(FaultKind::Timeout, text)
}

/// A name that makes no address.
pub(crate) fn not_asked(kind: &Kind, name: &str, error: http::Error) -> PortError {
    let text = format!("no request about {} can be made", told(kind, name));
    PortError::new(FaultKind::Invalid, text).caused_by(error)
}

/// An object that JSON cannot hold, or that is none.
pub(crate) fn unreadable(kind: &Kind, name: &str, error: serde_json::Error) -> PortError {
    let text = format!("{} is no object", told(kind, name));
    PortError::new(FaultKind::Malformed, text).caused_by(error)
}

fn told(kind: &Kind, name: &str) -> String {
    match name {
        "" => format!("the {}s", kind.name()),
        _ => format!("{} {name}", kind.name()),
    }
}

fn refused(what: &str, status: &Status) -> PortError {
    if status.code == 422 && has_failed_test(status) {
        let text = format!("{what}: somebody else has written it in between");
        return PortError::new(FaultKind::Conflict, text);
    }
    let kind = match status.code {
        404 => FaultKind::NotFound,
        409 | 410 => FaultKind::Conflict,
        401 | 403 => FaultKind::Forbidden,
        400 | 405 | 413 | 415 | 422 => FaultKind::Invalid,
        408 | 504 => FaultKind::Timeout,
        429 | 503 => FaultKind::Overloaded,
        _ => FaultKind::Other,
    };
    let text = format!("{what}: {}{}", status.message, help(kind));
    let mut error = PortError::new(kind, text);
    let wait = status
        .details
        .as_ref()
        .map_or(0, |it| it.retry_after_seconds);
    if wait > 0 && error.retry == Retry::Soon {
        error.retry = Retry::After(u64::from(wait) * 1000);
    }
    error
}

/// Whether a JSON patch was refused because a field does not say any more what was read. The
/// server names no object then, which it does of one that is not valid.
fn has_failed_test(status: &Status) -> bool {
    let details = status.details.as_ref();
    details.is_none_or(|details| details.kind.is_empty() && details.causes.is_empty())
}

/// What somebody has to do, where waiting does not help.
fn help(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::NotFound => "; create it, or correct its name",
        FaultKind::Forbidden => "; bind the Role that comes with the backend",
        _ => "",
    }
}

fn is_late(error: &Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: u16, wait: u32) -> PortError {
        let words = "the server's words";
        let answer = serde_json::json!({
            "code": code, "message": words,
            "details": { "kind": "services", "retryAfterSeconds": wait },
        });
        let status: Status = serde_json::from_value(answer).unwrap();
        let services = Kind::new("v1", "Service", "services");
        in_words(&services, "shop", Error::Api(status.boxed()))
    }

    #[test]
    fn each_answer_has_the_kind_that_the_core_knows() {
        let kinds = [
            (404, FaultKind::NotFound, Retry::Soon),
            (409, FaultKind::Conflict, Retry::Soon),
            (403, FaultKind::Forbidden, Retry::Never),
            (422, FaultKind::Invalid, Retry::Never),
            (504, FaultKind::Timeout, Retry::Soon),
            (503, FaultKind::Overloaded, Retry::Soon),
            (500, FaultKind::Other, Retry::Soon),
        ];
        for (code, kind, retry) in kinds {
            let error = answered(code, 0);
            assert_eq!((error.kind, error.retry), (kind, retry), "{code}");
        }
    }

    #[test]
    fn an_overloaded_server_says_when_to_come_back() {
        assert_eq!(answered(429, 7).retry, Retry::After(7000));
        assert_eq!(answered(403, 7).retry, Retry::Never);
    }

    #[test]
    fn the_object_and_the_servers_words_are_told() {
        assert_eq!(
            answered(500, 0).to_string(),
            "Service shop: the server's words"
        );
    }

    #[test]
    fn a_test_of_a_patch_that_fails_is_a_lost_race() {
        let answer = serde_json::json!({"code": 422, "reason": "Invalid", "details": {}});
        let status: Status = serde_json::from_value(answer).unwrap();
        let services = Kind::new("v1", "Service", "services");
        let error = in_words(&services, "shop", Error::Api(status.boxed()));
        assert_eq!(error.kind, FaultKind::Conflict, "{error}");
    }

    #[test]
    fn a_connection_that_times_out_is_late_and_one_that_breaks_is_not() {
        let pods = Kind::new("v1", "Pod", "pods");
        let broken = |kind| in_words(&pods, "", Error::ReadEvents(io::Error::from(kind))).kind;
        assert_eq!(broken(io::ErrorKind::TimedOut), FaultKind::Timeout);
        assert_eq!(
            broken(io::ErrorKind::ConnectionRefused),
            FaultKind::Unreachable
        );
    }
}
