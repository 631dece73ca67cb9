//! Manifests of Argo Rollouts as they are, delivered on a real API server: driver, store, workload
//! and routers of ours, each with its own least Role, and a kubelet that this test plays.

mod deployments;
mod faults;
mod fields;
mod quiet;

use std::sync::Arc;
use std::time::Duration;

use gradatim_core::capability::Capabilities;
use gradatim_core::compile;
use gradatim_core::decision::{Phase, Summary};
use gradatim_core::order::OrderKind;
use gradatim_core::port::Workload;
use gradatim_core::registry::{Registry, SERVICES};
use gradatim_core::yaml;
use gradatim_driver::{Driver, Outcome, Ports, Release};
use gradatim_istio::IstioConfig;
use gradatim_kubernetes::Client;
use gradatim_kubernetes::names::POD_TEMPLATE_HASH;
use gradatim_kubernetes::objects::Objects;
use gradatim_kubernetes::owner::Owner;
use gradatim_kubernetes::replica_sets::{self, ReplicaSets};
use gradatim_kubernetes::services;
use gradatim_kubernetes::store::{self, KubeStore};
use gradatim_nginx::ingress::{self, IngressConfig};
use serde_json::{Value, json};

use super::cluster::kubelet::Kubelet;
use super::cluster::{Cluster, Namespace};
use super::no_secrets;

pub(super) const ON_INGRESS: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  replicas: 4
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: 'shop:1', ports: [{containerPort: 8080}]}]}
  strategy:
    canary:
      stableService: shop
      canaryService: shop-canary
      scaleDownDelaySeconds: 1
      abortScaleDownDelaySeconds: 1
      trafficRouting:
        nginx: {stableIngress: web}
      steps:
      - setWeight: 25
      - pause: {duration: 1s}
      - setWeight: 50
      - pause: {}
";

pub(super) const ON_SUBSETS: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  replicas: 4
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: 'shop:1'}]}
  strategy:
    canary:
      scaleDownDelaySeconds: 1
      abortScaleDownDelaySeconds: 1
      trafficRouting:
        managedRoutes: [{name: trial}]
        istio:
          virtualService: {name: shop, routes: [main]}
          destinationRule: {name: shop, canarySubsetName: canary, stableSubsetName: stable}
      steps:
      - setCanaryScale: {weight: 25}
      - setHeaderRoute: {name: trial, match: [{headerName: X-Trial, headerValue: {exact: 'yes'}}]}
      - setWeight: 25
      - setHeaderRoute: {name: trial}
      - setWeight: 50
      - pause: {}
";

/// A rollout under way.
struct Scene {
    world: Namespace,
    release: Release,
    _driver: Driver,
    _kubelet: Kubelet,
}

impl Scene {
    async fn set(cluster: &Arc<Cluster>, manifest: &str, user: &[&str]) -> Self {
        let world = cluster.namespace().await;
        let roles = [&[store::ROLE, replica_sets::ROLE], user].concat();
        let client = world.user(&roles).await;
        Self::by(world, client, manifest).await
    }

    /// Delivered by somebody who goes this way to the API server.
    async fn by(world: Namespace, client: Client, manifest: &str) -> Self {
        let kubelet = prepared(&world, manifest).await;
        let driven = drive(client, &world.name, manifest).await;
        Self::under_way(world, kubelet, driven)
    }

    fn under_way(world: Namespace, kubelet: Kubelet, (driver, release): (Driver, Release)) -> Self {
        Self {
            world,
            release,
            _driver: driver,
            _kubelet: kubelet,
        }
    }

    /// Waits until the rollout says so.
    async fn until(&self, what: &str, holds: impl Fn(Phase, &Summary) -> bool) {
        let mut status = self.release.watch();
        let said = status.wait_for(|status| holds(status.decision.phase, &status.decision.summary));
        let reached = tokio::time::timeout(Duration::from_secs(120), said).await;
        let is_reached = reached.is_ok_and(|reached| reached.is_ok());
        assert!(
            is_reached,
            "not {what}: {:#?}",
            self.release.status().decision
        );
    }

    async fn pauses_at(&self, weight: u32) {
        let at = |phase, it: &Summary| phase == Phase::Paused && it.weight_seen == Some(weight);
        self.until(&format!("paused at {weight}"), at).await;
    }

