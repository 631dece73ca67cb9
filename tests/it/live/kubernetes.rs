//! Kubernetes' own API server, with exactly the rights that each backend says it needs.

mod services;
mod store;
