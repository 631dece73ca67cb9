//! What stands in a file and is none of ours: said, and never taken for something else.

use super::cursor::{Problem, Sink, shortened};
use super::extension::EXTENSIONS;
use super::mark::Mark;
use super::suggest;
use super::tree::{Body, Entry, Node};
use crate::spec::{FieldPath, ObjectKind};

/// What a file of kustomize's is called; its kind need not be written.
pub(super) const KUSTOMIZATION: &str = "Kustomization";

/// The prefix of our own annotations.
const OURS: &str = "gradatim.dev/";
/// Argo's annotations that say who is told of what.
const NOTIFICATIONS: &str = "notifications.argoproj.io/subscribe";

const OF_KUSTOMIZE: [&str; 27] = [
    "bases",
    "buildMetadata",
    "commonAnnotations",
    "commonLabels",
    "components",
    "configMapGenerator",
    "configurations",
    "crds",
    "generatorOptions",
    "generators",
    "helmCharts",
    "helmGlobals",
    "images",
    "labels",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "openapi",
    "patches",
    "patchesJson6902",
    "patchesStrategicMerge",
    "replacements",
    "replicas",
    "resources",
    "secretGenerator",
    "transformers",
    "validators",
];

/// What Argo has below `trafficRouting`; whoever routes otherwise need not have pods at all.
const ROUTING_OF_ARGO: [&str; 11] = [
    "alb",
    "ambassador",
    "apisix",
    "appMesh",
    "istio",
    "managedRoutes",
    "maxTrafficWeight",
    "nginx",
    "plugins",
    "smi",
    "traefik",
];

/// Whether a mapping without a kind is a file of kustomize's.
pub(super) fn is_kustomization(root: &Node) -> bool {
    let version = root.text("apiVersion");
    let known = |entry: &Entry| OF_KUSTOMIZE.contains(&entry.key.as_str());
    match &root.body {
        Body::Map(_) if version.is_some_and(|v| v.starts_with("kustomize.config.k8s.io/")) => true,
        Body::Map(entries) => version.is_none() && !entries.is_empty() && entries.iter().all(known),
        _ => false,
    }
}

/// What to do with a mapping that is no object.
pub(super) fn help(root: &Node) -> &'static str {
    let chart = root
        .text("apiVersion")
        .is_some_and(|v| v == "v1" || v == "v2");
    match chart && root.value("version").is_some() {
        true => "this describes a Helm chart; render it: helm template … | gradatim …",
        false => {
            "an object has apiVersion, kind, metadata and spec; values and patches are applied \
             first, by helm template or kustomize build"
        }
    }
}

/// Reports annotations that are ours but for a slip of the finger.
pub(super) fn annotations(root: &Node, sink: &Sink) {
    let known = EXTENSIONS.strip_prefix(OURS).unwrap_or(EXTENSIONS);
    for entry in annotated(root) {
        let near = |name: &str| name != known && suggest::nearest(name, &[known]).is_some();
        if entry.key.strip_prefix(OURS).is_some_and(near) {
            let message = format!(
                "\"{}\" is no annotation of ours; did you mean \"{EXTENSIONS}\"?",
                shortened(&entry.key)
            );
            sink.add(|| problem(annotation(&entry.key), entry.at, message, None));
        }
    }
}

/// What an object says to another program, which does nothing here.
pub(super) fn notes(root: &Node, kind: ObjectKind) -> Vec<Problem> {
    let mut notes: Vec<_> = annotated(root)
        .iter()
        .filter(|entry| entry.key.starts_with(NOTIFICATIONS))
        .map(|entry| {
            let message = "not honoured: Argo's notifications are its own";
            let help = "events go to the notifiers that the program is given";
            problem(
                annotation(&entry.key),
                entry.at,
                message.to_owned(),
                Some(help),
            )
        })
        .collect();
    let whole = |spec: &Node| {
        let pods = spec.value("template").or(spec.value("workloadRef"));
        pods.is_some() || is_routed_elsewhere(spec)
    };
    let spec = root
        .entry("spec")
        .filter(|entry| !entry.value.is_null() && !whole(&entry.value));
    if let (ObjectKind::Rollout, Some(Entry { at, .. })) = (kind, spec) {
        let message = "neither template nor workloadRef: nothing says what its pods are";
        let help = "a patch is applied first: kustomize build … | gradatim …";
        notes.push(problem(
            FieldPath::from("spec"),
            *at,
            message.to_owned(),
            Some(help),
        ));
    }
    notes
}

/// Whether a router that Argo does not have moves the traffic, such as one before fixed servers.
fn is_routed_elsewhere(spec: &Node) -> bool {
    let strategy = spec.value("strategy");
    let canary = strategy.and_then(|strategy| strategy.value("canary"));
    let routing = canary.and_then(|canary| canary.value("trafficRouting"));
    match routing.map(|routing| &routing.body) {
        Some(Body::Map(routers)) => routers
            .iter()
            .any(|router| !ROUTING_OF_ARGO.contains(&router.key.as_str())),
        _ => false,
    }
}

fn annotated(root: &Node) -> &[Entry] {
    let annotations = root
        .value("metadata")
        .and_then(|meta| meta.value("annotations"));
    match annotations.map(|annotations| &annotations.body) {
        Some(Body::Map(entries)) => entries,
        _ => &[],
    }
}

fn annotation(key: &str) -> FieldPath {
    FieldPath::root()
        .key("metadata")
        .key("annotations")
        .key(key)
}

fn problem(path: FieldPath, at: Mark, message: String, help: Option<&str>) -> Problem {
    Problem {
        path,
        at,
        value: None,
        message,
        help: help.map(str::to_owned),
    }
}
