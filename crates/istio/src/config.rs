//! What a manifest says below `trafficRouting.istio`.

use gradatim_core::capability::{Capabilities, HeaderMatchKind, Part};
use gradatim_core::registry::{PartError, RouterFrame};
use gradatim_core::route::Slot;
use serde::Deserialize;
use serde_json::Value;

/// The part `istio` of a manifest's `trafficRouting`, and what it takes from its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IstioConfig {
    /// The rollout's name.
    pub rollout: String,
    /// The namespace of the rollout and of objects that name none.
    pub namespace: String,
    /// The VirtualServices, at least one.
    pub virtual_services: Vec<VirtualService>,
    /// How the two versions are told apart.
    pub sides: Sides,
    /// The routes that header and mirror steps may own, first match first.
    pub managed_routes: Vec<String>,
    /// Whether a client that saw the canary stays with it; none where every request is drawn anew.
    pub session_affinity: Option<SessionAffinity>,
}

/// Keeps a client that saw the canary with it, by a cookie that its answers set.
///
/// Of the others each request is drawn anew, so that a share of the requests by the weight, on and
/// on, becomes a growing share of the clients.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct SessionAffinity {
    /// The cookie: letters, digits, `_` and `-`.
    pub cookie_name: String,
    /// How long it holds, in seconds. Default one day.
    #[serde(default = "one_day")]
    pub max_age_seconds: u32,
}

fn one_day() -> u32 {
    86_400
}

/// A VirtualService, and which of its routes are split.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VirtualService {
    /// Its name, or `name.namespace`.
    pub name: String,
    /// HTTP routes by name; without any, the only one that is not managed.
    #[serde(default)]
    pub routes: Vec<String>,
    /// TLS routes; without any, the only one if both versions are in it.
    #[serde(default)]
    pub tls_routes: Vec<TlsRoute>,
    /// TCP routes; without any, the only one if both versions are in it.
    #[serde(default)]
    pub tcp_routes: Vec<TcpRoute>,
}

/// A TLS route by what it matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsRoute {
    /// The port; any when 0.
    #[serde(default)]
    pub port: u64,
    /// Exactly these names, in any order; any when empty.
    #[serde(default)]
    pub sni_hosts: Vec<String>,
}

/// A TCP route by what it matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpRoute {
    /// The port.
    #[serde(default)]
    pub port: u64,
}

/// How the two versions are told apart in a route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sides {
    /// By the host: a Service for each.
    Hosts {
        /// The Service of the stable version.
        stable: String,
        /// The Service of the version on trial.
        canary: String,
    },
    /// By the subset of a DestinationRule, whose labels say which pods are meant.
    Subsets {
        /// The DestinationRule.
        rule: String,
        /// The subset of the stable version.
        stable: String,
        /// The subset of the version on trial.
        canary: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    name: String,
    canary_subset_name: String,
    stable_subset_name: String,
    /// Nothing is taken out of a DestinationRule here, so that nothing need be named to stay.
    #[serde(default, rename = "additionalSubsetNames")]
    _additional_subset_names: Vec<String>,
}

impl IstioConfig {
    /// Reads the part in its frame. `namespace` is where the rollout is, unless its frame says.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its path below the part.
    pub fn parse(
        part: &Value,
        frame: &RouterFrame,
        namespace: &str,
    ) -> Result<Self, Vec<PartError>> {
        let Some(fields) = part.as_object() else {
            return Err(vec![PartError::new("", "not a mapping")]);
        };
        let mut errors = Vec::new();
        let (mut services, mut rule, mut affinity) = (Vec::new(), None, None);
        for (name, value) in fields {
            match name.as_str() {
                "virtualService" => services.extend(read(name, value, &mut errors)),
                "virtualServices" => services.extend(read_list(name, value, &mut errors)),
                "destinationRule" => rule = read::<Rule>(name, value, &mut errors),
                "sessionAffinity" => affinity = read_affinity(name, value, &mut errors),
                _ => errors.push(PartError::new(name, "the Istio router knows no such field")),
            }
        }
        let affinity = agreed(affinity, frame, &mut errors);
        if fields.contains_key("virtualService") == fields.contains_key("virtualServices") {
            let text = "give one virtualService, or a list of virtualServices";
            errors.push(PartError::new("virtualService", text));
        }
        let sides = sides(
            rule,
            fields.contains_key("destinationRule"),
            frame,
            &mut errors,
        );
        if frame.max_traffic_weight != 100 {
            let text = "Istio splits whole percents: maxTrafficWeight is 100";
            errors.push(PartError::new("", text));
        }
        match sides.filter(|_| errors.is_empty()) {
            None => Err(errors),
            Some(sides) => Ok(Self {
                rollout: frame.rollout.clone(),
                namespace: frame
                    .namespace
                    .clone()
                    .unwrap_or_else(|| namespace.to_owned()),
                virtual_services: services,
                sides,
                managed_routes: frame.managed_routes.clone(),
                session_affinity: affinity,
            }),
        }
    }

