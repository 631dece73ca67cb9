//! A play as it was written, and the manifests that it means.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gradatim_core::compile;
use gradatim_core::plan::Compiled;
use gradatim_core::spec::RolloutSpec;
use gradatim_core::yaml::read;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::routers::registry;

/// One play.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    #[serde(skip)]
    pub(super) name: String,
    /// What it is to show.
    #[serde(rename = "shows")]
    _shows: String,
    /// The `spec` of the rollout; selector and pods are filled in.
    pub(super) rollout: Map<String, Value>,
    #[serde(default)]
    pub(super) services: Vec<String>,
    /// `nginx`, `istio-host`, `istio-subset`, or none.
    #[serde(default)]
    pub(super) router: String,
    #[serde(default)]
    templates: BTreeMap<String, Value>,
    /// How pods behave, by version.
    #[serde(default)]
    pub(super) pods: BTreeMap<String, Pods>,
    #[serde(default)]
    pub(super) metrics: BTreeMap<String, Script>,
    pub(super) events: Vec<Event>,
    /// The facts that end it.
    #[serde(default)]
    pub(super) until: Map<String, Value>,
    /// Seconds played after that.
    #[serde(default = "settle")]
    pub(super) settle: f64,
    #[serde(default, rename = "timeout")]
    _timeout: Option<f64>,
    /// Tracks that are not compared.
    #[serde(default)]
    pub(super) ignore: Vec<String>,
    /// Why they are not.
    #[serde(default, rename = "racy")]
    _racy: Option<String>,
}

fn settle() -> f64 {
    2.0
}

/// How a version's pods behave.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pods {
    pub(super) ready_after: Option<f64>,
    pub(super) ready: Option<bool>,
    pub(super) limit: Option<u32>,
}

/// What a metric says: always the same, or one value for each question and then the last one.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Script {
    One { value: Value },
    Each { values: Vec<Value> },
}

/// An operator's order, and when it is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    /// The facts that must hold.
    #[serde(default)]
    pub(super) when: Map<String, Value>,
    /// Seconds after that.
    #[serde(default = "soon")]
    pub(super) after: f64,
    /// A word, or a word with what it takes.
    #[serde(rename = "do")]
    pub(super) order: Value,
}

fn soon() -> f64 {
    0.3
}

impl Scenario {
    pub(super) fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap();
        let mut scenario: Self = serde_saphyr::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        scenario.name = file.file_stem().unwrap().to_string_lossy().into_owned();
        scenario
    }

    /// The rollout with its plan, after a change to its spec.
    pub(super) fn compiled(
        &self,
        change: Option<&Value>,
    ) -> Result<(RolloutSpec, Compiled), String> {
        let reading = read(&[("scenario", self.manifests(change).to_string())]);
        assert!(
            reading.errors.is_empty(),
            "{}: {:#?}",
            self.name,
            reading.errors
        );
        let manifests = reading.manifests;
        let [spec] = manifests.rollouts.as_slice() else {
            panic!("{}: one rollout", self.name)
        };
        let compiled = compile(spec, &manifests.templates, &registry(&self.router));
        let compiled = compiled.map_err(|errors| errors.to_string())?;
        Ok((spec.clone(), compiled))
    }

    fn manifests(&self, change: Option<&Value>) -> Value {
        let object = |kind: &str, name: &str, spec: &Value| {
            let version = "argoproj.io/v1alpha1";
            json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
        };
        let labels = json!({"app": "app"});
        let pods = json!({"metadata": {"labels": &labels}, "spec": {"containers": [{"name": "app", "image": "demo:v1"}]}});
        let mut spec = json!({"selector": {"matchLabels": &labels}, "template": pods});
        merge(&mut spec, &Value::Object(self.rollout.clone()));
        if let Some(change) = change {
            merge(&mut spec, change);
        }
        let templates = self.templates.iter();
        let templates = templates.map(|(name, spec)| object("AnalysisTemplate", name, spec));
        let items: Vec<_> = templates.chain([object("Rollout", "app", &spec)]).collect();
        json!({"apiVersion": "v1", "kind": "List", "items": items})
    }
}

/// A merge patch.
fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}
