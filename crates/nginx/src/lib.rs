//! NGINX as a [`TrafficRouter`](gradatim_core::port::TrafficRouter) of
//! [gradatim](https://crates.io/crates/gradatim).
//!
//! | feature | what it is for | default |
//! |---|---|---|
//! | `plain` | plain NGINX: a few servers behind one proxy, no Kubernetes | yes |
//! | `kubernetes` | the annotations of the community Ingress controller, F5's `VirtualServer` | |
//!
//! # Plain NGINX
//!
//! ```no_run
//! # #[cfg(feature = "plain")] {
//! use gradatim_nginx::plain::{Config, PlainNginx};
//!
//! let config = Config::new("shop", "/etc/nginx/gradatim/shop.conf")
//!     .servers("v1", ["10.0.0.1:8080", "10.0.0.2:8080"])
//!     .servers("v2", ["10.0.0.3:8080", "10.0.0.4:8080"])
//!     .probe(([127, 0, 0, 1], 9180));
//! let router = PlainNginx::new(config)?;
//! // Once, before NGINX includes the file: everything to v1.
//! router.write_first(&"v1".into())?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The router is one of the ports that a driver is given, and `plain::Servers`, fixed
//! servers whose health is asked for, can be another.

#[cfg(feature = "kubernetes")]
pub mod ingress;
#[cfg(any(feature = "plain", feature = "kubernetes"))]
mod pattern;
#[cfg(feature = "plain")]
pub mod plain;
#[cfg(feature = "kubernetes")]
pub mod virtual_server;

#[cfg(all(doctest, feature = "plain"))]
#[doc = include_str!("../README.md")]
struct Readme;
