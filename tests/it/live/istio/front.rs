//! A gateway of the mesh, which istiod tells what we wrote, in front of both versions of a shop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gradatim_core::port::TrafficRouter;
use gradatim_core::registry::RouterFrame;
use gradatim_core::route::{Confidence, Route};
use gradatim_core::spec::SessionAffinity;
use gradatim_istio::{IstioConfig, IstioRouter, ROLE};
use gradatim_kubernetes::client::{Pace, client};
use gradatim_kubernetes::names::POD_TEMPLATE_HASH;
use serde_json::{Value, json};

use super::rules;
use crate::live::cluster::{Cluster, Namespace};
use crate::live::server::{Server, find, free_port};
use crate::live::upstream::Version;

const ISTIO: &str = "networking.istio.io/v1";

/// How the versions are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::live) enum By {
    Hosts,
    Subsets,
    /// Hosts of connections that nobody looks into.
    Connections,
}

impl By {
    fn protocol(self) -> &'static str {
        match self {
            Self::Connections => "TCP",
            Self::Hosts | Self::Subsets => "HTTP",
        }
    }
}

/// Envoy, and what stands before and behind it.
pub(in crate::live) struct Front {
    pub(in crate::live) port: u16,
    pub(in crate::live) router: IstioRouter,
    pub(in crate::live) versions: [Version; 2],
    pub(in crate::live) world: Namespace,
    pub(in crate::live) debug: String,
    pub(in crate::live) envoy: Server,
    _dir: tempfile::TempDir,
    _cluster: Arc<Cluster>,
}

impl Front {
    pub(in crate::live) async fn start(by: By) -> Option<Self> {
        let cluster = Cluster::shared().await?;
        let (discovery, debug) = {
            let istiod = cluster.istiod().await?;
            (istiod.discovery, istiod.debug)
        };
        let debug = format!("http://127.0.0.1:{debug}");
        let program = find("envoy")?;
        let world = cluster.namespace().await;
        let versions = [Version::start("v1").await, Version::start("v2").await];
        let port = free_port();
        make_objects(&world, by, port, &versions).await;
        let dir = tempfile::tempdir().unwrap();
        let envoy = start_envoy(&program, dir.path(), &world.name, discovery);
        let mut front = Self {
            port,
            router: router(&world, by, &debug).await,
            versions,
            world,
            debug,
            envoy,
            _dir: dir,
            _cluster: cluster,
        };
        let address = format!("http://127.0.0.1:{port}/");
        front.envoy.ready(&address).await;
        Some(front)
    }

    /// The same with a router that keeps clients by this cookie, as the rollout wants it.
    pub(in crate::live) async fn keeping(mut self, cookie: &str) -> Self {
        let mut frame = frame();
        frame.session_affinity = Some(SessionAffinity::new(cookie));
        self.router = router_in(&self.world, By::Subsets, &frame, &self.debug).await;
        self
    }

    /// The same with a router whose istiod nobody has started, and where that would be.
    pub(in crate::live) async fn asking_nobody(mut self) -> (Self, String) {
        let nobody = format!("http://127.0.0.1:{}", free_port());
        self.router = router(&self.world, By::Subsets, &nobody).await;
        (self, nobody)
    }

    /// Writes a route, and waits until the router says that Envoy has it.
    pub(in crate::live) async fn set(&self, wanted: &Route) {
        self.router.apply(wanted).await.unwrap();
        self.sees(wanted).await;
    }

    /// Waits until a route is confirmed.
    pub(in crate::live) async fn sees(&self, wanted: &Route) {
        let seen = tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                let seen = self.router.observe().await.unwrap();
                let split = seen.split.unwrap();
                if split.confidence == Confidence::Proxy {
                    assert_eq!(split.value(), Some(&wanted.split.value));
                    let [headers, mirrors] = [
                        seen.headers.unwrap().value() == Some(&wanted.headers.value),
                        seen.mirrors.unwrap().value() == Some(&wanted.mirrors.value),
                    ];
                    assert!(headers && mirrors);
                    return;
                }
                self.router.changed().await;
            }
        });
        seen.await.expect("the proxies never acknowledge it");
    }
}

