//! The workload on ReplicaSets, owned by a Rollout.

use std::sync::Arc;
use std::time::Duration;

use gradatim_conformance::workload::{self, Bench};
use gradatim_core::fault::FaultKind;
use gradatim_core::id::RevisionId;
use gradatim_core::port::Workload;
use gradatim_core::stamp::Stamp;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::TroubleKind;
use gradatim_kubernetes::fence::now;
use gradatim_kubernetes::names::{POD_TEMPLATE_HASH, REVISION};
use gradatim_kubernetes::objects::Objects;
use gradatim_kubernetes::owner::Owner;
use gradatim_kubernetes::replica_sets::{ROLE, ReplicaSets, WORKLOAD_REF_ROLE};
use serde_json::{Value, json};

use super::super::cluster::kubelet::{FATE, Kubelet};
use super::super::cluster::{Cluster, Namespace};

struct OnReplicaSets(Arc<Cluster>);

/// A namespace in which pods start.
pub(super) struct Living {
    pub(super) namespace: Namespace,
    _kubelet: Kubelet,
}

impl Living {
    pub(super) async fn with_rollout(cluster: &Arc<Cluster>) -> Self {
        let namespace = cluster.namespace().await;
        let living = Self {
            _kubelet: Kubelet::of(&namespace),
            namespace,
        };
        let rollouts = living.rollouts();
        let mut rollout = rollouts.kind().named("shop");
        let selector = json!({"matchLabels": {"app": "shop"}});
        rollout["spec"] = json!({"replicas": 3, "selector": selector, "template": template("2")});
        rollouts.create(&rollout).await.unwrap();
        living
    }

    pub(super) fn rollouts(&self) -> Objects {
        self.namespace
            .objects("argoproj.io/v1alpha1", "Rollout", "rollouts")
    }

    fn sets(&self) -> Objects {
        self.namespace
            .objects("apps/v1", "ReplicaSet", "replicasets")
    }

    async fn workload(&self) -> ReplicaSets {
        let client = self.namespace.user(&[ROLE]).await;
        let kind = ReplicaSets::rollout();
        ReplicaSets::of(client, &self.namespace.name, kind, "shop")
            .await
            .unwrap()
    }

    /// A ReplicaSet as another controller would have made it.
    async fn adopted(&self, hash: &str, number: &str, image: &str) {
        let rollout = self.rollouts().get("shop").await.unwrap();
        let labels = json!({"app": "shop", POD_TEMPLATE_HASH: hash});
        let mut template = template(image);
        template["metadata"]["labels"] = labels.clone();
        let mut set = self.sets().kind().named(&format!("shop-{hash}"));
        set["metadata"]["labels"] = labels.clone();
        set["metadata"]["annotations"] = json!({REVISION: number});
        set["metadata"]["ownerReferences"] = json!([Owner::of(&rollout).unwrap().reference()]);
        let selector = json!({"matchLabels": labels});
        set["spec"] = json!({"replicas": 0, "selector": selector, "template": template});
        self.sets().create(&set).await.unwrap();
    }

    pub(super) async fn set_template(&self, template: &Value) {
        let patch = json!({"spec": {"template": template}});
        self.rollouts().merge("shop", &patch).await.unwrap();
    }
}

/// A template as a person writes it, without anything that the server fills in.
pub(super) fn template(image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "shop"}},
        "spec": {"containers": [{
            "name": "shop",
            "image": format!("shop:{image}"),
            "ports": [{"containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
        }]},
    })
}

pub(super) fn stamp(sequence: u64) -> Stamp {
    Stamp {
        epoch: 1,
        sequence,
        generation: 0,
        attempt: 0,
    }
}

impl Bench for OnReplicaSets {
    type World = Living;

    async fn world(&self) -> Living {
        let living = Living::with_rollout(&self.0).await;
        living.adopted("v1", "1", "1").await;
        living.adopted("v2", "2", "2").await;
        living
    }

    async fn workload(&self, world: &Living) -> Arc<dyn Workload> {
        Arc::new(world.workload().await)
    }

