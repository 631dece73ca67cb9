//! An API server that fails, and others who write meanwhile: whatever happens to one object, stable
//! never gets less than it had, and the error says which object and what to do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use gradatim_conformance::router::Bench;
use gradatim_core::fault::{FaultKind, Retry};
use gradatim_core::port::{PortError, TrafficRouter};
use gradatim_core::route::{Route, Slot, Split};
use gradatim_kubernetes::client::Pace;
use gradatim_kubernetes::objects::{Kind, Objects};
use gradatim_kubernetes::owner::Owner;
use serde_json::{Value, json};

use super::cluster::proxy::{Proxy, Wrong};
use super::cluster::{Cluster, Namespace};
use super::ingress::OnIngresses;
use super::istio::OnSubsets;
use super::virtual_server::OnVirtualServers;

/// Where two objects hold the split, and the first of them stays well.
#[derive(Clone, Copy, Debug, PartialEq)]
enum On {
    Ingresses,
    VirtualServices,
    VirtualServers,
}

/// A router that goes by a proxy, at 20 of 100.
struct Scene {
    on: On,
    world: Namespace,
    way: Proxy,
    router: Arc<dyn TrafficRouter>,
}

impl Scene {
    async fn set(cluster: &Arc<Cluster>, on: On) -> Self {
        let (world, role) = match on {
            On::Ingresses => (
                OnIngresses(Arc::clone(cluster)).world().await,
                gradatim_nginx::ingress::ROLE,
            ),
            On::VirtualServices => (
                OnSubsets(Arc::clone(cluster)).world().await,
                gradatim_istio::ROLE,
            ),
            On::VirtualServers => (
                OnVirtualServers(Arc::clone(cluster)).world().await,
                gradatim_nginx::virtual_server::ROLE,
            ),
        };
        let way = world.way(&[role]).await;
        let router: Arc<dyn TrafficRouter> = match on {
            On::Ingresses => Arc::new(super::ingress::router_of(&world, way.client())),
            On::VirtualServices => Arc::new(super::istio::router_of(&world, way.client(), "v1")),
            On::VirtualServers => Arc::new(super::virtual_server::router_of(&world, way.client())),
        };
        router.apply(&route(1, 20)).await.unwrap();
        let scene = Self {
            on,
            world,
            way,
            router,
        };
        assert_eq!(scene.canary().await, [20, 20]);
        scene
    }

    /// The object to which things happen.
    fn second(&self) -> &'static str {
        match self.on {
            On::Ingresses => "shop-mobile-canary",
            On::VirtualServices | On::VirtualServers => "mobile",
        }
    }

    fn objects(&self) -> Objects {
        match self.on {
            On::Ingresses => self
                .world
                .objects("networking.k8s.io/v1", "Ingress", "ingresses"),
            On::VirtualServices => self.world.objects(
                "networking.istio.io/v1",
                "VirtualService",
                "virtualservices",
            ),
            On::VirtualServers => {
                self.world
                    .objects("k8s.nginx.org/v1", "VirtualServer", "virtualservers")
            }
        }
    }

    /// What the canary gets by each object.
    async fn canary(&self) -> [u64; 2] {
        match self.on {
            On::Ingresses => super::ingress::weights(&self.world)
                .await
                .map(|weight| weight.as_str().unwrap().parse().unwrap()),
            On::VirtualServices | On::VirtualServers => {
                let [mut first, mut second] = [0, 0];
                for (name, part) in [("web", &mut first), ("mobile", &mut second)] {
                    let [stable, canary] = self.weights(name).await;
                    let [stable, canary] = [stable, canary].map(|part| part.as_u64().unwrap());
                    assert_eq!(stable + canary, 100, "{name}");
                    *part = canary;
                }
                [first, second]
            }
        }
    }

    async fn weights(&self, name: &str) -> [Value; 2] {
        match self.on {
            On::VirtualServers => super::virtual_server::weights(&self.world, name).await,
            _ => super::istio::weights(&self.world, name).await,
        }
    }

    async fn refused(&self, route: &Route, what: &str) -> PortError {
        let refused = self.router.apply(route).await;
        let error = refused.expect_err(&format!("{:?}: {what}", self.on));
        assert!(
            error.text.contains(self.second()),
            "{:?}: {what}: {error}",
            self.on
        );
        error
    }

    /// Lets a stranger do something between our read and our write.
    fn meanwhile(&self, does: fn(Objects, Value) -> BoxFuture<'static, ()>) {
        let (objects, name) = (self.objects(), self.second());
        let hook = move || {
            let objects = objects.clone();
            async move {
                // He comes once: our next request finds it done.
                let found = objects.find(name).await.unwrap();
                if let Some(found) = found.filter(|found| found["metadata"]["labels"].is_null()) {
                    does(objects, found).await;
                }
            }
            .boxed()
        };
        self.way
            .let_go_wrong("PATCH", self.second(), Wrong::Meanwhile(Arc::new(hook)));
    }
}

