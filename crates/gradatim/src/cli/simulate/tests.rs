use std::path::PathBuf;

use crate::cli::{Exit, Io, run};

const MANIFEST: &str = "
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: health}
spec:
  metrics:
  - name: success-rate
    interval: 10s
    initialDelay: 10s
    successCondition: result[0] >= 0.95
    provider: {prometheus: {address: 'http://prometheus', query: up}}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  replicas: 4
  strategy:
    canary:
      trafficRouting: {nginx: {stableIngress: shop}}
      analysis: {templates: [{templateName: health}], startingStep: 1}
      steps: [{setWeight: 25}, {pause: {duration: 1m}}]
";

/// A folder with a scenario and the manifest.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, scenario: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("gradatim-simulate-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("scenario.txt"), scenario).unwrap();
        std::fs::write(folder.join("shop.yaml"), MANIFEST).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn simulate(&self, more: &[&str]) -> (Exit, String, String) {
        let (scenario, manifest) = (self.path("scenario.txt"), self.path("shop.yaml"));
        let arguments = ["simulate", "--scenario", &scenario, &manifest];
        gradatim(&[&arguments[..], more].concat(), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn gradatim(arguments: &[&str], input: &str) -> (Exit, String, String) {
    let (mut input, mut out, mut err) = (input.as_bytes(), Vec::new(), Vec::new());
    let mut io = Io::plain(&mut input, &mut out, &mut err);
    let exit = run(std::iter::once(&"gradatim").chain(arguments), &mut io);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(out), text(err))
}

const BAD: &str = "v2 fails 20 % from 0:30\nexpect rolled back by 1:00\n";

#[test]
fn a_bad_version_is_told_line_by_line_and_the_verdict_is_near_the_end() {
    let folder = Folder::new("bad", BAD);
    let (exit, out, err) = folder.simulate(&[]);
    assert_eq!(exit, Exit::Good, "{out}{err}");
    let words = [
        "start", "scale", "pods", "weight", "seen", "measure", "ABORT",
    ];
    let mut rest = out.as_str();
    for word in words {
        let (_, after) = rest
            .split_once(word)
            .unwrap_or_else(|| panic!("no {word}: {out}"));
        rest = after;
    }
    assert!(out.contains("\nrolled back at 0:"), "{out}");
    assert!(out.contains("v2 answered "), "{out}");
    assert!(err.contains("nginx") && err.contains("warning"), "{err}");
    assert!(
        err.contains("note: success-rate is taken to measure success rate"),
        "{err}"
    );
}

#[test]
fn what_was_expected_and_did_not_come_is_the_bad_verdict() {
    let folder = Folder::new("expect", "v2 fails 20 %\nexpect promoted\n");
    let (exit, out, _) = folder.simulate(&[]);
    assert_eq!(exit, Exit::Bad);
    let told =
        "\nEXPECTED (line 2): expected promoted, but it is rolled back at 0:20: success-rate:";
    assert!(out.contains(told), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
}

#[test]
fn every_mistake_of_scenario_and_manifest_comes_at_once_and_nothing_is_run() {
    let folder = Folder::new("wrong", "trafic 3/s\nmetric x: values 1\nv2 fails 5\n");
    std::fs::write(
        folder.0.join("shop.yaml"),
        MANIFEST.replace("setWeight: 25", "setWeight: 250"),
    )
    .unwrap();
    let (exit, out, err) = folder.simulate(&["--json"]);
    assert_eq!((exit, out.as_str()), (Exit::WrongInput, ""), "{err}");
    for text in [
        "did you mean \"traffic\"?",
        "scenario.txt:3:11",
        "setWeight is 0 to 100",
        "3 errors in ",
    ] {
        assert!(err.contains(text), "{text}: {err}");
    }
}

#[test]
fn a_name_that_no_rollout_knows_is_wrong_input() {
    let folder = Folder::new("name", "metric sucess-rate: values 1\nrouter istio fails\n");
    let (exit, _, err) = folder.simulate(&[]);
    assert_eq!(exit, Exit::WrongInput);
    assert!(err.contains("did you mean \"success-rate\"?"), "{err}");
    assert!(err.contains("the rollout has no router \"istio\""), "{err}");
    let (exit, _, err) = Folder::new("rollout", "").simulate(&["--name", "ship"]);
    assert_eq!(exit, Exit::WrongInput);
    assert!(err.contains("the manifests hold shop"), "{err}");
}

#[test]
fn the_same_facts_come_as_json_one_object_a_line() {
    let folder = Folder::new("json", BAD);
    let (exit, out, _) = folder.simulate(&["--json"]);
    assert_eq!(exit, Exit::Good);
    let objects: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (last, facts) = objects.split_last().unwrap();
    assert!(
        facts
            .iter()
            .all(|fact| fact["rollout"] == "shop" && fact["at"].is_number())
    );
    assert!(
        facts
            .iter()
            .any(|fact| fact["what"]["weight"]["weight"] == 25)
    );
    assert!(last["outcome"]["rolledBack"]["why"].is_string(), "{last}");
    assert!(
        last["versions"][1]["tally"]["failed"].as_f64().unwrap() > 0.0,
        "{last}"
    );
}

#[test]
fn a_picture_is_written_and_shows_the_verdict() {
    let folder = Folder::new("svg", BAD);
    let picture = folder.path("shop.svg");
    let (exit, _, err) = folder.simulate(&["--svg", &picture]);
    assert_eq!(exit, Exit::Good, "{err}");
    let svg = std::fs::read_to_string(&picture).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("shop · v1 → v2"));
    for text in [
        "rolled back at ",
        "5 % success-rate: result[0] &gt;= 0.95",
        "v2 fails 20 %",
        "ABORT",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    let (exit, _, err) = folder.simulate(&["--svg", &folder.path("no/such/shop.svg")]);
    assert_eq!(exit, Exit::Undecided, "{err}");
}

#[test]
fn the_seed_of_the_command_line_wins() {
    let folder = Folder::new("seed", "traffic 3/s scattered\nv2 fails 30 %\nseed 1\n");
    let of = |seed: &str| folder.simulate(&["--seed", seed]).1;
    assert_eq!(of("1"), folder.simulate(&[]).1);
    let others = ["2", "3", "4", "5"].map(of);
    assert!(others.iter().any(|other| *other != of("1")), "{others:?}");
}

#[test]
fn manifests_and_scenarios_may_come_from_a_pipe() {
    let folder = Folder::new("pipe", "");
    let (exit, out, _) = gradatim(&["simulate", "-"], MANIFEST);
    assert_eq!(exit, Exit::Good);
    assert!(out.contains("\npromoted at "), "{out}");
    let manifest = folder.path("shop.yaml");
    let (exit, out, _) = gradatim(&["simulate", "--scenario", "-", &manifest], BAD);
    assert_eq!(exit, Exit::Good);
    assert!(out.contains("\nrolled back at "), "{out}");
    let (exit, _, err) = gradatim(&["simulate", "--scenario", "-", "-"], BAD);
    assert_eq!(exit, Exit::WrongInput);
    assert!(err.contains("standard input can be read once"), "{err}");
}

#[test]
fn a_scenario_without_bounds_is_refused() {
    let folder = Folder::new("huge", &"# a long comment\n".repeat(100_000));
    let (exit, out, err) = folder.simulate(&[]);
    assert_eq!((exit, out.as_str()), (Exit::WrongInput, ""));
    assert!(err.contains("at most 64 KiB"), "{err}");
    std::fs::write(folder.0.join("scenario.txt"), [0xff, 0xfe, 0x00]).unwrap();
    assert_eq!(folder.simulate(&[]).0, Exit::WrongInput);
    std::fs::remove_file(folder.0.join("scenario.txt")).unwrap();
    assert_eq!(folder.simulate(&[]).0, Exit::WrongInput);
}