    /// Until the controller says of every ReplicaSet that all is there, or for three seconds.
    async fn settle(&self, world: &Living) {
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let sets = world.sets().list("").await.unwrap();
            if sets.iter().all(is_settled) {
                return;
            }
        }
    }

    async fn now(&self, _: &Living) -> Option<Timestamp> {
        Some(now())
    }

    /// Whatever is written moves the version of a ReplicaSet.
    async fn writes(&self, world: &Living) -> Option<u64> {
        let sets = world.sets().list("").await.unwrap();
        let versions = sets.iter().map(|set| &set["metadata"]["resourceVersion"]);
        Some(
            versions
                .map(|version| version.as_str().unwrap().parse::<u64>().unwrap())
                .sum(),
        )
    }

    async fn trouble(&self, world: &Living, revision: &RevisionId, words: &str) -> bool {
        refuse_pods(world, revision, words).await;
        true
    }
}

/// An admission policy refuses the revision's pods.
pub(super) async fn refuse_pods(world: &Living, revision: &RevisionId, words: &str) {
    let (name, version) = (&world.namespace.name, "admissionregistration.k8s.io/v1");
    let hash = format!("object.metadata.labels['{POD_TEMPLATE_HASH}']");
    let here = json!({"matchLabels": {"kubernetes.io/metadata.name": name}});
    let pods = json!([{
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
        "resources": ["pods"],
    }]);
    let policy = json!({
        "apiVersion": version, "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": pods, "namespaceSelector": here},
            "validations": [{"expression": format!("{hash} != '{revision}'"), "message": words}],
        },
    });
    let binding = json!({
        "apiVersion": version, "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    world
        .namespace
        .apply_everywhere(&policy, "validatingadmissionpolicies")
        .await;
    world
        .namespace
        .apply_everywhere(&binding, "validatingadmissionpolicybindings")
        .await;
    until_refused(world, revision).await;
}

pub(super) fn is_settled(set: &Value) -> bool {
    let count = |pointer: &str| set.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let wanted = count("/spec/replicas");
    let counts = [
        "/status/replicas",
        "/status/readyReplicas",
        "/status/availableReplicas",
    ];
    count("/status/observedGeneration") == count("/metadata/generation")
        && counts.iter().all(|pointer| count(pointer) == wanted)
}

/// A policy is not in force the moment that it is made.
async fn until_refused(world: &Living, revision: &RevisionId) {
    let pods = world.namespace.objects("v1", "Pod", "pods");
    let mut pod = pods.kind().named("trial");
    pod["metadata"]["labels"] = json!({POD_TEMPLATE_HASH: revision.as_str()});
    pod["spec"] = template("1")["spec"].clone();
    while pods.rehearse(&pod).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_workload_on_replica_sets_keeps_every_rule() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let report = workload::all(&OnReplicaSets(cluster)).await;
    report.assert_clean();
    assert_eq!(report.unchecked(), [0; 0], "{report}");
}

#[tokio::test]
async fn a_first_version_and_the_next_one_come_to_life() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let living = Living::with_rollout(&cluster).await;
    let workload = living.workload().await;
    let seen = workload.observe().await.unwrap();
    let first = seen.wanted.clone();
    let there: Vec<_> = seen
        .revisions
        .iter()
        .map(|it| (it.id.clone(), it.number))
        .collect();
    assert_eq!(there, [(first.clone(), 1)]);
    assert!(
        living.sets().list("").await.unwrap().is_empty(),
        "looking makes nothing"
    );
    workload.scale(&first, 2, stamp(1)).await.unwrap();
    available(&workload, &first, 2).await;

    living.set_template(&template("3")).await;
    let second = workload.observe().await.unwrap().wanted;
    assert_ne!(second, first);
    workload.scale(&second, 1, stamp(2)).await.unwrap();
    available(&workload, &second, 1).await;
    let set = living.sets().get(&format!("shop-{second}")).await.unwrap();
    assert_eq!(set["metadata"]["annotations"][REVISION], "2");

    // The old template again, though the API server has filled it in meanwhile.
    living.set_template(&template("2")).await;
    assert_eq!(workload.observe().await.unwrap().wanted, first);
}

