//! The name that a manifest calls it by.

use gradatim_core::fault::FaultKind;
use gradatim_core::port::{PortError, TrafficRouter};
use gradatim_core::registry::{PartError, Registry};
use serde_json::Value;

use super::config::Config;
use super::router::PlainNginx;

/// The name that a manifest calls it by, below `trafficRouting`: Argo's `nginx` is the Ingress
/// controller.
pub const NAME: &str = "plainNginx";

/// Registers the router under [`NAME`], for the rollout of this configuration.
///
/// Its part of a manifest is empty: `plainNginx: {}`. Where the file and the servers are is a
/// matter of the machine, not of the rollout.
///
/// ```
/// use gradatim_core::registry::{Registry, RouterFrame};
/// use gradatim_nginx::plain::{Config, NAME, register};
/// use serde_json::json;
///
/// let registry = register(Registry::new(), Config::new("shop", "/etc/nginx/shop.conf"));
/// let frame = RouterFrame::new("shop");
/// assert!(registry.parse_router(NAME, &json!({}), &frame).unwrap().is_ok());
/// assert!(registry.parse_router(NAME, &json!({"wieght": 5}), &frame).unwrap().is_err());
/// ```
pub fn register(registry: Registry, config: Config) -> Registry {
    let has_probe = config.probe.is_some();
    registry
        .with_router(NAME, move |part, _| match wrong(part) {
            Some(wrong) => Err(vec![wrong]),
            None => Ok(PlainNginx::can_do(has_probe)),
        })
        .with_router_builder(NAME, move |_, _| {
            let router = PlainNginx::new(config.clone()).map_err(|error| {
                PortError::new(FaultKind::Invalid, error.to_string()).caused_by(error)
            })?;
            Ok(Box::new(router) as Box<dyn TrafficRouter>)
        })
}

fn wrong(part: &Value) -> Option<PartError> {
    let help = "leave it empty: servers and file are given to the program";
    match part {
        Value::Null => None,
        Value::Object(fields) => {
            let unknown = fields.keys().next()?;
            Some(PartError::new(unknown, "plain NGINX has no such field").with_help(help))
        }
        _ => Some(PartError::new("", "plain NGINX takes no value").with_help(help)),
    }
}
