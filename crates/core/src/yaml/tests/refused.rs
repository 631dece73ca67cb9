use super::*;

#[test]
fn all_errors_of_a_file_are_found_at_once_each_at_its_place() {
    let text = rollout(
        "  replicas: three
  paused: \"yes\"
  progresDeadlineSeconds: 5
  strategy:
    canary:
      maxSurge: lots
      steps:
      - setWeight: 110
      - setWieght: 20
      - pause: {duration: 10x}
      - setWeight: -1",
    );
    let wanted = [
        "6:13 spec.replicas: replicas must be a whole number",
        "7:11 spec.paused: paused must be true or false",
        "8:3 spec.progresDeadlineSeconds: unknown field \"progresDeadlineSeconds\"; did you mean \"progressDeadlineSeconds\"?",
        "11:17 spec.strategy.canary.maxSurge: maxSurge must be a number of pods or a percentage",
        "13:20 spec.strategy.canary.steps[0].setWeight: setWeight is 0 to 100",
        "14:9 spec.strategy.canary.steps[1].setWieght: unknown step \"setWieght\"; did you mean \"setWeight\"?",
        "15:27 spec.strategy.canary.steps[2].pause.duration: invalid duration",
        "16:20 spec.strategy.canary.steps[3].setWeight: setWeight is 0 to 100",
    ];
    assert_eq!(errors(&text), wanted);
}

#[test]
fn an_error_carries_file_object_value_help_and_the_line() {
    let reading = read(&[("x.yaml", canary("      - pause: {duration: 10x}"))]);
    let error = &reading.errors[0];
    let at = error.position.as_ref().unwrap();
    assert_eq!((at.file.as_str(), at.document, at.length), ("x.yaml", 1, 3));
    assert_eq!(at.text, "      - pause: {duration: 10x}");
    assert_eq!(
        error.object,
        Some(ObjectRef::new(ObjectKind::Rollout, "shop"))
    );
    assert_eq!(error.value.as_deref(), Some("10x"));
    assert_eq!(
        error.help.as_deref(),
        Some("write seconds, or 30s, 5m or 1h30m")
    );
    assert!(reading.manifests.rollouts.is_empty());
}

#[test]
fn a_weight_is_measured_against_the_routers_own_total() {
    let text = |weight: u32| {
        canary(&format!(
            "      - setWeight: {weight}\n      trafficRouting: {{nginx: {{}}, maxTrafficWeight: 1000}}"
        ))
    };
    assert_eq!(errors(&text(1000)), Vec::<String>::new());
    assert_eq!(
        errors(&text(1001)),
        ["9:20 spec.strategy.canary.steps[0].setWeight: setWeight is 0 to 1000"]
    );
}

#[test]
fn each_wrong_step_says_what_it_wants() {
    for (step, wanted) in [
        ("{}", "9:9 @: an empty step"),
        ("5", "9:9 @: an entry of steps must be a mapping"),
        ("pause:", "9:9 @.pause: pause has no value"),
        ("pause: 10", "9:16 @.pause: pause must be a mapping"),
        (
            "pause: {seconds: 10}",
            "9:17 @.pause.seconds: unknown field \"seconds\"",
        ),
        (
            "pause: {duration: -5}",
            "9:27 @.pause.duration: invalid duration",
        ),
        (
            "pause: {duration: 99999999999}",
            "9:27 @.pause.duration: invalid duration",
        ),
        (
            "setWeight: \"20\"",
            "9:20 @.setWeight: setWeight must be a whole number",
        ),
        (
            "setWeight: 20.5",
            "9:20 @.setWeight: setWeight must be a whole number",
        ),
        (
            "setWeight: {}",
            "9:9 @.setWeight: setWeight must be a whole number",
        ),
        (
            "setCanaryScale: {}",
            "9:9 @.setCanaryScale: setCanaryScale has one of weight, replicas and matchTrafficWeight",
        ),
        (
            "setCanaryScale: {weight: 1, replicas: 1}",
            "9:9 @.setCanaryScale: setCanaryScale has one of weight, replicas and matchTrafficWeight",
        ),
        (
            "setHeaderRoute: {match: []}",
            "9:9 @.setHeaderRoute.name: name is missing",
        ),
        (
            "setMirrorRoute: {name: a, percentage: 101}",
            "9:47 @.setMirrorRoute.percentage: percentage is 0 to 100",
        ),
        (
            "analysis: {}",
            "9:9 @.analysis.templates: templates is missing",
        ),
        (
            "analysis: {templates: {}}",
            "9:20 @.analysis.templates: templates must be a list",
        ),
        (
            "analysis: {templates: [{name: a}]}",
            "9:32 @.analysis.templates[0].templateName: templateName is missing",
        ),
        ("sleep: 5", "9:9 @.sleep: unknown step \"sleep\""),
        (
            "gate: {name: a}",
            "9:9 @.gate.provider: provider is missing",
        ),
    ] {
        let found = errors(&canary(&format!("      - {step}")));
        let wanted = wanted.replace('@', "spec.strategy.canary.steps[0]");
        assert_eq!(found.first(), Some(&wanted), "{step}: {found:?}");
    }
}

