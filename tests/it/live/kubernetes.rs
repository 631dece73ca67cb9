//! Kubernetes' own API server, with exactly the rights that each backend says it needs.

mod deployments;
mod replica_sets;
mod services;
mod store;
