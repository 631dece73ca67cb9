//! Everything that needs more than one crate.

mod cli;
mod conformance;
mod live;
mod manifests;
mod parity;
mod properties;
mod providers;
mod restart;
mod scenarios;
mod stub;
mod tidy;
