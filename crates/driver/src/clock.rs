//! Time as a port: the driver has no other source of it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use gradatim_core::time::Timestamp;
use tokio::time::{Instant, sleep};

/// How long one sleep is at most, so that a machine that was suspended is noticed.
const NAP: Duration = Duration::from_secs(60);

/// What time it is, and when it is later.
///
/// Within a process `now` never goes back.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Resolves once `now` is at least `at`.
    async fn sleep_until(&self, at: Timestamp);
}

/// The system's clock, with tokio's timers.
///
/// It follows the system's time forwards. When somebody sets that back, it goes on from where it
/// is at the pace of a steady clock, so that no timer stands still.
#[derive(Debug)]
pub struct SystemClock {
    last: Mutex<(Timestamp, Instant)>,
}

impl SystemClock {
    /// A clock that starts at the system's time.
    pub fn new() -> Self {
        Self {
            last: Mutex::new((wall(), Instant::now())),
        }
    }

    fn advance(&self, wall: Timestamp) -> Timestamp {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (then, steady) = *last;
        let elapsed = steady.elapsed();
        let now = wall.max(then + elapsed);
        // Fractions of a millisecond must not get lost call after call.
        if now > then + elapsed || elapsed > Duration::from_secs(1) {
            *last = (now, Instant::now());
        }
        now
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.advance(wall())
    }

    async fn sleep_until(&self, at: Timestamp) {
        loop {
            let left = at.since(self.now());
            if left.is_zero() {
                return;
            }
            sleep(left.min(NAP)).await;
        }
    }
}

/// The system's time, however it jumps.
pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::ZERO + since
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_system_time_set_back_neither_goes_back_nor_stands_still() {
        let clock = SystemClock::new();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(3)).await;
        let after = clock.advance(before - Duration::from_secs(3600));
        assert!(after.since(before) >= Duration::from_secs(3), "{after}");
        assert!(clock.advance(Timestamp::ZERO) >= after);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_ends_at_its_instant_and_not_before() {
        let clock = SystemClock::new();
        let until = clock.now() + Duration::from_secs(300);
        clock.sleep_until(until).await;
        assert!(clock.now() >= until);
        clock.sleep_until(Timestamp::ZERO).await;
    }
}
