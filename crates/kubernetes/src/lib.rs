//! Kubernetes for gradatim: backends that speak to an API server, and what they share.
//!
//! A program makes a [`Client`], and from it a value of each backend for each rollout:
//!
//! ```
//! use gradatim_core::port::{PortError, Store};
//! use gradatim_kubernetes::Client;
//! use gradatim_kubernetes::store::KubeStore;
//!
//! async fn pending(client: Client) -> Result<usize, PortError> {
//!     let shop = KubeStore::new(client, "production").rollout("shop");
//!     Ok(shop.pending().await?.len())
//! }
//! ```
//!
//! # How it writes
//!
//! Never a whole object of somebody else's. What is ours alone (a Lease) is applied server-side;
//! of every other object only our fields are sent, as a merge patch under the `resourceVersion`
//! that was read. So a GitOps tool that owns the rest sees no difference, and of two who write at
//! once one is told. The manager of our fields is [`gradatim`](objects::MANAGER).
//!
//! Each write of a route or a replica target bears its [stamp](fence) in an annotation, and one
//! that is older than the stamp that is there is refused.
//!
//! # What it may
//!
//! Everything is in one namespace. Each backend comes with the least Role that it needs, as YAML:
//! [`replica_sets::ROLE`], [`services::ROLE`], [`store::ROLE`]. The tests run with exactly those.
//!
//! # Limits and deadlines
//!
//! Are the client's and the driver's: no backend waits, and none tries a failed request again. A
//! write that only lost a race over the same object is decided again on what is there now.

mod fault;
mod hash;

pub mod fence;
pub mod names;
pub mod objects;
pub mod owner;
pub mod replica_sets;
pub mod services;
pub mod several;
pub mod store;
pub mod watch;

pub use kube::Client;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
