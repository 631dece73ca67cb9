//! The secret of a manifest, through a whole release and through `gradatim gate`: what is said,
//! kept, logged and published of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gradatim::cli::{Io, run};
use gradatim::compile;
use gradatim::decision::Phase;
use gradatim::driver::secrets::FileSecrets;
use gradatim::driver::{Ports, Release};
use gradatim::port::Secrets;
use gradatim_core::registry::Registry;
use gradatim_core::yaml::read;
use gradatim_web::{JSON, WebhookNotifier};

use super::logs::Logs;
use super::{CORE, SECRET, Shown, all, frame, quoted};
use crate::cli::world::{capabilities, deliver_plan, stop};
use crate::stub::{Reply, Stub};

/// A server of metrics, lines and notifications that tells everyone what it was asked.
async fn gossip() -> Stub {
    Stub::new(|request| {
        let text = quoted(&all(request));
        let path = request.split(' ').nth(1).unwrap_or_default();
        match path.split('?').next() {
            Some("/api/v1/query") => {
                let result = format!(r#"[{{"metric":{{"who":{text}}},"value":[1,"1"]}}]"#);
                frame("vector", &result, request)
            }
            Some("/loki/api/v1/query_range") => {
                let result = format!(r#"[{{"stream":{{"who":{text}}},"values":[["1",{text}]]}}]"#);
                frame("streams", &result, request)
            }
            Some("/number") => Reply::json(format!("{{\"value\": {text}}}")),
            _ => Reply::text(500, all(request)),
        }
    })
    .await
}

fn template(address: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: check}}
spec:
  args:
  - name: token
    valueFrom: {{secretKeyRef: {{name: vault, key: key}}}}
  metrics:
  - name: fails
    interval: 1s
    count: 3
    failureLimit: 1
    successCondition: result == 'good'
    provider:
      web:
        url: {address}/number
        jsonPath: '{{$.value}}'
        headers: [{{key: X-Token, value: '{{{{args.token}}}}'}}]
    evidence:
      loki:
        address: {address}
        query: '{{app=\"shop\"}}'
        headers: [{{key: X-Token, value: '{{{{args.token}}}}'}}]
  - name: labels
    interval: 1s
    count: 3
    successCondition: result[0] == 1
    provider:
      prometheus:
        address: {address}
        query: up
        authentication: {{basicAuth: {{username: shop, password: '{{{{args.token}}}}'}}}}
  - name: errs
    interval: 1s
    count: 2
    successCondition: result == 1
    provider:
      web:
        url: {address}/error
        authentication: {{bearer: {{token: '{{{{args.token}}}}'}}}}
"
    )
}

const ROLLOUT: &str = "---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: shop, image: 'shop:2'}]}}
  strategy:
    canary:
      canaryService: shop-canary
      stableService: shop
      trafficRouting: {plugins: {memory: {}}}
      steps: [{setWeight: 20}, {analysis: {templates: [{templateName: check}]}}]
";

/// A folder with the secret in a file, and only there.
fn vault(dir: &Path) -> String {
    let vault = dir.join("secrets/vault");
    std::fs::create_dir_all(&vault).unwrap();
    std::fs::write(vault.join("key"), SECRET).unwrap();
    dir.join("secrets").display().to_string()
}

/// A command line in this process: both of its outputs.
fn command(arguments: &[&str], input: &str) -> String {
    let (mut input, mut out, mut err) = (input.as_bytes(), Vec::new(), Vec::new());
    let mut io = Io::plain(&mut input, &mut out, &mut err);
    let exit = run(std::iter::once(&"gradatim").chain(arguments), &mut io);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    format!("{exit:?}\n{}\n{}", text(out), text(err))
}

