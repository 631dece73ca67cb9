use super::*;

const FULL_CANARY: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: shop-stable}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: shop
  namespace: prod
  labels: {team: a}
spec:
  replicas: 5
  paused: true
  minReadySeconds: 10
  revisionHistoryLimit: 3
  progressDeadlineSeconds: 300
  progressDeadlineAbort: true
  rollbackWindow: {revisions: 2}
  restartAt: 2026-11-24T12:00:00Z
  analysis: {successfulRunHistoryLimit: 1, unsuccessfulRunHistoryLimit: 2}
  selector: {matchLabels: {app: shop}}
  template: {spec: {containers: [{name: app, image: "shop:1", anything: {goes: 1.5}}]}}
  strategy:
    canary:
      canaryService: shop-canary
      stableService: shop-stable
      maxSurge: "30"
      maxUnavailable: 0
      trafficRouting:
        nginx: {stableIngress: shop, additionalIngressAnnotations: {canary-by-header: X}}
        plugins: {argoproj-labs/gatewayAPI: {httpRoute: shop}}
        managedRoutes: [{name: testers}, {name: copy}]
        maxTrafficWeight: 1000
      analysis: {templates: [{templateName: rate}], startingStep: 2}
      antiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: {weight: 7}}
      canaryMetadata: {labels: {role: canary}}
      stableMetadata: {annotations: {role: stable}}
      scaleDownDelaySeconds: 40
      scaleDownDelayRevisionLimit: 1
      abortScaleDownDelaySeconds: 0
      dynamicStableScale: true
      minPodsPerReplicaSet: 2
      pingPong: {pingService: ping, pongService: pong}
      replicaProgressThreshold: {type: Pods, value: 3}
      steps:
      - setWeight: 1000
      - pause: {}
      - pause: {duration: 90}
      - pause: {duration: "30"}
      - pause: {duration: 1m30.9s}
      - setCanaryScale: {replicas: 3}
      - setCanaryScale: {weight: 20}
      - setCanaryScale: {matchTrafficWeight: true}
      - analysis:
          templates: [{templateName: rate, clusterScope: true}]
          args:
          - {name: service, value: shop}
          - {name: hash, valueFrom: {podTemplateHashValue: Latest}}
          - {name: region, valueFrom: {fieldRef: {fieldPath: metadata.labels.region}}}
          dryRun: [{metricName: .*}]
          measurementRetention: [{metricName: rate, limit: 20}]
          analysisRunMetadata: {labels: {a: b}}
      - experiment: {duration: 5m, templates: []}
      - setHeaderRoute: {name: testers, match: [{headerName: X, headerValue: {regex: "a|b"}}]}
        setWeight: 20
      - setMirrorRoute: {name: copy, percentage: 50, match: [{method: {exact: GET}, headers: {H: {prefix: p}}}]}
      - setMirrorRoute: {name: copy}
      - plugin: {name: x, config: {a: 1}}
"#;

#[test]
fn a_rollout_keeps_every_field_that_it_writes() {
    let rollout = only_rollout(FULL_CANARY);
    assert_eq!(
        (rollout.name.as_str(), rollout.namespace.as_deref()),
        ("shop", Some("prod"))
    );
    assert_eq!(
        (rollout.replicas, rollout.paused, rollout.min_ready_seconds),
        (5, true, 10)
    );
    assert_eq!(rollout.revision_history_limit, 3);
    assert_eq!(
        (
            rollout.progress_deadline_seconds,
            rollout.progress_deadline_abort
        ),
        (300, true)
    );
    assert_eq!(rollout.rollback_window, Some(2));
    assert_eq!(rollout.restart_at.as_deref(), Some("2026-11-24T12:00:00Z"));
    assert_eq!(rollout.analysis_history.successful, 1);
    assert_eq!(rollout.analysis_history.unsuccessful, 2);
    assert_eq!(
        rollout.selector,
        Some(json!({"matchLabels": {"app": "shop"}}))
    );
    let pod = &rollout.template.unwrap()["spec"]["containers"][0];
    assert_eq!(pod["anything"]["goes"], json!(1.5));
}