#[test]
fn each_wrong_metric_says_what_it_wants() {
    let head = "  - name: a\n    provider: {web: {}}\n    ";
    for (field, wanted) in [
        ("interval: 30", "9:15 @.interval: interval needs a unit"),
        ("interval: 1d", "9:15 @.interval: invalid duration"),
        ("initialDelay: -5s", "9:19 @.initialDelay: invalid duration"),
        ("count: five", "9:12 @.count: count must be a whole number"),
        (
            "failureLimit: 1.5",
            "9:19 @.failureLimit: failureLimit must be a whole number",
        ),
        (
            "successCondition: true",
            "9:23 @.successCondition: successCondition must be text",
        ),
        (
            "succesCondition: x",
            "9:5 @.succesCondition: unknown field \"succesCondition\"; did you mean \"successCondition\"?",
        ),
        (
            "onNoData: success",
            "9:15 @.onNoData: no data is never a success",
        ),
        (
            "onNaN: maybe",
            "9:12 @.onNaN: onNaN is default, inconclusive, fail, error or ignore",
        ),
        (
            "failureFor: 120",
            "9:17 @.failureFor: failureFor needs a unit",
        ),
    ] {
        let wanted = wanted.replace('@', "spec.metrics[0]");
        assert_eq!(
            errors(&template(&format!("{head}{field}"))),
            [wanted],
            "{field}"
        );
    }
}

#[test]
fn a_metric_has_one_provider() {
    for (provider, wanted) in [
        ("{}", "8:5 @: no provider"),
        (
            "{web: {}, prometheus: {}}",
            "8:25 @.prometheus: more than one provider: a metric has one",
        ),
        (
            "{web: {}, plugin: {x: {}}}",
            "8:34 @.plugin.x: more than one provider: a metric has one",
        ),
        ("5", "8:15 @: provider must be a mapping"),
    ] {
        let wanted = wanted.replace('@', "spec.metrics[0].provider");
        // A mapping is pointed at by its key, or where a flow's inner key stands.
        let found = errors(&template(&format!("  - name: a\n    provider: {provider}")));
        let (_, wanted) = wanted.split_once(' ').unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].ends_with(wanted) && found[0].starts_with("8:"),
            "{found:?}"
        );
    }
}

#[test]
fn a_rollout_has_one_strategy_and_one_source_of_pods() {
    let text = rollout(
        "  template: {}\n  workloadRef: {apiVersion: v1, kind: D, name: n}\n  strategy:\n    canary: {}\n    blueGreen: {activeService: a}",
    );
    let wanted = [
        "7:3 spec.workloadRef: template and workloadRef: a rollout has one of them",
        "10:5 spec.strategy.blueGreen: more than one strategy: a rollout has canary or blueGreen",
    ];
    assert_eq!(errors(&text), wanted);
    let text = rollout("  strategy: {rollingUpdate: {}}");
    assert_eq!(
        errors(&text),
        ["6:14 spec.strategy.rollingUpdate: unknown strategy \"rollingUpdate\""]
    );
}

