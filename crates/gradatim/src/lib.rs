//! Progressive delivery as a library: move traffic to a new version step by step, judge it by
//! its metrics, and take every user back by itself when it is worse.
//!
//! ```text
//!  spec ──compile──▶ plan ──▶ decide ──▶ actions ──▶ perform ──▶ effects
//!                                ▲                                  │
//!                                └────── observation ◀── observe ◀──┘
//! ```
//!
//! # From a manifest to a plan
//!
//! Argo Rollouts' manifests are read as they are. A plan is a plain value, checked once, and
//! whatever is wrong with a manifest is found before anything runs.
//!
//! ```
//! # #[cfg(feature = "yaml")] {
//! use gradatim::plan::StepKind;
//! use gradatim::registry::Registry;
//! use gradatim::{compile, yaml};
//!
//! let manifest = "
//! apiVersion: argoproj.io/v1alpha1
//! kind: Rollout
//! metadata: {name: shop}
//! spec:
//!   replicas: 10
//!   strategy:
//!     canary:
//!       steps:
//!       - setWeight: 10
//!       - pause: {duration: 1m}
//!       - setWeight: 50
//!       - pause: {}
//! ";
//! let manifests = yaml::read(&[("shop.yaml", manifest)]).into_result().unwrap();
//! let shop = &manifests.rollouts[0];
//! let plan = compile(shop, &manifests.templates, &Registry::new()).unwrap().plan;
//!
//! assert_eq!(plan.steps.len(), 4);
//! assert_eq!(plan.steps[0].kind, StepKind::SetWeight(10));
//! # }
//! ```
//!
//! The same without YAML, from typed constructors: see [`spec`].
//!
//! # From a plan to a release
//!
//! Your world stands behind a few ports: who moves the traffic ([`TrafficRouter`]), where the
//! pods or servers are ([`Workload`]), who answers questions ([`MetricProvider`]), and where the
//! state is kept ([`Store`]). A driver closes the ring over them.
//!
//! ```
//! # #[cfg(feature = "driver")] {
//! use std::sync::Arc;
//!
//! use gradatim::driver::StartError;
//! use gradatim::driver::store::MemoryStore;
//! use gradatim::plan::Plan;
//! use gradatim::port::{MetricProvider, TrafficRouter, Workload};
//! use gradatim::{Driver, Outcome, Ports};
//!
//! async fn release(
//!     plan: Plan,
//!     servers: Arc<dyn Workload>,
//!     proxy: Arc<dyn TrafficRouter>,
//!     prometheus: Arc<dyn MetricProvider>,
//! ) -> Result<bool, StartError> {
//!     let ports = Ports::new(servers, Arc::new(MemoryStore::new()))
//!         .router(proxy)
//!         .provider("prometheus", prometheus);
//!     let release = Driver::new().start("shop", plan, ports).await?;
//!     Ok(match release.outcome().await {
//!         Outcome::Promoted { revision } => {
//!             println!("{revision} serves everyone");
//!             true
//!         }
//!         other => {
//!             println!("{other:?}");
//!             false
//!         }
//!     })
//! }
//! # }
//! ```
//!
//! A program that has a loop of its own needs no driver: [`decide()`] is a pure function from
//! plan, state, observation and instant to what shall be done.
//!
//! # Where things are
//!
//! | | |
//! |---|---|
//! | [`spec`], `yaml` | what the user writes |
//! | [`plan`], [`compile`] | what it means; every error is found here |
//! | [`observation`], [`state`], [`decide()`], [`decision`] | the pure core |
//! | [`analysis`], [`condition`] | how a version is judged |
//! | [`port`] | what a backend owes, as numbered rules |
//! | `driver` | the loop, stores, decision log, metrics |
//! | `sim` | a world with virtual time, to test routers and policies in |
//!
//! # Features
//!
//! | feature | what it brings | default |
//! |---|---|---|
//! | `yaml` | reads Argo Rollouts' manifests as they are, every error with line and column | yes |
//! | `driver` | turns rollouts on tokio: `Driver`, `Release`, stores, decision log, metrics | yes |
//! | `sim` | a world with virtual time, to try a release, a router or a policy in | |
//! | `prometheus`, `loki` | metric providers on PromQL and LogQL | |
//! | `nginx` | plain NGINX as a traffic router, and fixed servers as a workload | |
//! | `kubernetes`, `istio` | workload, store and routers on Kubernetes: Services, Istio, and with `nginx` the Ingress annotations | |
//! | `web` | any JSON endpoint, any command, webhook gates and notifications | |
//! | `cli` | the binary `gradatim`, and its command line as a function | |
//!
//! [`TrafficRouter`]: port::TrafficRouter
//! [`Workload`]: port::Workload
//! [`MetricProvider`]: port::MetricProvider
//! [`Store`]: port::Store

#[doc(no_inline)]
pub use gradatim_core::*;
#[cfg(feature = "driver")]
#[doc(no_inline)]
pub use gradatim_driver as driver;
#[cfg(feature = "driver")]
#[doc(no_inline)]
pub use gradatim_driver::{Driver, Outcome, Ports, Release, Round};
#[cfg(feature = "istio")]
#[doc(no_inline)]
pub use gradatim_istio as istio;
#[cfg(feature = "kubernetes")]
#[doc(no_inline)]
pub use gradatim_kubernetes as kubernetes;
#[cfg(feature = "loki")]
#[doc(no_inline)]
pub use gradatim_loki as loki;
#[cfg(feature = "nginx")]
#[doc(no_inline)]
pub use gradatim_nginx as nginx;
#[cfg(feature = "prometheus")]
#[doc(no_inline)]
pub use gradatim_prometheus as prometheus;
#[cfg(feature = "sim")]
#[doc(no_inline)]
pub use gradatim_sim as sim;
#[cfg(feature = "web")]
#[doc(no_inline)]
pub use gradatim_web as web;

#[cfg(feature = "cli")]
pub mod cli;

#[cfg(all(doctest, feature = "yaml"))]
#[doc = include_str!("../README.md")]
struct Readme;
