//! `gradatim gate` on a real Prometheus: the verdict that the data deserves, whatever happens to
//! the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gradatim::cli::{Exit, Io, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::prometheus::{BEGIN, Live, shop};

/// A shop of this process: version v1 of it, with what it counts at `/metrics`.
pub(super) struct Service {
    pub(super) target: String,
    task: JoinHandle<()>,
}

impl Service {
    /// Each scrape adds so many good and failed requests, by how many scrapes there were.
    pub(super) async fn start(adds: impl Fn(u64) -> (u64, u64) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let counts = Arc::new((AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let (good, failed) = adds(counts.0.fetch_add(1, Ordering::Relaxed));
                let good = counts.1.fetch_add(good, Ordering::Relaxed) + good;
                let failed = counts.2.fetch_add(failed, Ordering::Relaxed) + failed;
                let metric = "http_requests_total{app=\"shop\",version=\"v1\",code=";
                let body = format!("{metric}\"200\"}} {good}\n{metric}\"500\"}} {failed}\n");
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close";
                let length = body.len();
                let answer = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { target, task }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn template(interval: &str, count: u32, window: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: success-rate}}
spec:
  args: [{{name: version}}]
  metrics:
  - name: success-rate
    interval: {interval}
    count: {count}
    failureLimit: 1
    successCondition: result[0] >= 0.95
    provider:
      prometheus:
        preset: {{measure: success-rate, workload: shop, version: '{{{{args.version}}}}', window: {window}}}
"
    )
}

/// The exit code and what was written to both outputs.
pub(super) fn gate(manifest: &str, arguments: &[&str]) -> (Exit, String, String) {
    let (mut input, mut out, mut err) = (manifest.as_bytes(), Vec::new(), Vec::new());
    let mut io = Io::plain(&mut input, &mut out, &mut err);
    let all = ["gradatim", "gate", "-"].iter().chain(arguments).copied();
    let exit = run(all, &mut io);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(out), text(err))
}

pub(super) fn at(seconds: i64) -> String {
    gradatim_core::time::Timestamp::from_secs(BEGIN + seconds).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn known_data_gives_the_verdict_that_it_deserves() {
    let Some(live) = Live::start(&shop(), &[]).await else {
        return;
    };
    let manifest = template("30s", 10, "1m");
    for (version, seconds, wanted) in [
        ("v2", 3600, Exit::Good),
        ("v2", 2 * 3600 + 600, Exit::Bad),
        ("v1", 2 * 3600 + 600, Exit::Good),
        ("v3", 3600, Exit::Undecided),
    ] {
        let version = format!("version={version}");
        let at = at(seconds);
        let arguments = [
            "--prometheus",
            &live.address,
            "--at",
            &at,
            "--arg",
            &version,
        ];
        let (exit, out, err) = tokio::task::block_in_place(|| gate(&manifest, &arguments));
        assert_eq!(exit, wanted, "{version} at {at}: {out}{err}");
    }
}

#[test]
fn wrong_input_runs_nothing() {
    let manifest = template("30s", 10, "1m");
    for arguments in [
        &["--prometheus", "http://127.0.0.1:1"][..],
        &["--arg", "version=v2", "--template", "nope"],
        &["--arg", "version"],
        &["--arg", "version=v2", "--prometheus", "prometheus:9090"],
        &["--arg", "version=v2", "--loki", "http://"],
        &["--arg", "version=v2", "--at", "yesterday"],
    ] {
        let (exit, out, _) = gate(&manifest, arguments);
        assert_eq!(
            (exit, out.as_str()),
            (Exit::WrongInput, ""),
            "{arguments:?}"
        );
    }
    let (exit, _, err) = gate("kind: ConfigMap\napiVersion: v1\n", &[]);
    assert_eq!(exit, Exit::WrongInput, "{err}");
}

/// A service that a real Prometheus scrapes, one that is down for a while in the middle.
async fn killed_in_the_middle(adds: fn(u64) -> (u64, u64)) -> Option<(Exit, String, String)> {
    let service = Service::start(adds).await;
    let mut live = Live::start("", std::slice::from_ref(&service.target)).await?;
    live.until_there_is("rate(http_requests_total[10s])").await;
    let address = live.address.clone();
    let running = tokio::task::spawn_blocking(move || {
        let manifest = template("2s", 8, "10s");
        gate(
            &manifest,
            &["--prometheus", &address, "--arg", "version=v1"],
        )
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    live.kill();
    tokio::time::sleep(Duration::from_secs(3)).await;
    live.start_again().await;
    Some(running.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_service_passes_although_prometheus_is_killed_in_between() {
    if let Some((exit, out, err)) = killed_in_the_middle(|_| (10, 0)).await {
        assert_eq!(exit, Exit::Good, "{out}{err}");
        was_asked_while_it_was_down(&err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_turns_bad_fails_although_prometheus_is_killed_in_between() {
    let adds = |scrape: u64| if scrape < 6 { (10, 0) } else { (5, 5) };
    if let Some((exit, out, err)) = killed_in_the_middle(adds).await {
        assert_eq!(exit, Exit::Bad, "{out}{err}");
        was_asked_while_it_was_down(&err);
    }
}

/// Killed in the middle: measured before, not measured, and measured again.
fn was_asked_while_it_was_down(err: &str) {
    let down = |line: &str| line.contains("cannot be reached");
    let lines: Vec<bool> = err.lines().map(down).collect();
    let first = lines.iter().position(|down| *down);
    let last = lines.iter().rposition(|down| *down);
    assert!(first.is_some_and(|at| at > 0), "{err}");
    assert!(last.is_some_and(|at| at + 1 < lines.len()), "{err}");
}
