//! What is released, and what it deserves.

use std::str::FromStr;
use std::time::Duration;

use gradatim::driver::Outcome;
use gradatim_examples::demo_service::Behaviour;

/// A release of a certain kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As good as the version before.
    Good,
    /// Half of its answers fail.
    Bad,
    /// Each answer takes two seconds.
    Slow,
    /// As good as the version before, but metrics fail now and then, and a pod restarts.
    Flaky,
}

/// What a release deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deserved {
    Promotion,
    /// To be taken back because of this metric.
    Rollback(&'static str),
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Good, Self::Bad, Self::Slow, Self::Flaky];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Slow => "slow",
            Self::Flaky => "flaky",
        }
    }

    /// What is to be known of it, after "a version".
    pub(crate) fn nature(self) -> &'static str {
        match self {
            Self::Good => "that is as good as the one before",
            Self::Bad => "half of whose answers fail",
            Self::Slow => "that takes two seconds for an answer",
            Self::Flaky => "that is good, while metrics fail now and then and a pod restarts",
        }
    }

    pub(crate) fn deserves(self) -> Deserved {
        match self {
            Self::Good | Self::Flaky => Deserved::Promotion,
            Self::Bad => Deserved::Rollback("success-rate"),
            Self::Slow => Deserved::Rollback("median-latency"),
        }
    }

    /// A version of this kind.
    pub(crate) fn behaviour(self, version: &str) -> Behaviour {
        let good = Behaviour::good(version);
        match self {
            Self::Good | Self::Flaky => good,
            Self::Bad => good.failing_one_in(2),
            Self::Slow => good.taking(Duration::from_secs(2)),
        }
    }

    /// How long its release takes by the manifest's time, about.
    pub(crate) fn planned(self) -> Duration {
        Duration::from_secs(match self {
            Self::Good => 480,
            Self::Bad => 120,
            Self::Slow => 180,
            Self::Flaky => 540,
        })
    }
}

impl Deserved {
    /// Whether a release that ended so, the last failing metric being that one, got it.
    pub(crate) fn is(self, outcome: &Outcome, failing: Option<&str>) -> bool {
        match (self, outcome) {
            (Self::Promotion, Outcome::Promoted { .. }) => true,
            (Self::Rollback(metric), Outcome::RolledBack { .. }) => failing == Some(metric),
            _ => false,
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("{text:?} is not good, bad, slow or flaky"))
    }
}

#[cfg(test)]
mod tests {
    use gradatim::id::RevisionId;

    use super::*;

    #[test]
    fn a_release_taken_back_for_another_reason_did_not_get_what_it_deserves() {
        let back = Outcome::RolledBack {
            revision: RevisionId::new("v2"),
            why: String::new(),
        };
        assert!(Kind::Bad.deserves().is(&back, Some("success-rate")));
        assert!(!Kind::Bad.deserves().is(&back, Some("median-latency")));
        assert!(!Kind::Bad.deserves().is(&back, None));
        assert!(!Kind::Good.deserves().is(&back, Some("success-rate")));
        assert!(!Kind::Good.deserves().is(&Outcome::Stopped, None));
    }
}
