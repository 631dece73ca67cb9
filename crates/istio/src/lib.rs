//! Istio as a traffic router of gradatim: Argo's `trafficRouting.istio` as it is written.
//!
//! The weights of routes in VirtualServices are the split, by the hosts of two Services or by two
//! subsets of a DestinationRule; header routes and mirrors are routes of ours before all others, in
//! the order of `managedRoutes`. HTTP, TLS and TCP routes are split alike, in any number of
//! VirtualServices.
//!
//! ```
//! use gradatim_core::registry::RouterFrame;
//! use gradatim_istio::{IstioConfig, IstioRouter};
//! use gradatim_kubernetes::Client;
//! use serde_json::json;
//!
//! fn router(client: Client) -> IstioRouter {
//!     let mut frame = RouterFrame::new("shop");
//!     frame.stable_service = Some("shop".to_owned());
//!     frame.canary_service = Some("shop-canary".to_owned());
//!     let part = json!({"virtualService": {"name": "shop", "routes": ["main"]}});
//!     let config = IstioConfig::parse(&part, &frame, "production").expect("names a service");
//!     IstioRouter::new(client, "v1", config)
//! }
//! ```
//!
//! # What is kept
//!
//! Objects are read and written as JSON: every field that is not a weight, a managed route or the
//! hash of a subset stays as it is, fields that nobody here has heard of among them. A destination
//! that is neither version keeps its weight. Each write is conditional on what was read.
//!
//! # Session affinity
//!
//! With `sessionAffinity: {cookieName: trial}` in the rollout's spec, or beside `virtualService`, the
//! canary's answers set a cookie that names its revision, and a route before each HTTP route that is
//! split sends who bears it to the canary, until the weight is 0. Consistent hashing cannot keep a client:
//! Istio draws the version by the weights, and hashes within it.
//!
//! # The order of writes
//!
//! The DestinationRule first, then the VirtualServices: a subset is bound before it gets a part.
//! When the first fails, what lowers the canary is written all the same. A raise is written when
//! the server has said of every VirtualService that it would take it.
//!
//! # What is not told
//!
//! A VirtualService says what shall be, not what the proxies do: what is read is written, not
//! confirmed, and counts after the settle time. With
//! [istiod's debug port](IstioRouter::with_control_plane) it counts as soon as the proxies have
//! acknowledged it. Istio splits whole percents.

mod affinity;
mod carried;
mod config;
mod encode;
mod managed;
mod proxies;
mod router;
mod routes;

pub use self::config::{IstioConfig, SessionAffinity, Sides, TcpRoute, TlsRoute, VirtualService};
pub use self::router::{IstioRouter, register, register_confirmed};

/// The least that this router may in each namespace of its objects: a Role, as YAML.
pub const ROLE: &str = include_str!("../roles/istio.yaml");

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
