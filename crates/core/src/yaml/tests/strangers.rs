use super::*;

const PODS: &str = "  template: {}";

fn warnings(text: &str) -> Vec<String> {
    let reading = read(&[("a.yaml", text)]);
    assert_eq!(reading.errors, [], "{text}");
    let show = |one: &super::super::Diagnostic| {
        let line = one.position.as_ref().map_or(0, |at| at.line);
        format!("{line} {}: {}", one.path, one.message)
    };
    reading.warnings.iter().map(show).collect()
}

fn annotated(key: &str) -> String {
    rollout(PODS).replace(
        "  name: shop\n",
        &format!("  name: shop\n  annotations:\n    {key}: a\n"),
    )
}

#[test]
fn annotations_of_others_are_left_alone_but_for_those_that_steer() {
    for key in [
        "rollout.argoproj.io/revision",
        "example.com/x",
        "gradatim.dev/stamp",
    ] {
        assert_eq!(warnings(&annotated(key)), Vec::<String>::new(), "{key}");
    }
    let key = "notifications.argoproj.io/subscribe.on-rollout-aborted.slack";
    let wanted = format!(
        "6 metadata.annotations[\"{key}\"]: not honoured: Argo's notifications are its own"
    );
    assert_eq!(warnings(&annotated(key)), [wanted]);
}

#[test]
fn a_slip_in_the_name_of_our_annotation_is_no_silence() {
    for key in [
        "gradatim.dev/extension",
        "gradatim.dev/Extensions",
        "gradatim.dev/extentions",
    ] {
        let found = errors(&annotated(key));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].ends_with("did you mean \"gradatim.dev/extensions\"?"),
            "{found:?}"
        );
    }
}

#[test]
fn a_rollout_without_pods_may_be_a_patch() {
    let wanted = "5 spec: neither template nor workloadRef: nothing says what its pods are";
    assert_eq!(warnings(&rollout("  replicas: 1")), [wanted]);
    assert_eq!(warnings(&rollout(PODS)), Vec::<String>::new());
    let reference = "  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: a}";
    assert_eq!(warnings(&rollout(reference)), Vec::<String>::new());
}

#[test]
fn a_rollout_over_a_router_that_argo_does_not_have_needs_no_pods() {
    let routed = |router: &str| {
        let text = format!("  strategy: {{canary: {{trafficRouting: {{{router}: {{}}}}}}}}");
        warnings(&rollout(&text))
    };
    assert_eq!(routed("plainNginx"), Vec::<String>::new());
    assert_eq!(routed("nginx").len(), 1);
}

#[test]
fn a_kustomization_needs_no_kind_and_values_are_no_object() {
    let ours = rollout(PODS);
    for text in [
        "resources: [a.yaml]\nnamePrefix: x-\n",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nanything: 1\n",
    ] {
        let reading = read(&[("k.yaml", text), ("a.yaml", &ours)]);
        assert_eq!(reading.errors, []);
        assert_eq!(reading.skipped[0].kind, "Kustomization");
    }
    for (text, help) in [
        (
            "replicaCount: 3\nresources: {}\n",
            "values and patches are applied first",
        ),
        (
            "apiVersion: v2\nname: web\nversion: 0.1.0\n",
            "this describes a Helm chart",
        ),
    ] {
        let reading = read(&[("v.yaml", text), ("a.yaml", &ours)]);
        let [error] = reading.errors.as_slice() else {
            panic!("{:?}", reading.errors)
        };
        assert!(
            error.help.as_ref().is_some_and(|h| h.contains(help)),
            "{error:?}"
        );
    }
}

#[test]
fn a_template_in_a_comment_is_no_template() {
    let text =
        rollout("  template: {} # {{ .Values.pods }}\n  replicas: 2 # {{- include \"a\" . }}");
    assert_eq!(only_rollout(&text).replicas, 2);
    let in_key = rollout("  template: {'{{ .Values.key }}': 1}");
    assert!(
        errors(&in_key)[0].starts_with("6:14 "),
        "{:?}",
        errors(&in_key)
    );
}

#[test]
fn text_from_anywhere_is_read() {
    let text = rollout(PODS);
    let json = "{\n\t\"apiVersion\": \"argoproj.io/v1alpha1\",\n\t\"kind\": \"Rollout\",\n\t\"metadata\": {\"name\": \"shop\"},\n\t\"spec\": {\n\t\t\"template\": {}\n\t}\n}\n";
    let utf16: Vec<u8> = format!("\u{feff}{text}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let indented: String = text.lines().map(|line| format!("    {line}\n")).collect();
    for bytes in [
        json.as_bytes(),
        &utf16,
        indented.as_bytes(),
        text.replace('\n', "\r").as_bytes(),
        text.replace("kind: Rollout", "kind:\tRollout \t # x")
            .as_bytes(),
        text.replace("kind: Rollout\n", "\"kind\": 'Rollout'\n\t\n")
            .as_bytes(),
        text.replace("spec:", "? spec\n:").as_bytes(),
    ] {
        let reading = read(&[("a.yaml", bytes)]);
        assert_eq!(reading.errors, [], "{:?}", String::from_utf8_lossy(bytes));
        assert_eq!(reading.manifests, manifests(&text));
    }
    let two = format!(
        "\u{feff}{text}---\n\u{feff}{}",
        text.replace("name: shop", "name: other")
    );
    assert_eq!(manifests(&two).rollouts.len(), 2);
    let two = format!("{text}...\n{}", text.replace("name: shop", "name: other"));
    assert_eq!(manifests(&two).rollouts.len(), 2);
}

#[test]
fn a_name_that_no_object_can_have_is_refused() {
    for name in ["\"a b\"", "a/b", "\"a\\0\"", "\"\\n\"", &"x".repeat(254)] {
        let found = errors(&rollout(PODS).replace("name: shop", &format!("name: {name}")));
        assert_eq!(found, ["4:9 metadata.name: no name of an object"], "{name}");
    }
}

#[test]
fn what_is_handed_on_has_the_numbers_that_kubernetes_reads() {
    let text = "  template: {a: 0755, b: -017, c: 1_000, d: 089, e: 18446744073709551615, f: 0x1F, g: 1.0.0, h: 12e03, i: _1, j: 0b1, k: '0755'}";
    let template = only_rollout(&rollout(text)).template.unwrap();
    let wanted = json!({"a": 493, "b": -15, "c": 1000, "d": 89, "e": 18_446_744_073_709_551_615_u64, "f": 31, "g": "1.0.0", "h": 12000.0, "i": "_1", "j": "0b1", "k": "0755"});
    assert_eq!(template, wanted);
}

#[test]
fn a_placeholder_is_called_one() {
    for value in ["${N}", "$(N)", "<N>", "'{{n}}'"] {
        let reading = read(&[(
            "a.yaml",
            rollout(&format!("  template: {{}}\n  replicas: {value}")),
        )]);
        let help = reading.errors[0].help.as_deref();
        assert_eq!(
            help,
            Some("a placeholder that was not filled in"),
            "{value}"
        );
    }
}
