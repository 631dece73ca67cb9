//! Each port that says that it is watched: it tells of what others write, and of the end of its
//! own watch, after which it reads by itself.

use std::sync::Arc;
use std::time::Duration;

use gradatim_conformance::router::Bench;
use gradatim_core::port::{Store, TrafficRouter, Workload};
use gradatim_core::route::Slot;
use gradatim_kubernetes::objects::Objects;
use gradatim_kubernetes::replica_sets::{self, ReplicaSets};
use gradatim_kubernetes::services::{self, ServiceRouter};
use gradatim_kubernetes::store::{self, KubeRollout, KubeStore};
use serde_json::json;

use super::cluster::Cluster;
use super::cluster::proxy::{Proxy, Wrong};
use super::ingress::OnIngresses;
use super::istio::OnSubsets;
use super::virtual_server::OnVirtualServers;

/// A port as far as it is watched.
enum Port {
    Router(Arc<dyn TrafficRouter>),
    Workload(Box<ReplicaSets>),
    Store(Box<KubeRollout>),
}

impl Port {
    async fn changed(&self) {
        let told = async {
            match self {
                Self::Router(router) => router.changed().await,
                Self::Workload(workload) => workload.changed().await,
                Self::Store(store) => store.changed().await,
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(60), told).await;
        told.expect("nothing is told");
    }

    fn is_watched(&self) -> bool {
        match self {
            Self::Router(router) => router.is_watched(),
            Self::Workload(workload) => workload.is_watched(),
            Self::Store(store) => store.is_watched(),
        }
    }

    async fn look(&self) {
        match self {
            Self::Router(router) => drop(router.observe().await.unwrap()),
            Self::Workload(workload) => drop(workload.observe().await.unwrap()),
            Self::Store(store) => drop(store.pending().await.unwrap()),
        }
    }

    /// Looks until a look asks the server for nothing: all its watches stand.
    async fn stands(&self, way: &Proxy) {
        let stands = async {
            loop {
                way.asked();
                self.look().await;
                if way.asked().is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let stands = tokio::time::timeout(Duration::from_secs(60), stands).await;
        stands.expect("each look asks");
    }

    /// Takes out what was told before.
    async fn hush(&self) {
        while tokio::time::timeout(Duration::from_millis(300), self.changed())
            .await
            .is_ok()
        {}
    }
}

/// A stranger edits an object; the port tells, and then its next look asks the server.
async fn tells(port: &Port, way: &Proxy, objects: &Objects, name: &str) {
    assert!(port.is_watched());
    // Until somebody waits nothing is watched, and every look asks.
    port.look().await;
    port.look().await;
    assert!(!way.asked().iter().any(|asked| asked.contains("watch=")));
    port.changed().await;
    port.stands(way).await;
    for round in ["1", "2"] {
        port.hush().await;
        port.stands(way).await;
        let edit = json!({"metadata": {"annotations": {"theirs": round}}});
        objects.merge(name, &edit).await.unwrap();
        port.changed().await;
        way.asked();
        port.look().await;
        assert_ne!(way.asked(), [""; 0], "what has changed is read");
        // Every watch breaks, and none can be had again for a while.
        port.stands(way).await;
        port.hush().await;
        way.let_go_wrong("GET", "watch=", Wrong::Refuses(500));
        way.cut();
        port.changed().await;
        for _ in 0..2 {
            way.asked();
            port.look().await;
            let asked = way.asked();
            let looked = |asked: &String| !asked.contains("watch=") && !asked.contains("limit=1");
            assert!(asked.iter().any(looked), "without a watch it looks itself");
        }
        way.mend();
        port.changed().await;
        port.stands(way).await;
    }
}

#[tokio::test]
async fn the_router_on_services_tells_of_every_change_and_of_its_own_end() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = cluster.namespace().await;
    let objects = world.objects("v1", "Service", "services");
    let mut service = objects.kind().named("shop");
    service["spec"] = json!({"selector": {"app": "shop"}, "ports": [{"port": 80}]});
    objects.create(&service).await.unwrap();
    let way = world.way(&[services::ROLE]).await;
    let slots = [(Slot::Stable, "shop".to_owned())];
    let router = ServiceRouter::new(way.client(), &world.name, "shop", slots);
    tells(&Port::Router(Arc::new(router)), &way, &objects, "shop").await;
}

#[tokio::test]
async fn the_router_on_ingresses_tells_of_every_change_and_of_its_own_end() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = OnIngresses(cluster).world().await;
    let objects = world.objects("networking.k8s.io/v1", "Ingress", "ingresses");
    let way = world.way(&[gradatim_nginx::ingress::ROLE]).await;
    let router = super::ingress::router_of(&world, way.client());
    tells(&Port::Router(Arc::new(router)), &way, &objects, "mobile").await;
}

#[tokio::test]
async fn the_router_on_virtual_services_tells_of_every_change_and_of_its_own_end() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = OnSubsets(cluster).world().await;
    let version = "networking.istio.io/v1";
    let objects = world.objects(version, "VirtualService", "virtualservices");
    let way = world.way(&[gradatim_istio::ROLE]).await;
    let router = super::istio::router_of(&world, way.client(), "v1");
    tells(&Port::Router(Arc::new(router)), &way, &objects, "mobile").await;
}

#[tokio::test]
async fn the_router_on_virtual_servers_tells_of_every_change_and_of_its_own_end() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = OnVirtualServers(cluster).world().await;
    let objects = world.objects("k8s.nginx.org/v1", "VirtualServer", "virtualservers");
    let way = world.way(&[gradatim_nginx::virtual_server::ROLE]).await;
    let router = super::virtual_server::router_of(&world, way.client());
    tells(&Port::Router(Arc::new(router)), &way, &objects, "mobile").await;
}

#[tokio::test]
async fn the_workload_tells_of_every_change_and_of_its_own_end() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = cluster.namespace().await;
    let objects = world.objects("argoproj.io/v1alpha1", "Rollout", "rollouts");
    let mut rollout = objects.kind().named("shop");
    let containers = json!([{"name": "shop", "image": "shop:1"}]);
    rollout["spec"] = json!({
        "replicas": 1, "selector": {"matchLabels": {"app": "shop"}},
        "template": {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": containers}},
    });
    objects.create(&rollout).await.unwrap();
    let way = world.way(&[replica_sets::ROLE]).await;
    let kind = ReplicaSets::rollout();
    let workload = ReplicaSets::of(way.client(), &world.name, kind, "shop").await;
    let workload = Box::new(workload.unwrap());
    tells(&Port::Workload(workload), &way, &objects, "shop").await;
}

#[tokio::test]
async fn the_store_tells_of_every_order_and_of_its_own_end() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = cluster.namespace().await;
    let objects = world.objects("v1", "ConfigMap", "configmaps");
    let name = "shop-gradatim-orders";
    objects.create(&objects.kind().named(name)).await.unwrap();
    let way = world.way(&[store::ROLE]).await;
    let store = KubeStore::new(way.client(), &world.name).rollout("shop");
    tells(&Port::Store(Box::new(store)), &way, &objects, name).await;
}
