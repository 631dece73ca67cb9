//! The router on VirtualServices and DestinationRules, as objects of a real API server.

pub(super) mod front;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use gradatim_conformance::router::{self, Bench};
use gradatim_core::fault::FaultKind;
use gradatim_core::port::TrafficRouter;
use gradatim_core::registry::RouterFrame;
use gradatim_core::route::{Route, Slot, Split};
use gradatim_istio::{IstioConfig, IstioRouter, ROLE};
use gradatim_kubernetes::Client;
use gradatim_kubernetes::names::{MANAGED_BY, POD_TEMPLATE_HASH};
use gradatim_kubernetes::objects::Objects;
use serde_json::{Value, json};

use super::cluster::proxy::Wrong;
use super::cluster::{Cluster, Namespace, versions};

const SERVICES: [&str; 2] = ["web", "mobile"];

/// Two VirtualServices on the subsets of one DestinationRule.
pub(super) struct OnSubsets(pub(super) Arc<Cluster>);

impl Bench for OnSubsets {
    type World = Namespace;

    async fn world(&self) -> Namespace {
        let world = self.0.namespace().await;
        for name in SERVICES {
            make_service(&world, name, "v1").await;
        }
        let rules = rules(&world);
        let mut rule = rules.kind().named("shop");
        rule["spec"] = json!({
            "host": "shop", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}},
            "subsets": [
                {"name": "stable", "labels": {"app": "shop"}},
                {"name": "canary", "labels": {"app": "shop"}},
                {"name": "theirs", "labels": {"app": "other"}},
            ],
        });
        rules.create(&rule).await.unwrap();
        world
    }

    async fn router(&self, world: &Namespace) -> Arc<dyn TrafficRouter> {
        Arc::new(router_on(world, "v1").await)
    }

    async fn meddle(&self, world: &Namespace, split: &Split) -> bool {
        for name in SERVICES {
            let mut spec = read(world, name).await["spec"].clone();
            let main = spec["http"].as_array_mut().unwrap().last_mut().unwrap();
            main["route"][0]["weight"] = split.part(Slot::Stable).into();
            main["route"][1]["weight"] = split.part(Slot::Canary).into();
            let patch = json!({"spec": {"http": spec["http"]}});
            services(world, "v1").merge(name, &patch).await.unwrap();
        }
        true
    }

    /// A watch tells a moment later.
    async fn settle(&self, _: &Namespace) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    /// Whatever is written moves the version of an object.
    async fn writes(&self, world: &Namespace) -> Option<u64> {
        let mut all = services(world, "v1").list("").await.unwrap();
        all.extend(rules(world).list("").await.unwrap());
        Some(versions(&all))
    }

    async fn others(&self, world: &Namespace) -> Option<String> {
        let mut text = String::new();
        for name in SERVICES {
            let mut spec = read(world, name).await["spec"].clone();
            let mut main = spec["http"].as_array().unwrap().last().unwrap().clone();
            for one in main["route"].as_array_mut().unwrap() {
                one["weight"] = Value::Null;
            }
            spec["http"] = main;
            text += &spec.to_string();
        }
        let mut spec = rules(world).get("shop").await.unwrap()["spec"].clone();
        for subset in spec["subsets"].as_array_mut().unwrap() {
            subset["labels"]
                .as_object_mut()
                .unwrap()
                .remove(POD_TEMPLATE_HASH);
        }
        Some(format!("{text}{spec}"))
    }

    /// Another rollout takes the first VirtualService.
    async fn jam(&self, world: &Namespace) -> bool {
        own(world, json!("basket")).await;
        true
    }

    async fn free(&self, world: &Namespace) {
        own(world, Value::Null).await;
    }

    async fn remove(&self, world: &Namespace) -> bool {
        let first = read(world, SERVICES[0]).await;
        services(world, "v1").delete(&first).await.unwrap();
        true
    }
}

fn services(world: &Namespace, version: &str) -> Objects {
    let version = format!("networking.istio.io/{version}");
    world.objects(&version, "VirtualService", "virtualservices")
}

fn rules(world: &Namespace) -> Objects {
    world.objects(
        "networking.istio.io/v1",
        "DestinationRule",
        "destinationrules",
    )
}

async fn read(world: &Namespace, name: &str) -> Value {
    services(world, "v1").get(name).await.unwrap()
}

async fn own(world: &Namespace, owner: Value) {
    let patch = json!({"metadata": {"annotations": {MANAGED_BY: owner}}});
    services(world, "v1")
        .merge(SERVICES[0], &patch)
        .await
        .unwrap();
}

async fn make_service(world: &Namespace, name: &str, version: &str) {
    let to = |subset: &str, weight: u32| json!({"destination": {"host": "shop", "subset": subset}, "weight": weight});
    let services = services(world, version);
    let mut service = services.kind().named(name);
    service["spec"] = json!({
        "hosts": [format!("{name}.example")],
        "unheardOf": {"by": "anybody"},
        "http": [{
            "name": "main", "timeout": "3s", "fault": {"delay": {"fixedDelay": "1s"}},
            "route": [to("stable", 100), to("canary", 0)],
        }],
    });
    services.create(&service).await.unwrap();
}

async fn router_on(world: &Namespace, version: &str) -> IstioRouter {
    router_of(world, world.user(&[ROLE]).await, version)
}

