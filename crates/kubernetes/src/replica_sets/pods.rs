//! What pods say: who is ready, since when, and what keeps the others; pure.

use gradatim_core::time::Timestamp;
use gradatim_core::workload::{Trouble, TroubleKind};
use serde_json::Value;

use super::set::{desired, instant};
use crate::names::{POD_TEMPLATE_HASH, SIDE};
use crate::objects::{label, text};
use crate::owner::controller;

/// The pods of a ReplicaSet, or of a Deployment of a pair, that count: neither ended nor about to
/// end.
pub(super) fn of<'a>(set: &'a Value, all: &'a [Value]) -> impl Iterator<Item = &'a Value> {
    all.iter().filter(move |pod| {
        let has_ended = matches!(text(pod, "/status/phase"), Some("Succeeded" | "Failed"));
        let is_ending = pod["metadata"]["deletionTimestamp"].is_string();
        is_its(set, pod) && !has_ended && !is_ending
    })
}

/// The controllers of a Deployment's pods are ReplicaSets, of which there are two while
/// `kubectl rollout restart` runs. Its side is in its selector, which cannot change, and both labels
/// are ours: who bears them was made from this template.
fn is_its(set: &Value, pod: &Value) -> bool {
    match label(set, SIDE) {
        Some(side) => {
            label(pod, SIDE) == Some(side)
                && label(pod, POD_TEMPLATE_HASH) == label(set, POD_TEMPLATE_HASH)
        }
        None => controller(pod).is_some_and(|owner| owner["uid"] == set["metadata"]["uid"]),
    }
}

pub(super) fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// When a pod started; before that, when it was made.
pub(super) fn started(pod: &Value) -> Option<Timestamp> {
    instant(pod, "/status/startTime").or_else(|| instant(pod, "/metadata/creationTimestamp"))
}

/// What keeps pods of a ReplicaSet from serving, each kind in the words of the first pod.
///
/// A probe that fails is told by the server in events alone, and not here.
pub(super) fn trouble(set: &Value, pods: &[&Value]) -> Vec<Trouble> {
    let mut found: Vec<Trouble> = Vec::new();
    found.extend(refused(set, pods.len()));
    for pod in pods {
        let Some((kind, text)) = waiting(pod) else {
            continue;
        };
        let since = started(pod).unwrap_or_default();
        match found.iter_mut().find(|trouble| trouble.kind == kind) {
            Some(known) => {
                known.pods = known.pods.saturating_add(1);
                known.since = known.since.min(since);
            }
            None => found.push(Trouble {
                kind,
                pods: 1,
                text,
                since,
            }),
        }
    }
    found
}

/// The pods that are missing because the server refuses them.
fn refused(set: &Value, pods: usize) -> Option<Trouble> {
    let failure = condition(set, "ReplicaFailure").filter(|it| it["status"] == "True")?;
    let missing = desired(set).saturating_sub(u32::try_from(pods).unwrap_or(u32::MAX));
    (missing > 0).then(|| Trouble {
        kind: TroubleKind::PodRefused,
        pods: missing,
        text: text(failure, "/message").unwrap_or_default().to_owned(),
        since: instant(failure, "/lastTransitionTime").unwrap_or_default(),
    })
}

/// Why a container of a pod does not start.
fn waiting(pod: &Value) -> Option<(TroubleKind, String)> {
    let status = &pod["status"];
    let containers = [
        &status["initContainerStatuses"],
        &status["containerStatuses"],
    ];
    let containers = containers.into_iter().filter_map(Value::as_array).flatten();
    containers
        .filter_map(|container| {
            let waiting = &container["state"]["waiting"];
            let reason = text(waiting, "/reason")?;
            let kind = kind(reason)?;
            let text = text(waiting, "/message").filter(|message| !message.is_empty());
            Some((kind, text.unwrap_or(reason).to_owned()))
        })
        .next()
}

/// The kubelet's word for it, as ours.
fn kind(reason: &str) -> Option<TroubleKind> {
    match reason {
        "CrashLoopBackOff" => Some(TroubleKind::CrashLoop),
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable" => Some(TroubleKind::ImagePull),
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            Some(TroubleKind::PodRefused)
        }
        _ => None,
    }
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(state: Value) -> Value {
        let owner = json!({"uid": "1", "controller": true});
        json!({
            "metadata": {"ownerReferences": [owner], "creationTimestamp": "2026-10-01T12:00:00Z"},
            "status": {"phase": "Pending", "containerStatuses": [{"state": state}]},
        })
    }

    fn set(replicas: u32, conditions: Value) -> Value {
        json!({
            "metadata": {"uid": "1"},
            "spec": {"replicas": replicas},
            "status": {"conditions": conditions},
        })
    }

    #[test]
    fn a_pod_that_ends_or_is_somebody_elses_does_not_count() {
        let whole = pod(json!({}));
        let mut ended = whole.clone();
        ended["status"]["phase"] = "Failed".into();
        let mut ending = whole.clone();
        ending["metadata"]["deletionTimestamp"] = "2026-10-01T12:00:00Z".into();
        let mut theirs = whole.clone();
        theirs["metadata"]["ownerReferences"][0]["uid"] = "2".into();
        let all = [whole.clone(), ended, ending, theirs];
        let set = set(1, json!([]));
        assert_eq!(of(&set, &all).collect::<Vec<_>>(), [&whole]);
    }

    #[test]
    fn the_pods_of_a_deployment_are_those_of_its_side_and_revision() {
        let bearing = |side: &str, hash: &str| json!({"metadata": {"labels": {SIDE: side, POD_TEMPLATE_HASH: hash}}});
        let all = [bearing("a", "x"), bearing("b", "x"), bearing("a", "y")];
        let deployment = bearing("a", "x");
        assert_eq!(of(&deployment, &all).collect::<Vec<_>>(), [&all[0]]);
    }

    #[test]
    fn each_trouble_is_told_in_the_words_of_the_server() {
        let waits = |reason: &str, message: &str| {
            pod(json!({"waiting": {"reason": reason, "message": message}}))
        };
        let pods = [
            waits("CrashLoopBackOff", "back-off 10s restarting"),
            waits("CrashLoopBackOff", "back-off 5m0s restarting"),
            waits("ErrImagePull", ""),
            waits("ContainerCreating", "it just starts"),
            pod(json!({"running": {}})),
        ];
        let pods: Vec<_> = pods.iter().collect();
        let told = trouble(&set(5, json!([])), &pods);
        let told: Vec<_> = told
            .iter()
            .map(|it| (it.kind, it.pods, it.text.as_str()))
            .collect();
        let wanted = [
            (TroubleKind::CrashLoop, 2, "back-off 10s restarting"),
            (TroubleKind::ImagePull, 1, "ErrImagePull"),
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn refused_pods_are_those_that_are_missing() {
        let refusal = json!([{"type": "ReplicaFailure", "status": "True", "message": "quota"}]);
        let one = pod(json!({"running": {}}));
        let told = trouble(&set(4, refusal.clone()), &[&one]);
        assert_eq!((told[0].kind, told[0].pods), (TroubleKind::PodRefused, 3));
        // The condition is older than the pods: nothing is missing any more.
        assert!(trouble(&set(1, refusal), &[&one]).is_empty());
    }
}
