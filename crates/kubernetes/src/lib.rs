//! Kubernetes for gradatim: backends that speak to an API server, and what they share.
//!
//! A program makes a [`Client`] by [`client::connect`], and from it a value of each backend for each rollout:
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
//! # What runs the pods
//!
//! | | [`replica_sets`] | [`deployments`] |
//! |---|---|---|
//! | A revision is | a ReplicaSet of its own | one of two Deployments, NAME-a or NAME-b |
//! | Take it when | nothing else looks at the pods' owner, or Argo's tools do | dashboards and `kubectl rollout` want Deployments |
//! | It can go back to | the last ten (`revisionHistoryLimit`) | the one before |
//! | The next but one | starts at once | waits until a Deployment has no pods |
//! | `dynamicStableScale` | yes | no: a stable without pods could be overwritten |
//!
//! # How it writes
//!
//! Never a whole object of somebody else's. What is ours alone (a Lease) is applied server-side;
//! of every other object only our fields are sent. An object that others write all the time (a
//! ReplicaSet, a Service) gets a merge patch under the `resourceVersion` that was read, and is read
//! again after a lost race. Where the route stands in lists that are replaced whole (the `http` of
//! a VirtualService, the rules of an Ingress) it is a JSON patch that first tests that each field
//! which it changes still says what was read. So a GitOps tool that owns the rest sees no
//! difference, and of two who write the same at once one is told. The manager of our fields is
//! [`gradatim`](objects::MANAGER).
//!
//! Each write of a route or a replica target bears its [stamp](fence) in an annotation, and one
//! that is older than the stamp that is there is refused.
//!
//! # What it may
//!
//! Everything is in one namespace. Each backend comes with the least Role that it needs, as YAML:
//! [`replica_sets::ROLE`], [`deployments::ROLE`], [`services::ROLE`], [`store::ROLE`], and where the
//! owner has a `workloadRef`, [`replica_sets::WORKLOAD_REF_ROLE`]. The tests run with exactly those.
//!
//! # Limits and deadlines
//!
//! A [`client`] keeps to a pace, and an overloaded server is an error that says when to come back.
//! No backend waits, and none tries a failed request again: a write that only lost a race over the
//! same object is decided again on what is there now. A request that is not answered ends after a
//! few seconds, before its driver gives up the call, so that one object that hangs does not keep
//! the others from being written.

mod fault;
mod hash;
mod patch;

pub mod client;
pub mod fence;
pub mod names;
pub mod objects;
pub mod owner;
pub mod replica_sets;
pub mod services;
pub mod several;
pub mod store;
pub mod watch;

pub use kube::{Client, Config};
pub use replica_sets::deployments;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
