//! The objects of a delivery, field by field, beside what Argo Rollouts would have written.
//!
//! What Argo writes is made here from the user's own objects by the rules that it is known by. A
//! field that differs must be in the table `Objects` of `docs/differences.md`, and what is in that
//! table must differ.

use std::collections::{BTreeMap, BTreeSet};

use gradatim_kubernetes::names::{DESIRED_REPLICAS, MANAGED_BY, REVISION};
use gradatim_kubernetes::objects::{merged, name_of};
use gradatim_kubernetes::owner::Owner;

use super::*;

/// A kind of object, and a field without the places in lists.
type Field = (String, String);

/// What stands in one moment of a delivery.
struct Moment<'a> {
    scene: &'a Scene,
    /// The user's objects as they were before.
    before: &'a BTreeMap<String, Value>,
    /// The revision behind the stable and the canary slot.
    slots: [&'a str; 2],
    weight: u32,
    /// The ReplicaSets by revision: its number, its pods, and whether it waits to be scaled down
    /// or was.
    sets: Vec<(&'a str, &'a str, u32, bool)>,
    /// The containers of each revision, as the user has written them.
    containers: &'a BTreeMap<String, Value>,
}

impl Moment<'_> {
    /// Every field in which an object differs from Argo's.
    async fn differences(&self) -> BTreeSet<Field> {
        let mut all = BTreeSet::new();
        for (objects, wanted) in self.argos().await {
            let ours = objects.get(name_of(&wanted)).await.unwrap();
            all.extend(differences(&wanted, &ours));
        }
        all
    }

    async fn argos(&self) -> Vec<(Objects, Value)> {
        let mut all = self.replica_sets().await;
        let world = &self.scene.world;
        let [stable, canary] = self.slots;
        let patched = |name: &str, patch: Value| merged(&self.before[name], &patch);
        if self.before.contains_key("Service shop") {
            let services = || world.objects("v1", "Service", "services");
            for (name, hash) in [("shop", stable), ("shop-canary", canary)] {
                let patch = json!({
                    "metadata": {"annotations": {MANAGED_BY: "shop"}},
                    "spec": {"selector": {POD_TEMPLATE_HASH: hash}},
                });
                all.push((services(), patched(&format!("Service {name}"), patch)));
            }
            all.push((ingresses(world), self.canary_ingress().await));
        }
        if self.before.contains_key("DestinationRule shop") {
            let mut rule = patched(
                "DestinationRule shop",
                json!({"metadata": {"annotations": {MANAGED_BY: "shop"}}}),
            );
            for (place, hash) in [stable, canary].into_iter().enumerate() {
                rule["spec"]["subsets"][place]["labels"][POD_TEMPLATE_HASH] = hash.into();
            }
            all.push((rules(world), rule));
            let mut service = self.before["VirtualService shop"].clone();
            let route = &mut service["spec"]["http"][0]["route"];
            route[0]["weight"] = (100 - self.weight).into();
            route[1]["weight"] = self.weight.into();
            all.push((virtual_services(world), service));
        }
        // Argo counts the revisions on the Rollout itself.
        let newest = self.sets.iter().map(|(_, number, ..)| *number).max();
        let rollout = json!({"metadata": {"annotations": {REVISION: newest}}});
        let now = rollouts(world).get("shop").await.unwrap();
        all.push((rollouts(world), merged(&now, &rollout)));
        all
    }

    async fn replica_sets(&self) -> Vec<(Objects, Value)> {
        let world = &self.scene.world;
        let sets = || world.objects("apps/v1", "ReplicaSet", "replicasets");
        let rollout = rollouts(world).get("shop").await.unwrap();
        let mut all = Vec::new();
        for (hash, number, replicas, goes) in &self.sets {
            let labels = json!({"app": "shop", POD_TEMPLATE_HASH: hash});
            let mut template = rollout["spec"]["template"].clone();
            template["metadata"]["labels"] = labels.clone();
            template["spec"]["containers"] = self.containers[*hash].clone();
            let mut set = sets().kind().named("trial");
            set["metadata"]["labels"] = labels.clone();
            set["metadata"]["annotations"] = json!({REVISION: number, DESIRED_REPLICAS: "4"});
            if *goes {
                set["metadata"]["annotations"]["scale-down-deadline"] = "an instant".into();
            }
            set["metadata"]["ownerReferences"] = json!([Owner::of(&rollout).unwrap().reference()]);
            let selector = json!({"matchLabels": labels});
            set["spec"] = json!({"replicas": replicas, "selector": selector, "template": template});
            let mut set = sets().rehearse(&set).await.unwrap();
            set["metadata"]["name"] = format!("shop-{hash}").into();
            all.push((sets(), set));
        }
        all
    }

    async fn canary_ingress(&self) -> Value {
        let world = &self.scene.world;
        let rollout = rollouts(world).get("shop").await.unwrap();
        let mut canary = ingresses(world).kind().named("trial");
        let prefix = "nginx.ingress.kubernetes.io";
        canary["metadata"]["annotations"] = json!({
            format!("{prefix}/canary"): "true",
            format!("{prefix}/canary-weight"): self.weight.to_string(),
        });
        canary["metadata"]["ownerReferences"] = json!([Owner::of(&rollout).unwrap().reference()]);
        canary["spec"] = self.before["Ingress web"]["spec"].clone();
        let backend = "/spec/rules/0/http/paths/0/backend/service/name";
        *canary.pointer_mut(backend).unwrap() = "shop-canary".into();
        let mut canary = ingresses(world).rehearse(&canary).await.unwrap();
        canary["metadata"]["name"] = "shop-web-canary".into();
        canary
    }
}

