//! `gradatim run` with a judge: real requests through NGINX, counted by the servers, scraped by a
//! real Prometheus, and a worse version taken back by evidence.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gradatim::cli::{Exit, Io, run};
use gradatim_nginx::plain::{Config, PlainNginx, Sticky};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::{Front, main_file};
use crate::live::clients::{Client, Tally};
use crate::live::prometheus::Live;
use crate::live::server::{Server, find, free_port};
use crate::live::upstream::Version;

/// A server of one version: it counts what it answers, and says so at `/metrics`.
struct Pod {
    address: String,
    task: JoinHandle<()>,
}

impl Pod {
    /// So many of 1,000 requests fail.
    async fn start(version: &'static str, failing: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (served, pod) = (Arc::<AtomicU64>::default(), address.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (served, pod) = (Arc::clone(&served), pod.clone());
                tokio::spawn(async move { serve(stream, version, failing, &served, &pod).await });
            }
        });
        Self { address, task }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    version: &str,
    failing: u64,
    served: &AtomicU64,
    pod: &str,
) -> Option<()> {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).await.ok()?;
    let asks = String::from_utf8_lossy(buffer.get(..read)?).into_owned();
    let failed = |all: u64| all * failing / 1000;
    let (status, body) = if asks.starts_with("GET /metrics") {
        let all = served.load(Ordering::Relaxed);
        let of = format!("app=\"shop\",version=\"{version}\",pod=\"{pod}\"");
        let lines = [("200", all - failed(all)), ("500", failed(all))];
        let line = |(code, count)| format!("http_requests_total{{{of},code=\"{code}\"}} {count}\n");
        (200, lines.map(line).concat())
    } else {
        let before = served.fetch_add(1, Ordering::Relaxed);
        let fails = failed(before + 1) > failed(before);
        (if fails { 500 } else { 200 }, version.to_owned())
    };
    let head = "Content-Type: text/plain; version=0.0.4\r\nConnection: close";
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} X\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await.ok()
}

/// Clients that ask a little slower than they could.
struct Users {
    all: JoinSet<Tally>,
    leaving: Arc<AtomicBool>,
}

impl Users {
    fn start(port: u16) -> Self {
        let leaving = Arc::<AtomicBool>::default();
        let mut all = JoinSet::new();
        for _ in 0..6 {
            let (leaving, mut client) = (Arc::clone(&leaving), Client::new(port));
            all.spawn(async move {
                while !leaving.load(Ordering::Relaxed) {
                    client.ask("").await;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                client.tally
            });
        }
        Self { all, leaving }
    }

    async fn leave(self) -> Vec<Tally> {
        self.leaving.store(true, Ordering::Relaxed);
        self.all.join_all().await
    }
}

/// NGINX, two pods of each version behind it, users in front, and a Prometheus beside.
struct Shop {
    front: Front,
    live: Live,
    users: Users,
    _pods: [Vec<Pod>; 2],
}

impl Shop {
    /// v1 fails 50 of 1,000 requests, v2 so many.
    async fn open(failing: u64) -> Option<Self> {
        let program = find("nginx")?;
        let of = async |version, failing| {
            vec![
                Pod::start(version, failing).await,
                Pod::start(version, failing).await,
            ]
        };
        let pods = [of("v1", 50).await, of("v2", failing).await];
        let targets: Vec<_> = pods
            .iter()
            .flatten()
            .map(|pod| pod.address.clone())
            .collect();
        let live = Live::start("", &targets).await?;
        let dir = tempfile::tempdir().unwrap();
        let (port, probe) = (free_port(), free_port());
        let config = config(dir.path(), &pods, probe);
        let router = PlainNginx::new(config).unwrap();
        assert!(router.write_first(&"v1".into()).unwrap());
        let folder: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), folder).unwrap();
        let main = dir.path().join("nginx.conf");
        std::fs::write(&main, main_file(dir.path(), port, &Sticky::Request, "")).unwrap();
        let arguments = ["-c".to_owned(), main.display().to_string()];
        let mut server = Server::start(&program, &arguments, dir.path());
        server.ready(&format!("http://127.0.0.1:{port}/")).await;
        let users = Users::start(port);
        let seen = "sum(rate(http_requests_total{version=\"v1\"}[5s])) > 10";
        live.until_there_is(seen).await;
        let front = Front {
            port,
            probe,
            program,
            router: Arc::new(router),
            versions: [Version::start("none").await, Version::start("none").await],
            server,
            dir,
        };
        Some(Self {
            front,
            live,
            users,
            _pods: pods,
        })
    }

    /// Delivers v2; what was written to both outputs.
    async fn deliver(&self, steps: &str, analysis: &str) -> (Exit, String, String) {
        let dir = self.front.dir.path();
        std::fs::write(dir.join("shop.yaml"), manifest(steps, analysis)).unwrap();
        std::fs::write(dir.join("servers.yaml"), self.servers()).unwrap();
        let path = |name: &str| dir.join(name).display().to_string();
        let (servers, store, shop) = (path("servers.yaml"), path("store"), path("shop.yaml"));
        let address = self.live.address.clone();
        let ran = tokio::task::spawn_blocking(move || {
            let (mut input, mut out, mut err) = (&b""[..], Vec::new(), Vec::new());
            let arguments = ["gradatim", "run", "--servers", &servers, "--store", &store];
            let more = ["--prometheus", &address, &shop];
            let mut io = Io::plain(&mut input, &mut out, &mut err);
            let exit = run(arguments.into_iter().chain(more), &mut io);
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (exit, text(out), text(err))
        });
        ran.await.unwrap()
    }

    fn servers(&self) -> String {
        let of = |pods: &[Pod]| {
            let all: Vec<_> = pods
                .iter()
                .map(|pod| format!("'{}'", pod.address))
                .collect();
            all.join(", ")
        };
        let [v1, v2] = &self._pods;
        format!(
            "file: {}\nstable: v1\nrelease: v2\nversions:\n  v1: [{}]\n  v2: [{}]\n\
             probe: 127.0.0.1:{}\nnginx: {}\nmainFile: {}\n",
            self.front.path("shop.conf").display(),
            of(v1),
            of(v2),
            self.front.probe,
            self.front.program.display(),
            self.front.path("nginx.conf").display(),
        )
    }
}

