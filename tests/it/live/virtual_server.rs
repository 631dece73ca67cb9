//! The router on VirtualServers, on objects of a real API server that checks what the F5 controller
//! would check. No controller reads them here: what is proved is what they say.

use std::sync::Arc;
use std::time::Duration;

use gradatim_conformance::router::{self, Bench};
use gradatim_core::fault::FaultKind;
use gradatim_core::port::TrafficRouter;
use gradatim_core::registry::{Registry, RouterFrame};
use gradatim_core::route::{Route, Slot, Split};
use gradatim_kubernetes::Client;
use gradatim_kubernetes::names::MANAGED_BY;
use gradatim_kubernetes::objects::Objects;
use gradatim_nginx::virtual_server::{
    NAME, ROLE, VirtualServerConfig, VirtualServerRouter, register,
};
use serde_json::{Value, json};

use super::cluster::{Cluster, Namespace, versions};

const SERVERS: [&str; 2] = ["web", "mobile"];

/// Two VirtualServers, the split of each beside a route of its own.
pub(super) struct OnVirtualServers(pub(super) Arc<Cluster>);

impl Bench for OnVirtualServers {
    type World = Namespace;

    async fn world(&self) -> Namespace {
        let world = self.0.namespace().await;
        for name in SERVERS {
            let mut server = servers(&world).kind().named(name);
            server["metadata"]["annotations"] = json!({"kept": "by the user"});
            let to = |upstream: &str, weight: u32| json!({"weight": weight, "action": {"pass": upstream}});
            let theirs = json!({
                "conditions": [{"cookie": "beta", "value": "on"}], "action": {"pass": "new"},
            });
            server["spec"] = json!({
                "host": format!("{name}.example"), "unheardOf": {"by": "anybody"},
                "upstreams": [
                    {"name": "old", "service": "shop", "port": 80, "lb-method": "least_conn"},
                    {"name": "new", "service": "shop-canary", "port": 80},
                ],
                "routes": [
                    {"path": "/", "splits": [to("old", 100), to("new", 0)], "matches": [theirs]},
                    {"path": "/health", "action": {"pass": "old"}},
                ],
            });
            servers(&world).create(&server).await.unwrap();
        }
        world
    }

    async fn router(&self, world: &Namespace) -> Arc<dyn TrafficRouter> {
        Arc::new(router_of(world, world.user(&[ROLE]).await))
    }

    /// A watch tells a moment later.
    async fn settle(&self, _: &Namespace) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    async fn meddle(&self, world: &Namespace, split: &Split) -> bool {
        for name in SERVERS {
            let mut routes = read(world, name).await["spec"]["routes"].clone();
            for (place, slot) in [Slot::Stable, Slot::Canary].into_iter().enumerate() {
                routes[0]["splits"][place]["weight"] = split.part(slot).into();
            }
            let patch = json!({"spec": {"routes": routes}});
            servers(world).merge(name, &patch).await.unwrap();
        }
        true
    }

    /// Whatever is written moves the version of an object.
    async fn writes(&self, world: &Namespace) -> Option<u64> {
        Some(versions(&servers(world).list("").await.unwrap()))
    }

    async fn others(&self, world: &Namespace) -> Option<String> {
        let mut text = String::new();
        for name in SERVERS {
            let mut object = read(world, name).await;
            let route = &mut object["spec"]["routes"][0];
            for one in route["splits"].as_array_mut().unwrap() {
                one["weight"] = Value::Null;
            }
            let theirs = route["matches"].as_array().unwrap().last().unwrap().clone();
            route["matches"] = theirs;
            text += &object["spec"].to_string();
            text += &object["metadata"]["annotations"]["kept"].to_string();
        }
        Some(text)
    }

    /// Another rollout takes the first VirtualServer.
    async fn jam(&self, world: &Namespace) -> bool {
        own(world, json!("basket")).await;
        true
    }

    async fn free(&self, world: &Namespace) {
        own(world, json!("shop")).await;
    }

    async fn remove(&self, world: &Namespace) -> bool {
        let first = read(world, SERVERS[0]).await;
        servers(world).delete(&first).await.unwrap();
        true
    }
}

fn servers(world: &Namespace) -> Objects {
    world.objects("k8s.nginx.org/v1", "VirtualServer", "virtualservers")
}

async fn read(world: &Namespace, name: &str) -> Value {
    servers(world).get(name).await.unwrap()
}

async fn own(world: &Namespace, owner: Value) {
    let patch = json!({"metadata": {"annotations": {MANAGED_BY: owner}}});
    servers(world).merge(SERVERS[0], &patch).await.unwrap();
}

fn frame() -> RouterFrame {
    let mut frame = RouterFrame::new("shop");
    frame.stable_service = Some("shop".to_owned());
    frame.canary_service = Some("shop-canary".to_owned());
    frame.managed_routes = vec!["checked-header".to_owned()];
    frame
}

