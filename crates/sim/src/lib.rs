//! A simulated world with virtual time: users, versions with defects, routers and pods that take
//! their time, and everything that can go wrong between them and a driver.
//!
//! The driver in it is the real one: its own [`Round`](gradatim_driver::Round), with a clock that
//! stands still until nothing is left to be done. So half an hour of a release takes a
//! millisecond, every run is the same for the same seed, and after every round it is checked that
//! what must hold did hold.
//!
//! # A release that goes wrong
//!
//! ```
//! use std::time::Duration;
//!
//! use gradatim_core::compile;
//! use gradatim_core::spec::{
//!     AnalysisTemplate, CanarySpec, MetricSpec, Provider, RolloutAnalysis, RolloutSpec, StepSpec,
//!     TrafficRouting,
//! };
//! use gradatim_sim::{Measure, Simulation, Traffic, Version};
//! use serde_json::json;
//!
//! let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
//!
//! // What a manifest would say.
//! let mut success = MetricSpec::new("success-rate", Provider::new("prometheus", json!({})));
//! success.interval = Some("30s".to_owned());
//! success.success_condition = Some("len(result) == 0 || result[0] >= 0.95".to_owned());
//! let canary = CanarySpec::new([
//!     StepSpec::set_weight(10),
//!     StepSpec::pause_for(minutes(5)),
//!     StepSpec::set_weight(50),
//!     StepSpec::pause_for(minutes(5)),
//! ])
//! .with_traffic_routing(TrafficRouting::new("nginx", json!({ "stableIngress": "shop" })))
//! .with_analysis(RolloutAnalysis::new(["success"]));
//! let spec = RolloutSpec::new("shop", canary).with_replicas(10);
//! let template = AnalysisTemplate::new("success", [success]);
//!
//! // Backends that nobody registers are the simulation's.
//! let plan = compile(&spec, &[template], &gradatim_sim::registry())?.plan;
//!
//! let report = Simulation::new(plan)
//!     .like(&spec)
//!     .traffic(Traffic::per_second(200.0))
//!     .metric("success-rate", Measure::success_rate().over(minutes(1)))
//!     // Good for two minutes, then every fifth request fails.
//!     .version("v2", Version::healthy().then(minutes(2), Version::failing(0.2)))
//!     .wants("v2")
//!     .run();
//!
//! assert!(report.outcome.is_rolled_back(), "{}", report.outcome);
//! assert!(report.holds(), "{:?}", report.violations);
//! let v2 = report.version("v2").unwrap();
//! assert!(v2.harm.unwrap() <= minutes(1), "{v2:?}");
//! # Ok::<(), gradatim_core::plan::CompileErrors>(())
//! ```
//!
//! # How to say what you want
//!
//! | what | where |
//! |---|---|
//! | what a version is like, its pods included | [`Version`], [`Simulation::version`] |
//! | which version is wanted, and when | [`Simulation::wants`], [`Simulation::deploy`] |
//! | how many requests come | [`Traffic`], [`Simulation::traffic`] |
//! | what a metric or a gate of the plan answers | [`Measure`], [`Simulation::metric`], [`Simulation::gate`] |
//! | what happens at a time: orders, strangers, crashes | [`Happening`], [`Simulation::at`] |
//! | what goes wrong in a call of a port | [`Fault`], [`Mishap`], [`Simulation::fault`] |
//! | an own policy, router or provider | [`Simulation::policy`], [`Simulation::router`], [`Simulation::provider`] |
//! | what came of it | [`Report`], its [`Fact`]s and [`Intervals`] |
//!
//! # Step by step
//!
//! [`Simulation::start`] gives a simulation that stands still between two rounds: look at the
//! world, change it, and take the next one.
//!
//! ```
//! # use std::time::Duration;
//! # use gradatim_core::compile;
//! # use gradatim_core::order::OrderKind;
//! # use gradatim_core::spec::{CanarySpec, RolloutSpec, StepSpec, TrafficRouting};
//! # use gradatim_sim::Simulation;
//! # let routing = TrafficRouting::new("nginx", serde_json::json!({}));
//! # let canary = CanarySpec::new([StepSpec::set_weight(10), StepSpec::pause()]);
//! # let spec = RolloutSpec::new("shop", canary.with_traffic_routing(routing));
//! # let plan = compile(&spec, &[], &gradatim_sim::registry())?.plan;
//! let mut running = Simulation::new(plan).wants("v2").start();
//! running.run_until(Duration::from_secs(60));
//! assert_eq!(running.world().share("v2"), 0.1);
//!
//! running.happen(OrderKind::Abort);
//! while running.world().share("v2") > 0.0 {
//!     let stepped = running.step().expect("the abort needs a round");
//!     println!("{:?} {}", stepped.at, stepped.turn.unwrap().decision.waiting.reason);
//! }
//! assert!(running.run().outcome.is_rolled_back());
//! # Ok::<(), gradatim_core::plan::CompileErrors>(())
//! ```
//!
//! # What time is
//!
//! Nothing sleeps. When neither a driver nor the world has anything left to do, time moves to the
//! next instant at which somebody has: a driver's wake, a pod that is ready, a data plane that
//! follows, the next [`Happening`]. Drivers are told of every change as a watch would tell them;
//! where faults may hide one, or an embedder's router stands in the world, they also look by
//! themselves, as often as a real driver does.
//!
//! Traffic is computed and not drawn: a tenth of 100 requests a second for a minute is 600
//! requests. [`Traffic::scattered`] draws them from the seed instead.

pub mod check;
mod clock;
mod fact;
mod fault;
mod happening;
mod measure;
mod notifier;
mod provider;
mod record;
mod registry;
mod report;
mod rng;
mod router;
mod running;
pub mod script;
mod seat;
mod simulation;
mod site;
mod store;
mod traffic;
mod verdict;
mod version;
mod workload;
mod world;

pub use self::check::{Invariant, Violation};
pub use self::clock::SimClock;
pub use self::fact::{Fact, What};
pub use self::fault::{Calls, Fault, Mishap, Target};
pub use self::happening::Happening;
pub use self::measure::{Given, Guess, Measure, Of};
pub use self::registry::registry;
pub use self::report::{Interval, Intervals, Outcome, Report, Share, VersionReport};
pub use self::running::{Running, Stepped};
pub use self::simulation::Simulation;
pub use self::traffic::Traffic;
pub use self::version::Version;
pub use self::world::{Autoscaler, Revision, Tally, World, Write, WriteKind};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests;
