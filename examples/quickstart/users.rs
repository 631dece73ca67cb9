//! The users of the shop: real requests at a bounded rate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::http;

/// How many requests wait for their answer at most; beyond that nobody new comes in.
const MOST_IN_FLIGHT: usize = 64;
/// How long a user waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What users ask for, in turn.
const PATHS: [&str; 3] = ["/", "/api/data", "/api/data"];

/// Users who come until they are sent away.
pub(crate) struct Users {
    counts: Arc<Counts>,
    closing: watch::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    failed: AtomicU64,
}

impl Users {
    /// So many a second from now on.
    pub(crate) fn start(shop: SocketAddr, rate: f64) -> Self {
        let counts = Arc::new(Counts::default());
        let (closing, closed) = watch::channel(());
        let task = tokio::spawn(come(shop, rate, Arc::clone(&counts), closed));
        Self {
            counts,
            closing,
            task,
        }
    }

    /// Requests answered or given up so far, and how many of them failed.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.counts.requests), read(&self.counts.failed))
    }

    /// Lets nobody new in and waits for the answers that are owed.
    pub(crate) async fn stop(&mut self) {
        self.closing.send_replace(());
        // An error means that they are gone already.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn come(shop: SocketAddr, rate: f64, counts: Arc<Counts>, mut closing: watch::Receiver<()>) {
    let client = http::client();
    let mut asking = JoinSet::new();
    // Where the machine is busy, those who came meanwhile ask all at once, as users do.
    let mut ticks = interval(Duration::from_secs(1).div_f64(rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for path in PATHS.iter().cycle() {
        tokio::select! {
            _ = closing.changed() => break,
            _ = ticks.tick() => {}
        }
        while asking.try_join_next().is_some() {}
        if asking.len() < MOST_IN_FLIGHT {
            let (client, counts) = (client.clone(), Arc::clone(&counts));
            asking.spawn(async move {
                let answer = timeout(PATIENCE, http::get(&client, shop, path)).await;
                let good = answer
                    .ok()
                    .flatten()
                    .is_some_and(|it| !it.is_server_error());
                counts.requests.fetch_add(1, Ordering::Relaxed);
                counts.failed.fetch_add(u64::from(!good), Ordering::Relaxed);
            });
        }
    }
    while asking.join_next().await.is_some() {}
}