pub(super) fn router_of(world: &Namespace, client: Client) -> VirtualServerRouter {
    let part = json!({"servers": SERVERS.map(|name| json!({"name": name}))});
    let config = VirtualServerConfig::parse(&part, &frame()).unwrap();
    VirtualServerRouter::new(client, &world.name, config)
}

fn route(sequence: u64, canary: u32) -> Route {
    super::route(sequence, [], Split::canary(canary, 100))
}

pub(super) async fn weights(world: &Namespace, name: &str) -> [Value; 2] {
    let splits = read(world, name).await["spec"]["routes"][0]["splits"].clone();
    [splits[0]["weight"].clone(), splits[1]["weight"].clone()]
}

#[tokio::test]
async fn the_router_on_virtual_servers_keeps_every_rule() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let report = router::all(&OnVirtualServers(cluster)).await;
    report.assert_clean();
    // 9 needs a clock of the bench.
    assert_eq!(report.unchecked(), [9], "{report}");
}

#[tokio::test]
async fn an_object_that_its_controller_does_not_take_is_not_taken_for_seen() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let bench = OnVirtualServers(cluster);
    let world = bench.world().await;
    let router = bench.router(&world).await;
    router.apply(&route(1, 20)).await.unwrap();
    assert_eq!(router.probe().await.unwrap(), []);
    let status = json!({"status": {"state": "Invalid", "message": "spec.host: taken"}});
    let kind = kube::core::GroupVersionKind::gvk("k8s.nginx.org", "v1", "VirtualServer");
    let kind = kube::core::ApiResource::from_gvk_with_plural(&kind, "virtualservers");
    let api: kube::Api<kube::api::DynamicObject> =
        kube::Api::namespaced_with(world.admin(), &world.name, &kind);
    let patch = kube::api::Patch::Merge(&status);
    api.patch_status(SERVERS[1], &Default::default(), &patch)
        .await
        .unwrap();
    let error = router.observe().await.unwrap_err();
    assert!(error.text.contains("mobile is not taken"), "{error}");
    assert!(error.text.contains("spec.host: taken"), "{error}");
    assert_eq!(router.probe().await.unwrap().len(), 1);
    // The way back is written all the same.
    router.apply(&route(2, 0)).await.unwrap();
    assert_eq!(weights(&world, SERVERS[1]).await, [100, 0]);
}

#[tokio::test]
async fn a_manifest_finds_it_by_its_name_and_a_plan_that_needs_more_is_refused() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = cluster.namespace().await;
    let client = world.user(&[ROLE]).await;
    let registry = register(Registry::new(), client.clone(), &world.name);
    let registry = gradatim_kubernetes::services::register(registry, client.clone(), &world.name);
    let compiled = |step: &str| {
        let text = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{name: shop}}\n\
             spec:\n  selector: {{matchLabels: {{app: shop}}}}\n  template: {{metadata: {{labels: \
             {{app: shop}}}}, spec: {{containers: [{{name: shop, image: shop}}]}}}}\n  strategy:\n    \
             canary:\n      stableService: shop\n      canaryService: shop-canary\n      \
             trafficRouting:\n        managedRoutes: [{{name: trial}}]\n        \
             plugins: {{{NAME}: {{name: web, routes: [/]}}}}\n      steps:\n      {step}\n"
        );
        let reading = gradatim_core::yaml::read(&[("shop.yaml", text.as_str())]);
        let manifests = reading.manifests;
        gradatim_core::plan::compile(&manifests.rollouts[0], &manifests.templates, &registry)
            .map(drop)
            .map_err(|errors| format!("{errors:?}"))
    };
    assert_eq!(compiled("- setWeight: 20"), Ok(()));
    let header =
        "- setHeaderRoute: {name: trial, match: [{headerName: X, headerValue: {exact: y}}]}";
    assert_eq!(compiled(header), Ok(()));
    let mirror = "- setMirrorRoute: {name: trial, percentage: 5, match: [{path: {prefix: /}}]}";
    let refused = compiled(mirror).unwrap_err();
    let told = refused.contains("setMirrorRoute") && refused.contains("can mirror");
    assert!(told, "{refused}");
}

#[tokio::test]
async fn weights_that_do_not_sum_are_refused_by_the_server_with_its_words() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let bench = OnVirtualServers(cluster);
    let world = bench.world().await;
    let mut routes = read(&world, SERVERS[0]).await["spec"]["routes"].clone();
    routes[0]["splits"][1]["weight"] = 7.into();
    let patch = json!({"spec": {"routes": routes}});
    let refused = servers(&world).merge(SERVERS[0], &patch).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Invalid, "{refused}");
    assert!(refused.text.contains("must be equal to 100"), "{refused}");
}
