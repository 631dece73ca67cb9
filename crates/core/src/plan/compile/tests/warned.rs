use super::*;
use crate::spec::{AnalysisHistory, AntiAffinity, Metadata, PingPong, ScaleDown, WorkloadRef};

#[test]
fn nothing_that_is_accepted_and_not_honoured_is_ignored_in_silence() {
    let mut canary = routed("mesh", [StepSpec::set_weight(10)]);
    canary.anti_affinity = Some(AntiAffinity::Required);
    canary.canary_metadata = Some(Metadata::default());
    canary.stable_metadata = Some(Metadata::default());
    canary.ping_pong = Some(PingPong {
        ping_service: "ping".to_owned(),
        pong_service: "pong".to_owned(),
    });
    canary.max_surge = Some(Amount::Pods(1));
    canary.scale_down_delay_revision_limit = Some(2);
    let mut spec = shop(canary);
    spec.analysis_history = AnalysisHistory {
        successful: 1,
        unsuccessful: 1,
    };
    spec.workload_ref = Some(WorkloadRef {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: "shop".to_owned(),
        scale_down: ScaleDown::OnSuccess,
    });
    let warnings = warnings(&spec, &[]);
    let paths: Vec<_> = warnings
        .iter()
        .filter_map(|line| line.split(": ").next())
        .collect();
    let canary = |field: &str| format!("spec.strategy.canary.{field}");
    let wanted = [
        "spec.workloadRef.scaleDown".to_owned(),
        "spec.analysis".to_owned(),
        canary("scaleDownDelayRevisionLimit"),
        canary("antiAffinity"),
        canary("canaryMetadata"),
        canary("stableMetadata"),
        canary("pingPong"),
    ];
    assert_eq!(paths, wanted);
}

#[test]
fn delays_without_a_router_are_said_to_be_lost() {
    let mut canary = CanarySpec::new([]);
    canary.scale_down_delay_seconds = Some(5);
    canary.min_pods_per_replica_set = Some(2);
    let warnings = warnings(&shop(canary), &[]);
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    assert!(
        warnings[0].contains("without trafficRouting"),
        "{warnings:#?}"
    );
}

#[test]
fn a_weight_that_the_router_rounds_is_named_with_what_it_becomes() {
    let spec = shop(routed("coarse", [StepSpec::set_weight(25)]));
    let warnings = warnings(&spec, &[]);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].ends_with("this becomes 20"), "{warnings:#?}");
}

#[test]
fn a_lenient_registry_takes_what_it_does_not_know_for_able_and_says_so() {
    let analysis = RolloutAnalysis::new(["rate", "missing"]);
    let steps = [
        header("trial", StringMatch::Regex(".*".to_owned())),
        StepSpec::analysis(analysis),
    ];
    let spec = shop(routed("istio", steps));
    let templates = [AnalysisTemplate::new(
        "rate",
        [metric("one"), metric("two")],
    )];
    let compiled = compile(&spec, &templates, &Registry::lenient()).unwrap();
    let paths: Vec<_> = compiled
        .warnings
        .iter()
        .map(|w| w.path.to_string())
        .collect();
    let wanted = [
        "spec.strategy.canary.trafficRouting.istio",
        "spec.strategy.canary.steps[1].analysis.templates[1].templateName",
        "spec.metrics[0].provider.toy",
    ];
    assert_eq!(paths, wanted);
    let routers = &compiled.plan.routers;
    assert_eq!(routers[0].capabilities, Capabilities::all());
    assert_eq!(routers[1].capabilities.parts, BTreeSet::from([Part::Bind]));
    assert_eq!(
        errors(&spec, &templates).len(),
        2,
        "strict: router and template"
    );
}

#[test]
fn services_that_nothing_binds_are_named() {
    let canary = CanarySpec::new([]).with_services("stable", "canary");
    let compiled = compile(&shop(canary), &[], &Registry::new()).unwrap();
    let paths: Vec<_> = compiled
        .warnings
        .iter()
        .map(|w| w.path.to_string())
        .collect();
    assert_eq!(paths, ["spec.strategy.canary.canaryService"]);
    assert_eq!(compiled.plan.routers, []);
}
