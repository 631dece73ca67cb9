//! Whoever starts pods where there is no machine.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gradatim_kubernetes::fence::now;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::Namespace;

/// The label of a pod that tells what becomes of it; without it the pod runs and is ready.
pub(in crate::live) const FATE: &str = "fate";

/// The only machine there is; it is none.
pub(super) const NODE: &str = "paper";

static ADDRESSES: AtomicU32 = AtomicU32::new(1);

/// Starts every pod of a namespace until it is dropped.
pub(in crate::live) struct Kubelet(JoinHandle<()>);

impl Kubelet {
    pub(in crate::live) fn of(namespace: &Namespace) -> Self {
        let pods = GroupVersionKind::gvk("", "v1", "Pod");
        let pods = ApiResource::from_gvk_with_plural(&pods, "pods");
        let api = Api::namespaced_with(namespace.admin(), &namespace.name, &pods);
        Self(tokio::spawn(async move {
            loop {
                start_all(&api).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }))
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A pod that vanishes or a namespace that ends meanwhile is nothing to fail on.
async fn start_all(api: &Api<DynamicObject>) {
    let Ok(pods) = api.list(&ListParams::default()).await else {
        return;
    };
    for pod in &pods.items {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let is_told = pod.data["status"]["containerStatuses"].is_array();
        if pod.metadata.deletion_timestamp.is_some() {
            let _ = api
                .delete(&name, &DeleteParams::default().grace_period(0))
                .await;
        } else if !pod.data["spec"]["nodeName"].is_string() {
            bind(api, &name).await;
        } else if !is_told {
            let status = json!({"status": status(pod)});
            let ours = PatchParams::default();
            let _ = api.patch_status(&name, &ours, &Patch::Merge(&status)).await;
        }
    }
}

/// Without a node a pod is no endpoint.
async fn bind(api: &Api<DynamicObject>, pod: &str) {
    let target = json!({"apiVersion": "v1", "kind": "Node", "name": NODE});
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod}, "target": target,
    });
    let params = PostParams::default();
    let _ = api
        .create_subresource::<_, Value>("binding", pod, &params, &binding)
        .await;
}

fn status(pod: &DynamicObject) -> Value {
    let labels = pod.metadata.labels.as_ref();
    let fate = labels
        .and_then(|labels| labels.get(FATE))
        .map(String::as_str);
    let containers = pod.data["spec"]["containers"].as_array();
    let (at, address) = (seconds(), ADDRESSES.fetch_add(1, Ordering::Relaxed));
    let address = format!("10.1.{}.{}", address / 250 % 250, address % 250 + 1);
    let is_ready = fate.is_none();
    let waiting =
        |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
    let state = match fate {
        Some("crash-loop") => waiting(
            "CrashLoopBackOff",
            "back-off 5m0s restarting failed container=shop pod=shop",
        ),
        Some("no-image") => waiting("ImagePullBackOff", "Back-off pulling image \"shop:none\""),
        _ => json!({"running": {"startedAt": at}}),
    };
    let each = containers.into_iter().flatten().map(|container| {
        json!({
            "name": container["name"], "image": container["image"], "imageID": "",
            "ready": is_ready, "restartCount": 0, "state": state,
        })
    });
    let condition = |kind: &str| {
        let status = if is_ready { "True" } else { "False" };
        json!({"type": kind, "status": status, "lastTransitionTime": at})
    };
    json!({
        "phase": "Running",
        "startTime": at,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [condition("Ready"), condition("ContainersReady")],
        "containerStatuses": each.collect::<Vec<_>>(),
    })
}

/// Now, as the API server writes it.
fn seconds() -> String {
    let text = now().to_string();
    let seconds = text
        .trim_end_matches('Z')
        .split('.')
        .next()
        .unwrap_or_default();
    format!("{seconds}Z")
}
