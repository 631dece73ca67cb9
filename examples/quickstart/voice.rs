//! What a person sees and what they ask for, on a thread that may stand still: a terminal or a
//! pipe that takes nothing delays no release.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::line::Line;
use crate::scene::Scene;
use crate::screen::Painter;

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Go on to the next step.
    Promote,
    /// Take the traffic back.
    Abort,
    /// Leave everything as it is.
    Leave,
    /// Ctrl-C, or a signal to end.
    Interrupt,
}

/// Shows lines until it is closed.
pub(crate) struct Voice {
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Voice {
    /// One line below the other, on standard output.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(crate) fn plain(lines: Receiver<Line>, wishes: UnboundedSender<Wish>) -> io::Result<Self> {
        Self::spawn(move |closing| {
            if print(&lines, closing, &mut io::stdout()).is_err() {
                // Nobody reads any more, so that nobody wants to know how it ends.
                let _ = wishes.send(Wish::Leave);
            }
        })
    }

    /// A live view below the lines, and keys.
    ///
    /// # Errors
    /// When the terminal cannot be taken over, or there can be no thread.
    pub(crate) fn live(
        picture: impl FnMut() -> Option<Scene> + Send + 'static,
        lines: Receiver<Line>,
        wishes: UnboundedSender<Wish>,
    ) -> io::Result<Self> {
        let mut painter = Painter::new(picture, lines, wishes)?;
        Self::spawn(move |closing| painter.run(|| closing.load(Ordering::Relaxed)))
    }

    fn spawn(work: impl FnOnce(&AtomicBool) + Send + 'static) -> io::Result<Self> {
        let closing = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&closing);
        let thread = thread::Builder::new().name("voice".to_owned());
        let thread = thread.spawn(move || work(&told))?;
        Ok(Self {
            closing,
            thread: Some(thread),
        })
    }
}

impl Drop for Voice {
    /// Shows what is left, and gives the terminal back.
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn print(lines: &Receiver<Line>, closing: &AtomicBool, out: &mut impl Write) -> io::Result<()> {
    loop {
        // Asked before the lines are: what was written before the end is shown.
        let is_over = closing.load(Ordering::Relaxed);
        match lines.recv_timeout(Duration::from_millis(if is_over { 0 } else { 50 })) {
            Ok(line) => writeln!(out, "{line}")?,
            Err(RecvTimeoutError::Timeout) if !is_over => {}
            Err(_) => return out.flush(),
        }
    }
}
