//! What the fakes share.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

/// Lets others go first, once.
pub(crate) async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Rung by what changes, and heard by whoever listens next.
#[derive(Default)]
pub(crate) struct Bell(AtomicBool);

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) async fn rung(&self) {
        poll_fn(|_| match self.0.swap(false, Ordering::Relaxed) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

/// Runs a future that never waits for anybody outside.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}