#[test]
fn a_canary_keeps_every_field_that_it_writes() {
    let canary = only_canary(FULL_CANARY);
    assert_eq!(canary.canary_service.as_deref(), Some("shop-canary"));
    assert_eq!(canary.stable_service.as_deref(), Some("shop-stable"));
    assert_eq!(canary.max_surge, Some(Amount::Percent(30)));
    assert_eq!(canary.max_unavailable, Some(Amount::Pods(0)));
    let routing = canary.traffic_routing.unwrap();
    assert_eq!(routing.managed_routes, ["testers", "copy"]);
    assert_eq!(routing.max_traffic_weight, Some(1000));
    let routers: Vec<_> = routing.routers.keys().map(String::as_str).collect();
    assert_eq!(routers, ["argoproj-labs/gatewayAPI", "nginx"]);
    assert_eq!(routing.routers["nginx"]["stableIngress"], "shop");
    assert_eq!(canary.analysis.unwrap().starting_step, Some(2));
    assert_eq!(canary.anti_affinity, Some(AntiAffinity::Preferred(7)));
    assert_eq!(canary.canary_metadata.unwrap().labels["role"], "canary");
    assert_eq!(
        canary.stable_metadata.unwrap().annotations["role"],
        "stable"
    );
    assert_eq!(canary.scale_down_delay_seconds, Some(40));
    assert_eq!(canary.scale_down_delay_revision_limit, Some(1));
    assert_eq!(canary.abort_scale_down_delay_seconds, Some(0));
    assert!(canary.dynamic_stable_scale);
    assert_eq!(canary.min_pods_per_replica_set, Some(2));
    assert_eq!(canary.ping_pong.unwrap().pong_service, "pong");
    assert_eq!(canary.replica_progress_threshold, Some(Threshold::Pods(3)));
}

#[test]
fn each_kind_of_step_is_read() {
    let steps = only_canary(FULL_CANARY).steps;
    let kinds: Vec<_> = steps.iter().map(|step| step.kinds().join("+")).collect();
    let wanted = [
        "setWeight",
        "pause",
        "pause",
        "pause",
        "pause",
        "setCanaryScale",
        "setCanaryScale",
        "setCanaryScale",
        "analysis",
        "experiment",
        "setWeight+setHeaderRoute",
        "setMirrorRoute",
        "setMirrorRoute",
        "plugin",
    ];
    assert_eq!(kinds, wanted);
    let scales: Vec<_> = steps
        .iter()
        .filter_map(|step| step.set_canary_scale)
        .collect();
    use CanaryScale::{MatchTrafficWeight, Replicas, Weight};
    assert_eq!(scales, [Replicas(3), Weight(20), MatchTrafficWeight]);
    assert_eq!(steps[10].set_weight, Some(20));
}

#[test]
fn a_pause_takes_seconds_or_a_duration_cut_to_whole_seconds() {
    let steps = only_canary(FULL_CANARY).steps;
    let pauses: Vec<_> = steps.iter().filter_map(|step| step.pause).collect();
    let seconds = |secs| PauseSpec {
        duration: Some(Duration::from_secs(secs)),
    };
    assert_eq!(
        pauses,
        [PauseSpec::default(), seconds(90), seconds(30), seconds(90)]
    );
}

#[test]
fn header_and_mirror_routes_keep_their_matches() {
    let steps = only_canary(FULL_CANARY).steps;
    let matches = vec![HeaderMatch {
        header_name: "X".into(),
        header_value: StringMatch::Regex("a|b".into()),
    }];
    assert_eq!(
        steps[10].set_header_route,
        Some(HeaderRoute {
            name: "testers".into(),
            matches
        })
    );
    let wanted = MirrorMatch {
        method: Some(StringMatch::Exact("GET".into())),
        path: None,
        headers: [("H".to_owned(), StringMatch::Prefix("p".into()))].into(),
    };
    let route = |matches, percentage| MirrorRoute {
        name: "copy".into(),
        matches,
        percentage,
    };
    assert_eq!(steps[11].set_mirror_route, Some(route(vec![wanted], 50)));
    assert_eq!(steps[12].set_mirror_route, Some(route(vec![], 100)));
}

#[test]
fn an_analysis_keeps_where_its_arguments_come_from() {
    let steps = only_canary(FULL_CANARY).steps;
    let analysis = steps[8].analysis.as_ref().unwrap();
    assert!(analysis.templates[0].cluster_scope);
    let wanted = [
        ArgSpec::text("service", "shop"),
        ArgSpec::new("hash", ArgValue::PodTemplateHash(HashOf::Latest)),
        ArgSpec::new("region", ArgValue::Field("metadata.labels.region".into())),
    ];
    assert_eq!(analysis.args, wanted);
    assert_eq!(analysis.dry_run, [".*"]);
    assert_eq!(analysis.measurement_retention[0].limit, 20);
    assert_eq!(analysis.run_metadata.as_ref().unwrap().labels["a"], "b");
}

