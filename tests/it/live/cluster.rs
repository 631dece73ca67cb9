//! A cluster without machines: etcd, the API server and the controllers that make pods and
//! endpoints. Whoever needs a kubelet plays it.

mod crds;
pub(super) mod istiod;
pub(super) mod kubelet;
pub(super) mod proxy;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use gradatim_kubernetes::Client;
use gradatim_kubernetes::client::Pace;
use gradatim_kubernetes::objects::{Kind, Objects};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

use self::istiod::Istiod;
use self::proxy::Proxy;
use super::server::{Server, find, free_port};

/// May do everything.
const ADMIN: &str = "admin";
/// May do what the roles of a test let it.
const USER: &str = "gradatim";
/// The controllers that the tests need; each other one would only cost time.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,\
    garbage-collector-controller,endpointslice-controller,namespace-controller,\
    disruption-controller";

/// The running servers, stopped when the last test is done with them.
pub(super) struct Cluster {
    port: u16,
    dir: tempfile::TempDir,
    istiod: OnceCell<Option<Istiod>>,
    _controllers: Server,
    api: std::sync::Mutex<Server>,
    /// How the API server is started again.
    program: (PathBuf, Vec<String>),
    _etcd: Server,
}

/// A namespace of one test.
pub(super) struct Namespace {
    pub(super) name: String,
    cluster: Arc<Cluster>,
    admin: Client,
}

static RUNNING: Mutex<Weak<Cluster>> = Mutex::const_new(Weak::new());
static NAMESPACES: AtomicU32 = AtomicU32::new(0);

impl Cluster {
    /// The cluster of all tests that run now; none when its servers are missing.
    pub(super) async fn shared() -> Option<Arc<Self>> {
        let mut running = RUNNING.lock().await;
        if let Some(cluster) = running.upgrade() {
            return Some(cluster);
        }
        let cluster = Arc::new(Self::start().await?);
        *running = Arc::downgrade(&cluster);
        Some(cluster)
    }

    /// One of a test's own, which may be broken.
    pub(super) async fn start() -> Option<Self> {
        let files = [
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "istio-crds.yaml",
        ];
        let [Some(etcd), Some(api), Some(controllers), Some(crds)] = files.map(find) else {
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let [clients, peers, port, controls] = [(); 4].map(|()| free_port());
        let etcd = start_etcd(&etcd, dir.path(), clients, peers).await;
        write_credentials(dir.path(), port);
        let program = (api, api_arguments(clients, port));
        let api = Server::start(&program.0, &program.1, dir.path());
        wait_until_ready(dir.path()).await;
        let controllers = Server::start(&controllers, &controller_arguments(controls), dir.path());
        let admin = client(dir.path(), ADMIN).await;
        let nodes = Objects::everywhere(admin, Kind::new("v1", "Node", "nodes"));
        nodes
            .create(&nodes.kind().named(kubelet::NODE))
            .await
            .unwrap();
        let namespaces =
            Objects::everywhere(nodes.client(), Kind::new("v1", "Namespace", "namespaces"));
        let mesh = namespaces.kind().named("istio-system");
        namespaces.create(&mesh).await.unwrap();
        crds::serve(nodes.client(), &crds).await;
        Some(Self {
            port,
            dir,
            istiod: OnceCell::new(),
            _controllers: controllers,
            api: api.into(),
            program,
            _etcd: etcd,
        })
    }

    /// Kills the API server in the middle of whatever it does.
    pub(super) fn kill(&self) {
        self.api.lock().unwrap().kill();
    }

    /// Starts it again on what etcd has kept.
    pub(super) async fn start_again(&self) {
        let (program, arguments) = &self.program;
        *self.api.lock().unwrap() = Server::start(program, arguments, self.dir.path());
        wait_until_ready(self.dir.path()).await;
    }

    /// The control plane of the mesh, started by who first asks; none when its server is missing.
    pub(super) async fn istiod(&self) -> Option<&Istiod> {
        let istiod = self.istiod.get_or_init(|| Istiod::start(self.dir.path()));
        istiod.await.as_ref()
    }

    /// A fresh namespace.
    pub(super) async fn namespace(self: &Arc<Self>) -> Namespace {
        let admin = client(self.dir.path(), ADMIN).await;
        let number = NAMESPACES.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{}-{number}", self.port);
        let whole = Objects::everywhere(admin.clone(), Kind::new("v1", "Namespace", "namespaces"));
        let mut namespace = whole.kind().named(&name);
        namespace["metadata"]["labels"] = json!({"made-by": "a-test"});
        whole.create(&namespace).await.unwrap();
        Namespace {
            name,
            cluster: Arc::clone(self),
            admin,
        }
    }
}

impl Namespace {
    /// A client that may do everything.
    pub(super) fn admin(&self) -> Client {
        self.admin.clone()
    }

