//! Signals to programs that a test has started.

use std::process::{Child, Command};

/// Sends one by its name, such as `TERM`.
pub(crate) fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status();
    assert!(sent.unwrap().success(), "{name} to {id}");
}