/// The fields in which two objects differ; what the server alone writes is none.
fn differences(one: &Value, other: &Value) -> BTreeSet<Field> {
    let kind = one["kind"].as_str().unwrap().to_owned();
    let (one, other) = (fields(one), fields(other));
    let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differ = names
        .into_iter()
        .filter(|name| one.get(*name) != other.get(*name));
    differ
        .map(|name| {
            let plain = name.split('.').filter(|part| part.parse::<u32>().is_err());
            let plain = plain.collect::<Vec<_>>().join(".").replace('\u{0}', ".");
            (kind.clone(), plain)
        })
        .collect()
}

fn fields(object: &Value) -> BTreeMap<String, Value> {
    const SERVERS: [&str; 6] = [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "generation",
        "namespace",
    ];
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove("status");
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.retain(|field, _| !field.starts_with("clusterIP"));
    }
    let metadata = object["metadata"].as_object_mut().unwrap();
    SERVERS
        .iter()
        .for_each(|field| drop(metadata.remove(*field)));
    let mut all = BTreeMap::new();
    flatten("", &object, &mut all);
    all
}

fn flatten(at: &str, value: &Value, all: &mut BTreeMap<String, Value>) {
    let mut below = |key: &str, value: &Value| {
        // A dot in a key is no step.
        let key = key.replace('.', "\u{0}");
        let at = if at.is_empty() {
            key
        } else {
            format!("{at}.{key}")
        };
        flatten(&at, value, all);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| below(key, value)),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(place, value)| below(&place.to_string(), value));
        }
        Value::Null => {}
        plain => drop(all.insert(at.to_owned(), plain.clone())),
    }
}

/// The table `Objects` of `docs/differences.md`.
fn listed() -> BTreeSet<Field> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/differences.md");
    let text = std::fs::read_to_string(path).unwrap();
    let table = text.split("\n## Objects\n").nth(1).expect("no such table");
    let table = table.split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let mut cell = || cells.next().unwrap().trim_matches('`').to_owned();
        (cell(), cell())
    })
    .collect()
}

/// The user's objects, by kind and name.
async fn users(world: &Namespace, which: &[&str]) -> BTreeMap<String, Value> {
    let services = world.objects("v1", "Service", "services");
    let kinds = [
        services,
        ingresses(world),
        virtual_services(world),
        rules(world),
    ];
    let mut all = BTreeMap::new();
    for objects in kinds {
        for object in objects.list("").await.unwrap() {
            let name = format!("{} {}", objects.kind().name(), name_of(&object));
            if which.iter().any(|kind| name.starts_with(kind)) {
                all.insert(name, object);
            }
        }
    }
    all
}

/// Delivers a first and a second version, and looks at the pause and at the end.
async fn delivered(manifest: &str, roles: &[&str], kinds: &[&str], trial: u32) -> BTreeSet<Field> {
    let Some(cluster) = Cluster::shared().await else {
        return listed();
    };
    let other = cluster.namespace().await;
    make_routes(&other).await;
    // The same objects as in the namespace of the delivery, but for who looks after them.
    let before = users(&other, kinds).await;
    let scene = Scene::set(&cluster, manifest, roles).await;
    scene.outcome().await;
    let first = scene.serves_alone().await;
    scene.want("shop:2").await;
    scene.pauses_at(50).await;
    let sets = scene.world.objects("apps/v1", "ReplicaSet", "replicasets");
    let hash = |set: &Value| set["metadata"]["labels"][POD_TEMPLATE_HASH].clone();
    let all = sets.list("app=shop").await.unwrap();
    let mut others = all.iter().map(hash).filter(|hash| *hash != first.as_str());
    let second = others.next().unwrap().as_str().unwrap().to_owned();
    let written: Value = serde_saphyr::from_str(manifest).unwrap();
    let written = written["spec"]["template"]["spec"]["containers"].clone();
    let wanted = json!([{"name": "shop", "image": "shop:2"}]);
    let containers = BTreeMap::from([(first.clone(), written), (second.clone(), wanted)]);
    let mut moment = Moment {
        scene: &scene,
        before: &before,
        slots: [&first, &second],
        weight: 50,
        sets: vec![(&first, "1", 4, false), (&second, "2", trial, false)],
        containers: &containers,
    };
    let mut differ = moment.differences().await;
    scene.release.order(OrderKind::Promote).await.unwrap();
    scene.outcome().await;
    scene.serves_alone().await;
    moment.slots = [&second, &second];
    moment.weight = 0;
    moment.sets = vec![(&first, "1", 0, true), (&second, "2", 4, false)];
    differ.extend(moment.differences().await);
    differ
}

#[tokio::test]
async fn every_field_that_differs_from_argos_is_listed() {
    let on_ingress = delivered(
        ON_INGRESS,
        &[services::ROLE, ingress::ROLE],
        &["Service", "Ingress"],
        2,
    );
    let roles = [gradatim_istio::ROLE];
    let kinds = ["VirtualService", "DestinationRule"];
    let on_subsets = delivered(ON_SUBSETS, &roles, &kinds, 1);
    let (on_ingress, on_subsets) = futures::join!(on_ingress, on_subsets);
    let differ: BTreeSet<Field> = on_ingress.union(&on_subsets).cloned().collect();
    let listed = listed();
    let unlisted: Vec<_> = differ.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&differ).collect();
    assert!(
        unlisted.is_empty(),
        "not in docs/differences.md: {unlisted:#?}"
    );
    assert!(gone.is_empty(), "differs no more: {gone:#?}");
}
