//! What came back.

use std::fmt;
use std::time::Duration;

use gradatim_core::fault::{FaultKind, Retry};
use gradatim_core::port::PortError;
use serde_json::Value;

use crate::vault::Vault;

/// How much of an answer's text an error quotes, in characters.
const QUOTED: usize = 160;
/// How much of an answer is looked through for secrets before it is quoted, in bytes.
const SEARCHED: usize = 64 * 1024;

/// What came back: any status, and the whole body.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The content type, in lower case and without parameters; empty when there is none.
    pub content_type: String,
    /// How long the other side asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
    pub(crate) host: String,
    pub(crate) vault: Vault,
}

impl Answer {
    /// Whether the status says success (200 to 299).
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The answer, if it is a success.
    ///
    /// # Errors
    /// With the status' kind, and the beginning of the body where that is text.
    pub fn ok(self) -> Result<Self, PortError> {
        if self.is_success() {
            Ok(self)
        } else {
            Err(self.refusal(&self.excerpt()))
        }
    }

    /// The error that the status stands for, with a sentence of the other side's.
    pub fn refusal(&self, says: &str) -> PortError {
        let kind = kind_of(self.status);
        let gap = if says.is_empty() { "" } else { ": " };
        let text = format!("{} answers {}{gap}{says}", self.host, self.status);
        let mut error = PortError::new(kind, self.vault.strike(&text));
        if let (FaultKind::Overloaded, Some(after)) = (kind, self.retry_after) {
            let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            error.retry = Retry::After(millis);
        }
        error
    }

    /// An error about a body that cannot be understood.
    pub fn malformed(&self, what: impl fmt::Display) -> PortError {
        let text = format!("{} answers what cannot be understood: {what}", self.host);
        PortError::new(FaultKind::Malformed, self.vault.strike(&text))
    }

    /// The body as text, secrets struck out.
    pub fn text(&self) -> String {
        self.vault.strike(&String::from_utf8_lossy(&self.body))
    }

    /// Whether a secret was sent, that may have come back.
    pub(crate) fn holds_secrets(&self) -> bool {
        !self.vault.is_empty()
    }

    /// A text with every secret that was sent struck out.
    pub fn strike(&self, text: &str) -> String {
        self.vault.strike(text)
    }

    /// JSON with every secret that was sent struck out of its texts and names.
    pub fn strike_json(&self, json: Value) -> Value {
        self.vault.strike_json(json)
    }

    /// The beginning of the body on one line; nothing where it is a page for browsers.
    pub fn excerpt(&self) -> String {
        if self.content_type == "text/html" {
            return "a web page".to_owned();
        }
        let text = self.strike(&String::from_utf8_lossy(self.head()));
        let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        plain.take(QUOTED).collect::<String>().trim().to_owned()
    }

    /// The beginning of the body, without the end where it could cut a secret in two.
    fn head(&self) -> &[u8] {
        let body = self.body.as_slice();
        if body.len() <= SEARCHED {
            return body;
        }
        let most = SEARCHED.saturating_sub(self.vault.longest());
        body.get(..most.max(4 * QUOTED)).unwrap_or(body)
    }
}

/// The body is not shown: it may be large, and it may hold what nobody should read in a log.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn kind_of(status: u16) -> FaultKind {
    match status {
        400 | 405 | 406 | 411..=417 | 422 | 431 => FaultKind::Invalid,
        401 | 403 | 407 => FaultKind::Forbidden,
        404 | 410 => FaultKind::NotFound,
        408 | 504 => FaultKind::Timeout,
        409 => FaultKind::Conflict,
        429 | 503 => FaultKind::Overloaded,
        // A redirect that was not followed.
        300..=399 => FaultKind::Invalid,
        _ => FaultKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> Answer {
        Answer {
            status,
            content_type: content_type.to_owned(),
            retry_after: Some(Duration::from_secs(7)),
            body: body.as_bytes().to_vec(),
            host: "metrics:9090".to_owned(),
            vault: Vault::default(),
        }
    }

    #[test]
    fn a_status_has_a_kind_and_says_whether_trying_again_can_help() {
        let table = [
            (400, FaultKind::Invalid, Retry::Never),
            (401, FaultKind::Forbidden, Retry::Never),
            (404, FaultKind::NotFound, Retry::Soon),
            (429, FaultKind::Overloaded, Retry::After(7000)),
            (500, FaultKind::Other, Retry::Soon),
            (302, FaultKind::Invalid, Retry::Never),
            (504, FaultKind::Timeout, Retry::Soon),
        ];
        for (status, kind, retry) in table {
            let error = answer(status, "text/plain", "no\r\nway").ok().unwrap_err();
            assert_eq!((error.kind, error.retry), (kind, retry), "{status}");
            assert_eq!(
                error.text,
                format!("metrics:9090 answers {status}: no  way")
            );
        }
        assert!(answer(204, "", "").ok().is_ok());
    }

    #[test]
    fn a_page_for_browsers_is_not_quoted() {
        let error = answer(502, "text/html", "<h1>Bad gateway</h1>")
            .ok()
            .unwrap_err();
        assert_eq!(error.text, "metrics:9090 answers 502: a web page");
    }
}
