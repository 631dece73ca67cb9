//! Everything that needs more than one crate.

mod manifests;
