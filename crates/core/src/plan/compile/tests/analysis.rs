use super::*;
use crate::spec::{ArgSpec, ArgValue, HashOf, Retention, TemplateRef};

fn inline(analysis: RolloutAnalysis) -> RolloutSpec {
    shop(routed("mesh", [StepSpec::analysis(analysis)]))
}

#[track_caller]
fn run(analysis: RolloutAnalysis, templates: &[AnalysisTemplate]) -> RunPlan {
    let plan = compiled(&inline(analysis), templates).plan;
    match plan.steps.into_iter().next().map(|step| step.kind) {
        Some(StepKind::Analysis(run)) => run,
        other => panic!("{other:?}"),
    }
}

/// Exactly one error, in this object, at this path, that says this.
#[track_caller]
fn refuses(analysis: RolloutAnalysis, templates: &[AnalysisTemplate], place: &str, says: &str) {
    let found = compile(&inline(analysis), templates, &registry()).unwrap_err();
    let [error] = found.0.as_slice() else {
        panic!("not one error: {found}")
    };
    assert_eq!(
        format!("{}: {}", error.object, error.path),
        place,
        "{error}"
    );
    assert!(error.message.contains(says), "{error}");
}

/// One metric, refused at this field of its template.
#[track_caller]
fn refuses_metric(metric: MetricSpec, field: &str, says: &str) {
    let template = AnalysisTemplate::new("t", [metric]).with_arg(ArgSpec::new(
        "token",
        ArgValue::Secret {
            name: "store".to_owned(),
            key: "key".to_owned(),
        },
    ));
    let late = ArgSpec::new("hash", ArgValue::PodTemplateHash(HashOf::Latest));
    let template = template.with_arg(late);
    let place = format!("AnalysisTemplate t: spec.metrics[0].{field}");
    refuses(RolloutAnalysis::new(["t"]), &[template], &place, says);
}

#[test]
fn a_metric_has_argos_defaults() {
    let run = run(RolloutAnalysis::new(["rate"]), &[template("rate")]);
    let [metric] = run.metrics.as_slice() else {
        panic!("{run:?}")
    };
    assert_eq!((metric.count, metric.interval), (Some(1), None));
    assert_eq!(
        (metric.failure_limit, metric.inconclusive_limit),
        (Some(0), Some(0))
    );
    assert_eq!(metric.consecutive_error_limit, Some(4));
    assert_eq!(metric.consecutive_success_limit, None);
    assert!(metric.success.is_some() && metric.failure.is_none());
    assert_eq!(metric.clone().sealed(), *metric);
}

#[test]
fn numbers_and_durations_may_be_arguments_and_minus_one_is_no_limit() {
    let spec = metric("m")
        .with_interval("{{ args.every }}")
        .with_count("{{args.count}}")
        .with_failure_limit(-1)
        .with_failure_for("120s");
    let template = AnalysisTemplate::new("t", [spec])
        .with_arg(ArgSpec::text("every", "30s"))
        .with_arg(ArgSpec::required("count"));
    let analysis = RolloutAnalysis::new(["t"]).with_arg(ArgSpec::text("count", "5"));
    let run = run(analysis, &[template]);
    let metric = &run.metrics[0];
    assert_eq!(metric.interval, Some(Duration::from_secs(30)));
    assert_eq!(
        metric.window,
        Duration::from_secs(30),
        "one interval, as the part says nothing"
    );
    assert_eq!((metric.count, metric.failure_limit), (Some(5), None));
    assert_eq!(metric.failure_for, Some(Duration::from_secs(120)));
}