pub(super) fn router_of(world: &Namespace, client: Client, version: &str) -> IstioRouter {
    let mut frame = RouterFrame::new("shop");
    frame.managed_routes = ["checked-header", "checked-mirror"]
        .map(str::to_owned)
        .to_vec();
    let names = SERVICES.map(|name| json!({"name": name, "routes": ["main"]}));
    let part = json!({
        "virtualServices": names,
        "destinationRule": {
            "name": "shop", "stableSubsetName": "stable", "canarySubsetName": "canary",
        },
    });
    let config = IstioConfig::parse(&part, &frame, &world.name).unwrap();
    IstioRouter::new(client, version, config)
}

fn route(sequence: u64, canary: u32) -> Route {
    let bind = [(Slot::Stable, "v1"), (Slot::Canary, "v2")];
    super::route(sequence, bind, Split::canary(canary, 100))
}

pub(super) async fn weights(world: &Namespace, name: &str) -> [Value; 2] {
    let route = read(world, name).await["spec"]["http"][0]["route"].clone();
    [route[0]["weight"].clone(), route[1]["weight"].clone()]
}

#[tokio::test]
async fn the_router_on_virtual_services_keeps_every_rule() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let report = router::all(&OnSubsets(cluster)).await;
    report.assert_clean();
    // 9 needs a clock of the bench.
    assert_eq!(report.unchecked(), [9], "{report}");
}

#[tokio::test]
async fn objects_of_older_versions_are_read_and_written() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let bench = OnSubsets(cluster);
    let world = bench.world().await;
    for (sequence, version) in [(1, "v1alpha3"), (2, "v1beta1"), (3, "v1")] {
        let all = services(&world, "v1").list("").await.unwrap();
        for service in all {
            services(&world, "v1").delete(&service).await.unwrap();
        }
        for name in SERVICES {
            make_service(&world, name, version).await;
        }
        let router = router_on(&world, version).await;
        router.apply(&route(sequence, 30)).await.unwrap();
        let seen = router_on(&world, "v1").await.observe().await.unwrap();
        assert_eq!(
            seen.split.unwrap().value(),
            Some(&Split::canary(30, 100)),
            "{version}"
        );
    }
}

#[tokio::test]
async fn without_its_rule_nothing_is_raised_and_everything_lowered() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let bench = OnSubsets(cluster);
    let world = bench.world().await;
    let router = bench.router(&world).await;
    router.apply(&route(1, 30)).await.unwrap();
    let rule = rules(&world).get("shop").await.unwrap();
    rules(&world).delete(&rule).await.unwrap();
    let refused = router.apply(&route(2, 60)).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::NotFound, "{refused}");
    for name in SERVICES {
        assert_eq!(weights(&world, name).await, [70, 30]);
    }
    let refused = router.apply(&route(3, 0)).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::NotFound, "{refused}");
    for name in SERVICES {
        assert_eq!(weights(&world, name).await, [100, 0]);
    }
    let missing = router.probe().await.unwrap();
    let named = "the subset stable of the DestinationRule shop";
    assert!(
        missing.iter().any(|missing| missing.what == named),
        "{missing:?}"
    );
}

#[tokio::test]
async fn a_crash_between_the_rule_and_the_services_is_repaired_by_the_next_round() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = OnSubsets(cluster).world().await;
    let way = world.way(&[ROLE]).await;
    way.let_go_wrong("PATCH", "/virtualservices/", Wrong::Breaks);
    let broken = router_of(&world, way.client(), "v1");
    broken.apply(&route(1, 30)).await.unwrap_err();
    let rule = rules(&world).get("shop").await.unwrap();
    let hashes = [0, 1].map(|at| rule["spec"]["subsets"][at]["labels"][POD_TEMPLATE_HASH].clone());
    assert_eq!(hashes, ["v1", "v2"], "the subsets are bound first");
    for name in SERVICES {
        assert_eq!(weights(&world, name).await, [100, 0], "and get nothing yet");
    }
    let next = router_on(&world, "v1").await;
    next.apply(&route(1, 30)).await.unwrap();
    for name in SERVICES {
        assert_eq!(weights(&world, name).await, [70, 30]);
    }
}

#[tokio::test]
async fn services_of_other_namespaces_are_moved_with_the_rights_that_are_given_there() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let (home, away) = (cluster.namespace().await, cluster.namespace().await);
    for world in [&home, &away] {
        let mut service = services(world, "v1").kind().named("shop");
        let to = |name: &str, weight: u32| {
            let host = format!("{name}.{}.svc.cluster.local", home.name);
            json!({"destination": {"host": host}, "weight": weight})
        };
        let route = json!([to("shop", 100), to("shop-canary", 0)]);
        service["spec"] = json!({"hosts": ["shop.example"], "http": [{"route": route}]});
        services(world, "v1").create(&service).await.unwrap();
    }
    let mut frame = RouterFrame::new("shop");
    frame.stable_service = Some("shop".to_owned());
    frame.canary_service = Some("shop-canary".to_owned());
    let far = format!("shop.{}", away.name);
    let part = json!({"virtualServices": [{"name": "shop"}, {"name": far}]});
    let config = IstioConfig::parse(&part, &frame, &home.name).unwrap();
    let router = IstioRouter::new(home.user(&[ROLE]).await, "v1", config);
    let refused = router.apply(&route(1, 30)).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Forbidden, "{refused}");
    assert_eq!(
        weights(&home, "shop").await,
        [100, 0],
        "a raise is for all or none"
    );
    away.user(&[ROLE]).await;
    router.apply(&route(2, 30)).await.unwrap();
    for world in [&home, &away] {
        assert_eq!(weights(world, "shop").await, [70, 30]);
    }
    let seen = router.observe().await.unwrap().split.unwrap();
    assert_eq!(seen.value(), Some(&Split::canary(30, 100)));
}
