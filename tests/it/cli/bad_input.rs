//! Whatever is given: a clear error, exit code 2, in bounded time and memory, and never a panic.

use gradatim::cli::Exit;

use super::{Ran, canary, file, gradatim, on};

/// Explains something that is wrong.
fn refused(text: impl AsRef<[u8]>) -> Ran {
    let ran = on(&["explain"], text);
    assert_eq!(ran.exit, Exit::WrongInput, "{ran:?}");
    assert_eq!(ran.out, "", "nothing was run, so there is no data");
    assert!(ran.err.contains("error: "), "{}", ran.err);
    ran
}

#[test]
fn all_errors_of_all_files_come_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let rollout = file(
        dir.path(),
        "rollout.yaml",
        canary("{setWeight: 101}, {setWeight: -1}, {setWieght: 5}, {pause: {duration: 1x}}"),
    );
    let template = "
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: rate}
spec:
  metrics:
  - name: rate
    successCondition: result[0] >=
    failureLimit: many
    provider: {prometheus: {query: up}}
";
    let template = file(dir.path(), "analysis.yaml", template);
    let ran = gradatim(&["explain", &rollout, &template], b"");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::WrongInput, ""));
    for wanted in [
        "error: setWeight is 0 to 100",
        "unknown step \"setWieght\"; did you mean \"setWeight\"?",
        "rollout.yaml:11:27",
    ] {
        assert!(ran.err.contains(wanted), "{wanted} is not in\n{}", ran.err);
    }
    let last = ran.err.lines().last().unwrap();
    assert!(last.ends_with("Nothing was run."), "{last}");
    let errors = ran
        .err
        .lines()
        .filter(|line| line.starts_with("error: "))
        .count();
    assert!(last.starts_with(&format!("{errors} errors in ")), "{last}");
    assert!(errors >= 3, "{}", ran.err);
}

#[test]
fn a_weight_is_0_to_100() {
    for weight in ["101", "-1", "1e3", "ten", "99999999999999999999", "~"] {
        let ran = refused(canary(&format!("{{setWeight: {weight}}}")));
        assert!(ran.err.contains("stdin:11:"), "{weight}: {}", ran.err);
    }
}

#[test]
fn nothing_is_no_manifest() {
    for text in [
        "",
        "\n\n",
        "---\n---\n",
        "# nothing\n",
        "null\n",
        "5\n",
        "- a\n- b\n",
    ] {
        refused(text);
    }
    refused([0_u8, 159, 146, 150]);
}

#[test]
fn malformed_yaml_is_located() {
    let ran = refused("kind: Rollout\nmetadata: {name: [\n");
    assert!(ran.err.contains("stdin:"), "{}", ran.err);
    let ran = refused("kind: Rollout\n\tbad: tab\n");
    assert!(ran.err.contains("tab"), "{}", ran.err);
}

#[test]
fn a_bomb_does_not_go_off() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..40 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    refused(format!("{}{bomb}", canary("{setWeight: 10}")));
    refused(bomb);
}

#[test]
fn ten_megabytes_are_too_much_and_said_so() {
    let long = "# padding\n".repeat(1024 * 1024);
    let ran = refused(format!("{}{long}", canary("{setWeight: 10}")));
    assert!(
        ran.err.contains("MiB") || ran.err.contains("large"),
        "{}",
        ran.err
    );
    let wide = format!(
        "{}x: \"{}\"\n",
        canary("{setWeight: 10}"),
        "y".repeat(10 * 1024 * 1024)
    );
    refused(wide);
}

#[test]
fn deep_nesting_is_an_error_and_not_an_overflow() {
    refused(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    refused(format!("a: {}", "{a: ".repeat(50_000)));
    refused(canary(&format!(
        "{}1{}",
        "{a: ".repeat(5_000),
        "}".repeat(5_000)
    )));
}

#[test]
fn other_kinds_alone_are_no_rollout_and_are_named() {
    let ran = refused("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n");
    assert!(ran.err.contains("Deployment"), "{}", ran.err);
    let both = format!(
        "{}---\nkind: Service\nmetadata: {{name: web}}\n",
        canary("{setWeight: 60}")
    );
    let ran = on(&["explain"], both);
    assert_eq!(ran.exit, Exit::Good, "{ran:?}");
    assert!(ran.err.contains("Service web"), "{}", ran.err);
}

#[test]
fn a_helm_template_is_not_a_manifest_yet() {
    let template = canary("{setWeight: 10}").replace("10", "{{ .Values.weight }}");
    let ran = refused(template);
    assert!(
        ran.err.contains("a Helm template that was not rendered"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("helm template"), "{}", ran.err);
}

#[test]
fn what_steers_a_terminal_is_not_passed_on() {
    let ran = refused(canary("{\"set\x1b[31mWeight\": 10}"));
    assert!(!ran.err.contains('\x1b'), "{:?}", ran.err);
    let escaped = canary("{\"set\\e[31mWeight\\u202e\": 10}");
    let ran = refused(escaped);
    assert!(
        !ran.err.contains('\x1b') && !ran.err.contains('\u{202e}'),
        "{:?}",
        ran.err
    );
}

#[test]
fn a_wrong_input_as_json_is_data_too() {
    let ran = on(&["explain", "--json"], canary("{setWeight: 101}"));
    assert_eq!(ran.exit, Exit::WrongInput);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let error = &report["errors"][0];
    assert_eq!(error["message"], "setWeight is 0 to 100");
    assert_eq!(error["path"], "spec.strategy.canary.steps[0].setWeight");
    assert_eq!(error["position"]["line"], 11);
}

#[test]
fn a_file_twice_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let rollout = file(dir.path(), "rollout.yaml", canary("{setWeight: 10}"));
    let ran = gradatim(&["explain", &rollout, &rollout], b"");
    assert_eq!(ran.exit, Exit::Good, "{ran:?}");
    let folder = dir.path().display().to_string();
    let ran = gradatim(&["explain", &folder], b"");
    assert_eq!(ran.exit, Exit::WrongInput);
    assert!(ran.err.contains("is a directory"), "{}", ran.err);
}
