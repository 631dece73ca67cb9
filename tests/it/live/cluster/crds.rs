//! The kinds that others bring: as much of them as the API server needs to keep their objects.

use std::time::Duration;

use gradatim_kubernetes::Client;
use gradatim_kubernetes::objects::{Kind, Objects};
use serde_json::{Value, json};

/// Group, kind, plural, and the versions that are served, the stored one first.
const SERVED: [(&str, &str, &str, &[&str]); 3] = [
    ("argoproj.io", "Rollout", "rollouts", &["v1alpha1"]),
    (
        "networking.istio.io",
        "VirtualService",
        "virtualservices",
        &ISTIO,
    ),
    (
        "networking.istio.io",
        "DestinationRule",
        "destinationrules",
        &ISTIO,
    ),
];
const ISTIO: [&str; 3] = ["v1", "v1beta1", "v1alpha3"];

/// Makes all kinds, and waits until their objects can be asked for.
pub(super) async fn serve(client: Client) {
    let kind = Kind::new(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
    );
    let definitions = Objects::everywhere(client, kind);
    for (group, kind, plural, versions) in SERVED {
        let name = format!("{plural}.{group}");
        let mut definition = definitions.kind().named(&name);
        definition["spec"] = spec(group, kind, plural, versions);
        definitions.create(&definition).await.unwrap();
        while !is_established(&definitions.get(&name).await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn spec(group: &str, kind: &str, plural: &str, versions: &[&str]) -> Value {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let versions = versions.iter().enumerate().map(|(index, version)| {
        json!({
            "name": version, "served": true, "storage": index == 0,
            "schema": {"openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": anything, "status": anything},
            }},
            "subresources": {"status": {}},
        })
    });
    json!({
        "group": group,
        "scope": "Namespaced",
        "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
        "versions": versions.collect::<Vec<_>>(),
    })
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}
