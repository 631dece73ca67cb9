//! Hearing that another process has left an order: one look at one folder for all rollouts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::disk::encode;

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// A change this young may share its time with one that is still to come.
const YOUNG: Duration = Duration::from_secs(2);

/// Knows who waits for orders.
#[derive(Debug)]
pub(super) struct Bell {
    ringer: Arc<Ringer>,
}

#[derive(Debug)]
struct Ringer {
    folder: PathBuf,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    watched: bool,
    /// By the name of the mailbox's file.
    bells: BTreeMap<String, Weak<Notify>>,
}

impl Bell {
    pub(super) fn new(folder: PathBuf) -> Self {
        let waiting = Mutex::default();
        Self {
            ringer: Arc::new(Ringer { folder, waiting }),
        }
    }

    /// Resolves when the mailbox of this name may have changed; never without a runtime.
    pub(super) async fn rung_for(&self, name: &str) {
        if Handle::try_current().is_err() {
            return std::future::pending().await;
        }
        self.bell(name).notified().await;
    }

    fn bell(&self, name: &str) -> Arc<Notify> {
        let waiting = self.ringer.waiting.lock();
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut waiting.watched, true) {
            tokio::spawn(watch(Arc::downgrade(&self.ringer)));
        }
        let file = encode(name) + ".json";
        let known = waiting.bells.get(&file).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let bell = Arc::new(Notify::new());
            waiting.bells.insert(file, Arc::downgrade(&bell));
            bell
        })
    }
}

impl Ringer {
    fn ring(&self, files: &[String]) {
        let waiting = self.waiting.lock();
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        waiting.bells.retain(|_, bell| bell.strong_count() > 0);
        for bell in files.iter().filter_map(|file| waiting.bells.get(file)) {
            if let Some(bell) = bell.upgrade() {
                bell.notify_one();
            }
        }
    }
}

/// Looks until nobody is left who could wait.
async fn watch(ringer: Weak<Ringer>) {
    let mut seen: Option<SystemTime> = None;
    let mut times: BTreeMap<String, SystemTime> = BTreeMap::new();
    loop {
        let Some(ringer) = ringer.upgrade() else {
            return;
        };
        let changed = modified(&ringer.folder);
        let young = |at: SystemTime| at.elapsed().is_ok_and(|age| age < YOUNG);
        if changed != seen || changed.is_some_and(young) {
            let now = times_of(&ringer.folder);
            let is_new = |(file, at): &(&String, &SystemTime)| times.get(*file) != Some(at);
            let fresh: Vec<String> = now.iter().filter(is_new).map(|(f, _)| f.clone()).collect();
            ringer.ring(&fresh);
            (seen, times) = (changed, now);
        }
        drop(ringer);
        sleep(LOOK).await;
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|meta| meta.modified())
        .ok()
}

fn times_of(folder: &Path) -> BTreeMap<String, SystemTime> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let timed = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some((name, entry.metadata().ok()?.modified().ok()?))
    });
    timed.collect()
}
