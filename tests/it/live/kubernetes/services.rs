//! The router on Services.

use std::sync::Arc;
use std::time::Duration;

use gradatim_conformance::router::{self, Bench};
use gradatim_core::fault::FaultKind;
use gradatim_core::port::TrafficRouter;
use gradatim_core::route::{Route, Slot, Split};
use gradatim_kubernetes::names::{MANAGED_BY, POD_TEMPLATE_HASH};
use gradatim_kubernetes::services::{ROLE, ServiceRouter};
use serde_json::{Value, json};

use super::super::cluster::kubelet::Kubelet;
use super::super::cluster::{Cluster, Namespace, versions};

struct OnServices(Arc<Cluster>);

impl Bench for OnServices {
    type World = Namespace;

    async fn world(&self) -> Namespace {
        let world = self.0.namespace().await;
        for name in ["shop", "shop-canary"] {
            make_service(&world, name).await;
        }
        world
    }

    async fn router(&self, world: &Namespace) -> Arc<dyn TrafficRouter> {
        Arc::new(router_on(world).await)
    }

    /// A watch tells a moment later.
    async fn settle(&self, _: &Namespace) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    /// Whatever is written moves the version of one of the Services.
    async fn writes(&self, world: &Namespace) -> Option<u64> {
        let services = world
            .objects("v1", "Service", "services")
            .list("")
            .await
            .unwrap();
        Some(versions(&services))
    }

    async fn others(&self, world: &Namespace) -> Option<String> {
        let services = world
            .objects("v1", "Service", "services")
            .list("")
            .await
            .unwrap();
        let mut text = String::new();
        for mut service in services {
            service["spec"]["selector"]
                .as_object_mut()
                .unwrap()
                .remove(POD_TEMPLATE_HASH);
            let labels = &service["metadata"]["labels"];
            text += &format!("{labels} {}\n", service["spec"]);
        }
        Some(text)
    }

    async fn remove(&self, world: &Namespace) -> bool {
        let services = world.objects("v1", "Service", "services");
        let canary = services.get("shop-canary").await.unwrap();
        services.delete(&canary).await.unwrap();
        true
    }
}

async fn router_on(world: &Namespace) -> ServiceRouter {
    let client = world.user(&[ROLE]).await;
    let slots = [(Slot::Stable, "shop"), (Slot::Canary, "shop-canary")];
    let slots = slots.map(|(slot, name)| (slot, name.to_owned()));
    ServiceRouter::new(client, &world.name, "shop", slots)
}

async fn make_service(world: &Namespace, name: &str) {
    let services = world.objects("v1", "Service", "services");
    let mut service = services.kind().named(name);
    service["metadata"]["labels"] = json!({"team": "shop"});
    service["spec"] = json!({"selector": {"app": "shop"}, "ports": [{"port": 80}]});
    services.create(&service).await.unwrap();
}

async fn make_pod(world: &Namespace, name: &str, revision: &str) {
    let pods = world.objects("v1", "Pod", "pods");
    let mut pod = pods.kind().named(name);
    pod["metadata"]["labels"] = json!({"app": "shop", POD_TEMPLATE_HASH: revision});
    pod["spec"] = json!({"containers": [{"name": "shop", "image": "shop"}]});
    pods.create(&pod).await.unwrap();
}

fn route(sequence: u64, stable: &str, canary: &str) -> Route {
    let bind = [(Slot::Stable, stable), (Slot::Canary, canary)];
    super::super::route(sequence, bind, Split::all(Slot::Stable, 100))
}

async fn endpoints(router: &ServiceRouter, slot: Slot) -> u32 {
    let seen = router.observe().await.unwrap().bind.unwrap();
    seen.value().unwrap()[&slot].ready_endpoints.unwrap()
}

/// Waits until so many pods answer behind a slot.
async fn answering(router: &ServiceRouter, slot: Slot, wanted: u32) {
    let reached = tokio::time::timeout(Duration::from_secs(60), async {
        while endpoints(router, slot).await != wanted {
            router.changed().await;
        }
    });
    reached.await.expect("the endpoints follow the selector");
}

#[tokio::test]
async fn the_router_on_services_keeps_every_rule_of_bindings() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let report = router::all(&OnServices(cluster)).await;
    report.assert_clean();
    // 3, 7 and 8 are about splits; 9 needs a clock of the bench.
    assert_eq!(report.unchecked(), [3, 7, 8, 9], "{report}");
}

#[tokio::test]
async fn endpoints_of_the_revision_before_do_not_count() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let bench = OnServices(cluster);
    let world = bench.world().await;
    let _kubelet = Kubelet::of(&world);
    for pod in ["old-1", "old-2"] {
        make_pod(&world, pod, "v1").await;
    }
    let router = router_on(&world).await;
    router.apply(&route(1, "v1", "v1")).await.unwrap();
    answering(&router, Slot::Stable, 2).await;
    answering(&router, Slot::Canary, 2).await;
    router.apply(&route(2, "v1", "v2")).await.unwrap();
    // Whether or not the controller was there already: none of the old pods is counted.
    assert_eq!(endpoints(&router, Slot::Canary).await, 0);
    make_pod(&world, "new-1", "v2").await;
    answering(&router, Slot::Canary, 1).await;
    assert_eq!(endpoints(&router, Slot::Stable).await, 2);
}

#[tokio::test]
async fn a_service_that_cannot_be_written_does_not_keep_the_other_from_going_back() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let bench = OnServices(cluster);
    let world = bench.world().await;
    let router = router_on(&world).await;
    router.apply(&route(1, "v2", "v2")).await.unwrap();
    let services = world.objects("v1", "Service", "services");
    let theirs = json!({"metadata": {"annotations": {MANAGED_BY: "basket"}}});
    services.merge("shop-canary", &theirs).await.unwrap();
    let refused = router.apply(&route(2, "v1", "v1")).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Forbidden, "{refused}");
    let hash = |service: Value| service["spec"]["selector"][POD_TEMPLATE_HASH].clone();
    assert_eq!(hash(services.get("shop").await.unwrap()), "v1");
    assert_eq!(hash(services.get("shop-canary").await.unwrap()), "v2");
}
