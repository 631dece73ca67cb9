//! Backends for manifests whose own backends are not there.

use gradatim_core::registry::Registry;

/// A registry in which every router and provider that nobody registers is the simulation's: it can
/// do everything, and a warning says so.
///
/// Register the pure parsers of the backends that a manifest names, where they are at hand, so
/// that it is simulated with their grain, confidence and settle time.
pub fn registry() -> Registry {
    Registry::lenient()
}
