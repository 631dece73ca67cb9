//! `examples/manifests`: each folder with YAML in it is one set.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use gradatim_core::analysis::{MetricPlan, RunPlan};
use gradatim_core::compile_analysis;
use gradatim_core::plan::{Compiled, Plan, StepKind, StrategyKind};
use gradatim_core::registry::Registry;
use gradatim_core::spec::{AnalysisTemplate, ArgSpec, RolloutAnalysis};
use gradatim_core::workload::TroubleKind;

use super::{compiled, reading, repository, steps};

/// The YAML files of each folder below `examples/manifests`, by the folder's path.
pub(crate) fn sets() -> BTreeMap<String, Vec<(String, String)>> {
    let mut sets = BTreeMap::new();
    let root = repository().join("examples/manifests");
    gather(&root, &root, &mut sets);
    sets
}

fn gather(root: &Path, folder: &Path, sets: &mut BTreeMap<String, Vec<(String, String)>>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            gather(root, &path, sets);
        } else if path.extension().is_some_and(|ext| ext == "yaml") {
            let set = folder.strip_prefix(root).unwrap().display().to_string();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            sets.entry(set).or_default().push((file, text));
        }
    }
}

/// The rollouts of one set, by name.
fn set(name: &str) -> BTreeMap<String, Compiled> {
    let sets = sets();
    let files = sets.get(name).unwrap_or_else(|| panic!("no set {name}"));
    let compiled = compiled(&reading(files)).into_iter();
    compiled
        .map(|one| (one.plan.name.to_string(), one))
        .collect()
}

fn plan(set_name: &str, rollout: &str) -> Plan {
    set(set_name).remove(rollout).unwrap().plan
}

/// The metrics that are written in a set, by their names.
pub(crate) fn written_metrics(name: &str) -> BTreeSet<String> {
    let manifests = reading(&sets()[name]).manifests;
    let of_templates = manifests.templates.into_iter().flat_map(|it| it.metrics);
    let of_templates = of_templates.map(|metric| metric.name.to_string());
    let plans = set(name).into_values().map(|one| one.plan);
    let of_gates = plans.flat_map(|plan| plan.gates);
    let of_gates = of_gates.map(|gate| gate.metric.name.to_string());
    of_templates.chain(of_gates).collect()
}

/// Every metric of every rollout of a set, with the run that it is part of.
pub(crate) fn every_metric(name: &str) -> Vec<(RunPlan, MetricPlan)> {
    let plans = set(name).into_values().map(|one| one.plan);
    let runs = plans.flat_map(|plan| {
        let beside = plan.background.map(|beside| beside.run);
        let steps = plan.steps.into_iter();
        let inline = steps.filter_map(|step| match step.kind {
            StepKind::Analysis(run) => Some(run),
            _ => None,
        });
        inline.chain(beside).collect::<Vec<_>>()
    });
    let metrics = |run: RunPlan| {
        let metrics = run.metrics.clone().into_iter();
        metrics
            .map(move |metric| (run.clone(), metric))
            .collect::<Vec<_>>()
    };
    runs.flat_map(metrics).collect()
}

/// The metrics of templates that no rollout of a set uses, as a gate runs them: an argument that a
/// rollout would set is 50.
pub(crate) fn unused_metrics(name: &str) -> Vec<(RunPlan, MetricPlan)> {
    let used: BTreeSet<_> = every_metric(name)
        .into_iter()
        .map(|(_, metric)| metric.name)
        .collect();
    let templates = reading(&sets()[name]).manifests.templates;
    let is_unused = |it: &&AnalysisTemplate| {
        let mut metrics = it.metrics.iter();
        metrics.any(|metric| !used.contains(metric.name.as_str()))
    };
    let run = |template: &AnalysisTemplate| {
        let mut analysis = RolloutAnalysis::new([template.name.as_str()]);
        let open = template.args.iter().filter(|arg| arg.value.is_none());
        let args = open.map(|arg| ArgSpec::text(&arg.name, "50"));
        analysis.args.extend(args);
        let compiled = compile_analysis(&analysis, &templates, &Registry::lenient());
        let (run, _) = compiled.unwrap_or_else(|errors| panic!("{name}: {errors}"));
        let metrics = run.metrics.clone().into_iter();
        metrics.map(move |metric| (run.clone(), metric))
    };
    let runs = templates.iter().filter(is_unused).flat_map(run);
    runs.collect()
}

