//! The clock of the release: the manifest's minutes pass in seconds.

use std::time::Duration;

use async_trait::async_trait;
use gradatim::driver::clock::Clock;
use gradatim::time::Timestamp;
use tokio::time::{Instant, sleep};

/// Time that runs so many times as fast as the wall's.
///
/// What waits by the manifest waits by this clock; requests and their latencies are real.
#[derive(Debug)]
pub(crate) struct Pace {
    began: Instant,
    speed: f64,
}

impl Pace {
    pub(crate) fn new(speed: f64) -> Self {
        Self {
            began: Instant::now(),
            speed,
        }
    }

    /// How long a wait of the manifest really takes.
    pub(crate) fn real(&self, planned: Duration) -> Duration {
        planned.div_f64(self.speed)
    }

    /// How much of the manifest's time passes in a real one.
    pub(crate) fn planned(&self, real: Duration) -> Duration {
        real.mul_f64(self.speed)
    }

    /// The real time from the start to an instant.
    pub(crate) fn since_start(&self, at: Timestamp) -> Duration {
        self.real(at.since(START))
    }
}

/// Any instant is as good as another.
const START: Timestamp = Timestamp::from_secs(1_700_000_000);

#[async_trait]
impl Clock for Pace {
    fn now(&self) -> Timestamp {
        START + self.planned(self.began.elapsed())
    }

    async fn sleep_until(&self, at: Timestamp) {
        loop {
            let left = at.since(self.now());
            if left.is_zero() {
                return;
            }
            sleep(self.real(left)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_at_thirty_times_the_speed_takes_two_seconds() {
        let (pace, minute) = (Pace::new(30.0), Duration::from_secs(60));
        assert_eq!(pace.real(minute), Duration::from_secs(2));
        assert_eq!(pace.planned(Duration::from_secs(2)), minute);
        assert_eq!(pace.since_start(START + minute), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn a_sleep_does_not_end_before_its_instant() {
        let pace = Pace::new(1000.0);
        let until = pace.now() + Duration::from_secs(30);
        pace.sleep_until(until).await;
        assert!(pace.now() >= until);
        pace.sleep_until(START).await;
    }
}
