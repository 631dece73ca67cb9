//! The pure core of progressive delivery.
//!
//! It turns a plan, a saved state, an observation and an instant into a decision, and cannot
//! fail; everything that can fail is a backend behind one of the [`port`]s.
//!
//! ```text
//!  spec ──compile──▶ plan ──▶ decide ──▶ actions ──▶ perform ──▶ effects
//!                                ▲                                  │
//!                                └────── observation ◀── observe ◀──┘
//! ```
//!
//! # Five rules
//!
//! 1. **Total.** [`decide()`] never panics and never returns an error.
//! 2. **Absolute.** An action says what shall be, never a change; doing it twice is doing it once.
//! 3. **Seen, not hoped.** A step is complete when an observation shows its effect.
//! 4. **The way back comes first.** Aborts, deadlines and timers are decided before anything
//!    that can block.
//! 5. **Always a reason.** Every decision says why, what it waits for, and until when.
//!
//! The modules stand in the order in which data flows.

pub mod id;
pub mod number;
pub mod time;

pub mod condition;
pub mod go_duration;
pub mod template;

pub mod spec;
#[cfg(feature = "yaml")]
pub mod yaml;

pub mod capability;
pub mod plan;
pub mod registry;

pub mod fault;
pub mod measurement;
pub mod order;
pub mod route;
pub mod stamp;
pub mod workload;

pub mod observation;
pub mod state;

pub mod analysis;
pub mod decide;
pub mod policy;

pub mod action;
pub mod decision;
pub mod event;
pub mod reason;

pub mod port;

pub use self::decide::decide;
pub use self::plan::compile;