/// Every metric of a plan, in steps and beside them, each name once.
fn metrics(plan: &Plan) -> BTreeMap<&str, &MetricPlan> {
    let inline = plan.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Analysis(run) => Some(run),
        _ => None,
    });
    let runs = inline.chain(plan.background.as_ref().map(|beside| &beside.run));
    runs.flat_map(|run| &run.metrics)
        .map(|metric| (metric.name.as_str(), metric))
        .collect()
}

#[test]
fn every_set_is_read_and_compiled_and_nothing_in_it_is_lost() {
    let sets = sets();
    assert_eq!(sets.len(), 9, "{:?}", sets.keys());
    for (name, files) in &sets {
        for one in compiled(&reading(files)) {
            // What no backend is registered for is not the manifest's fault.
            let unregistered = |text: &str| text.starts_with("no such");
            let lost: Vec<_> = one
                .warnings
                .iter()
                .filter(|warning| !unregistered(&warning.message))
                .map(ToString::to_string)
                .collect();
            assert_eq!(lost, Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn k6_tests_a_canary_without_traffic_before_anyone_meets_it() {
    let plan = plan("k6-tests", "web");
    assert_eq!(
        steps(&plan),
        "Replicas(3) functional-tests load-test 10% 300s 30% 300s MatchTrafficWeight 50% 300s 100% 120s"
    );
    let background = plan.background.as_ref().unwrap();
    let start = usize::try_from(background.starting_step).unwrap();
    assert_eq!(plan.steps[start].kind, StepKind::SetWeight(10));
    let metrics = metrics(&plan);
    let providers =
        ["functional", "error-rate", "error-lines"].map(|name| &*metrics[name].provider);
    assert_eq!(providers, ["job", "prometheus", "loki"]);
    assert!(metrics["error-rate"].evidence.is_some());
}

#[test]
fn the_nginx_canary_holds_its_steps_as_long_as_the_document_says() {
    for (set, staging, production) in [
        (
            "nginx-ingress/as-written",
            "10% 180s backend-success-rate \
             25% 300s backend-success-rate+backend-latency \
             50% 600s backend-success-rate+backend-latency+backend-resources 100%",
            "10% 300s backend-success-rate \
             25% 600s backend-success-rate+backend-latency \
             50% 900s backend-success-rate+backend-latency+backend-resources 100%",
        ),
        (
            "nginx-ingress/corrected",
            "10% backend-uptime+backend-success-rate \
             25% backend-uptime+backend-success-rate+backend-latency \
             50% backend-uptime+backend-success-rate+backend-latency+backend-resources 100%",
            "10% backend-uptime+backend-success-rate \
             25% backend-uptime+backend-success-rate+backend-latency \
             50% backend-uptime+backend-success-rate+backend-latency+backend-resources 100%",
        ),
    ] {
        assert_eq!(steps(&plan(set, "staging/backend")), staging);
        assert_eq!(steps(&plan(set, "production/backend")), production);
    }
    for (rollout, minutes) in [
        ("staging/backend", [3, 5, 10]),
        ("production/backend", [5, 10, 15]),
    ] {
        let plan = plan("nginx-ingress/corrected", rollout);
        let lengths: Vec<_> = plan
            .steps
            .iter()
            .filter_map(|step| match &step.kind {
                StepKind::Analysis(run) => run.longest(),
                _ => None,
            })
            .collect();
        assert_eq!(lengths, minutes.map(|m| Duration::from_secs(m * 60)));
    }
}

#[test]
fn the_corrected_nginx_canary_judges_the_canary_and_fails_at_the_limit_in_words() {
    let written = plan("nginx-ingress/as-written", "production/backend");
    let corrected = plan("nginx-ingress/corrected", "production/backend");
    let query = |plan: &Plan, name: &str| metrics(plan)[name].query["query"].to_string();
    assert!(!query(&written, "success-rate").contains("canary"));
    assert!(query(&corrected, "success-rate").contains("backend-canary"));
    assert!(query(&corrected, "cpu").contains("backend-{{args.canary-hash}}-.*"));
    let limits = |plan: &Plan, name: &str| {
        let metric = metrics(plan)[name].clone();
        (metric.failure_limit, metric.consecutive_failure_limit)
    };
    assert_eq!(limits(&written, "success-rate"), (Some(2), None));
    assert_eq!(limits(&corrected, "success-rate"), (None, Some(2)));
    assert_eq!(limits(&corrected, "cpu"), (Some(0), None));
    let wanted = [TroubleKind::CrashLoop, TroubleKind::ProbeFailure];
    assert_eq!(corrected.abort_on, wanted.into());
}

#[test]
fn the_nginx_blue_green_waits_for_a_person_and_keeps_the_old_side_five_minutes() {
    let plan = plan("nginx-ingress/blue-green", "production/backend");
    assert_eq!(plan.strategy, StrategyKind::BlueGreen);
    assert_eq!(steps(&plan), "preview:all ∞ switch");
    assert_eq!(plan.scale_down_delay, Duration::from_secs(300));
}

#[test]
fn istio_goes_up_by_twenty_with_a_check_at_each_and_a_person_before_everyone() {
    let plan = plan("zero-downtime-istio", "zero-downtime-app");
    assert_eq!(
        steps(&plan),
        "20% golden-signals 40% golden-signals 60% golden-signals 80% golden-signals ∞ \
         100% golden-signals"
    );
    let background = plan.background.as_ref().unwrap();
    let two_minutes = Some(Duration::from_secs(120));
    assert_eq!(background.run.metrics.len(), 3);
    for metric in &background.run.metrics {
        assert_eq!(
            (metric.failure_for, metric.failure_limit),
            (two_minutes, None),
            "{}",
            metric.name
        );
    }
    assert_eq!(plan.abort_on, [TroubleKind::PodRefused].into());
}

#[test]
fn the_observable_rollouts_are_a_canary_and_a_blue_green() {
    let canary = plan("observable-rollouts", "sample-api");
    assert_eq!(
        steps(&canary),
        "20% 120s success-rate+latency 50% 120s 100%"
    );
    let blue_green = plan("observable-rollouts", "sample-api-blue-green");
    assert_eq!(steps(&blue_green), "preview:all success-rate ∞ switch");
}

#[test]
fn the_demo_app_has_a_base_and_a_strategy_for_each_environment() {
    let set = set("demo-app-go");
    let all: Vec<_> = set
        .iter()
        .map(|(name, one)| (name.as_str(), steps(&one.plan)))
        .collect();
    let wanted = [
        ("default/dev-demo-app-go", ""),
        ("demo-app-go", "25% 60s 50% 60s 75% 60s 100%"),
        (
            "production/prod-demo-app-go",
            "preview:1 success-rate ∞ switch success-rate",
        ),
        (
            "staging/staging-demo-app-go",
            "20% 60s error-rate-only 40% 60s success-rate 60% 60s success-rate 100%",
        ),
    ]
    .map(|(name, steps)| (name, steps.to_owned()));
    assert_eq!(all, wanted);
    let production = &set["production/prod-demo-app-go"].plan;
    let delays: Vec<_> = production
        .steps
        .iter()
        .filter_map(|step| match &step.kind {
            StepKind::Analysis(run) => Some(run.metrics[0].initial_delay.as_secs()),
            _ => None,
        })
        .collect();
    assert_eq!(delays, [0, 60]);
}

#[test]
fn the_readme_speaks_of_every_set() {
    let readme = fs::read_to_string(repository().join("examples/manifests/README.md")).unwrap();
    for name in sets().keys() {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}
