//! The workload on a pair of Deployments, with the controller that rolls them.

use std::sync::Arc;
use std::time::Duration;

use gradatim_conformance::workload::{self, Bench};
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::Workload;
use gradatim_core::time::Timestamp;
use gradatim_kubernetes::deployments::{Deployments, ROLE};
use gradatim_kubernetes::fence::now;
use gradatim_kubernetes::names::{POD_TEMPLATE_HASH, REVISION, SIDE};
use gradatim_kubernetes::objects::Objects;
use gradatim_kubernetes::owner::Owner;
use gradatim_kubernetes::replica_sets::ReplicaSets;
use serde_json::{Value, json};

use super::super::cluster::{Cluster, versions};
use super::replica_sets::{Living, available, is_settled, refuse_pods, stamp, template};

struct OnDeployments(Arc<Cluster>);

fn deployments(living: &Living) -> Objects {
    living
        .namespace
        .objects("apps/v1", "Deployment", "deployments")
}

async fn pair(living: &Living) -> Deployments {
    let client = living.namespace.user(&[ROLE]).await;
    let kind = ReplicaSets::rollout();
    Deployments::of(client, &living.namespace.name, kind, "shop")
        .await
        .unwrap()
}

/// A Deployment of the pair that has a revision already.
async fn side(living: &Living, side: &str, hash: &str, image: &str) {
    let rollout = living.rollouts().get("shop").await.unwrap();
    let labels = json!({"app": "shop", SIDE: side, POD_TEMPLATE_HASH: hash});
    let mut template = template(image);
    template["metadata"]["labels"] = labels.clone();
    let all = deployments(living);
    let mut deployment = all.kind().named(&format!("shop-{side}"));
    deployment["metadata"]["labels"] = labels;
    deployment["metadata"]["annotations"] = json!({REVISION: image});
    deployment["metadata"]["ownerReferences"] = json!([Owner::of(&rollout).unwrap().reference()]);
    let selector = json!({"matchLabels": {"app": "shop", SIDE: side}});
    deployment["spec"] = json!({"replicas": 0, "selector": selector, "template": template});
    all.create(&deployment).await.unwrap();
}

/// Until the controller says of both Deployments that all is there, or for three seconds.
async fn settle(living: &Living) {
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if deployments(living)
            .list("")
            .await
            .unwrap()
            .iter()
            .all(is_settled)
        {
            return;
        }
    }
}

impl Bench for OnDeployments {
    type World = Living;

    async fn world(&self) -> Living {
        let living = Living::with_rollout(&self.0).await;
        side(&living, "a", "v1", "1").await;
        side(&living, "b", "v2", "2").await;
        living
    }

    async fn workload(&self, world: &Living) -> Arc<dyn Workload> {
        Arc::new(pair(world).await)
    }

    async fn settle(&self, world: &Living) {
        settle(world).await;
    }

    async fn now(&self, _: &Living) -> Option<Timestamp> {
        Some(now())
    }

    /// Whatever is written moves the version of a Deployment.
    async fn writes(&self, world: &Living) -> Option<u64> {
        Some(versions(&deployments(world).list("").await.unwrap()))
    }

    async fn trouble(&self, world: &Living, revision: &RevisionId, words: &str) -> bool {
        refuse_pods(world, revision, words).await;
        true
    }
}

#[tokio::test]
async fn the_workload_on_a_pair_of_deployments_keeps_every_rule() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let report = workload::all(&OnDeployments(cluster)).await;
    report.assert_clean();
    assert_eq!(report.unchecked(), [0; 0], "{report}");
}

#[tokio::test]
async fn a_third_revision_waits_until_a_deployment_has_no_pods() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let living = Living::with_rollout(&cluster).await;
    let pair = pair(&living).await;
    let wanted = || async { pair.observe().await.unwrap().wanted };
    let first = wanted().await;
    pair.scale(&first, 3, stamp(1)).await.unwrap();
    available(&pair, &first, 3).await;
    let before = image_and_uid(&living, "a").await;

    living.set_template(&template("3")).await;
    let second = wanted().await;
    pair.scale(&second, 1, stamp(2)).await.unwrap();
    available(&pair, &second, 1).await;

    living.set_template(&template("4")).await;
    let third = wanted().await;
    let told = pair.scale(&third, 1, stamp(3)).await.unwrap_err();
    assert_eq!(told.kind, FaultKind::Conflict, "{told}");
    assert!(told.to_string().contains("waiting until"), "{told}");

    pair.scale(&second, 0, stamp(3)).await.unwrap();
    settle(&living).await;
    pair.scale(&third, 2, stamp(3)).await.unwrap();
    available(&pair, &third, 2).await;
    let seen = pair.observe().await.unwrap();
    let numbers: Vec<_> = seen.revisions.iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 3]);
    // The second is gone from the pair, and is asked for no more.
    let gone = pair.scale(&second, 1, stamp(4)).await.unwrap_err();
    assert_eq!(gone.kind, FaultKind::NotFound);
    assert_eq!(image_and_uid(&living, "a").await, before);
    assert_eq!(seen.revision(&first).unwrap().available, 3);

    pair.undo(&first, stamp(4)).await.unwrap();
    assert_eq!(wanted().await, first);
    let owner = living.rollouts().get("shop").await.unwrap();
    let labels = &owner["spec"]["template"]["metadata"]["labels"];
    assert_eq!(*labels, json!({"app": "shop"}));
}

async fn image_and_uid(living: &Living, side: &str) -> (Value, Value) {
    let it = deployments(living)
        .get(&format!("shop-{side}"))
        .await
        .unwrap();
    let image = &it["spec"]["template"]["spec"]["containers"][0]["image"];
    (image.clone(), it["metadata"]["uid"].clone())
}

#[tokio::test]
async fn a_deployment_of_that_name_that_is_somebody_elses_is_left_alone() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let living = Living::with_rollout(&cluster).await;
    let all = deployments(&living);
    let mut theirs = all.kind().named("shop-a");
    let selector = json!({"matchLabels": {"app": "shop"}});
    theirs["spec"] = json!({"replicas": 0, "selector": selector, "template": template("0")});
    let theirs = all.create(&theirs).await.unwrap();
    let pair = pair(&living).await;
    let wanted = pair.observe().await.unwrap().wanted;
    let told = pair.scale(&wanted, 1, stamp(1)).await.unwrap_err();
    assert_eq!(told.kind, FaultKind::Forbidden, "{told}");
    assert_eq!(all.get("shop-a").await.unwrap()["spec"], theirs["spec"]);
}
