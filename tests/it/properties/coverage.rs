//! What the cases have met: a kind of fault, wait or order that none of them meets is not tried.

use std::collections::BTreeSet;
use std::sync::Mutex;

use gradatim_core::id::RolloutId;
use gradatim_driver::{Turn, Witness};
use gradatim_sim::{Happening, Report};

use super::case::{Case, Step};

/// Names of what was met.
#[derive(Default)]
pub(super) struct Coverage {
    met: Mutex<BTreeSet<String>>,
}

/// Every step, wait, order and fault that the cases must meet.
const WANTED: [&str; 44] = [
    "step Weight",
    "step Pause",
    "step PauseForEver",
    "step Analysis",
    "step Judge",
    "step Pace",
    "way Router",
    "way DynamicStable",
    "way Ratio",
    "way BlueGreen",
    "order promote",
    "order promote --full",
    "order abort",
    "order retry",
    "order pause",
    "order resume",
    "order skip step",
    "order restart",
    "order undo",
    "fault error",
    "fault late error",
    "fault hang",
    "fault late hang",
    "fault doubled write",
    "fault stale read",
    "fault no data",
    "fault crash",
    "fault late crash",
    "fault freeze",
    "wait Resting",
    "wait Pods",
    "wait StablePods",
    "wait Route",
    "wait Pause",
    "wait Held",
    "wait Analysis",
    "wait NotEnoughData",
    "wait Pace",
    "wait Draining",
    "wait Promoting",
    "wait Aborted",
    "wait Unobserved",
    "outcome promoted",
    "outcome rolled back",
];

impl Coverage {
    fn note(&self, what: &str, name: impl AsRef<str>) {
        let mut met = self.met.lock().unwrap();
        met.insert(format!("{what} {}", name.as_ref()));
    }

    pub(super) fn case(&self, case: &Case) {
        self.note("way", format!("{:?}", case.way));
        for step in &case.steps {
            self.note(
                "step",
                match step {
                    Step::Weight(_) => "Weight",
                    Step::Pause(_) => "Pause",
                    Step::PauseForEver => "PauseForEver",
                    Step::Analysis => "Analysis",
                    Step::Judge => "Judge",
                    Step::Pace => "Pace",
                },
            );
        }
        for (_, happening) in &case.happenings {
            if let Happening::Order(kind) = happening {
                self.note("order", kind.to_string());
            }
        }
    }

    pub(super) fn report(&self, report: &Report) {
        for name in report.faults.keys() {
            self.note("fault", name);
        }
        if report.outcome.is_promoted() {
            self.note("outcome", "promoted");
        }
        if report.outcome.is_rolled_back() {
            self.note("outcome", "rolled back");
        }
    }

    /// A run of another length may meet less; the default one meets everything.
    pub(super) fn assert_complete(&self) {
        if std::env::var_os("PROPTEST_CASES").is_some() {
            return;
        }
        let met = self.met.lock().unwrap();
        let missing: Vec<_> = WANTED.iter().filter(|name| !met.contains(**name)).collect();
        assert!(missing.is_empty(), "no case meets {missing:?}");
    }
}

impl Witness for Coverage {
    fn turned(&self, _: &RolloutId, turn: &Turn) {
        let reason = format!("{:?}", turn.decision.waiting.reason);
        let name: String = reason
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        self.note("wait", name);
    }
}