#[test]
fn arguments_are_put_in_now_at_the_runs_start_or_by_the_provider() {
    let query = "a{{args.plain}}b{{ args.hash }}c{{args.node}}d{{args.token}}";
    let secret = ArgValue::Secret {
        name: "store".to_owned(),
        key: "key".to_owned(),
    };
    let template = AnalysisTemplate::new("t", [MetricSpec::new("m", toy(query))])
        .with_arg(ArgSpec::text("plain", "default"))
        .with_arg(ArgSpec::required("hash"))
        .with_arg(ArgSpec::required("node"))
        .with_arg(ArgSpec::new(
            "unused",
            ArgValue::PodTemplateHash(HashOf::Stable),
        ))
        .with_arg(ArgSpec::new("token", secret));
    let analysis = RolloutAnalysis::new(["t"])
        .with_arg(ArgSpec::text("plain", "set"))
        .with_arg(ArgSpec::new(
            "hash",
            ArgValue::PodTemplateHash(HashOf::Latest),
        ))
        .with_arg(ArgSpec::new(
            "node",
            ArgValue::Field("metadata.labels['node']".to_owned()),
        ));
    let run = run(analysis, &[template]);
    let wanted = "asetb{{args.hash}}c{{args.node}}d{{secret:store:key}}";
    assert_eq!(run.metrics[0].query, json!({ "query": wanted }));
    let late: Vec<_> = run.late_args.into_iter().collect();
    let field = LateArg::Field("metadata.labels['node']".to_owned());
    let wanted = [
        ("hash".to_owned(), LateArg::LatestHash),
        ("node".to_owned(), field),
    ];
    assert_eq!(late, wanted);
}

#[test]
fn a_providers_own_template_language_is_left_to_it() {
    let query = r#"{app="x"} | line_format "{{ .msg }} of {{args.app}}""#;
    let template = AnalysisTemplate::new("t", [MetricSpec::new("m", toy(query))])
        .with_arg(ArgSpec::text("app", "shop"));
    let run = run(RolloutAnalysis::new(["t"]), &[template]);
    let wanted = r#"{app="x"} | line_format "{{ .msg }} of shop""#;
    assert_eq!(run.metrics[0].query, json!({ "query": wanted }));
}

#[test]
fn templates_may_name_templates_of_the_cluster_and_each_counts_once() {
    let mut cluster = template("shared");
    cluster.cluster_scope = true;
    let mut outer = template("outer");
    outer.templates = vec![TemplateRef {
        name: "shared".to_owned(),
        cluster_scope: true,
    }];
    cluster.templates = vec![TemplateRef::new("outer")];
    let run = run(RolloutAnalysis::new(["outer"]), &[cluster, outer]);
    assert_eq!(run.templates, ["outer", "shared"]);
    let names: Vec<_> = run
        .metrics
        .iter()
        .map(|metric| metric.name.as_str())
        .collect();
    assert_eq!(names, ["outer", "shared"]);
}

#[test]
fn a_dry_run_is_a_pattern_that_may_match_anywhere() {
    let mut analysis = RolloutAnalysis::new(["p95-latency", "error-rate"]);
    analysis.dry_run = vec!["lat".to_owned()];
    let run = run(analysis, &[template("p95-latency"), template("error-rate")]);
    let dry: Vec<_> = run.metrics.iter().map(|metric| metric.dry_run).collect();
    assert_eq!(dry, [true, false]);
}

#[test]
fn only_a_background_analysis_may_be_endless() {
    let templates = [AnalysisTemplate::new(
        "t",
        [metric("m").with_interval("60s")],
    )];
    let analysis = RolloutAnalysis::new(["t"]).starting_at(1);
    let canary = routed("mesh", [StepSpec::set_weight(10)]).with_analysis(analysis);
    let plan = compiled(&shop(canary.clone()), &templates).plan;
    let background = plan.background.unwrap();
    assert_eq!(
        (background.starting_step, background.run.metrics[0].count),
        (1, None)
    );
    let place = "Rollout shop: spec.strategy.canary.steps[0].analysis.templates[0].templateName";
    refuses(RolloutAnalysis::new(["t"]), &templates, place, "never ends");

    let late = canary.with_analysis(RolloutAnalysis::new(["t"]).starting_at(2));
    let errors = errors(&shop(late), &templates);
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].starts_with("spec.strategy.canary.analysis.startingStep: "),
        "{errors:?}"
    );
}