#[tokio::test]
async fn all_backends_of_one_client_share_its_pace() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = cluster.namespace().await;
    let way = world.way(&[gradatim_kubernetes::store::ROLE]).await;
    let client = way.client_at(Pace {
        per_second: 50,
        burst: 5,
    });
    let kind = Kind::new("v1", "ConfigMap", "configmaps");
    let backends = [(); 3].map(|()| Objects::new(client.clone(), &world.name, kind.clone()));
    let began = Instant::now();
    let asked = (0..30).map(|place| backends[place % 3].find("none"));
    for found in join_all(asked).await {
        assert_eq!(found.unwrap(), None);
    }
    // Five at once, and one every 20 ms.
    assert!(began.elapsed() >= Duration::from_millis(25 * 20));
    assert_eq!(way.asked().len(), 30);
}

fn route(sequence: u64, canary: u32) -> Route {
    let bind = [(Slot::Stable, "v1"), (Slot::Canary, "v2")];
    super::route(sequence, bind, Split::canary(canary, 100))
}

async fn everywhere<F: Future<Output = ()>>(test: impl Fn(Arc<Cluster>, On) -> F) {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let all = [On::Ingresses, On::VirtualServices, On::VirtualServers];
    join_all(all.map(|on| test(Arc::clone(&cluster), on))).await;
}