    /// What the router can do so.
    pub fn capabilities(&self) -> Capabilities {
        use HeaderMatchKind::{Exact, Prefix, Regex};
        let mut capabilities = Capabilities {
            parts: [Part::Split, Part::Headers, Part::Mirrors].into(),
            header_matches: [Exact, Prefix, Regex].into(),
            session_affinity: self.session_affinity.is_some(),
            ..Capabilities::default()
        };
        if matches!(self.sides, Sides::Subsets { .. }) {
            capabilities.parts.insert(Part::Bind);
        }
        capabilities
    }

    /// The version that a destination leads to; none where it is neither.
    pub(crate) fn side(&self, destination: &Value) -> Option<Slot> {
        let (said, stable, canary) = match &self.sides {
            Sides::Hosts { stable, canary } => (destination["host"].as_str()?, stable, canary),
            Sides::Subsets { stable, canary, .. } => {
                (destination["subset"].as_str()?, stable, canary)
            }
        };
        let is = |name: &str| match &self.sides {
            Sides::Hosts { .. } => is_host(said, name, &self.namespace),
            Sides::Subsets { .. } => said == name,
        };
        match (is(stable), is(canary)) {
            (true, _) => Some(Slot::Stable),
            (false, true) => Some(Slot::Canary),
            (false, false) => None,
        }
    }

    /// The place of a managed route among all; none where it is the user's.
    pub(crate) fn managed(&self, route: &Value) -> Option<usize> {
        let name = route["name"].as_str()?;
        self.managed_routes
            .iter()
            .position(|managed| managed == name)
    }
}

impl VirtualService {
    /// Its name and, if it says, its namespace.
    pub(crate) fn place<'a>(&'a self, namespace: &'a str) -> (&'a str, &'a str) {
        self.name.split_once('.').unwrap_or((&self.name, namespace))
    }
}

/// Whether a host is a Service: by its short name, or by a longer one in its namespace.
fn is_host(host: &str, service: &str, namespace: &str) -> bool {
    let Some(rest) = host.strip_prefix(service) else {
        return false;
    };
    let rest = rest
        .strip_prefix('.')
        .map(|rest| rest.strip_prefix(namespace).unwrap_or("?"));
    rest.map_or(host == service, |rest| {
        rest.is_empty() || rest.starts_with(".svc")
    })
}

fn sides(
    rule: Option<Rule>,
    has_rule: bool,
    frame: &RouterFrame,
    errors: &mut Vec<PartError>,
) -> Option<Sides> {
    if let Some(rule) = rule {
        return Some(Sides::Subsets {
            rule: rule.name,
            stable: rule.stable_subset_name,
            canary: rule.canary_subset_name,
        });
    }
    match (&frame.stable_service, &frame.canary_service) {
        (Some(stable), Some(canary)) => Some(Sides::Hosts {
            stable: stable.clone(),
            canary: canary.clone(),
        }),
        _ if has_rule => None,
        _ => {
            let text = "without a destinationRule, stableService and canaryService are needed";
            errors.push(PartError::new("destinationRule", text));
            None
        }
    }
}

fn read<T: for<'a> Deserialize<'a>>(
    path: &str,
    value: &Value,
    errors: &mut Vec<PartError>,
) -> Option<T> {
    T::deserialize(value)
        .map_err(|error| errors.push(PartError::new(path, error.to_string())))
        .ok()
}

fn read_affinity(
    path: &str,
    value: &Value,
    errors: &mut Vec<PartError>,
) -> Option<SessionAffinity> {
    let affinity: SessionAffinity = read(path, value, errors)?;
    let name = &affinity.cookie_name;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    if name.is_empty() || !name.chars().all(is_plain) {
        let text = format!("{name:?} is no name of a cookie: letters, digits, _ and -");
        errors.push(PartError::new(&format!("{path}.cookieName"), text));
    }
    Some(affinity)
}