#[test]
fn a_count_of_zero_is_a_count_that_is_not_written() {
    let spec = metric("m").with_interval("9s").with_count("{{args.n}}");
    let template = AnalysisTemplate::new("t", [spec]).with_arg(ArgSpec::text("n", "0"));
    let canary = routed("mesh", []).with_analysis(RolloutAnalysis::new(["t"]));
    let background = compiled(&shop(canary), &[template])
        .plan
        .background
        .unwrap();
    assert_eq!(background.run.metrics[0].count, None);
    let once = AnalysisTemplate::new("t", [metric("m").with_count(0)]);
    assert_eq!(
        run(RolloutAnalysis::new(["t"]), &[once]).metrics[0].count,
        Some(1)
    );
}

#[test]
fn metrics_that_cannot_be() {
    let m = || metric("m");
    refuses_metric(m().with_count(2), "count", "needs an interval");
    refuses_metric(m().with_count(-1), "count", "a whole number");
    refuses_metric(m().with_count("many"), "count", "a whole number");
    refuses_metric(
        m().with_interval("0s").with_count(1),
        "interval",
        "above zero",
    );
    refuses_metric(m().with_interval("soon").with_count(1), "interval", "");
    let limit = m().with_interval("9s").with_count(3).with_failure_limit(4);
    refuses_metric(limit, "count", "failureLimit is 4");
    let mut in_a_row = m().with_interval("9s").with_count(3).with_failure_limit(2);
    in_a_row.consecutive_success_limit = Some(2.into());
    refuses_metric(in_a_row, "count", "consecutiveSuccessLimit 2");
    let mut inconclusive = m().with_interval("9s").with_count(3);
    inconclusive.inconclusive_limit = Some(4.into());
    refuses_metric(inconclusive, "count", "inconclusiveLimit is 4");
    refuses_metric(m().with_failure_limit(-2), "failureLimit", "a whole number");
    refuses_metric(
        m().with_success("result > {{args.token}}"),
        "successCondition",
        "secret",
    );
    let late = m().with_failure("result > {{args.hash}}");
    refuses_metric(late, "failureCondition", "before the run starts");
    refuses_metric(
        m().with_success("result > {{args.x}}"),
        "successCondition",
        "no argument",
    );
    refuses_metric(
        m().with_success("result > {{args"),
        "successCondition",
        "without its",
    );
    let unknown = MetricSpec::new("m", toy("up{{args.x}}"));
    refuses_metric(unknown, "provider.toy.query", "{{args.x}} is no argument");
    let part = MetricSpec::new("m", Provider::new("toy", json!({})));
    refuses_metric(part, "provider.toy.query", "a query is needed");
    let provider = MetricSpec::new("m", Provider::new("oracle", json!({})));
    refuses_metric(provider, "provider.oracle", "no such metric provider");
}

#[test]
fn a_condition_that_does_not_parse_is_refused_with_its_text() {
    refuses_metric(metric("m").with_success("result >"), "successCondition", "");
}

#[test]
fn analyses_that_cannot_be() {
    let analysis = "spec.strategy.canary.steps[0].analysis";
    let ours = |below: &str| format!("Rollout shop: {analysis}.{below}");
    let none = RolloutAnalysis::new(Vec::<String>::new());
    refuses(none, &[], &ours("templates"), "at least one template");
    let missing = RolloutAnalysis::new(["rate"]);
    refuses(
        missing,
        &[],
        &ours("templates[0].templateName"),
        "no AnalysisTemplate",
    );

    let uses = metric("m")
        .with_success("result > {{args.service}}")
        .with_count("{{args.service}}");
    let needy = AnalysisTemplate::new("t", [uses]).with_arg(ArgSpec::required("service"));
    let unset = RolloutAnalysis::new(["t"]);
    refuses(unset, &[needy], &ours("args"), "\"service\" has no value");

    let known = template("t").with_arg(ArgSpec::text("a", "1"));
    let twice = RolloutAnalysis::new(["t"])
        .with_arg(ArgSpec::text("a", "2"))
        .with_arg(ArgSpec::text("a", "3"));
    refuses(
        twice,
        std::slice::from_ref(&known),
        &ours("args[1].name"),
        "set already",
    );
    let other = template("u").with_arg(ArgSpec::text("a", "9"));
    let both = RolloutAnalysis::new(["t", "u"]);
    let place = "AnalysisTemplate u: spec.args[0].value";
    refuses(both, &[known, other], place, "another value");

    let same = [
        AnalysisTemplate::new("t", [metric("m")]),
        AnalysisTemplate::new("u", [metric("m")]),
    ];
    let place = "AnalysisTemplate u: spec.metrics[0].name";
    refuses(
        RolloutAnalysis::new(["t", "u"]),
        &same,
        place,
        "has this name",
    );

    let mut wild = RolloutAnalysis::new(["t"]);
    wild.dry_run = vec!["*".to_owned()];
    let place = ours("dryRun[0].metricName");
    refuses(wild, &[template("t")], &place, "not a regular expression");
}

