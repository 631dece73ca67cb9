//! Progressive delivery as a library.
//!
//! A release goes to a few users first. It is judged by its metrics and logs, moves on step by
//! step while they are good, and every user is back on the stable version by itself when they
//! are not.
//!
//! This is the one crate to add. The pure core stands at its root; the rest comes by feature.
//!
//! ```
//! use std::time::Duration;
//!
//! use gradatim::compile;
//! use gradatim::registry::Registry;
//! use gradatim::spec::{CanarySpec, RolloutSpec, StepSpec};
//!
//! let canary = CanarySpec::new([
//!     StepSpec::set_weight(10),
//!     StepSpec::pause_for(Duration::from_secs(60)),
//!     StepSpec::set_weight(50),
//!     StepSpec::pause(),
//! ]);
//! let compiled = compile(&RolloutSpec::new("shop", canary), &[], &Registry::new())?;
//! for warning in &compiled.warnings {
//!     println!("{warning}");
//! }
//! # Ok::<(), gradatim::plan::CompileErrors>(())
//! ```
//!
//! | feature | what it brings | default |
//! |---|---|---|
//! | `yaml` | `yaml`: reads Argo Rollouts' manifests as they are, every error with line and column | yes |
//! | `driver` | [`Driver`], [`Release`], [`driver`](mod@driver): turns rollouts on tokio | yes |
//! | `sim` | `sim`: a world with virtual time, to try a release, a router or a policy in | |
//! | `cli` | the binary `gradatim` | |

#[doc(no_inline)]
pub use gradatim_core::*;
#[cfg(feature = "driver")]
#[doc(no_inline)]
pub use gradatim_driver as driver;
#[cfg(feature = "driver")]
#[doc(no_inline)]
pub use gradatim_driver::{Driver, Outcome, Ports, Release, Round};
#[cfg(feature = "sim")]
#[doc(no_inline)]
pub use gradatim_sim as sim;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
