//! Somebody wants this process to end: Ctrl-C, or whatever supervises it.

use std::io;

/// The wishes that were not yet heard; from its making on none ends the process by itself.
pub(super) struct Leave {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
    takes_back: bool,
}

impl Leave {
    /// `takes_back`: whether leaving takes the traffic back first.
    pub(super) fn listen(takes_back: bool) -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let signals = [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::quit())?,
            ];
            Ok(Self {
                signals,
                takes_back,
            })
        }
        #[cfg(not(unix))]
        Ok(Self { takes_back })
    }

    /// What the first wish does, and the second one.
    pub(super) fn words(&self) -> &'static str {
        match self.takes_back {
            true => "taking the traffic back; Ctrl-C again leaves it as it is then",
            false => "leaving; Ctrl-C again leaves at once",
        }
    }

    /// Resolves with the next wish.
    pub(super) async fn asked(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate, quit] = &mut self.signals;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = quit.recv() => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
