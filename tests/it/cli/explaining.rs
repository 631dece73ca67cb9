//! `gradatim explain` on manifests that are right.

use std::path::Path;

use gradatim::cli::Exit;

use super::{canary, gradatim, on};

const TEMPLATE: &str = "---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: rate}
spec:
  metrics:
  - name: success-rate
    interval: 30s
    count: 5
    failureLimit: 4
    successCondition: result[0] >= 0.95
    provider:
      prometheus:
        address: http://prometheus:9090
        query: sum(rate(http_requests_total{code!~\"5..\"}[1m])) / sum(rate(http_requests_total[1m]))
";

fn shop() -> String {
    let steps = "{setWeight: 10}, {pause: {duration: 2m}}, \
                 {analysis: {templates: [{templateName: rate}]}}, {setWeight: 50}, {pause: {}}";
    format!("{}{TEMPLATE}", canary(steps))
}

#[test]
fn a_manifest_is_told_from_its_first_step_to_the_advice() {
    let ran = on(&["explain", "--target", "2m"], shop());
    assert_eq!(ran.exit, Exit::Good, "{ran:?}");
    assert_eq!(ran.out, include_str!("explained.txt"), "\n{}", ran.out);
}

#[test]
fn the_same_as_data_has_the_same_numbers() {
    let ran = on(&["explain", "--json", "--target", "2m"], shop());
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let rollout = &report["rollouts"][0];
    assert_eq!(rollout["name"], "shop");
    assert_eq!(rollout["steps"][2]["from"]["earliest"], 120.0);
    assert_eq!(
        rollout["steps"][2]["heldBy"][0]["metrics"][0]["failsAt"][0]["failures"],
        5
    );
    assert_eq!(rollout["failing"]["found"]["metric"], "success-rate");
    assert_eq!(rollout["failing"]["found"]["at"]["at"], 240.0);
    assert_eq!(rollout["target"]["met"], false);
    let rules: Vec<_> = rollout["advice"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["rule"])
        .collect();
    assert!(rules.contains(&&"same-query".into()), "{rules:?}");
    assert!(rollout["advice"][0]["position"]["line"].is_u64());
}

#[test]
fn replicas_and_names_can_be_chosen() {
    let two = format!(
        "{}---\n{}",
        canary("{setWeight: 25}, {pause: {}}"),
        shop().replace("shop", "other")
    );
    let ran = on(&["explain", "--name", "shop", "--replicas", "4"], &two);
    assert!(
        ran.out.starts_with("shop · canary · nginx · 4 replicas"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("1 + 4") && !ran.out.contains("other"),
        "{}",
        ran.out
    );
    let ran = on(&["explain", "--name", "nobody"], &two);
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::WrongInput, ""));
    assert!(ran.err.contains("there are: shop and other"), "{}", ran.err);
    let ran = on(&["explain"], &two);
    assert!(ran.out.contains("\nother · canary"), "{}", ran.out);
}

#[test]
fn templates_alone_are_fine() {
    let ran = on(&["explain"], TEMPLATE);
    assert_eq!(ran.exit, Exit::Good, "{ran:?}");
    assert!(ran.out.contains("No rollout, 1 template."), "{}", ran.out);
}

#[test]
fn every_example_is_explained_without_an_error() {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/manifests");
    let mut folders = vec![manifests];
    let mut explained = 0;
    while let Some(folder) = folders.pop() {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|it| it.to_str()) {
                Some("yaml") => files.push(path.display().to_string()),
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
        if files.is_empty() {
            continue;
        }
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let (mut nothing, mut out, mut err) = (&b""[..], Vec::new(), Vec::new());
        let mut io = gradatim::cli::Io::plain(&mut nothing, &mut out, &mut err);
        let exit = gradatim::cli::run(
            [&["gradatim", "explain"], files.as_slice()].concat(),
            &mut io,
        );
        let out = String::from_utf8(out).unwrap();
        assert_eq!(exit, Exit::Good, "{}", String::from_utf8_lossy(&err));
        assert!(out.contains("promoted at"), "{out}");
        explained += 1;
    }
    assert!(explained >= 5, "{explained}");
}

#[test]
fn a_second_look_at_the_same_files_says_the_same() {
    let (one, other) = (on(&["explain"], shop()), on(&["explain"], shop()));
    assert_eq!((one.out, one.err), (other.out, other.err));
    let ran = gradatim(&["explain", "--target", "soon", "-"], shop().as_bytes());
    assert_eq!(ran.exit, Exit::WrongInput);
}