/// What the API server can do to one write, and what becomes of it.
fn faults() -> [(&'static str, Wrong, FaultKind, Retry); 7] {
    [
        ("409", Wrong::Refuses(409), FaultKind::Conflict, Retry::Soon),
        ("500", Wrong::Refuses(500), FaultKind::Other, Retry::Soon),
        (
            "503",
            Wrong::Refuses(503),
            FaultKind::Overloaded,
            Retry::Soon,
        ),
        (
            "429",
            Wrong::Overloaded(7),
            FaultKind::Overloaded,
            Retry::After(7000),
        ),
        ("a hang", Wrong::Hangs, FaultKind::Timeout, Retry::Soon),
        (
            "a broken connection",
            Wrong::Breaks,
            FaultKind::Unreachable,
            Retry::Soon,
        ),
        (
            "a lost answer",
            Wrong::LosesTheAnswer,
            FaultKind::Unreachable,
            Retry::Soon,
        ),
    ]
}

#[tokio::test]
async fn one_object_that_cannot_be_written_is_never_behind_the_other() {
    everywhere(|cluster, on| async move {
        let each = faults().map(|(what, wrong, kind, retry)| {
            let cluster = Arc::clone(&cluster);
            async move {
                let scene = Scene::set(&cluster, on).await;
                let is_done = matches!(wrong, Wrong::LosesTheAnswer);
                scene.way.let_go_wrong("PATCH", scene.second(), wrong);
                let error = scene.refused(&route(2, 40), what).await;
                assert_eq!((error.kind, error.retry), (kind, retry), "{what}: {error}");
                assert_eq!(scene.canary().await, [20, 20], "{on:?}: {what}: a raise");
                let error = scene.refused(&route(3, 5), what).await;
                assert_eq!((error.kind, error.retry), (kind, retry), "{what}: {error}");
                let second = if is_done { 5 } else { 20 };
                assert_eq!(scene.canary().await, [5, second], "{what}: a lowering");
                scene.way.mend();
                scene.router.apply(&route(3, 5)).await.unwrap();
                assert_eq!(scene.canary().await, [5, 5], "{what}: the next round");
            }
        });
        join_all(each).await;
    })
    .await;
}

#[tokio::test]
async fn one_object_that_cannot_be_read_does_not_keep_the_other_from_being_lowered() {
    everywhere(|cluster, on| async move {
        // An answer to a read that is lost is a connection that breaks.
        let each = faults().map(|(what, wrong, kind, retry)| {
            let cluster = Arc::clone(&cluster);
            async move {
                let scene = Scene::set(&cluster, on).await;
                scene.way.let_go_wrong("GET", scene.second(), wrong);
                let error = scene.refused(&route(2, 40), what).await;
                assert_eq!((error.kind, error.retry), (kind, retry), "{what}: {error}");
                assert_eq!(scene.canary().await, [20, 20], "{on:?}: {what}: a raise");
                scene.refused(&route(3, 5), what).await;
                assert_eq!(scene.canary().await, [5, 20], "{what}: a lowering");
                assert!(scene.router.observe().await.is_err(), "{what}: not guessed");
            }
        });
        join_all(each).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_stranger_edits_between_read_and_write_stays_and_the_next_round_goes_on() {
    everywhere(|cluster, on| async move {
        let scene = Scene::set(&cluster, on).await;
        scene.meanwhile(|objects, found| {
            async move {
                let weight = match objects.kind().name() {
                    "Ingress" => {
                        json!({"metadata": {"labels": {"seen": "yes"}, "annotations": {
                            "nginx.ingress.kubernetes.io/canary-weight": "3",
                        }}})
                    }
                    "VirtualServer" => {
                        let mut routes = found["spec"]["routes"].clone();
                        routes[0]["splits"][0]["weight"] = 97.into();
                        routes[0]["splits"][1]["weight"] = 3.into();
                        json!({"metadata": {"labels": {"seen": "yes"}}, "spec": {"routes": routes}})
                    }
                    _ => {
                        let mut http = found["spec"]["http"].clone();
                        http[0]["route"][0]["weight"] = 97.into();
                        http[0]["route"][1]["weight"] = 3.into();
                        json!({"metadata": {"labels": {"seen": "yes"}}, "spec": {"http": http}})
                    }
                };
                let name = found["metadata"]["name"].as_str().unwrap();
                objects.merge(name, &weight).await.unwrap();
            }
            .boxed()
        });
        let error = scene.refused(&route(2, 10), "a stranger's weight").await;
        assert_eq!(error.kind, FaultKind::Conflict, "{error}");
        assert_eq!(scene.canary().await, [10, 3], "{on:?}: his is lower");
        scene.router.apply(&route(2, 10)).await.unwrap();
        assert_eq!(scene.canary().await, [10, 10]);
    })
    .await;
}

#[tokio::test]
async fn an_edit_of_something_else_is_no_conflict_and_stays() {
    everywhere(|cluster, on| async move {
        let scene = Scene::set(&cluster, on).await;
        scene.meanwhile(|objects, found| {
            async move {
                let edit = json!({"metadata": {
                    "labels": {"seen": "yes"}, "annotations": {"theirs": "too"},
                }});
                let name = found["metadata"]["name"].as_str().unwrap();
                objects.merge(name, &edit).await.unwrap();
            }
            .boxed()
        });
        scene.router.apply(&route(2, 10)).await.unwrap();
        assert_eq!(scene.canary().await, [10, 10]);
        let found = scene.objects().get(scene.second()).await.unwrap();
        assert_eq!(found["metadata"]["annotations"]["theirs"], "too", "{on:?}");
    })
    .await;
}

#[tokio::test]
async fn an_object_that_goes_in_the_middle_is_named() {
    everywhere(|cluster, on| async move {
        let scene = Scene::set(&cluster, on).await;
        scene.meanwhile(|objects, found| {
            async move { objects.delete(&found).await.unwrap() }.boxed()
        });
        let error = scene.refused(&route(2, 5), "a deleted object").await;
        assert_eq!(error.kind, FaultKind::NotFound, "{error}");
        assert!(error.text.contains("create it"), "{on:?}: {error}");
        assert_eq!(first(&scene).await, 5, "{on:?}");
    })
    .await;
}

/// What the canary gets by the object that is left.
async fn first(scene: &Scene) -> u64 {
    match scene.on {
        On::Ingresses => {
            let left = scene.objects().get("shop-web-canary").await.unwrap();
            let weight =
                &left["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"];
            weight.as_str().unwrap().parse().unwrap()
        }
        On::VirtualServices | On::VirtualServers => {
            let [_, canary] = scene.weights("web").await;
            canary.as_u64().unwrap()
        }
    }
}

/// Another owner, which is there: what belongs to nobody the garbage collector takes away.
async fn basket(objects: &Objects, beside: &Value) -> Value {
    let namespace = beside["metadata"]["namespace"].as_str().unwrap();
    let maps = Kind::new("v1", "ConfigMap", "configmaps");
    let maps = Objects::new(objects.client(), namespace, maps);
    let basket = maps.apply(&maps.kind().named("basket")).await.unwrap();
    Owner::of(&basket).unwrap().reference()
}

#[tokio::test]
async fn an_object_that_another_takes_in_the_middle_is_left_to_it() {
    everywhere(|cluster, on| async move {
        let scene = Scene::set(&cluster, on).await;
        scene.meanwhile(|objects, found| {
            async move {
                let theirs = match objects.kind().name() {
                    "Ingress" => json!({"ownerReferences": [basket(&objects, &found).await]}),
                    _ => json!({"annotations": {
                        "argo-rollouts.argoproj.io/managed-by-rollouts": "basket",
                    }}),
                };
                let mut edit = json!({"metadata": theirs});
                edit["metadata"]["labels"] = json!({"seen": "yes"});
                let name = found["metadata"]["name"].as_str().unwrap();
                objects.merge(name, &edit).await.unwrap();
            }
            .boxed()
        });
        let error = scene.refused(&route(2, 10), "a new owner").await;
        assert_eq!(error.kind, FaultKind::Conflict, "{error}");
        let error = scene.refused(&route(2, 10), "the next round").await;
        assert_eq!(error.kind, FaultKind::Forbidden, "{error}");
        assert!(error.text.contains("basket"), "{on:?}: {error}");
    })
    .await;
}

#[tokio::test]
async fn of_two_objects_the_one_that_the_role_forbids_is_named() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let scene = Scene::set(&cluster, On::VirtualServices).await;
    // The first alone may be written, and the rule.
    let narrow = gradatim_istio::ROLE.replace(
        "verbs: [get, list, watch, patch]",
        "verbs: [get, list, watch]\n  - apiGroups: [networking.istio.io]\n    \
         resources: [virtualservices, destinationrules]\n    verbs: [patch]\n    \
         resourceNames: [web, shop]",
    );
    let client = scene.world.user(&[&narrow]).await;
    let router = super::istio::router_of(&scene.world, client, "v1");
    for (sequence, canary, wanted) in [(2, 40, [20, 20]), (3, 5, [5, 20])] {
        let refused = router.apply(&route(sequence, canary)).await.unwrap_err();
        assert_eq!(refused.kind, FaultKind::Forbidden, "{refused}");
        assert!(
            refused.text.contains("VirtualService mobile") && refused.text.contains("Role"),
            "{refused}"
        );
        assert_eq!(scene.canary().await, wanted);
    }
}
