//! Who wanted something last: the fence that keeps a stale driver from acting.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// Marks an intent, such as "the split is 20 to 80", with the moment it was first wanted.
///
/// Stamps compare by epoch, then sequence, and by nothing else. A router and a workload write
/// the stamp with what they change and refuse an older one.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// Granted by the store to the driver that owns the rollout; each owner's is higher.
    pub epoch: u64,
    /// Counts the intents of this rollout; never reset.
    pub sequence: u64,
    /// A label: counts the plans.
    pub generation: u64,
    /// A label: counts the attempts (retry, new revision, new steps).
    pub attempt: u32,
}

impl Stamp {
    fn key(&self) -> (u64, u64) {
        (self.epoch, self.sequence)
    }
}

impl PartialEq for Stamp {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Stamp {}

impl Hash for Stamp {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key().hash(hasher);
    }
}

impl PartialOrd for Stamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Stamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// `epoch.sequence.generation.attempt`, as it is written into annotations and files.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}.{}",
            self.epoch, self.sequence, self.generation, self.attempt
        )
    }
}

/// The text is not a stamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a stamp such as 1.4.2.0")]
pub struct ParseStampError;

impl std::str::FromStr for Stamp {
    type Err = ParseStampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text
            .split('.')
            .map(|part| part.parse::<u64>().map_err(|_| ParseStampError));
        let mut next = || parts.next().unwrap_or(Err(ParseStampError));
        let stamp = Self {
            epoch: next()?,
            sequence: next()?,
            generation: next()?,
            attempt: u32::try_from(next()?).map_err(|_| ParseStampError)?,
        };
        if parts.next().is_some() {
            Err(ParseStampError)
        } else {
            Ok(stamp)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_compare_by_epoch_and_sequence_alone() {
        let old: Stamp = "1.9.7.7".parse().unwrap();
        let new: Stamp = "2.3.0.0".parse().unwrap();
        assert!(old < new);
        assert_eq!(old, "1.9.0.0".parse().unwrap());
        assert_eq!(old.to_string(), "1.9.7.7");
        assert!("1.2.3".parse::<Stamp>().is_err() && "1.2.3.4.5".parse::<Stamp>().is_err());
    }
}
