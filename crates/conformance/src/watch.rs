//! Whether `changed` resolves when it should.

use std::pin::Pin;

use futures::FutureExt;

use crate::report::{Check, ensure};

type Changed<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// How often a port may say that something has changed before anything did.
const STALE: usize = 16;

/// A `changed` that has not resolved yet: what was said before is taken out first.
pub(crate) fn listen<'a, F>(changed: impl Fn() -> F) -> Changed<'a>
where
    F: Future<Output = ()> + Send + 'a,
{
    for _ in 0..STALE {
        let mut waiting: Changed<'a> = Box::pin(changed());
        if waiting.as_mut().now_or_never().is_none() {
            return waiting;
        }
    }
    Box::pin(changed())
}

/// Whether it has resolved.
pub(crate) fn told(changed: &mut Changed<'_>, after: &str) -> Check {
    ensure(changed.as_mut().now_or_never().is_some(), || {
        format!("`changed` does not resolve after {after}")
    })
}
