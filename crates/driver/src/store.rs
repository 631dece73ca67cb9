//! Fenced stores: one in memory, one in a directory.

mod file;
mod memory;

pub use self::file::{FileRollout, FileStore, Published};
pub use self::memory::MemoryStore;

#[cfg(test)]
mod tests;
