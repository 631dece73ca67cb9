//! (in the making)

pub mod script;
