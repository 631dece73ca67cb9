//! One watch, for ever: begun, followed, and begun again when it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{ListParams, WatchEvent};
use tokio::time::{Instant, sleep, timeout};

use super::{Known, Source};

/// The first pause before a watch is begun again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A watch that the server ends sooner than this did not work.
const SHORTEST: Duration = Duration::from_secs(1);

/// It is not known any more what happens; whatever the cause, it is begun anew.
struct Lost;

/// Tells of every change of a source, and whenever one may have been missed.
pub(super) async fn follow(
    source: Source,
    known: Arc<Known>,
    silence: Duration,
    slowest: Duration,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut here = Here::new(&known);
        if let Ok(mut version) = begin(&source, silence).await {
            while let Ok(next) = go_on(&source, &version, silence, &mut here).await {
                version = next;
                pause = FIRST_PAUSE;
            }
        }
        drop(here);
        known.changed();
        sleep(pause).await;
        pause = (pause * 2).min(slowest);
    }
}

/// The version of the objects as they are now; of the objects themselves one at most is sent.
async fn begin(source: &Source, silence: Duration) -> Result<String, Lost> {
    let which = ListParams {
        label_selector: source.params.label_selector.clone(),
        field_selector: source.params.field_selector.clone(),
        ..ListParams::default().limit(1)
    };
    let listed = timeout(silence, source.api.list_metadata(&which)).await;
    let listed = listed.map_err(|_| Lost)?.map_err(|_| Lost)?;
    listed.metadata.resource_version.ok_or(Lost)
}

/// Follows from a version until the server ends it in good order, and tells at which version.
async fn go_on(
    source: &Source,
    version: &str,
    silence: Duration,
    here: &mut Here<'_>,
) -> Result<String, Lost> {
    let began = Instant::now();
    let events = timeout(silence, source.api.watch_metadata(&source.params, version)).await;
    let mut events = std::pin::pin!(events.map_err(|_| Lost)?.map_err(|_| Lost)?);
    here.stand();
    let mut version = version.to_owned();
    loop {
        match timeout(silence, events.next()).await.map_err(|_| Lost)? {
            Some(Ok(
                WatchEvent::Added(object)
                | WatchEvent::Modified(object)
                | WatchEvent::Deleted(object),
            )) => {
                version = object.metadata.resource_version.ok_or(Lost)?;
                here.known.changed();
            }
            Some(Ok(WatchEvent::Bookmark(bookmark))) => {
                version = bookmark.metadata.resource_version
            }
            Some(Ok(WatchEvent::Error(_)) | Err(_)) => return Err(Lost),
            None if began.elapsed() < SHORTEST => return Err(Lost),
            None => return Ok(version),
        }
    }
}

/// Whether this source stands, among all.
struct Here<'a> {
    known: &'a Known,
    stands: bool,
}

impl<'a> Here<'a> {
    fn new(known: &'a Known) -> Self {
        Self {
            known,
            stands: false,
        }
    }

    fn stand(&mut self) {
        if !self.stands {
            self.stands = true;
            self.known.standing.fetch_add(1, Ordering::SeqCst);
            self.known.changed();
        }
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        if self.stands {
            self.known.standing.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