#[tokio::test]
async fn beyond_the_history_the_oldest_go_when_a_new_one_is_made() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let living = Living::with_rollout(&cluster).await;
    let limit = json!({"spec": {"revisionHistoryLimit": 1}});
    living.rollouts().merge("shop", &limit).await.unwrap();
    for (hash, number) in [("v1", "1"), ("v2", "2"), ("v3", "3")] {
        living.adopted(hash, number, number).await;
    }
    let workload = living.workload().await;
    workload.scale(&"v1".into(), 1, stamp(1)).await.unwrap();
    available(&workload, &"v1".into(), 1).await;
    living.set_template(&template("4")).await;
    let fourth = workload.observe().await.unwrap().wanted;
    workload.scale(&fourth, 1, stamp(2)).await.unwrap();
    let left = workload.observe().await.unwrap().revisions;
    let mut left: Vec<_> = left.iter().map(|it| it.number).collect();
    left.sort_unstable();
    // The first has pods, the third is the history.
    assert_eq!(left, [1, 3, 4]);
}

#[tokio::test]
async fn what_the_server_fills_in_makes_no_new_revision() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let living = Living::with_rollout(&cluster).await;
    living.adopted("made-by-argo", "7", "2").await;
    let workload = living.workload().await;
    let wanted = || async { workload.observe().await.unwrap().wanted };
    assert_eq!(wanted().await, RevisionId::new("made-by-argo"));
    let mut same = template("2");
    same["spec"]["restartPolicy"] = "Always".into();
    living.set_template(&same).await;
    assert_eq!(wanted().await, RevisionId::new("made-by-argo"));
    same["spec"]["terminationGracePeriodSeconds"] = 5.into();
    living.set_template(&same).await;
    assert_ne!(wanted().await, RevisionId::new("made-by-argo"));
}

#[tokio::test]
async fn a_container_that_does_not_start_is_told_in_the_kubelets_words() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let living = Living::with_rollout(&cluster).await;
    let workload = living.workload().await;
    let fates = [
        (
            "crash-loop",
            TroubleKind::CrashLoop,
            "back-off 5m0s restarting failed",
        ),
        (
            "no-image",
            TroubleKind::ImagePull,
            "Back-off pulling image \"shop:none\"",
        ),
    ];
    for (sequence, (fate, kind, words)) in (1..).zip(fates) {
        let mut bad = template(fate);
        bad["metadata"]["labels"][FATE] = fate.into();
        living.set_template(&bad).await;
        let wanted = workload.observe().await.unwrap().wanted;
        workload.scale(&wanted, 2, stamp(sequence)).await.unwrap();
        let told = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                let seen = workload.observe().await.unwrap();
                let revision = seen.revision(&wanted).unwrap().clone();
                if revision.trouble.iter().any(|trouble| trouble.pods == 2) {
                    return revision;
                }
                workload.changed().await;
            }
        });
        let revision = told.await.expect("pods that do not start are told");
        assert_eq!((revision.pods, revision.available), (2, 0));
        assert_eq!(revision.trouble[0].kind, kind);
        assert!(
            revision.trouble[0].text.starts_with(words),
            "{:?}",
            revision.trouble
        );
    }
}

#[tokio::test]
async fn an_owner_without_a_template_is_named_before_anything_starts() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let living = Living::with_rollout(&cluster).await;
    let workload = living.workload().await;
    assert_eq!(workload.probe().await.unwrap(), []);
    living
        .rollouts()
        .merge("shop", &json!({"spec": {"template": null}}))
        .await
        .unwrap();
    let missing = workload.probe().await.unwrap();
    assert_eq!(missing.len(), 1);
    assert!(
        missing[0].what.contains("has no spec.template"),
        "{missing:?}"
    );
    assert_eq!(
        workload.observe().await.unwrap_err().kind,
        FaultKind::Invalid
    );
}