/// What the part says of it and what the rollout says are the same, or one of them is silent.
fn agreed(
    ours: Option<SessionAffinity>,
    frame: &RouterFrame,
    errors: &mut Vec<PartError>,
) -> Option<SessionAffinity> {
    let Some(theirs) = &frame.session_affinity else {
        return ours;
    };
    let theirs = SessionAffinity {
        cookie_name: theirs.cookie_name.clone(),
        max_age_seconds: u32::try_from(theirs.max_age.as_secs()).unwrap_or(u32::MAX),
    };
    if ours.is_some_and(|ours| ours != theirs) {
        let text = "the rollout's own sessionAffinity says otherwise";
        let error = PartError::new("sessionAffinity", text);
        errors.push(error.with_help("leave this one out"));
    }
    Some(theirs)
}

fn read_list(path: &str, value: &Value, errors: &mut Vec<PartError>) -> Vec<VirtualService> {
    let items = value.as_array().cloned().unwrap_or_default();
    if items.is_empty() {
        errors.push(PartError::new(path, "not a list of VirtualServices"));
    }
    let read = |(index, item)| read(&format!("{path}[{index}]"), item, errors);
    items.iter().enumerate().filter_map(read).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    pub(crate) fn hosts(part: Value) -> IstioConfig {
        IstioConfig::parse(&part, &frame(), "prod").unwrap()
    }

    pub(crate) fn subsets() -> IstioConfig {
        let rule = json!({
            "name": "shop", "stableSubsetName": "stable", "canarySubsetName": "canary",
        });
        hosts(json!({"virtualService": {"name": "shop"}, "destinationRule": rule}))
    }

    fn frame() -> RouterFrame {
        let mut frame = RouterFrame::new("shop");
        frame.stable_service = Some("shop".to_owned());
        frame.canary_service = Some("shop-canary".to_owned());
        frame.managed_routes = ["first", "second"].map(str::to_owned).to_vec();
        frame
    }

    #[test]
    fn a_host_is_the_service_by_any_of_its_names_and_no_namesake() {
        let config = hosts(json!({"virtualService": {"name": "shop"}}));
        let side = |host: &str| config.side(&json!({"host": host}));
        for host in [
            "shop",
            "shop.prod",
            "shop.prod.svc",
            "shop.prod.svc.cluster.local",
        ] {
            assert_eq!(side(host), Some(Slot::Stable), "{host}");
        }
        assert_eq!(side("shop-canary.prod.svc"), Some(Slot::Canary));
        for host in [
            "shop.example.com",
            "shop.production.svc",
            "shop.prod.example",
            "shopping",
            "",
        ] {
            assert_eq!(side(host), None, "{host}");
        }
    }

    #[test]
    fn the_rollouts_own_affinity_is_taken_and_is_not_contradicted() {
        let mut frame = frame();
        let affinity = gradatim_core::spec::SessionAffinity::new("trial");
        frame.session_affinity = Some(affinity.with_max_age(Duration::from_secs(60)));
        let parse = |more: Value| {
            let mut part = json!({"virtualService": {"name": "shop"}});
            if !more.is_null() {
                part["sessionAffinity"] = more;
            }
            IstioConfig::parse(&part, &frame, "prod")
        };
        let same = json!({"cookieName": "trial", "maxAgeSeconds": 60});
        for said in [Value::Null, same.clone()] {
            let config = parse(said).unwrap();
            assert!(config.capabilities().session_affinity);
            let ours: SessionAffinity = serde_json::from_value(same.clone()).unwrap();
            assert_eq!(config.session_affinity, Some(ours));
        }
        let errors = parse(json!({"cookieName": "other"})).unwrap_err();
        assert_eq!(errors[0].path.to_string(), "sessionAffinity");
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_path() {
        let paths = |part: Value| {
            let errors = IstioConfig::parse(&part, &RouterFrame::new("shop"), "prod").unwrap_err();
            let paths = errors.iter().map(|error| error.path.to_string());
            paths.collect::<Vec<_>>()
        };
        assert_eq!(paths(json!({})), ["virtualService", "destinationRule"]);
        assert_eq!(paths(json!([])), [""]);
        let part = json!({
            "virtualServices": [{"name": "a"}, {"routes": []}, {"name": "b", "rotues": []}],
            "destinationRule": {"name": "shop"},
            "gateway": 1,
            "sessionAffinity": {"cookieName": "a b"},
        });
        let wanted = [
            "destinationRule",
            "gateway",
            "sessionAffinity.cookieName",
            "virtualServices[1]",
            "virtualServices[2]",
        ];
        let mut found = paths(part);
        found.sort();
        assert_eq!(found, wanted);
    }
}
