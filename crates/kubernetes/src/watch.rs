//! What wakes a driver, and what saves it from reading again: the API server's own watch.
//!
//! Of a change nothing is sent but the object's metadata. A watch is taken for dead when the
//! connection breaks, when the server ends it with an error, and when nothing at all has come for a
//! while, not even the bookmark that the server sends every minute. Then whoever waits is woken,
//! now and as long as it cannot be had again, and what was read before counts no more. So a port
//! that has a watch can say that it is watched.

mod follow;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use gradatim_core::port::PortError;
use kube::Api;
use kube::api::{DynamicObject, WatchParams};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use self::follow::follow;

/// How long nothing may come. The API server sends a bookmark every minute.
const SILENCE: Duration = Duration::from_secs(90);
/// The longest pause between two tries to have a watch again: as often as a driver would look if
/// there were none.
const SLOWEST: Duration = Duration::from_secs(10);
/// After how many seconds the server ends a watch, which then goes on where it was.
const LONGEST: u32 = 290;

/// Tells that objects may have changed.
///
/// Nothing is asked before the first [`changed`](Self::changed). That one answers as soon as the
/// watch stands, because what was written before nobody saw.
pub struct Watch {
    sources: Vec<Source>,
    known: Arc<Known>,
    tasks: OnceLock<Tasks>,
}

/// What is watched: some objects of one kind.
#[derive(Clone)]
struct Source {
    api: Api<DynamicObject>,
    params: WatchParams,
}

/// What is known of all sources together.
#[derive(Default)]
struct Known {
    /// Another number after each change.
    changes: AtomicU64,
    /// How many sources stand.
    standing: AtomicUsize,
    news: Notify,
}

impl Known {
    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        // It is kept for one who comes later.
        self.news.notify_one();
    }
}

impl Watch {
    pub(crate) fn fields(api: Api<DynamicObject>, selector: &str) -> Self {
        Self::of(api, WatchParams::default().fields(selector))
    }

    pub(crate) fn labels(api: Api<DynamicObject>, selector: &str) -> Self {
        Self::of(api, WatchParams::default().labels(selector))
    }

    fn of(api: Api<DynamicObject>, params: WatchParams) -> Self {
        let params = params.timeout(LONGEST);
        Self::on(vec![Source { api, params }])
    }

    fn on(sources: Vec<Source>) -> Self {
        Self {
            sources,
            known: Arc::default(),
            tasks: OnceLock::new(),
        }
    }

    /// One watch of several, none of which was waited for yet.
    pub fn any(watches: impl IntoIterator<Item = Self>) -> Self {
        let sources = watches.into_iter().flat_map(|watch| watch.sources);
        Self::on(sources.collect())
    }

    /// Resolves when something may have changed; what changed meanwhile is told once.
    pub async fn changed(&self) {
        self.tasks.get_or_init(|| self.begin(SILENCE, SLOWEST));
        self.known.news.notified().await;
    }

    /// What was read last, while no watched object has changed since; else it is read.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn remembered<T: Clone>(
        &self,
        memory: &Memory<T>,
        read: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        // Noted before it is read: what changes meanwhile is read again.
        let Some(change) = self.change() else {
            return read.await;
        };
        if let Some(value) = memory.at(change) {
            return Ok(value);
        }
        let value = read.await?;
        memory.keep(change, value.clone());
        Ok(value)
    }

    /// Forgets what was read: after a write of our own, which the watch tells of only later.
    pub fn forget(&self) {
        self.known.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// The number of the last change; none while one of the watches does not stand.
    fn change(&self) -> Option<u64> {
        let change = self.known.changes.load(Ordering::SeqCst);
        let standing = self.known.standing.load(Ordering::SeqCst);
        (standing == self.sources.len()).then_some(change)
    }

    fn begin(&self, silence: Duration, slowest: Duration) -> Tasks {
        let each = self.sources.iter().map(|source| {
            let (source, known) = (source.clone(), Arc::clone(&self.known));
            tokio::spawn(follow(source, known, silence, slowest))
        });
        Tasks(each.collect())
    }
}

/// What a port has read last.
pub struct Memory<T> {
    last: Mutex<Option<(u64, T)>>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self {
            last: Mutex::new(None),
        }
    }
}

impl<T: Clone> Memory<T> {
    fn at(&self, change: u64) -> Option<T> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, value) = last.as_ref()?;
        (*known == change).then(|| value.clone())
    }

    fn keep(&self, change: u64, value: T) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((change, value));
    }
}

/// Watches that end with whoever has begun them.
struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

#[cfg(test)]
mod tests;
