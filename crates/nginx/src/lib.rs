//! (in the making)

#[cfg(feature = "kubernetes")]
pub mod ingress;
