//! The community Ingress controller's canary annotations, and those who speak its dialect:
//! Argo's `trafficRouting.nginx` as it is written.
//!
//! Beside each stable Ingress stands a canary Ingress of ours with the same rules for the canary's
//! Service, owned by the rollout. Its annotations are the split; it is never deleted, and rests at
//! weight 0. What others have annotated on it is kept.
//!
//! # What the controller cannot
//!
//! - It compares one header, by its whole value or by a pattern, and one cookie: so many header
//!   routes there are. The cookie is a route of the header `Cookie` that is exactly `NAME=always`;
//!   any request with that cookie is meant, whatever other cookies it brings. It mirrors nothing.
//! - A weight total below 100 means nothing to it: such a `maxTrafficWeight` is refused.
//! - A stable Service without endpoints answers 503 even at weight 100: nothing is raised then.
//! - It does not say what its workers do: what is read is written, not confirmed.
//! - All of this is proved on objects of a real API server alone: no request of the tests has passed
//!   through the controller.
//! - Another path or host with the same stable Service gets the canary's share as well.

mod config;
mod decode;
mod encode;
mod router;

pub use self::config::IngressConfig;
pub use self::router::{IngressRouter, register};

/// The least that this router may: a Role, as YAML.
pub const ROLE: &str = include_str!("../roles/ingress.yaml");
