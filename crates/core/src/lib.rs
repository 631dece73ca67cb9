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
//! # A round
//!
//! ```
//! use gradatim_core::decision::{Decision, Saved};
//! use gradatim_core::observation::Observation;
//! use gradatim_core::registry::Registry;
//! use gradatim_core::spec::{CanarySpec, RolloutSpec, StepSpec};
//! use gradatim_core::time::Timestamp;
//! use gradatim_core::workload::{RevisionSeen, WorkloadSeen};
//! use gradatim_core::{compile, decide};
//!
//! // What the user wants: one pod in four runs the new version until someone promotes it.
//! let canary = CanarySpec::new([StepSpec::set_weight(25), StepSpec::pause()]);
//! let plan = compile(&RolloutSpec::new("shop", canary), &[], &Registry::new())?.plan;
//!
//! // What is there: four pods of the old version, and a new one that is wanted.
//! let old = RevisionSeen::new("v1", 1, Timestamp::ZERO).serving(4);
//! let new = RevisionSeen::new("v2", 2, Timestamp::ZERO);
//! let mut workload = WorkloadSeen::new("v2", 4, vec![old, new]);
//! workload.recorded_stable = Some("v1".into());
//! let seen = Observation::new(1, workload, Vec::new());
//!
//! let saved = Saved::Nothing { incarnation: 1 };
//! let now = Timestamp::from_secs(1_800_000_000);
//! let Decision { state, actions, waiting, .. } = decide(&plan, &saved, &seen, now);
//!
//! // Save the state, perform the actions, observe, and decide again.
//! assert!(state.is_some());
//! println!("{actions:?}, since {}", waiting.reason);
//! # Ok::<(), gradatim_core::plan::CompileErrors>(())
//! ```
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
pub use self::plan::{compile, compile_analysis};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
