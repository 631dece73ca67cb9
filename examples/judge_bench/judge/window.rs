//! What a query over the last minutes sees.

use std::collections::VecDeque;

use crate::judge::Seen;
use crate::world::Counters;

/// The samples that Prometheus still has.
pub(super) struct Window {
    samples: VecDeque<Sample>,
}

#[derive(Default)]
struct Sample {
    at: u32,
    canary: Counters,
    stable: Counters,
}

/// What was counted in a window on both sides.
pub(super) struct Increase {
    pub(super) canary: Counters,
    pub(super) stable: Counters,
}

/// The longest window that anybody asks for, in seconds.
const KEPT: u32 = 300;

impl Window {
    pub(super) fn new() -> Self {
        Self {
            samples: VecDeque::from([Sample::default()]),
        }
    }

    pub(super) fn push(&mut self, at: u32, seen: &Seen<'_>) {
        self.samples.push_back(Sample {
            at,
            canary: seen.canary_total,
            stable: seen.stable_total,
        });
        self.samples.retain(|sample| sample.at + KEPT > at);
    }

    /// The increase over the last `seconds`, of the samples within; none with fewer than two.
    pub(super) fn last(&self, at: u32, seconds: u32) -> Option<Increase> {
        let first = self
            .samples
            .iter()
            .find(|sample| sample.at + seconds > at)?;
        let last = self.samples.back().filter(|last| last.at > first.at)?;
        Some(Increase {
            canary: last.canary.since(&first.canary),
            stable: last.stable.since(&first.stable),
        })
    }
}

/// The share of requests that failed; not a number without any, as Prometheus has it.
pub(super) fn error_rate(counters: &Counters) -> f64 {
    counters.errors as f64 / counters.requests as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_needs_two_samples_and_leaves_out_its_very_start() {
        let seen = |requests| Seen {
            canary: &[],
            stable: &[],
            canary_total: Counters {
                requests,
                ..Counters::default()
            },
            stable_total: Counters::default(),
        };
        let mut window = Window::new();
        assert!(window.last(30, 60).is_none());
        for at in [15, 30, 45, 60] {
            window.push(at, &seen(u64::from(at)));
        }
        let increase = |window: &Window, at| window.last(at, 60).map(|it| it.canary.requests);
        assert_eq!(increase(&window, 60), Some(45));
        assert_eq!(increase(&window, 100), Some(15));
        assert_eq!(increase(&window, 105), None);
        assert!(error_rate(&Counters::default()).is_nan());
    }
}
