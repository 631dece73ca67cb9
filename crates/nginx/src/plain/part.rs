//! The name that a manifest calls it by.

use gradatim_core::fault::FaultKind;
use gradatim_core::port::{PortError, TrafficRouter};
use gradatim_core::registry::{PartError, Registry, RouterFrame};
use serde_json::Value;

use super::config::{Config, Sticky, is_cookie};
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
    let known = config.clone();
    registry
        .with_router(NAME, move |part, frame| {
            match wrong(part).or_else(|| contradiction(&known, frame)) {
                Some(wrong) => Err(vec![wrong]),
                None => Ok(PlainNginx::can_do(known.probe.is_some())),
            }
        })
        .with_router_builder(NAME, move |_, frame| {
            let config = match &frame.session_affinity {
                Some(affinity) => config.clone().session_affinity(affinity),
                None => config.clone(),
            };
            let router = PlainNginx::new(config).map_err(|error| {
                PortError::new(FaultKind::Invalid, error.to_string()).caused_by(error)
            })?;
            Ok(Box::new(router) as Box<dyn TrafficRouter>)
        })
}

/// Where the rollout wants clients kept in a way that cannot be, or that is not the program's.
fn contradiction(config: &Config, frame: &RouterFrame) -> Option<PartError> {
    let affinity = frame.session_affinity.as_ref()?;
    let cookie = &affinity.cookie_name;
    let told = match &config.sticky {
        Sticky::Header(header) => format!("the header {header}"),
        Sticky::Cookie(other) if other != cookie => format!("the cookie {other}"),
        _ if !is_cookie(cookie) => {
            let text = format!(
                "NGINX reads no cookie named {cookie}, which the rollout's sessionAffinity wants"
            );
            return Some(PartError::new("", text).with_help("name it with letters, digits and _"));
        }
        _ => return None,
    };
    let text = format!(
        "the rollout's sessionAffinity keeps clients by the cookie {cookie}, and the program was \
         told to keep them by {told}"
    );
    Some(PartError::new("", text).with_help("say it once: in sessionAffinity"))
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

#[cfg(test)]
mod tests {
    use gradatim_core::spec::SessionAffinity;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_rollout_wants_of_clients_and_what_the_program_was_told_agree() {
        let told = |sticky, cookie: &str| {
            let config = Config::new("shop", "/etc/nginx/shop.conf").sticky(sticky);
            let mut frame = RouterFrame::new("shop");
            frame.session_affinity = Some(SessionAffinity::new(cookie));
            let parsed = register(Registry::new(), config).parse_router(NAME, &json!({}), &frame);
            parsed.unwrap().err().map(|wrong| wrong[0].message.clone())
        };
        assert_eq!(told(Sticky::Request, "trial"), None);
        assert_eq!(told(Sticky::Cookie("trial".into()), "trial"), None);
        for (sticky, cookie, words) in [
            (
                Sticky::Cookie("other".into()),
                "trial",
                "by the cookie other",
            ),
            (
                Sticky::Header("x-user".into()),
                "trial",
                "by the header x-user",
            ),
            (Sticky::Request, "my-trial", "no cookie named my-trial"),
        ] {
            let wrong = told(sticky, cookie).unwrap();
            assert!(wrong.contains(words), "{wrong}");
        }
    }
}
