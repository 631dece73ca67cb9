//! Thresholds as the documentation of Argo Rollouts has them: the success rate and the 95th
//! percentile of the last minute, each 30 seconds, of which two measurements may fail.

use super::window::{Window, error_rate};
use super::{Judge, Seen, Verdict};
use crate::latency::quantile;

const INTERVAL: u32 = 30;
const WINDOW: u32 = 60;
const FAILURE_LIMIT: u32 = 2;
/// A measurement that could not be had is tried again after so many seconds, and so many in a row
/// are borne.
const RETRY: u32 = 10;
const ERROR_LIMIT: u32 = 4;
const SLOWEST: f64 = 0.5;

pub(super) struct Argo {
    least: f64,
    window: Window,
    due: u32,
    failures: [u32; 2],
    errors: u32,
}

impl Argo {
    /// With this success rate or more.
    pub(super) fn new(least: f64) -> Self {
        Self {
            least,
            window: Window::new(),
            due: INTERVAL,
            failures: [0; 2],
            errors: 0,
        }
    }

    fn measure(&mut self, at: u32) -> bool {
        let Some(last) = self.window.last(at, WINDOW) else {
            self.due = at + RETRY;
            self.errors += 1;
            return self.errors > ERROR_LIMIT;
        };
        (self.due, self.errors) = (at + INTERVAL, 0);
        let slowest = quantile(0.95, last.canary.requests, &last.canary.slower);
        // What is not a number is not enough.
        let passed = [
            1.0 - error_rate(&last.canary) >= self.least,
            slowest.is_some_and(|seconds| seconds <= SLOWEST),
        ];
        for (failures, passed) in self.failures.iter_mut().zip(passed) {
            *failures += u32::from(!passed);
        }
        self.failures
            .iter()
            .any(|failures| *failures > FAILURE_LIMIT)
    }
}

impl Judge for Argo {
    fn look(&mut self, at: u32, seen: Option<&Seen<'_>>) -> Verdict {
        if let Some(seen) = seen {
            self.window.push(at, seen);
        }
        match at >= self.due && self.measure(at) {
            true => Verdict::RollBack,
            false => Verdict::GoOn,
        }
    }
}
