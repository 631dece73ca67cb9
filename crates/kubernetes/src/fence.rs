//! Stamps on objects, and since when something is so.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use gradatim_core::fault::FaultKind;
use gradatim_core::port::PortError;
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use serde_json::Value;

use crate::objects::{annotation, name_of};

/// The stamp in an annotation of an object; none where it is absent or no stamp.
pub fn stamp_of(object: &Value, key: &str) -> Option<Stamp> {
    annotation(object, key)?.parse().ok()
}

/// Refuses to write what is older than what an object bears.
///
/// # Errors
/// [`Fenced`](FaultKind::Fenced) when the object bears a newer stamp.
pub fn refuse_older(object: &Value, key: &str, stamp: Stamp) -> Result<(), PortError> {
    match stamp_of(object, key) {
        Some(there) if there > stamp => {
            let (kind, name) = (object["kind"].as_str().unwrap_or("object"), name_of(object));
            let text = format!("{kind} {name} bears the newer stamp {there}, ours is {stamp}");
            Err(PortError::new(FaultKind::Fenced, text))
        }
        _ => Ok(()),
    }
}

/// The wall's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Remembers since when a value has been what it is, as far as this process has seen.
#[derive(Debug)]
pub struct Since<T> {
    last: Mutex<Option<(T, Timestamp)>>,
}

impl<T> Default for Since<T> {
    fn default() -> Self {
        Self {
            last: Mutex::new(None),
        }
    }
}

impl<T: PartialEq> Since<T> {
    /// Notes the value that is there now, and tells since when.
    pub fn note(&self, value: T) -> Timestamp {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((before, since)) if *before == value => *since,
            _ => {
                let since = now();
                *last = Some((value, since));
                since
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_older_stamp_is_refused_and_a_strangers_text_is_none() {
        let bearing = |text: &str| json!({"kind": "Service", "metadata": {"name": "shop", "annotations": {"s": text}}});
        let ours: Stamp = "2.4.0.0".parse().unwrap();
        for (there, taken) in [("2.5.0.0", false), ("2.4.9.9", true), ("a.b", true)] {
            assert_eq!(
                refuse_older(&bearing(there), "s", ours).is_ok(),
                taken,
                "{there}"
            );
        }
        let refused = refuse_older(&bearing("3.1.0.0"), "s", ours).unwrap_err();
        let text = "Service shop bears the newer stamp 3.1.0.0, ours is 2.4.0.0";
        assert_eq!(
            (refused.kind, refused.to_string().as_str()),
            (FaultKind::Fenced, text)
        );
    }

    #[test]
    fn since_stands_until_the_value_changes() {
        let since = Since::default();
        let first = since.note("a");
        std::thread::sleep(std::time::Duration::from_millis(3));
        assert_eq!(since.note("a"), first);
        assert!(since.note("b") > first);
        assert!(since.note("a") > first);
    }
}
