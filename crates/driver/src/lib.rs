//! Turns the progressive-delivery core: observe, decide, persist, perform.
//!
//! The core decides and cannot fail; whatever can fail is behind a port; this crate closes the
//! ring between them. It owns deadlines, retries, ownership and the order of things: a decision
//! is saved before it is performed, and what takes users back to safety goes out even when the
//! save fails.
//!
//! # A driver
//!
//! [`Driver`] turns any number of rollouts on one tokio task, and [`Release`] is a handle on one.
//!
//! ```
//! use std::sync::Arc;
//!
//! use gradatim_core::plan::Plan;
//! use gradatim_core::port::{MetricProvider, TrafficRouter, Workload};
//! use gradatim_driver::store::FileStore;
//! use gradatim_driver::{Driver, Outcome, Ports};
//!
//! async fn deliver(
//!     plan: Plan,
//!     workload: Arc<dyn Workload>,
//!     router: Arc<dyn TrafficRouter>,
//!     prometheus: Arc<dyn MetricProvider>,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let releases = FileStore::open("./releases")?;
//!     let ports = Ports::new(workload, Arc::new(releases.rollout("shop")))
//!         .router(router)
//!         .provider("prometheus", prometheus);
//!
//!     let driver = Driver::builder().witness(Arc::new(releases)).build();
//!     let release = driver.start("shop", plan, ports).await?;
//!     match release.outcome().await {
//!         Outcome::Promoted { revision } => println!("{revision} serves everyone"),
//!         Outcome::RolledBack { revision, why } => println!("{revision} taken back: {why}"),
//!         other => println!("{other:?}"),
//!     }
//!     driver.shut_down().await;
//!     Ok(())
//! }
//! ```
//!
//! # A loop of your own
//!
//! [`Round`] is the same without the loop, on any executor: bring a [`Clock`](clock::Clock) that
//! is not tokio's where there is no tokio.
//!
//! ```
//! use futures::future::{Either, select};
//! use futures::pin_mut;
//! use gradatim_core::plan::Plan;
//! use gradatim_driver::clock::{Clock, SystemClock};
//! use gradatim_driver::{Ports, Round, TurnError};
//!
//! async fn turn_until_at_rest(plan: Plan, ports: Ports) -> Result<(), TurnError> {
//!     let clock = SystemClock::new();
//!     let mut round = Round::new("shop", plan, ports);
//!     loop {
//!         let turn = round.turn().await?;
//!         println!("{}: {}", turn.decision.phase, turn.decision.waiting.reason);
//!         if turn.is_at_rest() {
//!             return Ok(());
//!         }
//!         let (ready, timer) = (round.ready(), clock.sleep_until(turn.come_back));
//!         pin_mut!(ready, timer);
//!         match select(ready, timer).await {
//!             Either::Left(_) | Either::Right(_) => {}
//!         }
//!     }
//! }
//! ```
//!
//! # What it promises
//!
//! - Persist, then perform. The one exception is an action that only lowers the canary.
//! - A call that hangs ends at its [deadline](deadline::Deadlines) and is an input to the next
//!   decision; it keeps no other port waiting longer than that.
//! - Only one driver acts on a rollout: an epoch from the store stands on everything it writes,
//!   and one that was replaced stops with [`TurnError::Lost`].
//! - A round that is dropped half way, or a process that is killed, loses nothing that was saved.
//! - Spans are called `gradatim.round`, `.observe`, `.save`, `.perform` and `.measure`.

pub mod clock;
pub mod deadline;
pub mod log;
pub mod metrics;
pub mod secrets;
pub mod store;

mod analysis_run;
mod changes;
mod driver;
mod events;
mod evidence;
mod follow;
mod keep;
mod measure;
mod observe;
mod orders;
mod perform;
mod ports;
mod probe;
mod release;
mod round;
mod shows;
mod turn;
mod witness;

pub use self::analysis_run::AnalysisRun;
pub use self::driver::{Driver, DriverBuilder, StartError};
pub use self::evidence::Evidence;
pub use self::orders::{OrderError, OrderTicket};
pub use self::ports::Ports;
pub use self::probe::Unmeasurable;
pub use self::release::{Ended, Outcome, Release, Status};
pub use self::round::Round;
pub use self::turn::{Persisted, Turn, TurnError};
pub use self::witness::Witness;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
