//! A terminal that passes keys on as they are pressed, and what it was before.

use std::io::{self, IsTerminal, Stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Key;

/// How often it is looked whether somebody still listens.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// The keys of the terminal that this process reads from. Dropped, in a panic too, the terminal
/// is what it was before.
///
/// Signals and line ends stay the terminal's business: Ctrl-C is a signal as ever, and what is
/// written looks as ever.
#[derive(Debug)]
pub(in crate::cli) struct Keys {
    pressed: UnboundedReceiver<Key>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    before: Termios,
}

impl Keys {
    /// None where nobody can press a key: standard input is no terminal, or it is another
    /// process's turn to read from it.
    pub(in crate::cli) fn listen() -> Option<Self> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || !is_ours(&stdin) {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        // What was typed before there was anything to see was meant for something else.
        tcsetattr(&stdin, OptionalActions::Flush, &by_key(&before)).ok()?;
        let (sender, pressed) = unbounded_channel();
        let over = Arc::new(AtomicBool::new(false));
        let thread = {
            let (over, before) = (Arc::clone(&over), before.clone());
            thread::spawn(move || read(&sender, &over, &before))
        };
        Some(Self {
            pressed,
            over,
            thread: Some(thread),
            before,
        })
    }

    /// Resolves with the next key that means something.
    pub(in crate::cli) async fn pressed(&mut self) -> Key {
        match self.pressed.recv().await {
            Some(key) => key,
            // The terminal is gone.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A reader that panicked reads no more, which is all that is wanted of it.
            let _ = thread.join();
        }
        let stdin = io::stdin();
        if is_ours(&stdin) {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(&stdin, OptionalActions::Now, &self.before);
        }
    }
}

/// Whether this process may read: one in the background that reads, or changes the terminal, is
/// stopped by the system.
fn is_ours(stdin: &Stdin) -> bool {
    tcgetpgrp(stdin).is_ok_and(|foreground| foreground == getpgrp())
}

/// The same terminal, each key at once and none of them shown.
fn by_key(before: &Termios) -> Termios {
    let mut now = before.clone();
    now.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
    now.special_codes[SpecialCodeIndex::VMIN] = 1;
    now.special_codes[SpecialCodeIndex::VTIME] = 0;
    now
}

fn read(keys: &UnboundedSender<Key>, over: &AtomicBool, before: &Termios) {
    let stdin = io::stdin();
    let mut bytes = [0; 64];
    while !over.load(Ordering::Relaxed) {
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut fds, Some(&LOOK)) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) if !is_ours(&stdin) => {
                // Stopped by Ctrl-Z and sent to the background: what is typed is the shell's.
                thread::sleep(std::time::Duration::from_millis(100));
                continue;
            }
            Ok(0) => {
                renew(&stdin, before);
                continue;
            }
            Ok(_) => {}
        }
        match rustix::io::read(&stdin, &mut bytes) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) | Err(_) => return,
            Ok(many) => {
                let key = Key::of(bytes.get(..many).unwrap_or_default());
                if key.is_some_and(|key| keys.send(key).is_err()) {
                    return;
                }
            }
        }
    }
}

/// A shell may have taken the terminal back in between, after Ctrl-Z.
fn renew(stdin: &Stdin, before: &Termios) {
    let is_by_line = tcgetattr(stdin).is_ok_and(|now| now.local_modes.contains(LocalModes::ICANON));
    if is_by_line {
        // Where it cannot be changed, keys come with the next line.
        let _ = tcsetattr(stdin, OptionalActions::Now, &by_key(before));
    }
}
