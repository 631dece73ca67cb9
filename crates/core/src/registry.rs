//! Backends by the name a manifest calls them by: what their part means, and how they are made.
//!
//! A backend registers a pure parser of its own part of the manifest, so that a plan needs no
//! client, and, where it is to run, a builder. Nothing is registered by itself: this crate has
//! no backend.
//!
//! ```
//! use gradatim_core::capability::Capabilities;
//! use gradatim_core::compile;
//! use gradatim_core::registry::{PartError, Registry};
//! use gradatim_core::spec::{CanarySpec, RolloutSpec, StepSpec, TrafficRouting};
//! use serde_json::json;
//!
//! let registry = Registry::new().with_router("toy", |part, _frame| match part.get("knob") {
//!     Some(_) => Ok(Capabilities::default()),
//!     None => Err(vec![PartError::new("knob", "a toy has a knob")]),
//! });
//! let canary = |part| {
//!     let routing = TrafficRouting::new("toy", part);
//!     CanarySpec::new([StepSpec::set_weight(10)]).with_traffic_routing(routing)
//! };
//!
//! let good = RolloutSpec::new("shop", canary(json!({ "knob": 11 })));
//! assert_eq!(compile(&good, &[], &registry)?.plan.routers[0].name, "toy");
//!
//! let bad = RolloutSpec::new("shop", canary(json!({})));
//! let errors = compile(&bad, &[], &registry).unwrap_err();
//! assert_eq!(
//!     errors.to_string(),
//!     "Rollout shop: spec.strategy.canary.trafficRouting.toy.knob: a toy has a knob",
//! );
//! # Ok::<(), gradatim_core::plan::CompileErrors>(())
//! ```

mod part;
mod secret;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use self::part::{PartError, ProviderTraits, RouterFrame};
pub use self::secret::SecretRef;
use crate::capability::Capabilities;
use crate::fault::FaultKind;
use crate::plan::RouterPlan;
use crate::port::{MetricProvider, PortError, Secrets, TrafficRouter};

/// The name under which Kubernetes Services are bound.
///
/// It stands in no manifest: a rollout that names Services has this router besides its own. Its
/// part is `null`; what it needs is in the [`RouterFrame`].
pub const SERVICES: &str = "services";

type ParseRouter =
    dyn Fn(&Value, &RouterFrame) -> Result<Capabilities, Vec<PartError>> + Send + Sync;
type BuildRouter =
    dyn Fn(&Value, &RouterFrame) -> Result<Box<dyn TrafficRouter>, PortError> + Send + Sync;
type ParseProvider = dyn Fn(&Value) -> Result<ProviderTraits, Vec<PartError>> + Send + Sync;
type BuildProvider =
    dyn Fn(Arc<dyn Secrets>) -> Result<Arc<dyn MetricProvider>, PortError> + Send + Sync;

/// The backends that are known, by name; cheap to clone.
#[derive(Clone, Default)]
pub struct Registry {
    lenient: bool,
    routers: BTreeMap<String, Arc<ParseRouter>>,
    router_builders: BTreeMap<String, Arc<BuildRouter>>,
    providers: BTreeMap<String, Arc<ParseProvider>>,
    provider_builders: BTreeMap<String, Arc<BuildProvider>>,
}

impl Registry {
    /// Knows no backend; one that is not registered is an error, and so is a missing template.
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows no backend; one that is not registered can do everything, with a warning, and a
    /// missing template is left out, with a warning.
    ///
    /// This is how a manifest is explained or simulated without the clients that it needs.
    pub fn lenient() -> Self {
        Self::default().with_lenience(true)
    }

    /// The same backends, where what is unknown is a warning (true) or an error (false).
    #[must_use]
    pub fn with_lenience(mut self, lenient: bool) -> Self {
        self.lenient = lenient;
        self
    }

    /// Whether what is unknown is a warning, not an error.
    pub fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// The same with one more router: a pure parser of its own part.
    ///
    /// The parser gets the part as it was written and its frame, and answers what the router can
    /// do there, or everything that is wrong with the part.
    #[must_use]
    pub fn with_router(
        mut self,
        name: impl Into<String>,
        parse: impl Fn(&Value, &RouterFrame) -> Result<Capabilities, Vec<PartError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.routers.insert(name.into(), Arc::new(parse));
        self
    }

