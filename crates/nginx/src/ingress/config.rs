//! What a manifest says below `trafficRouting.nginx`.

use std::collections::BTreeMap;

use gradatim_core::capability::{Capabilities, HeaderMatchKind, Part};
use gradatim_core::registry::{PartError, RouterFrame};
use gradatim_core::spec::SessionAffinity;
use serde_json::Value;

/// Where the community controller's annotations stand if nothing else is said.
const PREFIX: &str = "nginx.ingress.kubernetes.io";
/// What keeps clients with the canary.
pub(super) const AFFINITY: [&str; 4] = [
    "affinity",
    "affinity-canary-behavior",
    "session-cookie-name",
    "session-cookie-max-age",
];

/// The part `nginx` of a manifest's `trafficRouting`, and what it takes from its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IngressConfig {
    /// The rollout's name.
    pub rollout: String,
    /// The Service of the stable version, to which the rules lead.
    pub stable_service: String,
    /// The Service of the version on trial.
    pub canary_service: String,
    /// What a split sums to; 100 or more.
    pub total: u32,
    /// What the annotations begin with. Default `nginx.ingress.kubernetes.io`.
    pub annotation_prefix: String,
    /// The Ingresses of the stable version, at least one.
    pub stable_ingresses: Vec<String>,
    /// More annotations for the canary Ingress; the prefix is added where it is missing.
    pub additional_ingress_annotations: BTreeMap<String, String>,
    /// More annotations for the canary Ingress, as they are.
    pub canary_ingress_annotations: BTreeMap<String, String>,
    /// How a client that saw the version on trial is kept with it; none where every request is
    /// drawn anew.
    pub session_affinity: Option<SessionAffinity>,
}

impl IngressConfig {
    /// Reads the part in its frame.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its path below the part.
    pub fn parse(part: &Value, frame: &RouterFrame) -> Result<Self, Vec<PartError>> {
        let mut reader = Reader::default();
        let Some(fields) = part.as_object() else {
            return Err(vec![PartError::new("", "not a mapping")]);
        };
        let mut config = Self {
            rollout: frame.rollout.clone(),
            stable_service: reader.service("stableService", &frame.stable_service),
            canary_service: reader.service("canaryService", &frame.canary_service),
            total: frame.max_traffic_weight,
            annotation_prefix: PREFIX.to_owned(),
            stable_ingresses: Vec::new(),
            additional_ingress_annotations: BTreeMap::new(),
            canary_ingress_annotations: BTreeMap::new(),
            session_affinity: frame.session_affinity.clone(),
        };
        for (name, value) in fields {
            match name.as_str() {
                "annotationPrefix" => config.annotation_prefix = reader.text(name, value),
                "stableIngress" => config.stable_ingresses.push(reader.text(name, value)),
                "stableIngresses" => config.stable_ingresses.extend(reader.texts(name, value)),
                "additionalIngressAnnotations" => {
                    config.additional_ingress_annotations = reader.map(name, value);
                }
                "canaryIngressAnnotations" => {
                    config.canary_ingress_annotations = reader.map(name, value);
                }
                _ => reader.wrong(name, "the NGINX router knows no such field"),
            }
        }
        config.check(fields.contains_key("stableIngress"), &mut reader);
        match reader.errors.is_empty() {
            true => Ok(config),
            false => Err(reader.errors),
        }
    }

    fn check(&self, has_one: bool, reader: &mut Reader) {
        match self.stable_ingresses.len() {
            0 => reader.wrong(
                "stableIngress",
                "the Ingress of the stable version is missing",
            ),
            count if has_one && count > 1 => {
                reader.wrong("stableIngresses", "not together with stableIngress");
            }
            _ => {}
        }
        let own = AFFINITY
            .iter()
            .find(|name| self.annotations().contains_key(&self.key(name)));
        if let (Some(own), Some(_)) = (own, &self.session_affinity) {
            let text = format!("the annotation {own} is what the rollout's sessionAffinity writes");
            reader
                .errors
                .push(PartError::new("", text).with_help("leave one of them out"));
        }
        if self.total < 100 {
            let text = "the controller takes a maxTrafficWeight below 100 for 100";
            let help = "leave it out, or give 100 or more";
            reader.errors.push(PartError::new("", text).with_help(help));
        }
    }

