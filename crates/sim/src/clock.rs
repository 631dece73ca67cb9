//! Virtual time: it stands still until nothing is left to be done, then moves to what is due.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use gradatim_core::time::Timestamp;
use gradatim_driver::clock::Clock;

/// The simulation's clock; clones share its time.
///
/// Give it to a router or provider of your own that lets time pass. A driver's clock may be ahead
/// of the world's: see [`Happening::ClockJumps`](crate::Happening::ClockJumps).
#[derive(Clone, Debug)]
pub struct SimClock {
    timers: Arc<Timers>,
    /// How many milliseconds this clock is ahead of the world's.
    ahead: Arc<AtomicI64>,
}

#[derive(Debug, Default)]
struct Timers {
    now: AtomicI64,
    next: AtomicU64,
    waiting: Mutex<BTreeMap<(i64, u64), Waker>>,
}

impl SimClock {
    pub(crate) fn new(now: Timestamp) -> Self {
        let timers = Timers::default();
        timers.now.store(now.as_millis(), Ordering::Relaxed);
        Self {
            timers: Arc::new(timers),
            ahead: Arc::default(),
        }
    }

    /// Sets the time before anything has begun.
    pub(crate) fn set(&self, now: Timestamp) {
        self.timers.now.store(now.as_millis(), Ordering::Relaxed);
    }

    /// Another clock of the same time that can be set apart.
    pub(crate) fn apart(&self, ahead: i64) -> Self {
        Self {
            timers: Arc::clone(&self.timers),
            ahead: Arc::new(AtomicI64::new(ahead)),
        }
    }

    /// How many milliseconds this clock is ahead of the world's.
    pub(crate) fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// Sets it further ahead of the world's, and wakes everybody who sleeps by it.
    pub(crate) fn jump(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let ahead = self.ahead().saturating_add(by);
        self.ahead.store(ahead, Ordering::Relaxed);
        let waiting = std::mem::take(&mut *self.timers.waiting());
        waiting.into_values().for_each(Waker::wake);
    }

    /// The world's time.
    pub(crate) fn world_now(&self) -> Timestamp {
        Timestamp::from_millis(self.timers.now.load(Ordering::Relaxed))
    }

    /// The first instant of the world's time for which somebody sleeps.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        let waiting = self.timers.waiting();
        let first = waiting.first_key_value().map(|((at, _), _)| *at);
        first.map(Timestamp::from_millis)
    }

    /// Moves the world's time on and wakes whoever slept until then.
    pub(crate) fn advance(&self, to: Timestamp) {
        self.timers.now.fetch_max(to.as_millis(), Ordering::Relaxed);
        loop {
            let due = {
                let mut waiting = self.timers.waiting();
                match waiting.first_entry() {
                    Some(first) if first.key().0 <= to.as_millis() => first.remove(),
                    _ => return,
                }
            };
            due.wake();
        }
    }
}

impl Timers {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<(i64, u64), Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.world_now().as_millis().saturating_add(self.ahead()))
    }

    async fn sleep_until(&self, at: Timestamp) {
        let (clock, key) = (self.clone(), None);
        Sleep { clock, at, key }.await;
    }
}

struct Sleep {
    clock: SimClock,
    at: Timestamp,
    key: Option<(i64, u64)>,
}

impl Sleep {
    fn forget(&mut self) {
        if let Some(key) = self.key.take() {
            self.clock.timers.waiting().remove(&key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.forget();
        if self.clock.now() >= self.at {
            return Poll::Ready(());
        }
        let timers = &self.clock.timers;
        let at = self.at.as_millis().saturating_sub(self.clock.ahead());
        let key = (at, timers.next.fetch_add(1, Ordering::Relaxed));
        timers.waiting().insert(key, context.waker().clone());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_sleep_ends_when_the_time_has_come_and_leaves_no_timer_behind() {
        let clock = SimClock::new(Timestamp::from_secs(10));
        let mut sleep = clock.sleep_until(Timestamp::from_secs(12));
        assert!((&mut sleep).now_or_never().is_none());
        assert_eq!(clock.next_timer(), Some(Timestamp::from_secs(12)));
        clock.advance(Timestamp::from_secs(11));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(Timestamp::from_secs(12));
        assert!((&mut sleep).now_or_never().is_some());
        assert!(
            clock
                .sleep_until(Timestamp::from_secs(99))
                .now_or_never()
                .is_none()
        );
        assert_eq!(clock.next_timer(), None);
    }

    #[test]
    fn a_clock_that_jumps_ends_the_sleeps_of_its_own_time_alone() {
        let world = SimClock::new(Timestamp::from_secs(10));
        let driver = world.apart(0);
        let mut theirs = driver.sleep_until(Timestamp::from_secs(20));
        let mut ours = world.sleep_until(Timestamp::from_secs(20));
        assert!((&mut theirs).now_or_never().is_none());
        driver.jump(Duration::from_secs(10));
        assert!((&mut theirs).now_or_never().is_some());
        assert!((&mut ours).now_or_never().is_none());
        assert_eq!(world.now(), Timestamp::from_secs(10));
    }
}
