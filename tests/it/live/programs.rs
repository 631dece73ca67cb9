//! The example programs on a cluster, from a version's first pod to its last.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use gradatim_kubernetes::names::POD_TEMPLATE_HASH;
use gradatim_kubernetes::{replica_sets, services, store};
use gradatim_nginx::ingress;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::task::JoinHandle;

use super::clients::{Client, send};
use super::cluster::kubelet::Kubelet;
use super::cluster::{Cluster, Namespace};
use super::delivery::{ON_INGRESS, ON_SUBSETS, make_routes, rollouts};
use super::istio::front::{By, Front};
use super::server::example;

/// A program that can be started again and again for one rollout.
struct Program {
    path: PathBuf,
    manifest: PathBuf,
    kubeconfig: PathBuf,
    more: Vec<String>,
    _kubelet: Kubelet,
    _dir: tempfile::TempDir,
}

impl Program {
    async fn new(name: &str, world: &Namespace, manifest: &str, router: &[&str]) -> Self {
        let build = name.to_owned();
        let path = tokio::task::spawn_blocking(move || example(&build, "kubernetes"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shop.yaml");
        std::fs::write(&file, manifest).unwrap();
        let rollout: Value = serde_saphyr::from_str(manifest).unwrap();
        rollouts(world).create(&rollout).await.unwrap();
        let roles = [&[store::ROLE, replica_sets::ROLE], router].concat();
        world.user(&roles).await;
        Self {
            path: path.await.unwrap(),
            manifest: file,
            kubeconfig: world.kubeconfig(),
            more: vec!["--namespace".to_owned(), world.name.clone()],
            _kubelet: Kubelet::of(world),
            _dir: dir,
        }
    }

    fn start(&self) -> Running {
        let mut child = tokio::process::Command::new(&self.path)
            .arg(&self.manifest)
            .args(&self.more)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running {
            child,
            lines,
            said: String::new(),
        }
    }

    /// Started without a cluster: its exit code, and what it wrote to both outputs.
    fn refuses(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(&self.path);
        let command = command.args(arguments).env("KUBECONFIG", "/nowhere");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    fn tells_what_is_wrong(&self) {
        let file = self.manifest.display().to_string();
        let (code, out, err) = self.refuses(&["--help"]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(
            out.contains("Usage: ") && out.contains("Exit code: "),
            "{out}"
        );
        for (arguments, wanted, words) in [
            (vec![], 2, "a FILE is needed"),
            (vec!["/nowhere.yaml"], 2, "/nowhere.yaml: No such file"),
            (vec![&file, &file], 2, "one FILE"),
            (vec![&file, "--namespace"], 2, "--namespace needs a value"),
            (vec![&file, "--now"], 2, "unknown argument \"--now\""),
            (vec![&file], 3, "give a kubeconfig"),
        ] {
            let (code, out, err) = self.refuses(&arguments);
            assert_eq!(
                (code, out.as_str()),
                (Some(wanted), ""),
                "{arguments:?}: {err}"
            );
            assert!(err.contains(words), "{arguments:?}: {err}");
        }
    }
}

/// A program that runs.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: String,
}

impl Running {
    /// Reads on until a line holds these words.
    async fn says(&mut self, words: &str) {
        let heard = tokio::time::timeout(Duration::from_secs(120), async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                self.said += &format!("{line}\n");
                if line.contains(words) {
                    return true;
                }
            }
            false
        });
        let heard = heard.await;
        assert_eq!(heard, Ok(true), "not {words:?}:\n{}", self.said);
    }

    async fn is_told(&mut self, order: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(order.as_bytes()).await.unwrap();
        stdin.write_all(b"\n").await.unwrap();
    }

    async fn ends(mut self, words: &str, code: i32) {
        self.says(words).await;
        let status = self.child.wait().await.unwrap();
        assert_eq!(status.code(), Some(code), "{}", self.said);
    }
}

async fn want(world: &Namespace, image: &str) {
    let containers = json!([{"name": "shop", "image": image}]);
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    rollouts(world).merge("shop", &patch).await.unwrap();
}

/// Gives the endpoints of the mesh the labels of the pods that they stand for: the first version
/// has the first one.
fn label_endpoints(world: &Namespace) -> JoinHandle<()> {
    let sets = world.objects("apps/v1", "ReplicaSet", "replicasets");
    let entries = world.objects("networking.istio.io/v1", "ServiceEntry", "serviceentries");
    tokio::spawn(async move {
        let mut labels: Vec<Value> = Vec::new();
        loop {
            let all = sets.list("app=shop").await.unwrap_or_default();
            let hashes = all
                .iter()
                .map(|set| &set["metadata"]["labels"][POD_TEMPLATE_HASH]);
            let new: Vec<_> = hashes
                .filter(|hash| !labels.contains(*hash))
                .cloned()
                .collect();
            if !new.is_empty() {
                labels.extend(new);
                let mut entry = entries.get("shop").await.unwrap();
                for (endpoint, hash) in [0, 1].into_iter().zip(&labels) {
                    entry["spec"]["endpoints"][endpoint]["labels"][POD_TEMPLATE_HASH] =
                        hash.clone();
                }
                let patch = json!({"spec": {"endpoints": entry["spec"]["endpoints"]}});
                entries.merge("shop", &patch).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_on_istio_moves_requests_and_takes_orders() {
    let Some(front) = Front::start(By::Subsets).await else {
        return;
    };
    let roles = [gradatim_istio::ROLE];
    let mut program = Program::new("canary_istio", &front.world, ON_SUBSETS, &roles).await;
    program.tells_what_is_wrong();
    program
        .more
        .extend(["--istiod".to_owned(), front.debug.clone()]);
    let labelling = label_endpoints(&front.world);
    program.start().ends("serves everyone", 0).await;
    let mut clients = [(); 8].map(|()| Client::new(front.port)).into();
    let tally = send(&mut clients, 400).await;
    assert_eq!((tally.canary, tally.failed), (0, 0), "{tally:?}");

    want(&front.world, "shop:2").await;
    let mut running = program.start();
    running.says("50 of 100 to the new version: pause").await;
    let tally = send(&mut clients, 2_000).await;
    // Four deviations of 22.4 around 1,000.
    assert!(
        (910..=1_090).contains(&tally.canary) && tally.failed == 0,
        "{tally:?}"
    );
    running.is_told("promote").await;
    running.ends("serves everyone", 0).await;
    let tally = send(&mut clients, 400).await;
    assert_eq!((tally.canary, tally.failed), (400, 0), "{tally:?}");

    want(&front.world, "shop:3").await;
    let mut running = program.start();
    running.says("step ").await;
    running.is_told("abort").await;
    running.ends("was taken back", 1).await;
    labelling.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_on_ingresses_delivers_and_takes_orders() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let world = cluster.namespace().await;
    make_routes(&world).await;
    let roles = [services::ROLE, ingress::ROLE];
    let program = Program::new("canary_ingress", &world, ON_INGRESS, &roles).await;
    program.tells_what_is_wrong();
    program.start().ends("serves everyone", 0).await;
    want(&world, "shop:2").await;
    let mut running = program.start();
    running.says("50 of 100 to the new version: pause").await;
    let ingresses = world.objects("networking.k8s.io/v1", "Ingress", "ingresses");
    let weight = async || {
        let canary = ingresses.get("shop-web-canary").await.unwrap();
        canary["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"].clone()
    };
    assert_eq!(weight().await, "50");
    running.is_told("abort").await;
    running.ends("was taken back", 1).await;
    assert_eq!(weight().await, "0");
}
