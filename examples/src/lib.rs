//! What several examples share. The examples themselves are the files beside this folder.

pub mod demo_service;
#[cfg(feature = "kubernetes")]
pub mod on_cluster;
