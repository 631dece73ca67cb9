//! A query that compares, written by hand as many do: canary's last five minutes against stable's,
//! each minute, of which two measurements may fail.

use super::window::{Window, error_rate};
use super::{Judge, Seen, Verdict};
use crate::latency::quantile;

const INTERVAL: u32 = 60;
const WINDOW: u32 = 300;
const FAILURE_LIMIT: u32 = 2;

pub(super) struct Relative {
    window: Window,
    failures: [u32; 2],
}

impl Default for Relative {
    fn default() -> Self {
        Self {
            window: Window::new(),
            failures: [0; 2],
        }
    }
}

impl Relative {
    fn measure(&mut self, at: u32) -> bool {
        let Some(last) = self.window.last(at, WINDOW) else {
            return false;
        };
        let (canary, stable) = (&last.canary, &last.stable);
        let slowest = [canary, stable].map(|it| quantile(0.95, it.requests, &it.slower));
        // Without a request there is no number, which fulfils no condition.
        let passed = [
            error_rate(canary) <= 1.5 * error_rate(stable) + 0.001,
            matches!(slowest, [Some(canary), Some(stable)] if canary <= 1.2 * stable),
        ];
        for (failures, passed) in self.failures.iter_mut().zip(passed) {
            *failures += u32::from(!passed);
        }
        self.failures
            .iter()
            .any(|failures| *failures > FAILURE_LIMIT)
    }
}

impl Judge for Relative {
    fn look(&mut self, at: u32, seen: Option<&Seen<'_>>) -> Verdict {
        if let Some(seen) = seen {
            self.window.push(at, seen);
        }
        match at > 0 && at.is_multiple_of(INTERVAL) && self.measure(at) {
            true => Verdict::RollBack,
            false => Verdict::GoOn,
        }
    }
}