/// Away from the test's runtime: a command may start its own.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_shows_no_secret_in_its_table_its_report_and_its_data() {
    let gossip = gossip().await;
    let dir = tempfile::tempdir().unwrap();
    let (manifest, secrets) = (template(&gossip.address), vault(dir.path()));
    let mut shown = Shown::default();
    for more in [&[][..], &["--json"]] {
        let arguments = [&["gate", "-", "--secrets", &secrets], more].concat();
        let said = tokio::task::block_in_place(|| command(&arguments, &manifest));
        assert!(said.contains("Bad"), "{said}");
        assert!(
            said.contains("[secret]"),
            "it says what it was told: {said}"
        );
        shown.add("gate", said);
    }
    let explained = [template(&gossip.address).as_str(), ROLLOUT].concat();
    shown.add("explain", command(&["explain", "-"], &explained));
    shown.hold_nothing_of(&super::authorizations(&[&gossip]));
}

/// Waits until the release was taken back.
async fn aborted(release: &Release) {
    let mut status = release.watch();
    let stands = status.wait_for(|status| {
        let decision = &status.decision;
        decision.phase == Phase::Degraded && !status.evidence.is_empty()
    });
    let waited = tokio::time::timeout(Duration::from_secs(60), stands).await;
    waited.expect("it was never taken back").unwrap();
}

#[tokio::test]
async fn a_release_keeps_no_secret_in_its_store_its_log_its_events_and_its_status() {
    let logs = Logs::listen();
    let gossip = gossip().await;
    let dir = tempfile::tempdir().unwrap();
    let folder = vault(dir.path());
    let manifest = format!("{}{ROLLOUT}", template(&gossip.address));
    let manifests = read(&[("shop.yaml", manifest)]).into_result().unwrap();
    let registry = Registry::new().with_router("memory", |_, _| Ok(capabilities()));
    let registry = gradatim_prometheus::register(registry, Default::default());
    let registry = gradatim_web::register(gradatim_loki::register(registry, Default::default()));
    let rollout = &manifests.rollouts[0];
    let compiled = compile(rollout, &manifests.templates, &registry).unwrap();
    let secrets: Arc<dyn Secrets> = Arc::new(FileSecrets::new(&folder));
    let url = format!("{}/hook/{{{{secret:vault:key}}}}", gossip.address);
    let notifier = WebhookNotifier::new(url, JSON, Arc::clone(&secrets)).unwrap();
    let more = |ports: Ports| {
        let mut ports = ports.notifier(Arc::new(notifier));
        for name in ["web", "prometheus", "loki"] {
            let provider = registry.build_provider(name, Arc::clone(&secrets)).unwrap();
            ports = ports.provider(name, provider);
        }
        ports
    };
    let (driver, release) = deliver_plan(dir.path(), compiled.plan, more).await;
    aborted(&release).await;

    let mut shown = Shown::default();
    let status = release.status();
    shown.add("the status", format!("{status:?}"));
    let lines = status.evidence.iter().flat_map(|it| &it.lines);
    assert!(lines.clone().any(|line| line.contains("[secret]")));
    stop(driver, dir.path()).await;
    std::fs::remove_dir_all(dir.path().join("secrets")).unwrap();
    let files = files(dir.path());
    assert!(files.len() > 3, "{files:?}");
    let store = dir.path().join("releases").display().to_string();
    let log = dir.path().join("decisions.jsonl").display().to_string();
    for arguments in [
        &["status", "--store", &store][..],
        &["status", "--json", "--store", &store],
        &["watch", "shop", "--timeout", "1ms", "--store", &store],
        &[
            "watch",
            "shop",
            "--json",
            "--timeout",
            "1ms",
            "--store",
            &store,
        ],
        &["replay", &log],
    ] {
        let said = apart(|| command(arguments, ""));
        assert!(
            said.contains("shop") || said.contains("1 rollout"),
            "{said}"
        );
        shown.add(arguments[0], said);
    }
    for (path, text) in files {
        shown.add(&path, text);
    }
    let hooks = gossip.requests();
    let hooks = hooks.iter().filter(|it| it.contains("/hook/"));
    for request in hooks {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(CORE));
        shown.add("an event's notification", body);
    }
    let written = logs.taken();
    assert!(
        written.contains("gradatim"),
        "it heard something: {written}"
    );
    shown.add("a log", written);
    shown.hold_nothing_of(&super::authorizations(&[&gossip]));
}

/// Every file below a folder, as text.
fn files(dir: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            all.push((path.display().to_string(), text));
        }
    }
    all
}