    /// The driver itself sees that something else is wanted.
    async fn want(&self, image: &str) {
        let patch = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "shop", "image": image},
        ]}}}});
        rollouts(&self.world).merge("shop", &patch).await.unwrap();
    }

    async fn outcome(&self) -> Outcome {
        let ended = tokio::time::timeout(Duration::from_secs(120), self.release.outcome()).await;
        let status = || format!("no end: {:#?}", self.release.status().decision);
        ended.unwrap_or_else(|_| panic!("{}", status()))
    }

    /// How many pods each revision that has any is asked for.
    async fn pods(&self) -> Vec<(String, u64)> {
        let sets = self.world.objects("apps/v1", "ReplicaSet", "replicasets");
        let sets = sets.list("app=shop").await.unwrap();
        let pods = sets.iter().map(|set| {
            let hash = set["metadata"]["labels"][POD_TEMPLATE_HASH]
                .as_str()
                .unwrap();
            (hash.to_owned(), set["spec"]["replicas"].as_u64().unwrap())
        });
        pods.filter(|(_, pods)| *pods > 0).collect()
    }

    /// Waits until the old side's pods are gone and all four are of one revision.
    async fn serves_alone(&self) -> String {
        let alone = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                if let [(hash, 4)] = self.pods().await.as_slice() {
                    return hash.clone();
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        match alone.await {
            Ok(hash) => hash,
            Err(_) => panic!("the other side stays: {:?}", self.pods().await),
        }
    }

    /// A good version to its end, then one that is taken back; the revisions that stay.
    async fn delivers_and_takes_back(&self) -> [String; 2] {
        self.delivers_and_takes_back_till(|| {}).await
    }

    /// The same; all is well again at the end, when it is looked whether anything is written.
    async fn delivers_and_takes_back_till(&self, mend: impl FnOnce()) -> [String; 2] {
        let promoted = |outcome: &Outcome| matches!(outcome, Outcome::Promoted { .. });
        let outcome = self.outcome().await;
        assert!(promoted(&outcome), "{outcome:?}");
        let first = self.serves_alone().await;
        self.want("shop:2").await;
        self.pauses_at(50).await;
        self.release.order(OrderKind::Promote).await.unwrap();
        let outcome = self.outcome().await;
        assert!(promoted(&outcome), "{outcome:?}");
        let second = self.serves_alone().await;
        assert_ne!(first, second);
        self.want("shop:3").await;
        self.pauses_at(50).await;
        self.release.order(OrderKind::Abort).await.unwrap();
        let outcome = self.outcome().await;
        assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome:?}");
        assert_eq!(self.serves_alone().await, second);
        mend();
        self.is_quiet().await;
        [first, second]
    }

    /// With nothing new nothing is written, whoever asks for a round.
    async fn is_quiet(&self) {
        let mut before = Vec::new();
        // The last pods go, and what follows is saved.
        for _ in 0..40 {
            let now = self.versions().await;
            if now == before {
                break;
            }
            before = now;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        for _ in 0..5 {
            self.release.outcome().await;
        }
        assert_eq!(self.versions().await, before);
    }

    /// The version of every object that is written here.
    async fn versions(&self) -> Vec<Value> {
        let maps = self.world.objects("v1", "ConfigMap", "configmaps");
        let sets = self.world.objects("apps/v1", "ReplicaSet", "replicasets");
        let services = self.world.objects("v1", "Service", "services");
        let routes = [
            ingresses(&self.world),
            virtual_services(&self.world),
            rules(&self.world),
        ];
        let mut versions = Vec::new();
        for kind in [maps, sets, services, rollouts(&self.world)]
            .iter()
            .chain(&routes)
        {
            let all = kind.list("").await.unwrap();
            versions.extend(
                all.iter()
                    .map(|it| it["metadata"]["resourceVersion"].clone()),
            );
        }
        versions
    }
}

/// What stands there before anybody delivers: pods that start, routes, and the rollout.
async fn prepared(world: &Namespace, manifest: &str) -> Kubelet {
    let kubelet = Kubelet::of(world);
    make_routes(world).await;
    let rollout: Value = serde_saphyr::from_str(manifest).unwrap();
    rollouts(world).create(&rollout).await.unwrap();
    kubelet
}

async fn drive(client: Client, namespace: &str, manifest: &str) -> (Driver, Release) {
    let kind = ReplicaSets::rollout();
    let workload = ReplicaSets::of(client.clone(), namespace, kind, "shop")
        .await
        .unwrap();
    let owner = workload.owner().await.unwrap();
    drive_on(Arc::new(workload), owner, client, namespace, manifest).await
}

async fn drive_on(
    workload: Arc<dyn Workload>,
    owner: Owner,
    client: Client,
    namespace: &str,
    manifest: &str,
) -> (Driver, Release) {
    let registry = registry(&client, namespace);
    let reading = yaml::read(&[("shop.yaml", manifest)]);
    let manifests = reading.manifests;
    let compiled = compile(&manifests.rollouts[0], &manifests.templates, &registry).unwrap();
    assert_eq!(compiled.warnings, []);
    let kept = KubeStore::new(client, namespace).rollout("shop");
    let ports = Ports::new(workload, Arc::new(kept.owned_by(owner)));
    let ports = ports.backends(&compiled, &registry, &no_secrets()).unwrap();
    let driver = Driver::new();
    let release = driver.start("shop", compiled.plan, ports).await.unwrap();
    (driver, release)
}

