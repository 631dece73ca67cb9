//! Everything that needs more than one crate.

pub(crate) mod cli;
mod conformance;
mod live;
pub(crate) mod manifests;
mod parity;
mod properties;
mod providers;
mod restart;
mod scenarios;
mod signal;
mod stub;
mod tidy;
