//! What a manifest says below `trafficRouting.plugins.virtualServer`.

use gradatim_core::capability::{Capabilities, HeaderMatchKind, Part};
use gradatim_core::registry::{PartError, RouterFrame};
use serde::Deserialize;
use serde_json::Value;

/// The part `virtualServer` of a manifest's routers, and what it takes from its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VirtualServerConfig {
    /// The rollout's name.
    pub rollout: String,
    /// The Service of the stable version, by which its upstream is known.
    pub stable_service: String,
    /// The Service of the version on trial.
    pub canary_service: String,
    /// The VirtualServers, at least one.
    pub servers: Vec<Server>,
}

/// A VirtualServer, and which of its routes are split.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Routes by their path; without any, the only one that is split between both versions.
    #[serde(default)]
    pub routes: Vec<String>,
}

impl VirtualServerConfig {
    /// Reads the part in its frame.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its path below the part.
    pub fn parse(part: &Value, frame: &RouterFrame) -> Result<Self, Vec<PartError>> {
        let Some(fields) = part.as_object() else {
            return Err(vec![PartError::new("", "not a mapping")]);
        };
        let mut errors = Vec::new();
        let servers = match fields.get("servers") {
            None => read("", part, &mut errors).into_iter().collect(),
            Some(list) => {
                let others = fields.keys().filter(|name| *name != "servers");
                let text = "not beside servers";
                errors.extend(others.map(|name| PartError::new(name, text)));
                several(list, &mut errors)
            }
        };
        for (field, name) in [
            ("stableService", &frame.stable_service),
            ("canaryService", &frame.canary_service),
        ] {
            if name.is_none() {
                let text = format!("the router on VirtualServers needs the rollout's {field}");
                errors.push(PartError::new("", text));
            }
        }
        if frame.max_traffic_weight != 100 {
            let text = "a VirtualServer splits whole percents: maxTrafficWeight is 100";
            errors.push(PartError::new("", text));
        }
        match (&frame.stable_service, &frame.canary_service) {
            (Some(stable), Some(canary)) if errors.is_empty() => Ok(Self {
                rollout: frame.rollout.clone(),
                stable_service: stable.clone(),
                canary_service: canary.clone(),
                servers,
            }),
            _ => Err(errors),
        }
    }

    /// What the router can do so.
    pub fn capabilities(&self) -> Capabilities {
        use HeaderMatchKind::{Exact, Prefix, Regex};
        Capabilities {
            parts: [Part::Split, Part::Headers].into(),
            header_matches: [Exact, Prefix, Regex].into(),
            ..Capabilities::default()
        }
    }
}

fn read(path: &str, value: &Value, errors: &mut Vec<PartError>) -> Option<Server> {
    let read = Server::deserialize(value);
    let server = read.map_err(|error| errors.push(PartError::new(path, error.to_string())));
    let server = server.ok()?;
    if server.name.is_empty() {
        errors.push(PartError::new(path, "the VirtualServer's name is empty"));
    }
    Some(server)
}

fn several(list: &Value, errors: &mut Vec<PartError>) -> Vec<Server> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        errors.push(PartError::new("servers", "not a list of VirtualServers"));
    }
    let read = |(index, item)| read(&format!("servers[{index}]"), item, errors);
    items.iter().enumerate().filter_map(read).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in crate::virtual_server) fn frame() -> RouterFrame {
        let mut frame = RouterFrame::new("shop");
        frame.stable_service = Some("shop".to_owned());
        frame.canary_service = Some("shop-canary".to_owned());
        frame
    }

    #[test]
    fn one_server_or_several_are_read() {
        let one = VirtualServerConfig::parse(&json!({"name": "shop"}), &frame()).unwrap();
        assert_eq!(one.servers.len(), 1);
        let part = json!({"servers": [{"name": "shop", "routes": ["/"]}, {"name": "mobile"}]});
        let two = VirtualServerConfig::parse(&part, &frame()).unwrap();
        assert_eq!(two.servers[0].routes, ["/"]);
        assert_eq!(two.servers[1].name, "mobile");
        // Only the commercial controller has cookies of its own: a plan that wants them is refused.
        assert!(!two.capabilities().session_affinity);
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_path() {
        let paths = |part: Value, frame: &RouterFrame| {
            let errors = VirtualServerConfig::parse(&part, frame).unwrap_err();
            let mut paths: Vec<String> = errors.iter().map(|it| it.path.to_string()).collect();
            paths.sort();
            paths
        };
        let mut small = RouterFrame::new("shop");
        small.max_traffic_weight = 1000;
        assert_eq!(paths(json!({"name": "shop"}), &small), ["", "", ""]);
        assert_eq!(paths(json!([]), &frame()), [""]);
        assert_eq!(paths(json!({"route": "/"}), &frame()), [""]);
        assert_eq!(paths(json!({"name": ""}), &frame()), [""]);
        let part = json!({"name": "a", "servers": [{"name": "b"}, {"routes": []}]});
        assert_eq!(paths(part, &frame()), ["name", "servers[1]"]);
        assert_eq!(paths(json!({"servers": []}), &frame()), ["servers"]);
    }
}