/// Everything as a program registers it; there are no proxies that need time to settle.
fn registry(client: &Client, namespace: &str) -> Registry {
    let settled = |capabilities: Capabilities| Capabilities {
        settle: Duration::from_millis(100),
        ..capabilities
    };
    let registry = services::register(Registry::new(), client.clone(), namespace);
    let bind = registry.parse_router(SERVICES, &Value::Null, &Default::default());
    let bind = settled(bind.unwrap().unwrap());
    let registry = registry.with_router(SERVICES, move |_, _| Ok(bind.clone()));
    let owner = ReplicaSets::rollout();
    let registry = ingress::register(registry, client.clone(), namespace, owner);
    let registry = registry.with_router("nginx", move |part, frame| {
        Ok(settled(IngressConfig::parse(part, frame)?.capabilities()))
    });
    let registry = gradatim_istio::register(registry, client.clone(), namespace, "v1");
    let namespace = namespace.to_owned();
    registry.with_router("istio", move |part, frame| {
        Ok(settled(
            IstioConfig::parse(part, frame, &namespace)?.capabilities(),
        ))
    })
}

/// What the user has made before the rollout.
pub(super) async fn make_routes(world: &Namespace) {
    let services = world.objects("v1", "Service", "services");
    for name in ["shop", "shop-canary"] {
        let mut service = services.kind().named(name);
        service["spec"] = json!({"selector": {"app": "shop"}, "ports": [{"port": 80}]});
        services.create(&service).await.unwrap();
    }
    let mut web = ingresses(world).kind().named("web");
    web["spec"] = json!({"rules": [{"host": "shop.example", "http": {"paths": [{
        "path": "/", "pathType": "Prefix",
        "backend": {"service": {"name": "shop", "port": {"number": 80}}},
    }]}}]});
    ingresses(world).create(&web).await.unwrap();
    let mut virtual_service = virtual_services(world).kind().named("shop");
    let to = |subset: &str, weight: u32| json!({"destination": {"host": "shop", "subset": subset}, "weight": weight});
    let main =
        json!({"name": "main", "timeout": "3s", "route": [to("stable", 100), to("canary", 0)]});
    virtual_service["spec"] = json!({"hosts": ["shop.example"], "http": [main]});
    virtual_services(world)
        .create(&virtual_service)
        .await
        .unwrap();
    let mut rule = rules(world).kind().named("shop");
    let subset = |name: &str| json!({"name": name, "labels": {"app": "shop"}});
    rule["spec"] = json!({"host": "shop", "subsets": [subset("stable"), subset("canary")]});
    rules(world).create(&rule).await.unwrap();
}

pub(super) fn rollouts(world: &Namespace) -> Objects {
    world.objects("argoproj.io/v1alpha1", "Rollout", "rollouts")
}

fn ingresses(world: &Namespace) -> Objects {
    world.objects("networking.k8s.io/v1", "Ingress", "ingresses")
}

fn virtual_services(world: &Namespace) -> Objects {
    world.objects(
        "networking.istio.io/v1",
        "VirtualService",
        "virtualservices",
    )
}

fn rules(world: &Namespace) -> Objects {
    world.objects(
        "networking.istio.io/v1",
        "DestinationRule",
        "destinationrules",
    )
}

#[tokio::test]
async fn a_manifest_on_ingress_annotations_is_delivered_and_taken_back() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let scene = Scene::set(&cluster, ON_INGRESS, &[services::ROLE, ingress::ROLE]).await;
    let [_, second] = scene.delivers_and_takes_back().await;
    let canary = ingresses(&scene.world)
        .get("shop-web-canary")
        .await
        .unwrap();
    let mut annotations = canary["metadata"]["annotations"].clone();
    let annotations = annotations.as_object_mut().unwrap();
    annotations.retain(|key, _| !key.starts_with("gradatim.dev/"));
    let argos = json!({
        "nginx.ingress.kubernetes.io/canary": "true",
        "nginx.ingress.kubernetes.io/canary-weight": "0",
    });
    assert_eq!(Value::from(annotations.clone()), argos);
    let services = scene.world.objects("v1", "Service", "services");
    for name in ["shop", "shop-canary"] {
        let service = services.get(name).await.unwrap();
        let selector = json!({"app": "shop", POD_TEMPLATE_HASH: second});
        assert_eq!(service["spec"]["selector"], selector, "{name}");
    }
}

#[tokio::test]
async fn a_manifest_on_istio_subsets_is_delivered_and_taken_back() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let scene = Scene::set(&cluster, ON_SUBSETS, &[gradatim_istio::ROLE]).await;
    let [_, second] = scene.delivers_and_takes_back().await;
    let service = virtual_services(&scene.world).get("shop").await.unwrap();
    let http = &service["spec"]["http"];
    assert_eq!(
        http.as_array().unwrap().len(),
        1,
        "no managed route is left"
    );
    assert_eq!(http[0]["timeout"], "3s", "what is the user's");
    let weights = [0, 1].map(|index| http[0]["route"][index]["weight"].clone());
    assert_eq!(weights, [100, 0], "the weights at rest");
    let rule = rules(&scene.world).get("shop").await.unwrap();
    for subset in rule["spec"]["subsets"].as_array().unwrap() {
        assert_eq!(
            subset["labels"][POD_TEMPLATE_HASH], second,
            "a subset's hash"
        );
    }
}
