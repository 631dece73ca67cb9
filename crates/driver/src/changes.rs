//! What the ports say of themselves: that something may have changed.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use crate::ports::Ports;

/// The `changed` of every port, kept across rounds so that none is missed.
pub(crate) struct Changes {
    ports: Arc<Ports>,
    waiting: FuturesUnordered<BoxFuture<'static, Source>>,
}

#[derive(Clone, Copy)]
enum Source {
    Workload,
    Store,
    Router(usize),
}

impl Changes {
    pub(crate) fn new(ports: Arc<Ports>) -> Self {
        let routers = ports.routers.len();
        let changes = Self {
            ports,
            waiting: FuturesUnordered::new(),
        };
        changes.listen(Source::Workload);
        changes.listen(Source::Store);
        (0..routers).for_each(|place| changes.listen(Source::Router(place)));
        changes
    }

    fn listen(&self, source: Source) {
        let ports = &self.ports;
        let changed: BoxFuture<'static, ()> = match source {
            Source::Workload => {
                let workload = Arc::clone(&ports.workload);
                Box::pin(async move { workload.changed().await })
            }
            Source::Store => {
                let store = Arc::clone(&ports.store);
                Box::pin(async move { store.changed().await })
            }
            Source::Router(place) => match ports.routers.get(place).cloned() {
                Some(router) => Box::pin(async move { router.changed().await }),
                None => return,
            },
        };
        self.waiting.push(Box::pin(changed.map(move |()| source)));
    }

    /// Resolves when a port says that something may have changed.
    pub(crate) async fn next(&mut self) {
        match self.waiting.next().await {
            Some(source) => self.listen(source),
            None => std::future::pending().await,
        }
    }

    /// Forgets what has been said so far, and listens from now on: before a round looks.
    pub(crate) fn catch_up(&mut self) {
        // A port that says so without end must not hold us here.
        for _ in 0..=self.waiting.len() {
            if self.next().now_or_never().is_none() {
                return;
            }
        }
    }
}
