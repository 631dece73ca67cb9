//! The driver's stores.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use gradatim_conformance::store::{self, Bench};
use gradatim_core::decision::Saved;
use gradatim_core::port::Store;
use gradatim_core::time::Timestamp;
use gradatim_driver::clock::Clock;
use gradatim_driver::store::{FileStore, MemoryStore};
use tempfile::TempDir;

/// Longer than a heartbeat lasts.
const EXPIRY: Duration = Duration::from_secs(31);

#[derive(Default)]
struct HandClock(Mutex<Timestamp>);

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep_until(&self, _: Timestamp) {
        std::future::pending().await
    }
}

struct InMemory;

impl Bench for InMemory {
    type World = (Arc<HandClock>, MemoryStore);

    async fn world(&self) -> Self::World {
        let clock = Arc::new(HandClock::default());
        let store = MemoryStore::with_clock(Arc::<HandClock>::clone(&clock));
        (clock, store)
    }

    async fn store(&self, (_, store): &Self::World) -> Arc<dyn Store> {
        Arc::new(store.clone())
    }

    async fn expire(&self, (clock, _): &Self::World, _: &str) -> bool {
        let mut now = clock.0.lock().unwrap();
        *now = *now + EXPIRY;
        true
    }

    async fn spoil(&self, (_, store): &Self::World) -> bool {
        let message = "spoilt".to_owned();
        store.put(Saved::Unreadable { message });
        true
    }
}

struct InFiles;

impl Bench for InFiles {
    type World = TempDir;

    async fn world(&self) -> TempDir {
        tempfile::tempdir().unwrap()
    }

    async fn store(&self, dir: &TempDir) -> Arc<dyn Store> {
        Arc::new(FileStore::open(dir.path()).unwrap().rollout("shop"))
    }

    async fn expire(&self, dir: &TempDir, holder: &str) -> bool {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let old = Timestamp::ZERO + since - EXPIRY;
        let beat = serde_json::to_string(&old).unwrap();
        fs::write(heartbeat(dir.path(), holder), beat).unwrap();
        true
    }

    async fn spoil(&self, dir: &TempDir) -> bool {
        fs::write(dir.path().join("state/shop.json"), r#"{"save":1,"st"#).unwrap();
        true
    }
}

fn heartbeat(dir: &Path, holder: &str) -> std::path::PathBuf {
    dir.join("holders").join(format!("{holder}.json"))
}

#[tokio::test]
async fn the_memory_store_keeps_the_rules() {
    let report = store::all(&InMemory).await;
    report.assert_clean();
    assert_eq!(report.skipped, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_store_keeps_the_rules() {
    let report = store::all(&InFiles).await;
    report.assert_clean();
    assert_eq!(report.skipped, []);
}

#[test]
fn the_file_store_keeps_the_rules_without_a_runtime() {
    futures::executor::block_on(store::all(&InFiles)).assert_clean();
}
