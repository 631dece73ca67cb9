//! The last line: what came of it, in one sentence for a person, and the exit code.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use gradatim::driver::Outcome;

use crate::kind::Deserved;
use crate::line::grouped;
use crate::shop::Ended;
use crate::voice::Wish;

/// What came of all releases.
#[derive(Default)]
pub(crate) struct Report {
    pub releases: Vec<Ended>,
    /// Somebody left before the first one.
    pub left: Option<Wish>,
    /// Requests that users sent.
    pub requests: u64,
    /// How many of them failed, in the users' eyes.
    pub failed: u64,
}

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Each release got what it deserves.
    Deserved,
    /// One did not.
    Undeserved,
    /// It was left, or could not be run.
    Undecided,
    /// Somebody or something ended it in a hurry.
    Interrupted,
}

impl Verdict {
    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Deserved => 0,
            Self::Undeserved => 1,
            Self::Undecided => 3,
            Self::Interrupted => 130,
        })
    }
}

impl Ended {
    fn got_what_it_deserves(&self) -> bool {
        let failing = self.failing.as_ref().map(|metric| metric.name.as_str());
        match (self.kind.deserves(), &self.outcome) {
            // Whoever takes a bad one back by hand is right as well.
            (Deserved::Rollback(_), Outcome::RolledBack { .. })
                if self.asked == Some(Wish::Abort) =>
            {
                true
            }
            (deserves, outcome) => deserves.is(outcome, failing),
        }
    }

    fn verdict(&self) -> Verdict {
        match (&self.outcome, self.asked) {
            (Outcome::Stopped, Some(Wish::Interrupt)) => Verdict::Interrupted,
            (Outcome::Promoted { .. } | Outcome::RolledBack { .. }, _) => {
                match self.got_what_it_deserves() {
                    true => Verdict::Deserved,
                    false => Verdict::Undeserved,
                }
            }
            _ => Verdict::Undecided,
        }
    }

    /// Who serves now.
    fn end(&self) -> String {
        let Self {
            old, new, share, ..
        } = self;
        match &self.outcome {
            Outcome::Promoted { .. } => format!("{new} serves everyone"),
            Outcome::RolledBack { .. } => format!("{old} serves everyone again"),
            Outcome::Stopped if self.is_overdue => {
                format!("{new} took far too long and was left at {share} %")
            }
            Outcome::Stopped if self.asked == Some(Wish::Interrupt) => {
                format!("Interrupted: the traffic was taken back first, {new} has {share} %")
            }
            Outcome::Stopped => {
                format!(
                    "Left as it is, {new} has {share} %; with a lasting store the next driver goes on there"
                )
            }
            Outcome::Lost { why } => format!("Another driver has taken over: {why}"),
            _ => "A backend broke".to_owned(),
        }
    }

    /// The same beside other releases.
    fn short(&self) -> String {
        let Self { new, share, .. } = self;
        match &self.outcome {
            Outcome::Promoted { .. } => format!("{new} was promoted"),
            Outcome::RolledBack { .. } => format!("{new} was taken back"),
            _ => format!("{new} was left at {share} %"),
        }
    }

    /// What the new version did to users, where it was taken back.
    fn harm(&self) -> Option<String> {
        let took = in_seconds(self.to_zero?);
        match (self.counts.failed, self.counts.slow) {
            (0, slow) => Some(format!(
                "{} answers took over a second, {took} from the first of them to 0 %",
                grouped(slow),
            )),
            (_, _) => Some(format!("{took} from the first failure to 0 %")),
        }
    }
}

impl Report {
    /// Whether nobody wants to see more.
    pub(crate) fn is_left(&self) -> bool {
        let ended = self.releases.last().map(Ended::verdict);
        self.left.is_some() || matches!(ended, Some(Verdict::Undecided | Verdict::Interrupted))
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let verdicts = self.releases.iter().map(Ended::verdict);
        let worst = verdicts.max_by_key(|verdict| match verdict {
            Verdict::Deserved => 0,
            Verdict::Undeserved => 1,
            Verdict::Undecided => 2,
            Verdict::Interrupted => 3,
        });
        match (self.left, worst) {
            (Some(Wish::Interrupt), _) => Verdict::Interrupted,
            (Some(_), _) | (None, None) => Verdict::Undecided,
            (None, Some(worst)) => worst,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.verdict() == Verdict::Undeserved {
            f.write_str("Not what it deserves: ")?;
        }
        match self.releases.as_slice() {
            [] => f.write_str("Left before the first release")?,
            [only] => f.write_str(&only.end())?,
            several => f.write_str(
                &several
                    .iter()
                    .map(Ended::short)
                    .collect::<Vec<_>>()
                    .join(", "),
            )?,
        }
        let failed = match self.failed {
            0 => "none".to_owned(),
            failed => grouped(failed),
        };
        write!(f, ". {} requests, {failed} failed", grouped(self.requests))?;
        for harm in self.releases.iter().filter_map(Ended::harm) {
            write!(f, ", {harm}")?;
        }
        f.write_str(".")
    }
}

fn in_seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use gradatim::id::RevisionId;

    use super::*;
    use crate::kind::Kind;
    use crate::tally::Counts;

    fn ended(kind: Kind, outcome: Outcome) -> Ended {
        Ended {
            kind,
            old: RevisionId::new("v1"),
            new: RevisionId::new("v2"),
            outcome,
            failing: None,
            asked: None,
            is_overdue: false,
            counts: Counts::default(),
            share: 0,
            to_zero: None,
        }
    }

    fn promoted() -> Outcome {
        let revision = RevisionId::new("v2");
        Outcome::Promoted { revision }
    }

    fn back() -> Outcome {
        let (revision, why) = (RevisionId::new("v2"), String::new());
        Outcome::RolledBack { revision, why }
    }

    fn report(ended: Ended) -> Report {
        Report {
            releases: vec![ended],
            left: None,
            requests: 1612,
            failed: 0,
        }
    }

    #[test]
    fn a_good_release_that_is_promoted_got_what_it_deserves() {
        let report = report(ended(Kind::Good, promoted()));
        assert_eq!(report.verdict(), Verdict::Deserved);
        let text = "v2 serves everyone. 1 612 requests, none failed.";
        assert_eq!(report.to_string(), text);
    }

    #[test]
    fn a_bad_release_that_is_promoted_did_not() {
        let report = report(ended(Kind::Bad, promoted()));
        assert_eq!(report.verdict(), Verdict::Undeserved);
        assert!(
            report
                .to_string()
                .starts_with("Not what it deserves: v2 serves")
        );
    }

    #[test]
    fn the_harm_is_told_with_the_time_it_lasted() {
        let mut bad = ended(Kind::Bad, back());
        (bad.asked, bad.to_zero) = (Some(Wish::Abort), Some(Duration::from_millis(6240)));
        bad.counts.failed = 44;
        let mut report = report(bad);
        (report.requests, report.failed) = (3423, 44);
        assert_eq!(report.verdict(), Verdict::Deserved);
        let text = "v1 serves everyone again. 3 423 requests, 44 failed, \
                    6.2 s from the first failure to 0 %.";
        assert_eq!(report.to_string(), text);
    }

    #[test]
    fn whoever_leaves_decides_nothing() {
        let mut left = ended(Kind::Good, Outcome::Stopped);
        (left.asked, left.share) = (Some(Wish::Leave), 25);
        let report = report(left);
        assert_eq!(report.verdict(), Verdict::Undecided);
        assert!(report.is_left() && report.to_string().contains("v2 has 25 %"));
    }
}