    /// A client that may do what these Roles say, and nothing else.
    pub(super) async fn user(&self, roles: &[&str]) -> Client {
        let group = "rbac.authorization.k8s.io";
        let version = format!("{group}/v1");
        let (role, binding) = (
            self.objects(&version, "Role", "roles"),
            self.objects(&version, "RoleBinding", "rolebindings"),
        );
        for text in roles {
            let wanted: Value = serde_saphyr::from_str(text).unwrap();
            let mut bound = binding
                .kind()
                .named(wanted["metadata"]["name"].as_str().unwrap());
            bound["roleRef"] =
                json!({"apiGroup": group, "kind": "Role", "name": wanted["metadata"]["name"]});
            bound["subjects"] = json!([{"kind": "User", "name": USER, "apiGroup": group}]);
            role.apply(&wanted).await.unwrap();
            binding.apply(&bound).await.unwrap();
        }
        client(self.cluster.dir.path(), USER).await
    }

    /// A way to the API server for somebody who may do what these Roles say.
    pub(super) async fn way(&self, roles: &[&str]) -> Proxy {
        Proxy::before(self.user(roles).await).await
    }

    /// How a program reaches the API server as [`user`](Self::user) does.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.cluster.dir.path().join(format!("{USER}.yaml"))
    }

    /// Applies an object that belongs to no namespace.
    pub(super) async fn apply_everywhere(&self, object: &Value, plural: &str) {
        let field = |name: &str| object[name].as_str().unwrap();
        let kind = Kind::new(field("apiVersion"), field("kind"), plural);
        Objects::everywhere(self.admin(), kind)
            .apply(object)
            .await
            .unwrap();
    }

    /// The objects of a kind, for somebody who may do everything.
    pub(super) fn objects(&self, version: &str, kind: &str, plural: &str) -> Objects {
        Objects::new(self.admin(), &self.name, Kind::new(version, kind, plural))
    }
}

/// A number that every write to one of these objects raises.
pub(super) fn versions(objects: &[Value]) -> u64 {
    let versions = objects
        .iter()
        .map(|object| &object["metadata"]["resourceVersion"]);
    let numbers = versions.map(|version| version.as_str().unwrap().parse::<u64>().unwrap());
    numbers.sum()
}

async fn start_etcd(program: &Path, dir: &Path, client: u16, peer: u16) -> Server {
    let (client, peer) = (
        format!("http://127.0.0.1:{client}"),
        format!("http://127.0.0.1:{peer}"),
    );
    let arguments = [
        "--name=test".to_owned(),
        "--data-dir=etcd".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=test={peer}"),
        // What is lost with the machine is a test's.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=error".to_owned(),
    ];
    let mut server = Server::start(program, &arguments, dir);
    server.ready(&format!("{client}/health")).await;
    server
}

fn api_arguments(etcd: u16, port: u16) -> Vec<String> {
    let arguments = [
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        "--cert-dir=certificates".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--token-auth-file=tokens.csv".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-account-key-file=accounts.pub".to_owned(),
        "--service-account-signing-key-file=accounts.key".to_owned(),
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition".to_owned(),
    ];
    arguments.into()
}

fn controller_arguments(port: u16) -> Vec<String> {
    let arguments = [
        "--kubeconfig=admin.yaml".to_owned(),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        "--leader-elect=false".to_owned(),
        "--cert-dir=controllers".to_owned(),
        format!("--controllers={CONTROLLERS}"),
    ];
    arguments.into()
}

/// Tokens, the key of service accounts, and a kubeconfig for each user.
fn write_credentials(dir: &Path, port: u16) {
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(dir.join("accounts.key"), key.serialize_pem()).unwrap();
    fs::write(dir.join("accounts.pub"), key.public_key_pem()).unwrap();
    let tokens = format!("{ADMIN}-token,{ADMIN},1,system:masters\n{USER}-token,{USER},2\n");
    fs::write(dir.join("tokens.csv"), tokens).unwrap();
    for user in [ADMIN, USER] {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority": certificate(dir),
            }}],
            "users": [{"name": user, "user": {"token": format!("{user}-token")}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        });
        fs::write(dir.join(format!("{user}.yaml")), config.to_string()).unwrap();
    }
}

/// Where the API server puts the certificate that it makes for itself.
fn certificate(dir: &Path) -> PathBuf {
    dir.join("certificates/apiserver.crt")
}

async fn client(dir: &Path, user: &str) -> Client {
    let text = fs::read_to_string(dir.join(format!("{user}.yaml"))).unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&text).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    let pace = Pace {
        per_second: 1000,
        burst: 1000,
    };
    gradatim_kubernetes::client::client(config, pace).unwrap()
}

async fn wait_until_ready(dir: &Path) {
    let began = Instant::now();
    while !certificate(dir).is_file() || !is_ready(dir).await {
        let log = || fs::read_to_string(dir.join("kube-apiserver.log")).unwrap_or_default();
        assert!(
            began.elapsed() < Duration::from_secs(90),
            "no API server: {}",
            log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn is_ready(dir: &Path) -> bool {
    let admin = client(dir, ADMIN).await;
    let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
    admin
        .request_text(request)
        .await
        .is_ok_and(|text| text == "ok")
}
