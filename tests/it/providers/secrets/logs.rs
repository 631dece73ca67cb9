//! Everything that a thread writes to its log, of any level and of any crate.

use std::cell::RefCell;
use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    static WRITTEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Listens until it is dropped.
pub(super) struct Logs {
    _guard: DefaultGuard,
}

impl Logs {
    pub(super) fn listen() -> Self {
        // Set once for the process; a thread that does not listen is not heard.
        let _ = log::set_logger(&Ear);
        log::set_max_level(log::LevelFilter::Trace);
        WRITTEN.set(Some(String::new()));
        Self {
            _guard: set_default(Ear),
        }
    }

    /// What was written so far: something, for clients say at least that they connect.
    pub(super) fn taken(&self) -> String {
        let text = WRITTEN.take().unwrap_or_default();
        WRITTEN.set(Some(String::new()));
        text
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        WRITTEN.set(None);
    }
}

fn write(text: impl FnOnce(&mut String)) {
    // A thread that ends has no place to write to.
    let _ = WRITTEN.try_with(|written| {
        if let Ok(mut written) = written.try_borrow_mut()
            && let Some(all) = written.as_mut()
        {
            text(all);
            all.push('\n');
        }
    });
}

struct Ear;

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        WRITTEN
            .try_with(|written| written.try_borrow().is_ok_and(|it| it.is_some()))
            .unwrap_or(false)
    }

    fn log(&self, record: &log::Record<'_>) {
        write(|text| {
            let _ = write!(text, "{}: {}", record.target(), record.args());
        });
    }

    fn flush(&self) {}
}

struct Fields<'t>(&'t mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        write(|text| {
            text.push_str(span.metadata().name());
            span.record(&mut Fields(text));
        });
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        write(|text| values.record(&mut Fields(text)));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        write(|text| {
            text.push_str(event.metadata().target());
            event.record(&mut Fields(text));
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