#[test]
fn text_that_looks_like_a_number_must_be_quoted() {
    let analysis =
        "      - analysis: {templates: [{templateName: a}], args: [{name: b, value: 95}]}";
    let reading = read(&[("a.yaml", canary(analysis))]);
    assert_eq!(reading.errors[0].message, "value must be text");
    assert_eq!(
        reading.errors[0].help.as_deref(),
        Some("put it in quotes: \"95\"")
    );
}

#[test]
fn wrong_instants_thresholds_and_names_are_found() {
    let text = rollout(
        "  restartAt: tomorrow
  strategy:
    canary:
      replicaProgressThreshold: {type: Share, value: 5}
      antiAffinity: {}
      canaryService: ''",
    );
    let found = errors(&text);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[0].ends_with("restartAt is no instant"));
    assert!(found[1].ends_with("type is Percent or Pods"));
    assert!(found[3].ends_with("canaryService must not be empty"));
}

#[test]
fn a_key_given_twice_is_found_in_our_objects_only() {
    let text = rollout("  replicas: 1\n  replicas: 2");
    assert_eq!(
        errors(&text),
        ["7:3 : \"replicas\" is given twice, first on line 6"]
    );
    assert!(read(&[("a.yaml", &text)]).manifests.rollouts.is_empty());
    let other = "kind: ConfigMap\napiVersion: v1\na: 1\na: 2\n---\n";
    assert_eq!(
        errors(&format!("{other}{}", rollout("  replicas: 1"))),
        Vec::<String>::new()
    );
}

#[test]
fn an_object_given_twice_is_found() {
    let text = format!(
        "{}---\n{}",
        rollout("  replicas: 1"),
        rollout("  replicas: 2")
    );
    assert_eq!(
        errors(&text),
        ["8:1 metadata.name: Rollout shop is given twice, first in a.yaml:1"]
    );
}

#[test]
fn a_frame_that_is_not_whole_is_found() {
    for (text, wanted) in [
        ("kind: Rollout\n", "1:1 apiVersion: apiVersion is missing"),
        (
            "apiVersion: argoproj.io/v1\nkind: Rollout\nmetadata: {name: a}\nspec: {}\n",
            "1:13 apiVersion: this version is not known",
        ),
        (
            "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {}\n",
            "1:1 metadata: metadata is missing",
        ),
        (
            "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {}\nspec: {}\n",
            "3:1 metadata.name: name is missing",
        ),
        (
            "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a}\n",
            "1:1 spec: spec is missing",
        ),
        ("a: 1\n", "1:1 : this is no object: it has no kind"),
        ("- a\n", "1:1 : this is no object: a mapping was expected"),
        ("", "1:1 : no object in this file"),
        ("# nothing\n---\n---\n", "1:1 : no object in this file"),
        ("kind: List\nitems: 5\n", "2:8 : items must be a list"),
    ] {
        assert_eq!(
            errors(text).first().map(String::as_str),
            Some(wanted),
            "{text}"
        );
    }
    assert_eq!(errors_of(&read::<&str, &str>(&[])).len(), 1);
}

#[test]
fn broken_yaml_in_one_document_hides_nothing_in_the_next() {
    let text = format!("a: [1\n---\n{}", canary("      - setWeight: 101"));
    let found = errors(&text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("invalid YAML"), "{found:?}");
    assert!(found[1].starts_with("11:20 "), "{found:?}");
}

#[test]
fn a_helm_template_is_told_to_be_rendered() {
    let broken = "{{- if .Values.on }}\nkind: Rollout\n{{- end }}\n";
    let read_as_map = rollout("  replicas: {{ .Values.replicas }}");
    let in_text = rollout("  replicas: '{{ .Values.replicas }}'");
    for text in [broken, &read_as_map, &in_text] {
        let found = errors(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].ends_with("a Helm template that was not rendered"),
            "{found:?}"
        );
    }
    let held = "apiVersion: v1\nkind: ConfigMap\ndata: {a: '{{ .Values.x }}'}\n---\n";
    assert_eq!(
        errors(&format!("{held}{}", rollout("  replicas: 1"))),
        Vec::<String>::new()
    );
}
