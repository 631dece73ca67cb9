//! The kinds that others bring: as much of them as the API server needs to keep their objects.

use std::path::Path;
use std::time::Duration;

use gradatim_kubernetes::Client;
use gradatim_kubernetes::objects::{Kind, Objects, name_of};
use serde_json::{Value, json};

/// Group, kind, plural and version of those whose definitions are made here.
const SERVED: [(&str, &str, &str, &str); 2] = [
    ("argoproj.io", "Rollout", "rollouts", "v1alpha1"),
    ("k8s.nginx.org", "VirtualServer", "virtualservers", "v1"),
];
/// Istio's, as they come with its control plane.
const OF_ISTIO: [&str; 4] = [
    "virtualservices",
    "destinationrules",
    "gateways",
    "serviceentries",
];

/// Makes all kinds, and waits until their objects can be asked for.
pub(super) async fn serve(client: Client, istio: &Path) {
    let kind = Kind::new(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
    );
    let definitions = Objects::everywhere(client, kind);
    let mut wanted = of_istio(istio);
    for (group, kind, plural, version) in SERVED {
        let mut definition = definitions.kind().named(&format!("{plural}.{group}"));
        definition["spec"] = spec(group, kind, plural, version);
        wanted.push(definition);
    }
    for definition in &wanted {
        definitions.create(definition).await.unwrap();
    }
    for definition in &wanted {
        while !is_established(&definitions.get(name_of(definition)).await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn of_istio(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let named = |document: &&str| {
        let mut names = OF_ISTIO.iter();
        names.any(|name| document.contains(&format!("\n  name: {name}.networking.istio.io\n")))
    };
    let read = |document: &str| serde_saphyr::from_str(document).unwrap();
    let found: Vec<Value> = text.split("\n---\n").filter(named).map(read).collect();
    assert_eq!(found.len(), OF_ISTIO.len(), "{}", file.display());
    found
}

fn spec(group: &str, kind: &str, plural: &str, version: &str) -> Value {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "group": group,
        "scope": "Namespaced",
        "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
        "versions": [{
            "name": version, "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": properties(kind), "status": anything},
            }},
            "subresources": {"status": {}},
        }],
    })
}

/// What the API server checks of a kind's objects.
fn properties(kind: &str) -> Value {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    if kind != "VirtualServer" {
        return anything;
    }
    // The F5 controller looks at the sum of the weights, and at each, when it reads an object; here
    // the API server does, so that none is ever written.
    let split = json!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "properties": {"weight": {"type": "integer", "minimum": 0, "maximum": 100}},
        "required": ["weight", "action"],
    });
    let condition = json!({
        "type": "object",
        "properties": {
            "header": {"type": "string", "pattern": "^[-A-Za-z0-9]+$"},
            "cookie": {"type": "string", "pattern": "^[_A-Za-z0-9]+$"},
            "value": {"type": "string", "pattern": r#"^([^"\\]|\\.)*$"#},
        },
        "required": ["value"],
    });
    let one_match = json!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "properties": {"conditions": {"type": "array", "minItems": 1, "items": condition}},
        "required": ["conditions"],
    });
    let splits = json!({
        "type": "array", "minItems": 2, "maxItems": 16, "items": split,
        "x-kubernetes-validations": [{
            "rule": "self.map(one, one.weight).sum() == 100",
            "message": "the sum of the weights of all splits must be equal to 100",
        }],
    });
    let route = json!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "properties": {
            "path": {"type": "string"},
            "splits": splits,
            "matches": {"type": "array", "items": one_match},
        },
    });
    json!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "properties": {"routes": {"type": "array", "maxItems": 32, "items": route}},
    })
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}
