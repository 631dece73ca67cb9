//! What no compiler checks: who may depend on whom, how long things grow, and that what the
//! documents say is so.
//!
//! A complaint names the file and says what to do about it.

mod crates;
mod documents;
mod examples;
mod files;
mod packages;
mod sizes;
mod trees;
mod words;

/// Fails with every complaint at once.
#[track_caller]
fn none(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    let count = complaints.len();
    assert!(
        count == 0,
        "{count} to put right:\n{}",
        complaints.join("\n")
    );
}
