//! Session affinity: a cookie that the canary's answers set, and a route that follows it; pure.

use gradatim_core::id::RevisionId;
use gradatim_core::port::PortError;
use gradatim_core::route::Slot;
use serde_json::{Map, Value, json};

use crate::config::{IstioConfig, SessionAffinity};
use crate::managed::canary;
use crate::routes::invalid;

/// What the name of a following route ends with; before that stands the name of the route whose
/// clients it keeps.
const SUFFIX: &str = "gradatim-affinity";
const COOKIE: &str = "set-cookie";

/// Whether a route is one that follows the cookie.
pub(crate) fn is_following(route: &Value) -> bool {
    let name = route["name"].as_str().unwrap_or_default();
    name == SUFFIX
        || name
            .strip_suffix(SUFFIX)
            .is_some_and(|base| base.ends_with('.'))
}

/// Puts these HTTP routes so that clients which saw this revision stay with it; with none, so that
/// no cookie is followed or set.
///
/// # Errors
/// When a route matches a cookie of its own already.
pub(crate) fn follow(
    config: &IstioConfig,
    object: &mut Value,
    split: &[String],
    revision: Option<&RevisionId>,
) -> Result<(), PortError> {
    let Some(affinity) = &config.session_affinity else {
        return Ok(());
    };
    let all = object["spec"]["http"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut routes = Vec::new();
    for mut route in all.into_iter().filter(|route| !is_following(route)) {
        if config.managed(&route).is_none() && split.contains(&name(&route)) {
            let cookie = revision.map(|revision| affinity.cookie(revision));
            for one in route["route"].as_array_mut().into_iter().flatten() {
                let is_canary = config.side(&one["destination"]) == Some(Slot::Canary);
                set(affinity, one, cookie.as_deref().filter(|_| is_canary));
            }
            if let Some(revision) = revision {
                routes.push(affinity.following(config, object, &route, revision)?);
            }
        }
        routes.push(route);
    }
    if object["spec"]["http"].is_array() {
        object["spec"]["http"] = routes.into();
    }
    Ok(())
}

impl SessionAffinity {
    /// It names the revision, so that it leads nobody to the next one.
    fn cookie(&self, revision: &RevisionId) -> String {
        let (name, age) = (&self.cookie_name, self.max_age_seconds);
        format!("{name}={revision}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax")
    }

    /// The route before another that matches what that one does and has the cookie.
    fn following(
        &self,
        config: &IstioConfig,
        object: &Value,
        base: &Value,
        revision: &RevisionId,
    ) -> Result<Value, PortError> {
        let pattern = format!("(.*;\\s*)?{}={revision}(\\s*;.*)?", self.cookie_name);
        let matches = base["match"].as_array().filter(|all| !all.is_empty());
        let mut matches = matches.cloned().unwrap_or_else(|| vec![json!({})]);
        for one in &mut matches {
            if !one["headers"]["cookie"].is_null() {
                let what = format!(
                    "matches a cookie in the route {}, beside which none can keep its clients",
                    base["name"]
                );
                return Err(invalid(object, &what));
            }
            one["headers"]["cookie"] = json!({"regex": pattern});
        }
        let mut following = base.clone();
        following["name"] = match base["name"].as_str() {
            Some(name) => format!("{name}.{SUFFIX}"),
            None => SUFFIX.to_owned(),
        }
        .into();
        following["match"] = matches.into();
        following["route"] = json!([{"destination": canary(config, base), "weight": 100}]);
        Ok(following)
    }
}

/// Lets a destination's answers set the cookie, or no longer.
fn set(affinity: &SessionAffinity, destination: &mut Value, cookie: Option<&str>) {
    if let Some(cookie) = cookie {
        destination["headers"]["response"]["add"][COOKIE] = cookie.into();
        return;
    }
    let ours = format!("{}=", affinity.cookie_name);
    let is_ours = destination["headers"]["response"]["add"][COOKIE]
        .as_str()
        .is_some_and(|cookie| cookie.starts_with(&ours));
    if is_ours {
        prune(destination, &["headers", "response", "add", COOKIE]);
    }
}

/// Takes a field away, and what is empty without it.
fn prune(value: &mut Value, path: &[&str]) {
    let (Some(fields), Some((first, rest))) = (value.as_object_mut(), path.split_first()) else {
        return;
    };
    if let Some(inner) = fields.get_mut(*first) {
        prune(inner, rest);
        let is_empty = inner.as_object().is_some_and(Map::is_empty);
        if rest.is_empty() || is_empty {
            fields.remove(*first);
        }
    }
}

fn name(route: &Value) -> String {
    route["name"].as_str().unwrap_or_default().to_owned()
}