#[test]
fn a_template_of_the_other_scope_is_named_in_the_help() {
    let mut cluster = template("t");
    cluster.cluster_scope = true;
    let spec = inline(RolloutAnalysis::new(["t"]));
    let found = compile(&spec, &[cluster], &registry()).unwrap_err();
    let help = found.0[0].help.as_deref();
    assert_eq!(help, Some("there is one with clusterScope: true"));
}

#[test]
fn a_template_that_many_steps_use_is_wrong_only_once() {
    let templates = [AnalysisTemplate::new("t", [metric("m").with_count(2)])];
    let step = || StepSpec::analysis(RolloutAnalysis::new(["t"]));
    let spec = shop(routed("mesh", [step(), step(), step()]));
    assert_eq!(errors(&spec, &templates).len(), 1);
}

#[test]
fn what_an_analysis_loses_is_said() {
    let mut analysis = RolloutAnalysis::new(["t"]).with_arg(ArgSpec::text("typo", "1"));
    analysis.dry_run = vec!["nothing".to_owned()];
    analysis.measurement_retention = vec![Retention {
        metric_name: ".*".to_owned(),
        limit: 3,
    }];
    analysis.run_metadata = Some(crate::spec::Metadata::default());
    let warnings = warnings(&inline(analysis.starting_at(1)), &[template("t")]);
    let paths: Vec<_> = warnings
        .iter()
        .filter_map(|line| line.split(": ").next())
        .collect();
    let below = |field: &str| format!("spec.strategy.canary.steps[0].analysis.{field}");
    let wanted = [
        below("startingStep"),
        below("analysisRunMetadata"),
        below("args[0].name"),
        below("dryRun[0].metricName"),
        below("measurementRetention[0].limit"),
    ];
    assert_eq!(paths, wanted);
}

#[test]
fn an_initial_delay_of_zero_is_none_by_an_argument_as_well() {
    for (delay, wanted) in [("0s", 0), ("0", 0), ("90s", 90)] {
        let mut metric = metric("rate");
        metric.initial_delay = Some("{{args.delay}}".to_owned());
        let template = AnalysisTemplate::new("t", [metric]).with_arg(ArgSpec::text("delay", delay));
        let run = run(RolloutAnalysis::new(["t"]), &[template]);
        assert_eq!(run.metrics[0].initial_delay, Duration::from_secs(wanted));
    }
}

#[test]
fn arguments_stand_in_keys_as_well_and_late_ones_keep_one_spelling() {
    let mut metric = metric("one");
    metric.provider = Provider::new(
        "toy",
        json!({"query": "{{ args.hash  }}", "body": {"{{args.team}}": {"{{args.hash}}": 1}}}),
    );
    let template = AnalysisTemplate::new("t", [metric])
        .with_arg(ArgSpec::text("team", "web"))
        .with_arg(ArgSpec::new(
            "hash",
            ArgValue::PodTemplateHash(HashOf::Latest),
        ));
    let run = run(RolloutAnalysis::new(["t"]), &[template]);
    let wanted = json!({"query": "{{args.hash}}", "body": {"web": {"{{args.hash}}": 1}}});
    assert_eq!(run.metrics[0].query, wanted);
    assert_eq!(run.late_args.len(), 1);
}