#[test]
fn blue_green_keeps_every_field_that_it_writes() {
    let rollout = only_rollout(&rollout(
        r"
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: shop, scaleDown: onsuccess}
  strategy:
    blueGreen:
      activeService: active
      previewService: preview
      previewReplicaCount: 1
      autoPromotionEnabled: false
      autoPromotionSeconds: 20
      maxUnavailable: 10%
      scaleDownDelaySeconds: 60
      scaleDownDelayRevisionLimit: 2
      abortScaleDownDelaySeconds: 0
      prePromotionAnalysis: {templates: [{templateName: smoke}]}
      postPromotionAnalysis: {templates: [{templateName: rate}]}
      antiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {}}
      previewMetadata: {labels: {role: preview}}
      activeMetadata: {labels: {role: active}}",
    ));
    assert_eq!(
        rollout.workload_ref.unwrap().scale_down,
        ScaleDown::OnSuccess
    );
    let Strategy::BlueGreen(spec) = rollout.strategy else {
        panic!("blue-green")
    };
    let plain = BlueGreenSpec::new("active").with_preview_service("preview");
    assert_eq!(spec.active_service, plain.active_service);
    assert_eq!(spec.preview_service, plain.preview_service);
    assert_eq!(spec.preview_replica_count, Some(1));
    assert!(!spec.auto_promotion_enabled);
    assert_eq!(spec.auto_promotion_seconds, Some(20));
    assert_eq!(spec.max_unavailable, Some(Amount::Percent(10)));
    assert_eq!(spec.scale_down_delay_seconds, Some(60));
    assert_eq!(spec.scale_down_delay_revision_limit, Some(2));
    assert_eq!(spec.abort_scale_down_delay_seconds, Some(0));
    assert_eq!(
        spec.pre_promotion_analysis.unwrap().templates[0].name,
        "smoke"
    );
    assert_eq!(
        spec.post_promotion_analysis.unwrap().templates[0].name,
        "rate"
    );
    assert_eq!(spec.anti_affinity, Some(AntiAffinity::Required));
    assert_eq!(spec.preview_metadata.unwrap().labels["role"], "preview");
    assert_eq!(spec.active_metadata.unwrap().labels["role"], "active");
}

#[test]
fn what_is_not_written_has_its_default_and_equals_what_an_embedder_builds() {
    let text = canary("      - setWeight: 20\n      - pause: {}\n      - pause: {duration: 1h}");
    let steps = [
        StepSpec::set_weight(20),
        StepSpec::pause(),
        StepSpec::pause_for(Duration::from_secs(3600)),
    ];
    assert_eq!(
        only_rollout(&text),
        RolloutSpec::new("shop", CanarySpec::new(steps))
    );
}

#[test]
fn a_spec_without_a_strategy_is_a_rolling_update() {
    for text in [
        "  replicas: 2",
        "  replicas: 2\n  strategy:",
        "  replicas: 2\n  strategy: {}",
    ] {
        let spec = RolloutSpec::new("shop", Strategy::RollingUpdate).with_replicas(2);
        assert_eq!(only_rollout(&rollout(text)), spec, "{text}");
    }
}

