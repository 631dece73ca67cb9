use super::*;

const GATED: &str = "
  abortOn: [crashLoop, imagePull]
  sessionAffinity: {cookieName: seen, maxAge: 1h}
  gates:
    beforePromotion:
    - {name: approval, interval: 10s, progressDeadline: 1h, provider: {web: {url: http://gate}}}
    rollback:
    - {name: alarm, provider: {web: {url: http://alarm}}}";

fn annotated(notes: &str, spec: &str) -> String {
    let head = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  name: shop\n  annotations:\n";
    format!("{head}    {EXTENSIONS}: |\n{notes}\nspec:\n{spec}\n")
}

#[test]
fn our_own_fields_are_read_from_the_spec() {
    let rollout = only_rollout(&rollout(GATED));
    assert_eq!(
        rollout.abort_on,
        [TroubleKind::CrashLoop, TroubleKind::ImagePull].into()
    );
    let affinity = rollout.session_affinity.unwrap();
    assert_eq!(
        (affinity.cookie_name.as_str(), affinity.max_age),
        ("seen", Duration::from_secs(3600))
    );
    let points: Vec<_> = rollout.gates.keys().copied().collect();
    assert_eq!(points, [GatePoint::BeforePromotion, GatePoint::Rollback]);
    let gate = &rollout.gates[&GatePoint::BeforePromotion][0];
    assert_eq!(
        (gate.name.as_str(), gate.interval.as_deref()),
        ("approval", Some("10s"))
    );
    assert_eq!(gate.progress_deadline, Some(Duration::from_secs(3600)));
    assert_eq!(gate.provider.part, json!({"url": "http://gate"}));
}

#[test]
fn an_annotation_says_the_same_as_fields() {
    let notes = GATED.replace("\n", "\n    ");
    let steps = "  strategy:\n    canary:\n      steps: [{setWeight: 10}, {pause: {}}]";
    let by_field = only_rollout(&rollout(&format!("{GATED}\n{steps}")));
    assert_eq!(only_rollout(&annotated(&notes, steps)), by_field);
}

#[test]
fn steps_are_matched_by_index_and_may_be_named_by_number() {
    let steps = "  strategy: {canary: {steps: [{setWeight: 10}, {pause: {}}]}}";
    for notes in [
        "      strategy: {canary: {steps: [{}, {progressDeadline: 5m}]}}",
        "      strategy: {canary: {steps: [null, {progressDeadline: 5m}]}}",
        "      strategy: {canary: {steps: {1: {progressDeadline: 5m}}}}",
    ] {
        let canary = only_canary(&annotated(notes, steps));
        let deadlines: Vec<_> = canary
            .steps
            .iter()
            .map(|step| step.progress_deadline)
            .collect();
        assert_eq!(deadlines, [None, Some(Duration::from_secs(300))]);
        assert!(canary.steps[1].pause.is_some());
    }
}

#[test]
fn metrics_are_matched_by_name() {
    let text = "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata:\n  name: t\n  annotations:\n    gradatim.dev/extensions: |\n      metrics:\n      - {name: b, failureFor: 2m, onNoData: error}\nspec:\n  metrics:\n  - {name: a, provider: {web: {}}}\n  - {name: b, provider: {web: {}}}\n";
    let manifests = manifests(text);
    let [a, b] = manifests.templates[0].metrics.as_slice() else {
        panic!("two")
    };
    assert_eq!(
        (a.failure_for.as_deref(), b.failure_for.as_deref()),
        (None, Some("2m"))
    );
    assert_eq!(b.on_no_data, NoVerdict::Error);
    let unknown = text.replace("name: b, failureFor", "name: c, failureFor");
    assert_eq!(
        errors(&unknown),
        [
            "8:16 metadata.annotations[\"gradatim.dev/extensions\"].metrics[0].name: the object has no metric \"c\""
        ]
    );
}

#[test]
fn an_error_in_an_annotation_stands_where_the_annotation_says_it() {
    let notes = "      abortOn: [crashLoop, tooSlow]\n      replicas: 3\n      abortOff: []\n      strategy:\n        canary:\n          steps:\n          - progressDeadline: 5\n          - {}\n          - gate: {name: x}";
    let steps = "  abortOn: []\n  strategy: {canary: {steps: [{setWeight: 10}]}}";
    let note = "metadata.annotations[\"gradatim.dev/extensions\"]";
    let wanted = [
        format!("7:7 {note}.abortOn: abortOn is given in the object as well"),
        format!("8:7 {note}.replicas: \"replicas\" is none of our fields: write it in spec"),
        format!(
            "9:7 {note}.abortOff: \"abortOff\" is none of our fields; did you mean \"abortOn\"?"
        ),
        "13:31 spec.strategy.canary.steps[0].progressDeadline: progressDeadline needs a unit"
            .to_owned(),
        format!("14:13 {note}.strategy.canary.steps[1]: the object has 1 steps"),
        format!("15:13 {note}.strategy.canary.steps[2]: the object has 1 steps"),
    ];
    assert_eq!(errors(&annotated(notes, steps)), wanted);
}

#[test]
fn an_annotation_in_quotes_is_read_and_stands_at_its_beginning() {
    let text = annotated("", "  replicas: 1");
    let text = text.replace("|\n\n", "\"abortOn:\\n- crashLoop\\n- nope\\n\"\n");
    assert_eq!(
        errors(&text),
        ["6:30 spec.abortOn[1]: abortOn takes crashLoop, probeFailure, podRefused and imagePull"]
    );
    assert_eq!(
        only_rollout(&text.replace("nope", "imagePull"))
            .abort_on
            .len(),
        2
    );
}

#[test]
fn an_annotation_that_is_no_yaml_or_no_mapping_is_found() {
    for (notes, wanted) in [
        ("      a: [1", "in the annotation: invalid YAML"),
        ("      - a", "must be a mapping that holds our own fields"),
        (
            "      abortOn: []\n      ---\n      b: 1",
            "the annotation holds one YAML document",
        ),
        (
            "      strategy: {canary: {steps: [{gate: {}}]}}",
            "the object has no strategy to add this to",
        ),
    ] {
        let found = errors(&annotated(notes, "  replicas: 1"));
        assert!(
            found.iter().any(|error| error.contains(wanted)),
            "{notes}: {found:?}"
        );
    }
}

const JUDGED: &str = "
  judge:
    name: compared
    interval: 5s
    maxFalseRollback: 1%
    stopIf: {errors: 1.3x, slow: 1.15}
    promoteIf: {notWorseThan: 2x, sure: 95%, orBelow: 0.1%}
    warmup: {for: 2m, tolerate: 10x}
    notEnoughData: extend 30m, then proceed
    failureBudget: 50
    missingMetrics: hold after 2m
    evidence: {loki: {query: x}}
    provider: {prometheus: {counters: {source: istio}}}";

fn judged(spec: &str) -> String {
    let head =
        "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata:\n  name: judge\n";
    format!("{head}spec:{spec}\n")
}

#[test]
fn a_judge_stands_beside_metrics_or_alone() {
    let read = manifests(&judged(JUDGED));
    let judge = read.templates[0].judge.clone().unwrap();
    assert_eq!(judge.name, "compared");
    assert_eq!(judge.provider.name, "prometheus");
    let texts = [
        &judge.interval,
        &judge.max_false_rollback,
        &judge.stop_errors,
        &judge.stop_slow,
        &judge.not_worse_than,
        &judge.sure,
        &judge.or_below,
        &judge.not_enough_data,
        &judge.missing_metrics,
    ];
    let texts = texts.map(|text| text.as_deref().unwrap_or("none"));
    let wanted = [
        "5s",
        "1%",
        "1.3x",
        "1.15",
        "2x",
        "95%",
        "0.1%",
        "extend 30m, then proceed",
        "hold after 2m",
    ];
    assert_eq!(texts, wanted);
    assert_eq!(judge.failure_budget, Some(50.into()));
    assert!(judge.evidence.is_some());
    assert!(matches!(
        judge.warm_up,
        crate::spec::WarmUpSpec::Fixed { .. }
    ));
}

#[test]
fn a_judge_may_stand_in_the_annotation() {
    let notes = JUDGED.replace("\n", "\n    ");
    let metrics = "\n  metrics: [{name: m, provider: {web: {url: http://x}}}]";
    let head = "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata:\n  name: judge\n  annotations:\n";
    let annotated = format!("{head}    {EXTENSIONS}: |{notes}\nspec:{metrics}\n");
    let by_field = manifests(&judged(&format!("{JUDGED}{metrics}")));
    assert_eq!(manifests(&annotated), by_field);
}

#[test]
fn a_judge_that_is_wrong_is_refused_at_its_place() {
    for (wrong, path, says) in [
        (
            "\n  judge: {interval: 5s}",
            "spec.judge.provider",
            "missing",
        ),
        (
            "\n  judge: {warmup: slow, provider: {prometheus: {}}}",
            "spec.judge.warmup",
            "learned, none",
        ),
        (
            "\n  judge: {stopIf: {error: 2x}, provider: {prometheus: {}}}",
            "spec.judge.stopIf.error",
            "did you mean",
        ),
    ] {
        let text = errors(&judged(wrong)).join("\n");
        assert!(text.contains(path) && text.contains(says), "{text}");
    }
}

#[test]
fn a_paced_step_is_read_whole_or_by_its_defaults() {
    let canary = only_canary(&canary(
        "      - pace: {maxWeight: 30, bake: 10m}\n      - pace:\n      - pace: {}",
    ));
    let paces: Vec<_> = canary.steps.iter().map(|step| step.pace.unwrap()).collect();
    let whole = crate::spec::PaceSpec {
        max_weight: Some(30),
        bake: Some(Duration::from_secs(600)),
    };
    assert_eq!(paces, [whole, Default::default(), Default::default()]);
}
