//! Istio's control plane on the cluster of the tests.

use std::path::Path;

use crate::live::server::{Server, find, free_port};

/// What a plain Envoy, without the filters of Istio's own, needs switched off; and what would
/// listen or write where nobody asked for it.
const ENVIRONMENT: [(&str, &str); 9] = [
    ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
    ("PILOT_ENABLE_ALPN_FILTER", "false"),
    ("INJECT_ENABLED", "false"),
    ("INJECTION_WEBHOOK_CONFIG_NAME", ""),
    ("VALIDATION_WEBHOOK_CONFIG_NAME", ""),
    ("ENABLE_CA_SERVER", "false"),
    ("POD_NAMESPACE", "istio-system"),
    ("POD_NAME", "istiod-1"),
    ("CLUSTER_ID", "Kubernetes"),
];

/// A running istiod.
pub(in crate::live) struct Istiod {
    /// Where proxies ask for what they shall do.
    pub(in crate::live) discovery: u16,
    /// Where it tells what it has told them.
    pub(in crate::live) debug: u16,
    _server: Server,
}

impl Istiod {
    /// Starts one beside an API server whose `admin.yaml` is in `dir`.
    pub(super) async fn start(dir: &Path) -> Option<Self> {
        let program = find("istiod")?;
        let [discovery, debug, monitoring] = [(); 3].map(|()| free_port());
        std::fs::write(dir.join("mesh.yaml"), "enableAutoMtls: false\n").unwrap();
        let arguments = [
            "discovery".to_owned(),
            "--kubeconfig=admin.yaml".to_owned(),
            "--registries=Kubernetes".to_owned(),
            "--meshConfig=mesh.yaml".to_owned(),
            format!("--grpcAddr=127.0.0.1:{discovery}"),
            format!("--httpAddr=127.0.0.1:{debug}"),
            format!("--monitoringAddr=127.0.0.1:{monitoring}"),
            "--secureGRPCAddr=".to_owned(),
            "--httpsAddr=".to_owned(),
            "--ctrlz_address=127.0.0.1".to_owned(),
            "--ctrlz_port=0".to_owned(),
        ];
        let mut server = Server::start_with(&program, &arguments, &ENVIRONMENT, dir);
        server
            .ready(&format!("http://127.0.0.1:{debug}/ready"))
            .await;
        Some(Self {
            discovery,
            debug,
            _server: server,
        })
    }
}
