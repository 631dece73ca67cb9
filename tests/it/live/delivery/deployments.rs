//! The same delivery where a pair of Deployments runs the pods.

use std::collections::BTreeSet;

use gradatim_kubernetes::deployments::{self, Deployments};

use super::*;

#[tokio::test]
async fn a_manifest_on_a_pair_of_deployments_is_delivered_and_taken_back() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let scene = on_a_pair(&cluster).await;
    // The third version takes the Deployment of the first.
    let [_, second] = scene.delivers_and_takes_back().await;

    let pair = scene.world.objects("apps/v1", "Deployment", "deployments");
    let pair = pair.list("").await.unwrap();
    let told = |it: &Value| {
        let image = &it["spec"]["template"]["spec"]["containers"][0]["image"];
        let field = |value: &Value| value.as_str().unwrap().to_owned();
        let replicas = it["spec"]["replicas"].as_u64().unwrap();
        (field(&it["metadata"]["name"]), field(image), replicas)
    };
    let told: BTreeSet<_> = pair.iter().map(told).collect();
    let wanted = [("shop-a", "shop:3", 0), ("shop-b", "shop:2", 4)];
    let wanted = wanted.map(|(name, image, pods)| (name.to_owned(), image.to_owned(), pods));
    assert_eq!(told, wanted.into());
    let service = scene.world.objects("v1", "Service", "services");
    let service = service.get("shop").await.unwrap();
    let selector = json!({"app": "shop", POD_TEMPLATE_HASH: second});
    assert_eq!(service["spec"]["selector"], selector);
}

#[tokio::test]
async fn a_version_that_comes_in_the_middle_waits_for_the_one_before_to_go() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let scene = on_a_pair(&cluster).await;
    let outcome = scene.outcome().await;
    assert!(matches!(outcome, Outcome::Promoted { .. }), "{outcome:?}");
    let first = scene.serves_alone().await;
    scene.want("shop:2").await;
    scene.pauses_at(50).await;
    scene.want("shop:3").await;
    scene.pauses_at(25).await;
    scene.pauses_at(50).await;
    scene.release.order(OrderKind::Promote).await.unwrap();
    let outcome = scene.outcome().await;
    assert!(matches!(outcome, Outcome::Promoted { .. }), "{outcome:?}");
    let third = scene.serves_alone().await;
    assert_ne!(first, third);
    let pair = scene.world.objects("apps/v1", "Deployment", "deployments");
    let taken = pair.get("shop-b").await.unwrap();
    let image = &taken["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, "shop:3");
}

async fn on_a_pair(cluster: &Arc<Cluster>) -> Scene {
    let world = cluster.namespace().await;
    let roles = [
        store::ROLE,
        deployments::ROLE,
        services::ROLE,
        ingress::ROLE,
    ];
    let client = world.user(&roles).await;
    let kubelet = prepared(&world, ON_INGRESS).await;
    let kind = ReplicaSets::rollout();
    let pair = Deployments::of(client.clone(), &world.name, kind, "shop");
    let pair = pair.await.unwrap();
    let (owner, pair) = (pair.owner().await.unwrap(), Arc::new(pair));
    let driven = drive_on(pair, owner, client, &world.name, ON_INGRESS).await;
    Scene::under_way(world, kubelet, driven)
}
