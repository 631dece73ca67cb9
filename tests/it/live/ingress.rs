//! The router on Ingress annotations, on real Ingresses. No controller reads them here: what is
//! proved is what they say.

use std::sync::Arc;
use std::time::Duration;

use gradatim_conformance::router::{self, Bench};
use gradatim_core::fault::FaultKind;
use gradatim_core::port::TrafficRouter;
use gradatim_core::registry::RouterFrame;
use gradatim_core::route::{HeaderMatch, HeaderRoute, Route, Slot, Split, StringMatch};
use gradatim_core::spec::SessionAffinity;
use gradatim_kubernetes::Client;
use gradatim_kubernetes::objects::{Objects, name_of};
use gradatim_kubernetes::owner::{Named, Owner};
use gradatim_nginx::ingress::{IngressConfig, IngressRouter, ROLE};
use serde_json::{Value, json};

use super::cluster::{Cluster, Namespace, versions};

const WEIGHT: &str = "nginx.ingress.kubernetes.io/canary-weight";
/// The first of two stable Ingresses, and its canary's.
const FIRST: [&str; 2] = ["web", "shop-web-canary"];
const SECOND: [&str; 2] = ["mobile", "shop-mobile-canary"];

pub(super) struct OnIngresses(pub(super) Arc<Cluster>);

impl Bench for OnIngresses {
    type World = Namespace;

    async fn world(&self) -> Namespace {
        let world = self.0.namespace().await;
        let rollouts = world.objects("argoproj.io/v1alpha1", "Rollout", "rollouts");
        rollouts
            .create(&rollouts.kind().named("shop"))
            .await
            .unwrap();
        for [stable, _] in [FIRST, SECOND] {
            let mut ingress = ingresses(&world).kind().named(stable);
            ingress["metadata"]["annotations"] = json!({"kept": "by the user"});
            ingress["spec"] = json!({
                "ingressClassName": "nginx",
                "rules": [{"host": format!("{stable}.example"), "http": {"paths": [{
                    "path": "/", "pathType": "Prefix",
                    "backend": {"service": {"name": "shop", "port": {"number": 80}}},
                }]}}],
            });
            ingresses(&world).create(&ingress).await.unwrap();
        }
        answers(&world, true).await;
        world
    }

    async fn router(&self, world: &Namespace) -> Arc<dyn TrafficRouter> {
        Arc::new(router_on(world, ROLE).await)
    }

    async fn meddle(&self, world: &Namespace, split: &Split) -> bool {
        let weight = json!(split.part(Slot::Canary).to_string());
        for [_, canary] in [FIRST, SECOND] {
            let patch = json!({"metadata": {"annotations": {WEIGHT: weight}}});
            ingresses(world).merge(canary, &patch).await.unwrap();
        }
        true
    }

    /// A watch tells a moment later.
    async fn settle(&self, _: &Namespace) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    /// Whatever is written moves the version of an Ingress.
    async fn writes(&self, world: &Namespace) -> Option<u64> {
        let all = ingresses(world).list("").await.unwrap();
        Some(versions(&all))
    }

    async fn others(&self, world: &Namespace) -> Option<String> {
        let (web, mobile) = (read(world, FIRST[0]).await, read(world, SECOND[0]).await);
        Some(format!("{web}{mobile}"))
    }

    /// Another object takes the first canary Ingress.
    async fn jam(&self, world: &Namespace) -> bool {
        // One that is there: what belongs to nobody the garbage collector takes away.
        let maps = world.objects("v1", "ConfigMap", "configmaps");
        let basket = maps.apply(&maps.kind().named("basket")).await.unwrap();
        let theirs = json!([Owner::of(&basket).unwrap().reference()]);
        own(world, &theirs).await;
        true
    }

    async fn free(&self, world: &Namespace) {
        let rollouts = world.objects("argoproj.io/v1alpha1", "Rollout", "rollouts");
        let owner = Owner::of(&rollouts.get("shop").await.unwrap()).unwrap();
        own(world, &json!([owner.reference()])).await;
    }

