//! A whole delivery while the API server fails.

use super::super::cluster::proxy::Wrong;
use super::*;

#[tokio::test]
async fn a_delivery_ends_right_though_one_request_of_thirty_goes_wrong() {
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
    let wrongs = [
        Wrong::Refuses(500),
        Wrong::Breaks,
        Wrong::Refuses(409),
        Wrong::LosesTheAnswer,
        Wrong::Overloaded(1),
        Wrong::Refuses(504),
    ];
    way.let_go_wrong("", "/api", Wrong::OneOf(30, wrongs.into()));
    scene.delivers_and_takes_back_till(|| way.mend()).await;
}

#[tokio::test]
async fn a_delivery_ends_right_though_the_api_server_is_killed_twice() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let cluster = Arc::new(cluster);
    let scene = Scene::set(&cluster, ON_INGRESS, &[services::ROLE, ingress::ROLE]).await;
    scene.outcome().await;
    let first = scene.serves_alone().await;
    scene.want("shop:2").await;
    let at = |_: Phase, summary: &Summary| summary.weight_seen == Some(25);
    scene.until("at 25", at).await;
    cluster.kill();
    tokio::time::sleep(Duration::from_secs(3)).await;
    cluster.start_again().await;
    scene.pauses_at(50).await;
    scene.release.order(OrderKind::Promote).await.unwrap();
    let outcome = scene.outcome().await;
    assert!(matches!(outcome, Outcome::Promoted { .. }), "{outcome:?}");
    let second = scene.serves_alone().await;
    assert_ne!(first, second);
    scene.want("shop:3").await;
    scene.pauses_at(50).await;
    cluster.kill();
    let again = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        cluster.start_again().await;
    };
    let (ordered, ()) = futures::join!(scene.release.order(OrderKind::Abort), again);
    ordered.unwrap();
    let outcome = scene.outcome().await;
    assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome:?}");
    assert_eq!(scene.serves_alone().await, second);
    scene.is_quiet().await;
}
