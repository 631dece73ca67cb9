//! `gradatim run` as a process of its own before a real NGINX: left, killed, taken over, steered
//! from another terminal. What counts is what NGINX serves then.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use gradatim_nginx::plain::Sticky;

use super::Front;
use super::traffic::measured;
use crate::live::clients::{Client, send};
use crate::signal::signal;

const MANIFEST: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  strategy:
    canary:
      trafficRouting: {plainNginx: {}}
      steps: [{setWeight: 20}, {pause: {}}, {setWeight: 60}, {pause: {}}]
";

/// How long anything may take on a machine that others use.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// A run, and what it has written so far.
struct Run {
    child: Child,
    out: Arc<Mutex<String>>,
}

/// How a process ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Writes what a run is told: which servers are which version, and what the release takes.
pub(super) fn prepare(front: &Front) {
    let [v1, v2] = front.versions.each_ref().map(|it| it.port);
    let dir = front.dir.path().display();
    let servers = format!(
        "{{file: {dir}/shop.conf, mainFile: {dir}/nginx.conf, probe: '127.0.0.1:{}', \
             keepalive: 16, stable: v1, release: v2, \
             versions: {{v1: ['127.0.0.1:{v1}'], v2: ['127.0.0.1:{v2}']}}}}",
        front.probe
    );
    std::fs::write(front.path("servers.yaml"), servers).unwrap();
    std::fs::write(front.path("shop.yaml"), MANIFEST).unwrap();
}

impl Run {
    fn start(front: &Front, more: &[&str]) -> Self {
        prepare(front);
        let mut child = gradatim(front.dir.path())
            .args(["run", "shop.yaml", "--servers", "servers.yaml"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, lines) = (Arc::default(), child.stdout.take().unwrap());
        let written: Arc<Mutex<String>> = Arc::clone(&out);
        thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                *written.lock().unwrap() += &(line + "\n");
            }
        });
        Self { child, out }
    }

    /// Waits until it has written this.
    async fn until(&self, text: &str) {
        self.until_again(text, 1).await;
    }

    /// Waits until it has written this so many times.
    async fn until_again(&self, text: &str, times: usize) {
        let began = Instant::now();
        while self.out().matches(text).count() < times {
            assert!(began.elapsed() < LONGEST, "no {text:?} in\n{}", self.out());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    async fn ended(mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(began.elapsed() < LONGEST, "no end:\n{}", self.out()),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let mut err = String::new();
        let mut from = self.child.stderr.take().unwrap();
        from.read_to_string(&mut err).unwrap();
        // The thread that reads may be a line behind.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (code, out) = (status.code(), self.out());
        Ended { code, out, err }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gradatim(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradatim-under-test"));
    command.current_dir(dir).stdin(Stdio::null());
    command.env("USER", "bob");
    command
}

/// A command from another terminal: its exit code, and what it wrote.
pub(super) fn elsewhere(front: &Front, arguments: &[&str]) -> (Option<i32>, String) {
    let done = gradatim(front.dir.path()).args(arguments).output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(text).unwrap())
}

/// Of 2,000 requests, those that the canary answers; the way of a fair split, or one lost at all,
/// is four standard deviations.
pub(super) async fn serves(front: &Front, percent: u64) {
    let mut clients: Vec<Client> = (0..4).map(|_| Client::new(front.port)).collect();
    let counted = send(&mut clients, 2000).await.canary;
    let fair = 20.0 * percent as f64;
    let deviation = (fair * (1.0 - percent as f64 / 100.0)).sqrt();
    let off = (counted as f64 - fair).abs();
    assert!(off <= 4.0 * deviation, "{counted} of 2000 at {percent} %");
}

#[tokio::test(flavor = "multi_thread")]
async fn left_in_the_middle_the_split_stays_and_the_next_run_goes_on_to_the_end() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    for (signal, percent) in [("INT", "20 %"), ("TERM", "60 %")] {
        let run = Run::start(&front, &[]);
        run.until("pause without end: gradatim promote shop").await;
        if percent == "60 %" {
            let first = run.out();
            let first = first.lines().next().unwrap_or_default();
            assert!(
                first.contains("Paused         20 %"),
                "it began anew: {first}"
            );
            let (code, text) = elsewhere(&front, &["promote", "shop"]);
            assert_eq!(code, Some(0), "{text}");
            run.until("promote by bob").await;
            run.until("Paused         60 %").await;
        }
        let (code, text) = elsewhere(&front, &["status"]);
        assert!(code == Some(0) && text.contains(percent), "{text}");
        run.signal(signal);
        let ended = run.ended().await;
        assert_eq!(ended.code, Some(3), "{}", ended.out);
        let left = format!("left: v2 keeps its {percent} of all requests, and nobody judges it");
        let last = ended.out.lines().last().unwrap_or_default();
        assert!(last.starts_with(&left), "{}", ended.out);
        let next = "the same command goes on from here; after gradatim abort shop it takes";
        assert!(ended.err.contains(next), "{}", ended.err);
        serves(&front, percent.trim_end_matches(" %").parse().unwrap()).await;
        let (_, text) = elsewhere(&front, &["status"]);
        assert!(text.contains("no driver is alive"), "{text}");
    }

    let run = Run::start(&front, &[]);
    run.until("Paused         60 %").await;
    assert_eq!(elsewhere(&front, &["promote", "shop"]).0, Some(0));
    let ended = run.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    assert!(
        ended.out.ends_with("promoted: v2 serves everyone\n"),
        "{}",
        ended.out
    );
    assert!(
        ended.err.contains("stable: v2 into servers.yaml"),
        "{}",
        ended.err
    );
    serves(&front, 100).await;
}

/// A supervisor stops it and starts it again: nobody waits for the heartbeat of one that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_by_its_supervisor_the_next_run_continues_at_once_under_a_higher_epoch() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let mut last = 0;
    for _ in 0..3 {
        let run = Run::start(&front, &[]);
        run.until("Paused         20 %").await;
        let owner = owner(&front);
        assert!(owner["handed_over"].is_null(), "{owner}");
        let epoch = owner["epoch"].as_u64().unwrap();
        assert!(epoch > last, "{epoch} after {last}");
        last = epoch;
        run.signal("TERM");
        assert_eq!(run.ended().await.code, Some(3));
        let left = self::owner(&front);
        assert_eq!(
            (&left["handed_over"], &left["epoch"]),
            (&true.into(), &last.into())
        );
    }
    serves(&front, 20).await;
}