    /// The same with a builder for a router: called once for each rollout that uses it, with a
    /// part that its parser has accepted.
    #[must_use]
    pub fn with_router_builder(
        mut self,
        name: impl Into<String>,
        build: impl Fn(&Value, &RouterFrame) -> Result<Box<dyn TrafficRouter>, PortError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.router_builders.insert(name.into(), Arc::new(build));
        self
    }

    /// The same with one more metric provider: a pure parser of its own part.
    ///
    /// The parser gets the part with its arguments filled in, but for those that are known only
    /// when a run starts (`{{args.name}}`) and for secrets (see [`SecretRef`]).
    #[must_use]
    pub fn with_provider(
        mut self,
        name: impl Into<String>,
        parse: impl Fn(&Value) -> Result<ProviderTraits, Vec<PartError>> + Send + Sync + 'static,
    ) -> Self {
        self.providers.insert(name.into(), Arc::new(parse));
        self
    }

    /// The same with a builder for a metric provider: called once, for all rollouts.
    #[must_use]
    pub fn with_provider_builder(
        mut self,
        name: impl Into<String>,
        build: impl Fn(Arc<dyn Secrets>) -> Result<Arc<dyn MetricProvider>, PortError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.provider_builders.insert(name.into(), Arc::new(build));
        self
    }

    /// The names of the registered routers, sorted.
    pub fn routers(&self) -> impl Iterator<Item = &str> {
        self.routers.keys().map(String::as_str)
    }

    /// The names of the registered metric providers, sorted.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.providers.keys().map(String::as_str)
    }

    /// What a router can do with its part; `None` when no such router is registered.
    pub fn parse_router(
        &self,
        name: &str,
        part: &Value,
        frame: &RouterFrame,
    ) -> Option<Result<Capabilities, Vec<PartError>>> {
        self.routers.get(name).map(|parse| parse(part, frame))
    }

    /// What a metric provider makes of its part; `None` when no such provider is registered.
    pub fn parse_provider(
        &self,
        name: &str,
        part: &Value,
    ) -> Option<Result<ProviderTraits, Vec<PartError>>> {
        self.providers.get(name).map(|parse| parse(part))
    }

    /// Makes a router of a plan.
    ///
    /// # Errors
    /// When no builder is registered under its name (kind `NotFound`), or the builder fails.
    pub fn build_router(
        &self,
        router: &RouterPlan,
        frame: &RouterFrame,
    ) -> Result<Box<dyn TrafficRouter>, PortError> {
        match self.router_builders.get(&router.name) {
            Some(build) => build(&router.part, frame),
            None => Err(no_builder("router", &router.name)),
        }
    }

    /// Makes a metric provider.
    ///
    /// # Errors
    /// When no builder is registered under this name (kind `NotFound`), or the builder fails.
    pub fn build_provider(
        &self,
        name: &str,
        secrets: Arc<dyn Secrets>,
    ) -> Result<Arc<dyn MetricProvider>, PortError> {
        match self.provider_builders.get(name) {
            Some(build) => build(secrets),
            None => Err(no_builder("metric provider", name)),
        }
    }
}

fn no_builder(what: &str, name: &str) -> PortError {
    let text = format!("no {what} named {name:?} can be built: register one under this name");
    PortError::new(FaultKind::NotFound, text)
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("lenient", &self.lenient)
            .field("routers", &self.routers.keys())
            .field("router_builders", &self.router_builders.keys())
            .field("providers", &self.providers.keys())
            .field("provider_builders", &self.provider_builders.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_without_a_builder_is_named_in_the_error() {
        let router = RouterPlan {
            name: "toy".to_owned(),
            part: Value::Null,
            capabilities: Capabilities::default(),
        };
        let error = Registry::new()
            .build_router(&router, &RouterFrame::default())
            .err()
            .unwrap();
        assert_eq!(error.kind, FaultKind::NotFound);
        assert!(error.text.contains("\"toy\""), "{error}");
    }

    #[test]
    fn a_parser_is_called_only_under_its_own_name() {
        let registry = Registry::new().with_provider("toy", |_| Ok(ProviderTraits::default()));
        assert!(registry.parse_provider("toy", &Value::Null).is_some());
        assert!(registry.parse_provider("boy", &Value::Null).is_none());
        assert_eq!(registry.providers().collect::<Vec<_>>(), ["toy"]);
    }
}