    async fn remove(&self, world: &Namespace) -> bool {
        ingresses(world)
            .delete(&read(world, FIRST[0]).await)
            .await
            .unwrap();
        true
    }
}

fn ingresses(world: &Namespace) -> Objects {
    world.objects("networking.k8s.io/v1", "Ingress", "ingresses")
}

async fn read(world: &Namespace, name: &str) -> Value {
    ingresses(world).get(name).await.unwrap()
}

async fn own(world: &Namespace, owners: &Value) {
    let patch = json!({"metadata": {"ownerReferences": owners}});
    ingresses(world).merge(FIRST[1], &patch).await.unwrap();
}

/// Whether the stable Service has an endpoint that is ready.
async fn answers(world: &Namespace, ready: bool) {
    let slices = world.objects("discovery.k8s.io/v1", "EndpointSlice", "endpointslices");
    let mut slice = slices.kind().named("shop-by-hand");
    slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": "shop"});
    slice["addressType"] = "IPv4".into();
    slice["endpoints"] = json!([{"addresses": ["10.1.0.9"], "conditions": {"ready": ready}}]);
    slice["ports"] = json!([]);
    slices.apply(&slice).await.unwrap();
}

async fn router_on(world: &Namespace, role: &str) -> IngressRouter {
    router_of(world, world.user(&[role]).await)
}

pub(super) fn router_of(world: &Namespace, client: Client) -> IngressRouter {
    router_in(world, client, &frame())
}

fn frame() -> RouterFrame {
    let mut frame = RouterFrame::new("shop");
    frame.stable_service = Some("shop".to_owned());
    frame.canary_service = Some("shop-canary".to_owned());
    frame
}

fn router_in(world: &Namespace, client: Client, frame: &RouterFrame) -> IngressRouter {
    let part = json!({"stableIngresses": [FIRST[0], SECOND[0]]});
    let config = IngressConfig::parse(&part, frame).unwrap();
    let owners = world.objects("argoproj.io/v1alpha1", "Rollout", "rollouts");
    let owners = Objects::new(client.clone(), &world.name, owners.kind().clone());
    IngressRouter::new(client, &world.name, config, Named::new(owners, "shop"))
}

fn route(sequence: u64, canary: u32) -> Route {
    super::route(sequence, [], Split::canary(canary, 100))
}

pub(super) async fn weights(world: &Namespace) -> [Value; 2] {
    let weight = |ingress: Value| ingress["metadata"]["annotations"][WEIGHT].clone();
    [
        weight(read(world, FIRST[1]).await),
        weight(read(world, SECOND[1]).await),
    ]
}

#[tokio::test]
async fn the_router_on_ingresses_keeps_every_rule() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let report = router::all(&OnIngresses(cluster)).await;
    report.assert_clean();
    // 9 needs a clock of the bench.
    assert_eq!(report.unchecked(), [9], "{report}");
}

#[tokio::test]
async fn what_may_be_written_of_two_is_lowered_and_nothing_is_raised() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let bench = OnIngresses(cluster);
    let world = bench.world().await;
    bench
        .router(&world)
        .await
        .apply(&route(1, 20))
        .await
        .unwrap();
    let narrow = ROLE
        .replace("name: gradatim-ingress", "name: narrow")
        .replace(", create, patch]", "]");
    let narrow = narrow
        + &format!(
            "  - apiGroups: [networking.k8s.io]\n    resources: [ingresses]\n    \
             verbs: [patch]\n    resourceNames: [{}]\n",
            SECOND[1],
        );
    let roles = world.objects("rbac.authorization.k8s.io/v1", "Role", "roles");
    roles
        .delete(&roles.get("gradatim-ingress").await.unwrap())
        .await
        .unwrap();
    let router = router_on(&world, &narrow).await;
    let refused = router.apply(&route(2, 40)).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Forbidden, "{refused}");
    assert!(refused.text.contains(FIRST[1]), "{refused}");
    assert_eq!(weights(&world).await, ["20", "20"]);
    let refused = router.apply(&route(3, 0)).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Forbidden, "{refused}");
    assert_eq!(weights(&world).await, ["20", "0"]);
}