#[tokio::test]
async fn a_deployment_that_the_owner_refers_to_says_what_is_wanted() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let living = Living::with_rollout(&cluster).await;
    let world = &living.namespace;
    let deployments = world.objects("apps/v1", "Deployment", "deployments");
    let mut web = deployments.kind().named("web");
    let selector = json!({"matchLabels": {"app": "shop"}});
    web["spec"] = json!({"replicas": 0, "selector": selector, "template": template("2")});
    deployments.create(&web).await.unwrap();
    let refers = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let spec = json!({"template": null, "selector": null, "workloadRef": refers});
    let patch = json!({"spec": spec});
    living.rollouts().merge("shop", &patch).await.unwrap();

    let client = world.user(&[ROLE, WORKLOAD_REF_ROLE]).await;
    let kind = ReplicaSets::rollout();
    let workload = ReplicaSets::of(client, &world.name, kind, "shop")
        .await
        .unwrap();
    assert_eq!(workload.probe().await.unwrap(), []);
    let first = workload.observe().await.unwrap().wanted;
    workload.scale(&first, 2, stamp(1)).await.unwrap();
    available(&workload, &first, 2).await;
    let image = async || {
        let web = deployments.get("web").await.unwrap();
        web["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    let patch = json!({"spec": {"template": template("3")}});
    deployments.merge("web", &patch).await.unwrap();
    workload.changed().await;
    let second = workload.observe().await.unwrap().wanted;
    assert_ne!(second, first);
    workload.scale(&second, 1, stamp(2)).await.unwrap();
    available(&workload, &second, 1).await;

    workload.undo(&first, stamp(3)).await.unwrap();
    assert_eq!(image().await, "shop:2");
    assert_eq!(workload.observe().await.unwrap().wanted, first);
    let late = workload.undo(&second, stamp(2)).await.unwrap_err();
    assert_eq!(late.kind, FaultKind::Fenced);
    assert_eq!(image().await, "shop:2");

    let gone = deployments.get("web").await.unwrap();
    deployments.delete_unchanged(&gone).await.unwrap();
    let missing = workload.probe().await.unwrap();
    assert_eq!(missing[0].what, "Deployment web", "{missing:?}");
    workload.changed().await;
    let error = workload.observe().await.unwrap_err();
    assert_eq!(error.kind, FaultKind::NotFound, "{error}");
}

#[tokio::test]
async fn a_rollout_whose_name_is_as_long_as_a_name_may_be_gets_its_pods() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let living = Living::with_rollout(&cluster).await;
    let long = "r".repeat(253);
    let mut rollout = living.rollouts().kind().named(&long);
    rollout["spec"] = living.rollouts().get("shop").await.unwrap()["spec"].clone();
    living.rollouts().create(&rollout).await.unwrap();
    let client = living.namespace.user(&[ROLE]).await;
    let kind = ReplicaSets::rollout();
    let workload = ReplicaSets::of(client, &living.namespace.name, kind, &long)
        .await
        .unwrap();
    let wanted = workload.observe().await.unwrap().wanted;
    workload.scale(&wanted, 1, stamp(1)).await.unwrap();
    available(&workload, &wanted, 1).await;
    workload.scale(&wanted, 2, stamp(2)).await.unwrap();
    available(&workload, &wanted, 2).await;
}

#[tokio::test]
async fn a_reference_to_what_is_no_workload_is_refused_in_words() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let living = Living::with_rollout(&cluster).await;
    let refers = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"});
    let patch = json!({"spec": {"template": null, "workloadRef": refers}});
    living.rollouts().merge("shop", &patch).await.unwrap();
    let client = living.namespace.user(&[ROLE]).await;
    let kind = ReplicaSets::rollout();
    let of = ReplicaSets::of(client, &living.namespace.name, kind, "shop");
    let error = of.await.map(drop).unwrap_err();
    assert_eq!(error.kind, FaultKind::Invalid);
    let words = "shop refers to StatefulSet \"web\"";
    assert!(error.text.starts_with(words), "{error}");
}

pub(super) async fn available(workload: &dyn Workload, id: &RevisionId, wanted: u32) {
    let reached = tokio::time::timeout(Duration::from_secs(60), async {
        while workload
            .observe()
            .await
            .unwrap()
            .revision(id)
            .unwrap()
            .available
            != wanted
        {
            workload.changed().await;
        }
    });
    reached
        .await
        .expect("the pods that are asked for become available");
}