    /// What the router can do so.
    pub fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities {
            parts: [Part::Split].into(),
            grain: self.total,
            session_affinity: true,
            ..Capabilities::default()
        };
        if !self.has_own_header() {
            use HeaderMatchKind::{Exact, Regex};
            capabilities.parts.insert(Part::Headers);
            capabilities.header_matches = [Exact, Regex].into();
        }
        capabilities
    }

    /// Whether the manifest itself says which header leads to the canary; then it is not ours.
    pub(super) fn has_own_header(&self) -> bool {
        self.annotations()
            .keys()
            .any(|key| key.starts_with(&self.key("canary-by-header")))
    }

    /// Whether the manifest itself says which cookie leads to the canary.
    pub(super) fn has_own_cookie(&self) -> bool {
        self.annotations()
            .contains_key(&self.key("canary-by-cookie"))
    }

    /// An annotation's key under the prefix.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.annotation_prefix)
    }

    /// The annotations that the manifest asks for.
    pub(super) fn annotations(&self) -> BTreeMap<String, String> {
        let prefixed = |key: &String| match key.starts_with(&self.annotation_prefix) {
            true => key.clone(),
            false => self.key(key),
        };
        let additional = self.additional_ingress_annotations.iter();
        let mut all: BTreeMap<_, _> = additional
            .map(|(key, value)| (prefixed(key), value.clone()))
            .collect();
        all.extend(self.canary_ingress_annotations.clone());
        all
    }
}

/// Reads fields and keeps what is wrong.
#[derive(Default)]
struct Reader {
    errors: Vec<PartError>,
}

impl Reader {
    fn wrong(&mut self, path: &str, what: &str) {
        self.errors.push(PartError::new(path, what));
    }

    fn service(&mut self, field: &str, name: &Option<String>) -> String {
        if name.is_none() {
            self.wrong("", &format!("the NGINX router needs the rollout's {field}"));
        }
        name.clone().unwrap_or_default()
    }

    fn text(&mut self, path: &str, value: &Value) -> String {
        match value.as_str() {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => {
                let error = PartError::new(path, "not a text").with_value(value.to_string());
                self.errors.push(error);
                String::new()
            }
        }
    }

    fn texts(&mut self, path: &str, value: &Value) -> Vec<String> {
        let Some(items) = value.as_array() else {
            self.wrong(path, "not a list");
            return Vec::new();
        };
        let read = |(index, item)| self.text(&format!("{path}[{index}]"), item);
        items.iter().enumerate().map(read).collect()
    }

    fn map(&mut self, path: &str, value: &Value) -> BTreeMap<String, String> {
        let Some(fields) = value.as_object() else {
            self.wrong(path, "not a mapping");
            return BTreeMap::new();
        };
        let read = |(key, value): (&String, &Value)| {
            (key.clone(), self.text(&format!("{path}[\"{key}\"]"), value))
        };
        fields.iter().map(read).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in crate::ingress) fn frame() -> RouterFrame {
        let mut frame = RouterFrame::new("shop");
        frame.stable_service = Some("shop".to_owned());
        frame.canary_service = Some("shop-canary".to_owned());
        frame
    }

    #[test]
    fn annotations_get_the_prefix_where_it_is_missing() {
        let part = json!({
            "stableIngress": "shop",
            "annotationPrefix": "custom.example",
            "additionalIngressAnnotations": {"affinity": "cookie", "custom.example/x": "1"},
            "canaryIngressAnnotations": {"my-own": "2", "custom.example/x": "3"},
        });
        let config = IngressConfig::parse(&part, &frame()).unwrap();
        let wanted = [
            ("custom.example/affinity", "cookie"),
            ("custom.example/x", "3"),
            ("my-own", "2"),
        ];
        let wanted = wanted.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(config.annotations(), wanted.into());
        assert!(config.capabilities().carries(Part::Headers));
    }

    #[test]
    fn a_header_that_the_manifest_names_is_not_the_routers() {
        let part = json!({
            "stableIngress": "shop",
            "additionalIngressAnnotations": {"canary-by-header": "X-Canary"},
        });
        let config = IngressConfig::parse(&part, &frame()).unwrap();
        assert!(!config.capabilities().carries(Part::Headers));
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_path() {
        let part = json!({
            "stableIngresses": ["shop", 7],
            "stableIngress": "other",
            "annotationPrefix": "",
            "canaryIngressAnnotations": {"a": true},
            "servicePort": 80,
        });
        let mut small = RouterFrame::new("shop");
        small.max_traffic_weight = 50;
        let errors = IngressConfig::parse(&part, &small).unwrap_err();
        let paths: Vec<String> = errors.iter().map(|error| error.path.to_string()).collect();
        let wanted = [
            "",
            "",
            "annotationPrefix",
            "canaryIngressAnnotations.a",
            "servicePort",
            "stableIngresses[1]",
            "stableIngresses",
            "",
        ];
        let (mut paths, mut wanted) = (paths, wanted.map(str::to_owned).to_vec());
        paths.sort();
        wanted.sort();
        assert_eq!(paths, wanted);
        let none = IngressConfig::parse(&json!({}), &frame()).unwrap_err();
        assert_eq!(none[0].path.to_string(), "stableIngress");
        assert!(IngressConfig::parse(&Value::Null, &frame()).is_err());
    }
}