#[tokio::test]
async fn nothing_is_raised_beside_a_stable_service_that_cannot_answer() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let bench = OnIngresses(cluster);
    let world = bench.world().await;
    let router = bench.router(&world).await;
    router.apply(&route(1, 20)).await.unwrap();
    answers(&world, false).await;
    let refused = router.apply(&route(2, 40)).await.unwrap_err();
    assert!(refused.text.contains("no ready endpoint"), "{refused}");
    assert_eq!(weights(&world).await, ["20", "20"]);
    router.apply(&route(3, 10)).await.unwrap();
    assert_eq!(weights(&world).await, ["10", "10"]);
}

#[tokio::test]
async fn the_canary_of_argo_is_taken_over_where_it_stands() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let bench = OnIngresses(cluster);
    let world = bench.world().await;
    let router = bench.router(&world).await;
    router.apply(&route(1, 20)).await.unwrap();
    for [_, canary] in [FIRST, SECOND] {
        let nothing = ["gradatim.dev/stamp-split", "gradatim.dev/stamp-headers"];
        let nothing = nothing.map(|key| (key.to_owned(), Value::Null));
        let nothing: serde_json::Map<_, _> = nothing.into_iter().collect();
        let patch = json!({"metadata": {"annotations": nothing}});
        ingresses(&world).merge(canary, &patch).await.unwrap();
    }
    let fresh = bench.router(&world).await;
    let seen = fresh.observe().await.unwrap().split.unwrap();
    assert_eq!(
        (seen.value(), seen.stamp),
        (Some(&Split::canary(20, 100)), None)
    );
    let before = read(&world, FIRST[1]).await;
    fresh.apply(&route(1, 20)).await.unwrap();
    let after = read(&world, FIRST[1]).await;
    // Only annotations of ours are new: the API server would count a new generation otherwise.
    assert_eq!(
        after["metadata"]["generation"],
        before["metadata"]["generation"]
    );
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(name_of(&after), FIRST[1]);
    assert_eq!(weights(&world).await, ["20", "20"]);
}

fn trial(name: &str, header: &str, value: &str) -> HeaderRoute {
    HeaderRoute {
        name: name.to_owned(),
        matches: vec![HeaderMatch {
            header_name: header.to_owned(),
            header_value: StringMatch::Exact(value.to_owned()),
        }],
    }
}

/// The controller's annotations of both canaries, without its prefix.
async fn said(world: &Namespace, names: &[&str]) -> Vec<Value> {
    let mut all = Vec::new();
    for [_, canary] in [FIRST, SECOND] {
        let annotations = read(world, canary).await["metadata"]["annotations"].clone();
        let key = |name: &&str| format!("nginx.ingress.kubernetes.io/{name}");
        all.extend(names.iter().map(|name| annotations[key(name)].clone()));
    }
    all
}