#[test]
fn a_template_keeps_every_field_and_its_placeholders() {
    let text = r#"
apiVersion: argoproj.io/v1alpha1
kind: ClusterAnalysisTemplate
metadata: {name: rate, namespace: ignored}
spec:
  args:
  - name: service
  - {name: bound, value: "0.95"}
  - {name: token, valueFrom: {secretKeyRef: {name: s, key: k}}}
  dryRun: [{metricName: b}]
  measurementRetention: [{metricName: a, limit: 5}]
  templates: [{templateName: other, clusterScope: true}]
  metrics:
  - name: a
    interval: "{{args.interval}}"
    initialDelay: 1m
    count: "{{args.count}}"
    successCondition: result[0] >= {{args.bound}}
    failureCondition: result[0] < 0.5
    failureLimit: -1
    inconclusiveLimit: "2"
    consecutiveErrorLimit: 5
    consecutiveSuccessLimit: 3
    provider:
      prometheus:
        address: http://prometheus:9090
        query: |
          sum(rate(http_requests_total{service="{{args.service}}"}[2m]))
  - name: b
    provider: {plugin: {example.com/loki: {query: x}}}
    consecutiveFailureLimit: 2
    failureFor: 2m
    onNoData: fail
    onNaN: ignore
    evidence: {loki: {query: y}}
"#;
    let manifests = manifests(text);
    let template = &manifests.templates[0];
    assert!(template.cluster_scope);
    assert_eq!(template.namespace, None);
    let secret = ArgValue::Secret {
        name: "s".into(),
        key: "k".into(),
    };
    let args = [
        ArgSpec::required("service"),
        ArgSpec::text("bound", "0.95"),
        ArgSpec::new("token", secret),
    ];
    assert_eq!(template.args, args);
    assert_eq!(template.templates[0].name, "other");
    let [a, b] = template.metrics.as_slice() else {
        panic!("two metrics")
    };
    assert_eq!(a.interval.as_deref(), Some("{{args.interval}}"));
    assert_eq!(a.initial_delay.as_deref(), Some("1m"));
    assert_eq!(a.count, Some(IntOrText::from("{{args.count}}")));
    assert_eq!(
        a.success_condition.as_deref(),
        Some("result[0] >= {{args.bound}}")
    );
    assert_eq!(a.failure_condition.as_deref(), Some("result[0] < 0.5"));
    assert_eq!(a.failure_limit, Some(IntOrText::from(-1)));
    assert_eq!(a.inconclusive_limit, Some(IntOrText::from("2")));
    assert_eq!(a.consecutive_error_limit, Some(IntOrText::from(5)));
    assert_eq!(a.consecutive_success_limit, Some(IntOrText::from(3)));
    assert_eq!(
        (a.provider.name.as_str(), &a.provider.part["address"]),
        ("prometheus", &json!("http://prometheus:9090"))
    );
    assert_eq!(
        (a.on_no_data, a.on_nan),
        (NoVerdict::Default, NoVerdict::Default)
    );
    assert_eq!(
        (b.provider.name.as_str(), &b.provider.part),
        ("example.com/loki", &json!({"query": "x"}))
    );
    assert_eq!(b.consecutive_failure_limit, Some(IntOrText::from(2)));
    assert_eq!(b.failure_for.as_deref(), Some("2m"));
    assert_eq!(
        (b.on_no_data, b.on_nan),
        (NoVerdict::Failed, NoVerdict::Ignore)
    );
    assert_eq!(b.evidence, Some(json!({"loki": {"query": "y"}})));
}

#[test]
fn lists_are_opened_and_other_kinds_are_skipped_and_named() {
    let text = "kind: List\napiVersion: v1\nitems:\n\
        - {apiVersion: v1, kind: Service, metadata: {name: s}}\n\
        - {apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: a}, spec: {}}\n\
        - {apiVersion: other.io/v1, kind: Rollout, metadata: {name: b}, spec: {what: ever}}\n";
    let reading = read(&[("list.yaml", text)]);
    assert_eq!(reading.errors, []);
    assert_eq!(reading.manifests.rollouts[0].name, "a");
    let skipped: Vec<_> = reading
        .skipped
        .iter()
        .map(|one| (&*one.kind, one.name.as_deref(), one.line))
        .collect();
    assert_eq!(
        skipped,
        [
            ("Service", Some("s"), 4),
            ("Rollout (other.io/v1)", Some("b"), 6)
        ]
    );
}

#[test]
fn a_file_of_other_kinds_is_no_error_beside_one_of_ours() {
    let other = "apiVersion: v1\nkind: Service\nmetadata: {name: s, {{ broken? }}: no}\n"
        .replace("{{ broken? }}", "b");
    let reading = read(&[
        ("a.yaml", rollout("  replicas: 1")),
        ("b.yaml", other.clone()),
    ]);
    assert_eq!(reading.errors, []);
    let alone = read(&[("b.yaml", other)]);
    assert_eq!(
        errors_of(&alone),
        ["0:0 : no Rollout, AnalysisTemplate or ClusterAnalysisTemplate was found"]
    );
    assert_eq!(alone.errors[0].help.as_deref(), Some("found only: Service"));
}

#[test]
fn aliases_and_merges_mean_what_they_stand_for() {
    let text = canary(
        "      - &w {setWeight: 20, pause: {duration: 10}}\n      - *w\n      - <<: *w\n        setWeight: 40",
    );
    let steps = only_canary(&text).steps;
    assert_eq!(steps[0], steps[1]);
    assert_eq!(
        (steps[2].set_weight, steps[2].pause),
        (Some(40), steps[0].pause)
    );
}

#[test]
fn windows_line_ends_a_byte_order_mark_and_directives_change_nothing() {
    let text = canary("      - setWeight: 20");
    let windows = format!("\u{feff}%YAML 1.2\r\n---\r\n{}", text.replace('\n', "\r\n"));
    assert_eq!(manifests(&windows), manifests(&text));
}

#[test]
fn a_spec_survives_json() {
    let read = manifests(FULL_CANARY);
    let text = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<Manifests>(&text).unwrap(), read);
}