/// Who has the rollout, as the store has it.
fn owner(front: &Front) -> serde_json::Value {
    let text = std::fs::read_to_string(front.path("releases/owner/shop.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_abort_on_exit_leaving_takes_the_traffic_back_first() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let run = Run::start(&front, &["--abort-on-exit"]);
    run.until("Paused         20 %").await;
    serves(&front, 20).await;
    run.signal("TERM");
    let ended = run.ended().await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(
        ended.out.contains("taking the traffic back"),
        "{}",
        ended.out
    );
    let last = ended.out.lines().last().unwrap_or_default();
    let told = last.starts_with("rolled back: v2: ") && last.ends_with("v1 serves everyone again");
    assert!(told, "{last}");
    serves(&front, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_twice_it_leaves_at_once_and_the_next_run_takes_the_traffic_back() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let run = Run::start(&front, &["--abort-on-exit"]);
    run.until("Paused         20 %").await;
    front.configure("no_such_directive on;");
    run.signal("INT");
    run.until("unknown directive \"no_such_directive\"").await;
    run.signal("INT");
    let ended = run.ended().await;
    assert_eq!(ended.code, Some(3), "{}", ended.out);
    assert!(
        ended.out.contains("left: v2 keeps its 20 %"),
        "{}",
        ended.out
    );
    serves(&front, 20).await;

    front.configure("");
    let ended = Run::start(&front, &[]).ended().await;
    assert_eq!(ended.code, Some(1), "{} {}", ended.out, ended.err);
    serves(&front, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_run_on_a_store_says_who_has_it_and_takes_it_only_when_told() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let first = Run::start(&front, &[]);
    first.until("Paused         20 %").await;
    let second = Run::start(&front, &[]).ended().await;
    assert_eq!((second.code, second.out.as_str()), (Some(3), ""));
    let holder = format!("gradatim run, process {}, since 20", first.child.id());
    for told in [&*holder, "is alive", "gradatim watch shop", "--take-over"] {
        assert!(second.err.contains(told), "{told}: {}", second.err);
    }
    serves(&front, 20).await;

    let third = Run::start(&front, &["--take-over"]);
    third.until("Paused         20 %").await;
    assert_eq!(elsewhere(&front, &["abort", "shop"]).0, Some(0));
    let third = third.ended().await;
    assert_eq!(third.code, Some(1), "{}", third.out);
    let first = first.ended().await;
    assert_eq!(first.code, Some(3), "{}", first.out);
    assert!(first.out.contains("lost: "), "{}", first.out);
    serves(&front, 0).await;
    let (code, text) = elsewhere(&front, &["status", "shop"]);
    assert!(code == Some(1) && text.contains("Degraded"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_nothing_moves_and_the_next_run_may_take_it_over() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let run = Run::start(&front, &[]);
    run.until("Paused         20 %").await;
    run.signal("KILL");
    assert_eq!(run.ended().await.code, None);
    serves(&front, 20).await;
    let next = Run::start(&front, &[]).ended().await;
    assert!(
        next.err.contains("has crashed counts as alive for 30 s"),
        "{}",
        next.err
    );
    let run = Run::start(&front, &["--take-over"]);
    run.until("Paused         20 %").await;
    assert_eq!(elsewhere(&front, &["abort", "shop"]).0, Some(0));
    assert_eq!(run.ended().await.code, Some(1));
    serves(&front, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_edit_is_seen_at_once_lowered_or_held_and_reported() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let run = Run::start(&front, &[]);
    run.until("Paused         20 %").await;
    let began = Instant::now();
    edit(&front, 20, 50);
    run.until("the router shows 50 % where 20 % is wanted: lowered")
        .await;
    run.until_again("Paused         20 %", 2).await;
    // A look for safety alone would take ten seconds; machines are shared.
    let took = began.elapsed();
    measured(&format!("a stranger's raise was undone after {took:?}"));
    serves(&front, 20).await;

    edit(&front, 20, 5);
    run.until("the new version's weight was lowered to 5 by somebody else")
        .await;
    serves(&front, 5).await;
    let (_, text) = elsewhere(&front, &["resume", "shop"]);
    run.until_again("Paused         20 %", 3).await;
    serves(&front, 20).await;
    drop((run, text));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_nginx_from_following_is_printed_and_tried_again() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let run = Run::start(&front, &[]);
    run.until("Paused         20 %").await;
    let mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(front.path("shop.conf"), mode).unwrap();
    };
    mode(0o444);
    assert_eq!(elsewhere(&front, &["promote", "shop"]).0, Some(0));
    run.until("is read-only: somebody protects it; chmod u+w")
        .await;
    serves(&front, 20).await;
    mode(0o644);
    run.until("Paused         60 %").await;
    serves(&front, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_without_their_master_are_named_with_what_ends_them_and_the_abort_gets_through() {
    let Some(mut front) = Front::start(Sticky::Request).await else {
        return;
    };
    let run = Run::start(&front, &[]);
    run.until("Paused         20 %").await;
    front.server.kill();
    serves(&front, 20).await;
    let (code, text) = elsewhere(&front, &["abort", "shop"]);
    assert_eq!(code, Some(0), "{text}");
    run.until("master process is gone").await;
    // The lines are wrapped; what stands there is typed as it is.
    let told = run.out().split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, line) = told.split_once("by the split before: ").unwrap();
    let (kill, _) = line.split_once(" && ").unwrap();
    let killed = Command::new("sh").args(["-c", kill]).status();
    assert!(
        kill.starts_with("kill ") && killed.unwrap().success(),
        "{kill}"
    );
    let mut nginx = Command::new(&front.program);
    let nginx = nginx.arg("-c").arg(front.path("nginx.conf")).spawn();
    assert_eq!(run.ended().await.code, Some(1));
    serves(&front, 0).await;
    front.signal("stop");
    nginx.unwrap().wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stable_servers_that_are_down_are_named_before_anything_moves() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    front.versions[0].stop();
    let run = Run::start(&front, &[]);
    run.until("Paused         20 %").await;
    run.signal("TERM");
    let ended = run.ended().await;
    let warned = format!(
        "warning: a server of v1: 127.0.0.1:{}",
        front.versions[0].port
    );
    assert!(ended.err.contains(&warned), "{}", ended.err);
    assert!(
        ended.err.contains("start it, or take it off the list"),
        "{}",
        ended.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_loses_its_traffic_before_anybody_looks_for_safety() {
    let Some(front) = Front::start(Sticky::Request).await else {
        return;
    };
    let run = Run::start(&front, &[]);
    run.until("Paused         20 %").await;
    let began = Instant::now();
    front.versions[1].stop();
    run.until("probe failure: ").await;
    run.until("Paused          0 %").await;
    let took = began.elapsed();
    measured(&format!("a server that went had no traffic after {took:?}"));
    serves(&front, 0).await;
}

/// A stranger's edit, loaded by a stranger.
fn edit(front: &Front, from: u32, to: u32) {
    let file = front.path("shop.conf");
    let text = std::fs::read_to_string(&file).unwrap();
    let (from, to) = (format!("{from}% canary"), format!("{to}% canary"));
    assert!(text.contains(&from), "{text}");
    std::fs::write(&file, text.replacen(&from, &to, 1)).unwrap();
    front.signal("reload");
}
