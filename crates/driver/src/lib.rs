//! Turns the progressive-delivery core: observe, decide, persist, perform.
mod changes;
pub mod clock;
pub mod deadline;
mod driver;
mod events;
mod follow;
mod keep;
pub mod log;
mod measure;
pub mod metrics;
mod observe;
mod orders;
mod perform;
mod ports;
mod release;
mod round;
pub mod store;
mod turn;
mod witness;
pub use self::driver::{Driver, DriverBuilder, StartError};
pub use self::orders::{OrderError, OrderTicket};
pub use self::ports::Ports;
pub use self::release::{Ended, Outcome, Release, Status};
pub use self::round::Round;
pub use self::turn::{Persisted, Turn, TurnError};
pub use self::witness::Witness;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
