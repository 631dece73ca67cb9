//! What a round costs when nothing has changed: no request, and no write.

use super::super::cluster::proxy::Proxy;
use super::*;

/// Every round asks for a look at the world, and each of them is one that a driver would make.
const ROUNDS: usize = 50;

/// What was asked for but the heartbeat of the driver, which is one for all that it owns.
fn asked(way: &Proxy) -> Vec<String> {
    let mut asked = way.asked();
    asked.retain(|it| !it.contains("/leases/"));
    asked
}

/// Turns so many rounds.
async fn turn(scene: &Scene, rounds: usize) {
    for _ in 0..rounds {
        let turned = scene.release.outcome();
        let _ = tokio::time::timeout(Duration::from_millis(20), turned).await;
    }
}

/// Waits until what was begun is over.
async fn settled(scene: &Scene, way: &Proxy) {
    let settled = async {
        let mut quiet = 0;
        while quiet < 12 {
            turn(scene, 1).await;
            quiet = if asked(way).is_empty() { quiet + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(60), settled).await;
    settled.expect("it asks again and again");
}

#[tokio::test]
async fn a_round_in_which_nothing_has_changed_asks_for_nothing() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = cluster.namespace().await;
    let roles = [
        store::ROLE,
        replica_sets::ROLE,
        services::ROLE,
        ingress::ROLE,
    ];
    let way = world.way(&roles).await;
    let scene = Scene::by(world, way.client(), ON_INGRESS).await;
    scene.outcome().await;
    scene.serves_alone().await;
    settled(&scene, &way).await;
    turn(&scene, ROUNDS).await;
    assert_eq!(asked(&way), [""; 0], "at rest");

    scene.want("shop:2").await;
    scene.pauses_at(50).await;
    settled(&scene, &way).await;
    turn(&scene, ROUNDS).await;
    assert_eq!(asked(&way), [""; 0], "in a pause");

    // And it is no sleep: a stranger's weight is seen and taken back at once.
    let weight = "nginx.ingress.kubernetes.io/canary-weight";
    let patch = json!({"metadata": {"annotations": {weight: "80"}}});
    ingresses(&scene.world)
        .merge("shop-web-canary", &patch)
        .await
        .unwrap();
    let back = async {
        loop {
            let canary = ingresses(&scene.world)
                .get("shop-web-canary")
                .await
                .unwrap();
            if canary["metadata"]["annotations"][weight] == "50" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let back = tokio::time::timeout(Duration::from_secs(30), back).await;
    back.expect("a stranger's weight is taken back");
    assert_ne!(asked(&way), [""; 0]);
}
