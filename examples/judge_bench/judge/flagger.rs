//! Thresholds as Flagger's tutorials have them: a success rate of 99 % and a 99th percentile of
//! half a second, each minute. A failed check halts the ramp; the tick after the fifth takes back.

use super::window::{Window, error_rate};
use super::{Judge, Seen, Service, Verdict};
use crate::latency::quantile;

const INTERVAL: u32 = 60;
const THRESHOLD: u32 = 5;
const LEAST: f64 = 0.99;
const SLOWEST: f64 = 0.5;

pub(super) struct Flagger {
    /// The weight for each check, as long as none fails.
    weights: Vec<f64>,
    window: Window,
    passed: usize,
    failed: u32,
}

impl Flagger {
    pub(super) fn new(service: &Service<'_>) -> Self {
        let each = service.steps.iter().flat_map(|(weight, seconds)| {
            let checks = (seconds / INTERVAL) as usize;
            std::iter::repeat_n(*weight, checks)
        });
        Self {
            weights: each.collect(),
            window: Window::new(),
            passed: 0,
            failed: 0,
        }
    }

    fn passes(&self, at: u32) -> bool {
        let Some(last) = self.window.last(at, INTERVAL) else {
            return false;
        };
        let slowest = quantile(0.99, last.canary.requests, &last.canary.slower);
        let fast = slowest.is_some_and(|seconds| seconds <= SLOWEST);
        1.0 - error_rate(&last.canary) >= LEAST && fast
    }

    fn go_on(&self) -> Verdict {
        let next = self.weights.get(self.passed);
        next.map_or(Verdict::Promote, |weight| Verdict::Weight(*weight))
    }
}

impl Judge for Flagger {
    fn look(&mut self, at: u32, seen: Option<&Seen<'_>>) -> Verdict {
        if let Some(seen) = seen {
            self.window.push(at, seen);
        }
        if !at.is_multiple_of(INTERVAL) {
            return Verdict::GoOn;
        }
        if self.failed >= THRESHOLD {
            return Verdict::RollBack;
        }
        if at > 0 {
            match self.passes(at) {
                true => self.passed += 1,
                false => self.failed += 1,
            }
        }
        self.go_on()
    }
}