fn config(dir: &Path, pods: &[Vec<Pod>; 2], probe: u16) -> Config {
    let [v1, v2] = pods
        .each_ref()
        .map(|it| it.iter().map(|pod| pod.address.clone()));
    Config::new("shop", dir.join("shop.conf"))
        .main_file(dir.join("nginx.conf"))
        .servers("v1", v1)
        .servers("v2", v2)
        .probe(([127, 0, 0, 1], probe))
}

const ANALYSIS: &str = "{templates: [{templateName: judge}], args: [
        {name: old, valueFrom: {podTemplateHashValue: Stable}},
        {name: new, valueFrom: {podTemplateHashValue: Latest}}]}";

fn manifest(steps: &str, analysis: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: shop}}
spec:
  strategy:
    canary:
      trafficRouting: {{plainNginx: {{}}}}
      {analysis}
      steps: {steps}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: judge}}
spec:
  args: [{{name: old}}, {{name: new}}]
  judge:
    interval: 2s
    warmup: none
    notEnoughData: extend 2m
    provider:
      prometheus:
        counters:
          requests: http_requests_total{{app=\"shop\"}}
          errors: http_requests_total{{app=\"shop\",code=~\"5..\"}}
          label: version
          stable: '{{{{args.old}}}}'
          canary: '{{{{args.new}}}}'
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worse_version_is_taken_back_by_evidence() {
    let Some(shop) = Shop::open(250).await else {
        return;
    };
    let steps = "[{setWeight: 20}, {pause: {}}]";
    let (exit, out, err) = shop.deliver(steps, &format!("analysis: {ANALYSIS}")).await;
    assert_eq!(exit, Exit::Bad, "{out}{err}");
    let told = out.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "Rolled back at 20 %: errors are ",
        "× worse (between ",
        " in the same seconds. If the new version were no worse",
        "your limit: 1 in 100",
    ] {
        assert!(told.contains(said), "{said}: {out}");
    }
    let served = |tallies: &[Tally]| tallies.iter().map(|it| it.canary).sum::<u64>();
    let before = served(&shop.users.leave().await);
    assert!(before > 10, "real requests were compared: {before}");
    let users = Users::start(shop.front.port);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = users.leave().await;
    assert_eq!(served(&after), 0, "nobody gets the new version any more");
    assert!(after.iter().map(|it| it.requests).sum::<u64>() > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_as_good_is_promoted_once_that_is_proved() {
    let Some(shop) = Shop::open(50).await else {
        return;
    };
    let steps = format!(
        "[{{setWeight: 30}}, {{analysis: {ANALYSIS}}}, {{setWeight: 60}}, {{pause: {{duration: 1s}}}}]"
    );
    let (exit, out, err) = shop.deliver(&steps, "").await;
    assert_eq!(exit, Exit::Good, "{out}{err}");
    assert!(out.contains("v2 serves everyone"), "{out}");
    shop.users.leave().await;
    let users = Users::start(shop.front.port);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = users.leave().await;
    assert!(after.iter().all(|it| it.canary == it.requests), "{after:?}");
}
