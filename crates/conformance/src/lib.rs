//! The rules of each gradatim port, as checks that any backend can run.
//!
//! What a backend owes stands as numbered rules in the documentation of its
//! [port](gradatim_core::port). Here each rule is one public asynchronous function, and a port's
//! module has `all` of them. The author of a backend supplies a bench: how to make a fresh world
//! and a backend on it, and, as far as that can be done, how to look behind its back: to edit as
//! a stranger would, to break something, to let time pass.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use async_trait::async_trait;
//! use gradatim_conformance::secrets::{self, Bench, KEY, NAME, VALUE};
//! use gradatim_core::fault::FaultKind;
//! use gradatim_core::port::{PortError, Secret, Secrets};
//!
//! /// The backend: secrets as lines of `name/key=value`.
//! struct Lines(String);
//!
//! #[async_trait]
//! impl Secrets for Lines {
//!     async fn get(&self, name: &str, key: &str) -> Result<Secret, PortError> {
//!         let start = format!("{name}/{key}=");
//!         let value = self.0.lines().find_map(|line| line.strip_prefix(&start));
//!         let missing = || PortError::new(FaultKind::NotFound, format!("no secret {name}/{key}"));
//!         value.map(Secret::new).ok_or_else(missing)
//!     }
//! }
//!
//! struct LinesBench;
//!
//! impl Bench for LinesBench {
//!     async fn secrets(&self) -> Arc<dyn Secrets> {
//!         Arc::new(Lines(format!("{NAME}/{KEY}={VALUE}\n")))
//!     }
//! }
//!
//! # let checked = async {
//! let report = secrets::all(&LinesBench).await;
//! assert_eq!(report.to_string(), "Secrets rule 1 kept\n");
//! report.assert_clean();
//! # };
//! # futures::FutureExt::now_or_never(checked).unwrap();
//! ```
//!
//! A bench for a [`router`] needs a world in which objects are, because two routers on it stand
//! for two processes; a [`store`], a [`workload`], a [`provider`] and a [`notifier`] likewise.
//! Each of their benches has two or three methods that must be written, and others that each make
//! one more thing checkable.
//!
//! # What comes out
//!
//! A [`Report`]: the rules that were kept, those that were skipped and why (the backend's
//! capabilities do not cover them, or the bench cannot show them), and a [`Failure`] for each
//! that is broken, which says in a sentence what was done and what came of it.
//!
//! ```text
//! BROKEN TrafficRouter rule 6: an older lowering is accepted, wanted an error of kind Fenced
//! ```
//!
//! # What it needs
//!
//! No runtime: the checks await what your backend awaits, so run them where your backend runs. A
//! backend that hangs makes its check hang; give the test a deadline if that may be. Worlds are
//! made one for each rule and never share anything, so that rules do not disturb each other.

pub mod notifier;
pub mod provider;
pub mod router;
pub mod secrets;
pub mod store;
pub mod workload;

mod report;
#[cfg(test)]
mod testing;
mod watch;

pub use self::report::{Check, Failure, Report, Rule, Skipped, Unkept};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