#[tokio::test]
async fn a_cookie_that_leads_to_the_canary_comes_is_seen_and_goes_beside_a_header() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let bench = OnIngresses(cluster);
    let world = bench.world().await;
    let router = bench.router(&world).await;
    let cookie = || trial("testers", "Cookie", "beta=always");
    let header = || trial("team", "X-Trial", "yes");
    let with = |sequence, canary, headers: Vec<HeaderRoute>| {
        let mut wanted = route(sequence, canary);
        wanted.headers.value = headers;
        wanted
    };
    const NAMES: [&str; 3] = [
        "canary-by-cookie",
        "canary-by-header",
        "canary-by-header-value",
    ];
    let (beta, none) = (json!("beta"), Value::Null);
    let (name, value) = (json!("X-Trial"), json!("yes"));
    let steps = [
        (vec![cookie()], [&beta, &none, &none]),
        (vec![cookie(), header()], [&beta, &name, &value]),
        (vec![header()], [&none, &name, &value]),
        (vec![], [&none, &none, &none]),
    ];
    for (sequence, (headers, wanted)) in steps.into_iter().enumerate() {
        let wanted_route = with(sequence as u64 + 1, 10, headers);
        router.apply(&wanted_route).await.unwrap();
        let twice: Vec<Value> = wanted
            .iter()
            .chain(&wanted)
            .map(|it| (*it).clone())
            .collect();
        assert_eq!(said(&world, &NAMES).await, twice);
        let fresh = bench.router(&world).await;
        let seen = fresh.observe().await.unwrap().headers.unwrap();
        assert_eq!(seen.value(), Some(&wanted_route.headers.value));
        assert_eq!(seen.stamp, Some(wanted_route.headers.stamp));
        let before = bench.writes(&world).await;
        fresh.apply(&wanted_route).await.unwrap();
        assert_eq!(
            bench.writes(&world).await,
            before,
            "the same again is no write"
        );
    }
    // What the controller cannot compare is refused before anything is written.
    for wrong in [
        vec![trial("a", "Cookie", "beta=maybe"), header()],
        vec![cookie(), trial("b", "Cookie", "other=always")],
    ] {
        let refused = router.apply(&with(9, 20, wrong)).await.unwrap_err();
        assert_eq!(refused.kind, FaultKind::Invalid, "{refused}");
    }
    assert_eq!(weights(&world).await, ["10", "10"]);
    // A cookie by somebody else's hand is not ours to name, nor to take away.
    let key = "nginx.ingress.kubernetes.io/canary-by-cookie";
    for [_, canary] in [FIRST, SECOND] {
        let patch = json!({"metadata": {"annotations": {key: "theirs"}}});
        ingresses(&world).merge(canary, &patch).await.unwrap();
    }
    router.apply(&with(10, 20, vec![])).await.unwrap();
    assert_eq!(
        said(&world, &["canary-by-cookie"]).await,
        ["theirs", "theirs"]
    );
}

#[tokio::test]
async fn clients_are_kept_with_the_canary_by_annotations_while_it_has_a_share() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let bench = OnIngresses(cluster);
    let world = bench.world().await;
    let mut frame = frame();
    frame.session_affinity = Some(SessionAffinity::new("trial"));
    let router = router_in(&world, world.user(&[ROLE]).await, &frame);
    const NAMES: [&str; 4] = [
        "affinity",
        "affinity-canary-behavior",
        "session-cookie-name",
        "session-cookie-max-age",
    ];
    let of = |sequence, canary, revision: &str| {
        let mut wanted = route(sequence, canary);
        wanted.bind.value = [(Slot::Canary, revision.into())].into();
        wanted
    };
    let on = |cookie: &str| {
        let one = ["cookie", "legacy", cookie, "86400"].map(Value::from);
        [one.clone(), one].concat()
    };
    for (sequence, weight) in [20, 50].into_iter().enumerate() {
        let wanted = of(sequence as u64 + 1, weight, "7f3a");
        router.apply(&wanted).await.unwrap();
        assert_eq!(said(&world, &NAMES).await, on("trial-7f3a"));
        let before = bench.writes(&world).await;
        router.apply(&wanted).await.unwrap();
        assert_eq!(
            bench.writes(&world).await,
            before,
            "the same again is no write"
        );
    }
    let before = bench.writes(&world).await.unwrap();
    router.apply(&of(3, 0, "7f3a")).await.unwrap();
    assert_eq!(said(&world, &NAMES).await, vec![Value::Null; 8]);
    assert_eq!(weights(&world).await, ["0", "0"]);
    assert!(bench.writes(&world).await.unwrap() > before);
    router.apply(&of(4, 5, "91bc")).await.unwrap();
    assert_eq!(said(&world, &NAMES).await, on("trial-91bc"));

    assert!(router.probe().await.unwrap().is_empty());
    let key = "nginx.ingress.kubernetes.io/affinity";
    let patch = json!({"metadata": {"annotations": {key: "cookie"}}});
    ingresses(&world).merge(FIRST[0], &patch).await.unwrap();
    let missing = router.probe().await.unwrap();
    assert!(
        missing.len() == 1 && missing[0].what.contains("sessionAffinity"),
        "{missing:?}"
    );
}
