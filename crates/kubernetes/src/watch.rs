//! What wakes a driver: something was written.

use std::pin::Pin;
use std::task::Poll;

use futures::stream::{BoxStream, select_all};
use futures::{Stream, StreamExt};
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use tokio::sync::Mutex;

/// Tells that objects may have changed, from the API server's own watch.
///
/// Nothing is asked before the first [`changed`](Self::changed). That one answers as soon as the
/// watch stands, because what was written before nobody saw.
pub struct Watch {
    events: Mutex<BoxStream<'static, ()>>,
}

impl Watch {
    pub(crate) fn fields(api: Api<DynamicObject>, selector: &str) -> Self {
        Self::new(api, Config::default().fields(selector))
    }

    pub(crate) fn labels(api: Api<DynamicObject>, selector: &str) -> Self {
        Self::new(api, Config::default().labels(selector))
    }

    fn new(api: Api<DynamicObject>, config: Config) -> Self {
        let events = watcher(api, config).default_backoff().filter_map(|event| {
            let news = match event {
                Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone) => Some(()),
                // A watch that breaks is begun anew, and then says `InitDone`.
                Ok(Event::Init | Event::InitApply(_)) | Err(_) => None,
            };
            std::future::ready(news)
        });
        Self {
            events: Mutex::new(events.boxed()),
        }
    }

    /// One watch of several.
    pub fn any(watches: impl IntoIterator<Item = Self>) -> Self {
        let all = watches.into_iter().map(|watch| watch.events.into_inner());
        Self {
            events: Mutex::new(select_all(all).boxed()),
        }
    }

    /// Resolves when something may have changed; what changed meanwhile is told once.
    pub async fn changed(&self) {
        let mut events = self.events.lock().await;
        if events.next().await.is_none() {
            std::future::pending::<()>().await;
        }
        std::future::poll_fn(|context| {
            while let Poll::Ready(Some(())) = Pin::new(&mut *events).poll_next(context) {}
            Poll::Ready(())
        })
        .await;
    }
}
