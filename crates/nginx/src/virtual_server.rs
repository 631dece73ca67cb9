//! F5 NGINX Ingress Controller: the `splits` and `matches` of VirtualServers.
//!
//! Argo Rollouts has no such router. Its part of a manifest stands under [`NAME`], in the open map
//! `plugins` that Argo's resource definition keeps:
//!
//! ```yaml
//! trafficRouting:
//!   plugins:
//!     virtualServer: {name: shop, routes: [/]}
//! ```
//!
//! The routes are known by their path; without any, the only one that is split between both
//! versions is meant. Several VirtualServers stand as `servers: [{name: shop}, {name: mobile}]`.
//! Which upstream is which version is told by its `service`: the rollout's `stableService` and
//! `canaryService`.
//!
//! # What is written
//!
//! The weights of the splits, and header routes as matches before the user's own. A split that
//! leads to neither version keeps its weight, splits inside a match are the user's, and every
//! other field stays as it is. The routes are written while they still say what was read.
//!
//! # What the controller cannot
//!
//! - Its weights are whole percents that sum to 100; 0 and 100 are taken since release 3.5.
//! - It compares headers by pattern (a plain value would be compared without regard to case), and
//!   mirrors nothing.
//! - It says in the object's status whether it took it, and not what its workers do: what is read
//!   is written, not confirmed. An object that it calls invalid is an error with its words.
//!
//! All of this is proved on objects of a real API server alone, with a resource definition that
//! checks weights as the controller does: no request of the tests has passed through it.

mod config;
mod decode;
mod encode;
mod router;

pub use self::config::{Server, VirtualServerConfig};
pub use self::router::{VirtualServerRouter, register};

/// The name that a manifest calls it by.
pub const NAME: &str = "virtualServer";

/// The least that this router may: a Role, as YAML.
pub const ROLE: &str = include_str!("../roles/virtual-server.yaml");