/// Its objects as their user makes them: everything to stable.
async fn make_objects(world: &Namespace, by: By, port: u16, versions: &[Version; 2]) {
    let make = async |kind: &str, plural: &str, name: &str, spec: Value| {
        let objects = world.objects(ISTIO, kind, plural);
        let mut object = objects.kind().named(name);
        object["spec"] = spec;
        objects.create(&object).await.unwrap();
    };
    let server = json!({
        "port": {"number": port, "name": "all", "protocol": by.protocol()},
        "bind": "127.0.0.1", "hosts": ["*"],
    });
    let gateway = json!({"selector": {"gateway": world.name}, "servers": [server]});
    make("Gateway", "gateways", "public", gateway).await;
    let [stable, canary] = [("v1", &versions[0]), ("v2", &versions[1])].map(|(hash, version)| {
        json!({
            "address": "127.0.0.1", "ports": {"all": version.port},
            "labels": {POD_TEMPLATE_HASH: hash},
        })
    });
    let services = match by {
        By::Hosts | By::Connections => {
            vec![("shop", vec![stable]), ("shop-canary", vec![canary])]
        }
        By::Subsets => vec![("shop", vec![stable, canary])],
    };
    for (name, endpoints) in services {
        let spec = json!({
            "hosts": [format!("{name}.{}.svc.cluster.local", world.name)],
            "location": "MESH_INTERNAL", "resolution": "STATIC",
            "ports": [{"number": 80, "name": "all", "protocol": by.protocol()}],
            "endpoints": endpoints,
        });
        make("ServiceEntry", "serviceentries", name, spec).await;
    }
    let to = match by {
        By::Hosts | By::Connections => [json!({"host": "shop"}), json!({"host": "shop-canary"})],
        By::Subsets => ["stable", "canary"].map(|subset| json!({"host": "shop", "subset": subset})),
    };
    let [stable, canary] = to;
    let both = json!([
        {"destination": stable, "weight": 100}, {"destination": canary, "weight": 0},
    ]);
    let mut spec = json!({"hosts": ["*"], "gateways": ["public"]});
    match by {
        By::Connections => spec["tcp"] = json!([{"match": [{"port": port}], "route": both}]),
        By::Hosts | By::Subsets => spec["http"] = json!([{"name": "main", "route": both}]),
    }
    make("VirtualService", "virtualservices", "shop", spec).await;
    if by == By::Subsets {
        // Nobody is there yet but v1: where the canary's subset leads is for the router to say.
        let labels = json!({POD_TEMPLATE_HASH: "v1"});
        let subsets = ["stable", "canary"].map(|subset| json!({"name": subset, "labels": labels}));
        let mut rule = rules(world).kind().named("shop");
        rule["spec"] = json!({"host": "shop", "subsets": subsets});
        rules(world).create(&rule).await.unwrap();
    }
}

/// A router that may do what its Role says, and asks istiod what Envoy has.
async fn router(world: &Namespace, by: By, debug: &str) -> IstioRouter {
    router_in(world, by, &frame(), debug).await
}

fn frame() -> RouterFrame {
    let mut frame = RouterFrame::new("shop");
    frame.stable_service = Some("shop".to_owned());
    frame.canary_service = Some("shop-canary".to_owned());
    frame.managed_routes = ["trial", "shadow"].map(str::to_owned).to_vec();
    frame
}

async fn router_in(world: &Namespace, by: By, frame: &RouterFrame, debug: &str) -> IstioRouter {
    let mut part = json!({});
    part["virtualService"] = json!({"name": "shop"});
    if by == By::Subsets {
        part["destinationRule"] =
            json!({"name": "shop", "stableSubsetName": "stable", "canarySubsetName": "canary"});
    }
    let config = IstioConfig::parse(&part, frame, &world.name).unwrap();
    let istiod = kube::Config::new(debug.parse().unwrap());
    let istiod = client(istiod, Pace::default()).unwrap();
    IstioRouter::new(world.user(&[ROLE]).await, "v1", config).with_control_plane([istiod])
}

/// It ends with the thread that starts it: called by a test itself, and by no task.
fn start_envoy(program: &Path, dir: &Path, namespace: &str, discovery: u16) -> Server {
    let socket = json!({"socket_address": {"address": "127.0.0.1", "port_value": discovery}});
    let ads = json!({"ads": {}, "resource_api_version": "V3"});
    let bootstrap = json!({
        "node": {
            "id": format!("router~10.99.0.9~gateway.{namespace}~{namespace}.svc.cluster.local"),
            "cluster": format!("gateway.{namespace}"),
            "metadata": {
                "NAMESPACE": namespace, "CLUSTER_ID": "Kubernetes", "ISTIO_VERSION": "1.31.0",
                "LABELS": {"gateway": namespace}, "MESH_ID": "cluster.local",
            },
        },
        "static_resources": {"clusters": [{
            "name": "istiod", "type": "STATIC", "connect_timeout": "5s",
            "load_assignment": {
                "cluster_name": "istiod",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket}}]}],
            },
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": {"http2_protocol_options": {}},
                },
            },
        }]},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC", "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "istiod"}}],
                "set_node_on_first_message_only": true,
            },
            "lds_config": ads, "cds_config": ads,
        },
    });
    std::fs::write(dir.join("envoy.json"), bootstrap.to_string()).unwrap();
    let arguments = [
        "--config-path",
        "envoy.json",
        "--use-dynamic-base-id",
        "--concurrency",
        "1",
        "--log-level",
        "warning",
    ];
    Server::start(program, &arguments.map(str::to_owned), dir)
}
