//! Every call has a deadline, and a failed one is not tried again at once.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use gradatim_core::fault::{Fault, FaultKind, Retry};
use gradatim_core::port::PortError;
use gradatim_core::time::Timestamp;

use crate::clock::Clock;

/// How long a port may take for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Reads, writes, saves and notifications; 10 s by default.
    pub call: Duration,
    /// One measurement; 30 s by default.
    pub measurement: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(10),
            measurement: Duration::from_secs(30),
        }
    }
}

/// A call's answer, or a [`FaultKind::Timeout`] when it takes longer than `limit`.
pub(crate) async fn within<T>(
    clock: &dyn Clock,
    limit: Duration,
    what: &str,
    call: impl Future<Output = Result<T, PortError>>,
) -> Result<T, PortError> {
    let at = clock.now() + limit;
    // The timer comes into being only when the call does not answer at once.
    let timer = async { clock.sleep_until(at).await };
    match select(pin!(call), pin!(timer)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(PortError::new(
            FaultKind::Timeout,
            format!("{what} did not answer within {limit:?}"),
        )),
    }
}

/// When something that failed is worth its next try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failures: u32,
    not_before: Option<Timestamp>,
}

impl Backoff {
    /// Waits twice as long after each failure, from 1 s up to `most`; as long as a server asks
    /// for; not at all after a first conflict; and `most` where only a change of something can help.
    pub(crate) fn failed(&mut self, fault: &Fault, most: Duration, now: Timestamp) {
        let doubled = Duration::from_secs(1 << self.failures.min(8));
        let delay = match fault.retry {
            Retry::Soon if fault.kind == FaultKind::Conflict && self.failures == 0 => {
                Duration::ZERO
            }
            Retry::Soon if fault.kind == FaultKind::Overloaded => (doubled * 4).min(most),
            Retry::Soon => doubled.min(most),
            Retry::After(millis) => Duration::from_millis(millis),
            Retry::Never => most,
        };
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + delay);
    }

    /// Whether it may be tried.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    /// The instant of the next try, none when nothing failed.
    pub(crate) fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// How often it failed in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_ends_at_its_deadline() {
        let clock = SystemClock::new();
        let before = clock.now();
        let hanging = std::future::pending::<Result<(), PortError>>();
        let limit = Duration::from_secs(10);
        let error = within(&clock, limit, "router", hanging).await.unwrap_err();
        assert_eq!(error.kind, FaultKind::Timeout);
        assert_eq!(error.text, "router did not answer within 10s");
        let took = clock.now().since(before);
        assert!(took >= limit && took < limit * 2, "{took:?}");
    }

    #[test]
    fn a_backoff_doubles_obeys_the_server_and_has_an_upper_bound() {
        let now = Timestamp::from_secs(100);
        let most = Duration::from_secs(30);
        let mut backoff = Backoff::default();
        let mut after = |fault: &Fault| {
            backoff.failed(fault, most, now);
            backoff.not_before().unwrap().since(now).as_secs()
        };
        let soon = Fault::new(FaultKind::Unreachable, "");
        let delays: Vec<u64> = (0..7).map(|_| after(&soon)).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30]);
        let asked = Fault {
            retry: Retry::After(77_000),
            ..soon
        };
        assert_eq!(after(&asked), 77);
        assert_eq!(after(&Fault::new(FaultKind::Invalid, "")), 30);
        backoff = Backoff::default();
        backoff.failed(&Fault::new(FaultKind::Conflict, ""), most, now);
        assert!(backoff.is_over(now));
        backoff.failed(&Fault::new(FaultKind::Conflict, ""), most, now);
        assert!(!backoff.is_over(now));
    }
}
