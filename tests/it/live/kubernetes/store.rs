//! The store on ConfigMaps and Leases.

use std::sync::Arc;
use std::time::Duration;

use gradatim_conformance::store::{self, Bench};
use gradatim_core::order::{Expects, OrderKind};
use gradatim_core::port::{MailboxOrder, Store};
use gradatim_kubernetes::owner::Owner;
use gradatim_kubernetes::store::{KubeStore, ROLE};
use serde_json::json;

use super::super::cluster::{Cluster, Namespace};

struct OnObjects(Arc<Cluster>);

impl Bench for OnObjects {
    type World = Namespace;

    async fn world(&self) -> Namespace {
        self.0.namespace().await
    }

    async fn store(&self, world: &Namespace) -> Arc<dyn Store> {
        let client = world.user(&[ROLE]).await;
        Arc::new(KubeStore::new(client, &world.name).rollout("shop"))
    }

    async fn expire(&self, world: &Namespace, holder: &str) -> bool {
        let leases = world.objects("coordination.k8s.io/v1", "Lease", "leases");
        let all = leases.list("").await.unwrap();
        let mut theirs = all
            .iter()
            .filter(|lease| lease["spec"]["holderIdentity"] == holder);
        let name = theirs.next().unwrap()["metadata"]["name"].as_str().unwrap();
        let long_ago = json!({"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}});
        leases.merge(name, &long_ago).await.unwrap();
        true
    }

    async fn spoil(&self, world: &Namespace) -> bool {
        let maps = world.objects("v1", "ConfigMap", "configmaps");
        let spoilt = json!({"data": {"state": "{\"version\": 1"}});
        maps.merge("shop-gradatim-state", &spoilt).await.unwrap();
        true
    }
}

#[tokio::test]
async fn a_store_on_objects_keeps_every_rule() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let report = store::all(&OnObjects(cluster)).await;
    report.assert_clean();
    assert!(report.skipped.is_empty(), "{report}");
}

#[tokio::test]
async fn an_order_of_another_process_wakes_the_driver() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = cluster.namespace().await;
    let bench = OnObjects(cluster);
    let (driver, person) = (bench.store(&world).await, bench.store(&world).await);
    // The first answer says that the watch stands.
    driver.changed().await;
    let order = MailboxOrder {
        kind: OrderKind::Abort,
        expects: Expects::default(),
        by: None,
    };
    let left = tokio::time::timeout(Duration::from_secs(60), async {
        let (number, ()) = tokio::join!(person.leave(&order), driver.changed());
        number.unwrap()
    });
    let number = left.await.expect("an order that is left wakes the driver");
    let pending = driver.pending().await.unwrap();
    assert_eq!(
        pending
            .iter()
            .map(|order| order.sequence)
            .collect::<Vec<_>>(),
        [number]
    );
}

#[tokio::test]
async fn what_is_kept_goes_with_the_object_that_owns_it() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = cluster.namespace().await;
    let maps = world.objects("v1", "ConfigMap", "configmaps");
    let owner = maps
        .create(&maps.kind().named("the-release"))
        .await
        .unwrap();
    let client = world.user(&[ROLE]).await;
    let store = KubeStore::new(client, &world.name).rollout("shop");
    let store = store.owned_by(Owner::of(&owner).unwrap());
    store.take("one", 0, false).await.unwrap();
    maps.delete(&owner).await.unwrap();
    let gone = tokio::time::timeout(Duration::from_secs(60), async {
        while maps.find("shop-gradatim-state").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    gone.await
        .expect("the garbage collector takes the state away");
}

#[tokio::test]
async fn without_the_rights_the_error_says_what_is_forbidden() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = cluster.namespace().await;
    let client = world.user(&[]).await;
    let error = KubeStore::new(client, &world.name)
        .rollout("shop")
        .load()
        .await
        .unwrap_err();
    let told = error.to_string();
    assert_eq!(
        error.kind,
        gradatim_core::fault::FaultKind::Forbidden,
        "{told}"
    );
    assert!(
        told.starts_with("ConfigMap shop-gradatim-state: "),
        "{told}"
    );
    assert!(
        told.contains("cannot get resource \"configmaps\""),
        "{told}"
    );
}
