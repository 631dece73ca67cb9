use super::*;
use crate::measurement::GatePoint;
use crate::plan::{CanaryScale, Threshold};
use crate::spec::SessionAffinity;
use crate::spec::{GateSpec, PingPong, PluginStep, ScaleDown, WorkloadRef};

const CANARY: &str = "spec.strategy.canary";

/// Exactly one error, at this path below the rollout, that says this.
#[track_caller]
fn refuses(spec: &RolloutSpec, path: &str, says: &str) {
    let errors = errors(spec, &[]);
    let [error] = errors.as_slice() else {
        panic!("not one error: {errors:#?}")
    };
    assert!(error.starts_with(&format!("{path}: ")), "{error}");
    assert!(error.contains(says), "{error}");
}

#[track_caller]
fn refuses_step(step: StepSpec, below: &str, says: &str) {
    let path = format!("{CANARY}.steps[0]{below}");
    refuses(&shop(routed("mesh", [step])), &path, says);
}

#[test]
fn the_rollouts_own_fields() {
    let spec = shop(Strategy::RollingUpdate);
    let mut late = spec.clone().with_progress_deadline(30, false);
    late.min_ready_seconds = 30;
    refuses(
        &late,
        "spec.progressDeadlineSeconds",
        "greater than minReadySeconds",
    );
    let mut restart = spec.clone();
    restart.restart_at = Some("yesterday".to_owned());
    refuses(&restart, "spec.restartAt", "RFC 3339");
    let mut workload = spec.clone();
    workload.workload_ref = Some(WorkloadRef {
        api_version: "apps/v1".to_owned(),
        kind: "DaemonSet".to_owned(),
        name: "shop".to_owned(),
        scale_down: ScaleDown::Never,
    });
    refuses(&workload, "spec.workloadRef.kind", "no pod template");
    if let Some(reference) = &mut workload.workload_ref {
        reference.kind = "Deployment".to_owned();
    }
    workload.template = Some(json!({}));
    refuses(&workload, "spec.workloadRef", "not both");
    let gate = GateSpec::new("g", toy("up"));
    let twice = spec
        .with_gate(GatePoint::BeforeStart, gate.clone())
        .with_gate(GatePoint::BeforeStart, gate);
    refuses(&twice, "spec.gates.beforeStart[1].name", "has this name");
}

#[test]
fn steps_that_cannot_be() {
    refuses_step(
        StepSpec::set_weight(101),
        ".setWeight",
        "setWeight is 0 to 100",
    );
    refuses_step(StepSpec::default(), "", "does nothing");
    let experiment = StepSpec {
        experiment: Some(json!({})),
        ..StepSpec::default()
    };
    refuses_step(experiment, ".experiment", "not supported");
    let plugin = StepSpec {
        plugin: Some(PluginStep {
            name: "own/plugin".to_owned(),
            config: Value::Null,
            disabled: false,
        }),
        ..StepSpec::default()
    };
    refuses_step(plugin, ".plugin", "not supported");
    let both = StepSpec {
        set_weight: Some(5),
        ..StepSpec::pause()
    };
    refuses_step(both, "", "setWeight in one step");
    let scale = StepSpec::set_canary_scale(CanaryScale::Weight(101));
    refuses_step(scale, ".setCanaryScale.weight", "0 to 100");
    refuses_step(mirror(101), ".setMirrorRoute.percentage", "0 to 100");
    let exact = StringMatch::Exact("1".to_owned());
    refuses_step(
        header("other", exact),
        ".setHeaderRoute.name",
        "managedRoutes",
    );
    let regex = StringMatch::Regex(".*".to_owned());
    let field = ".setHeaderRoute.match[0].headerValue.regex";
    refuses_step(header("trial", regex), field, "mesh cannot compare");
}

#[test]
fn what_the_router_cannot_do() {
    let exact = || StringMatch::Exact("1".to_owned());
    let steps = format!("{CANARY}.steps[0]");
    let fine = shop(routed("coarse", [StepSpec::set_weight(9)]));
    refuses(&fine, &format!("{steps}.setWeight"), "this becomes 0");
    let spec = shop(routed("coarse", [header("trial", exact())]));
    refuses(
        &spec,
        &format!("{steps}.setHeaderRoute"),
        "can route by header",
    );
    let spec = shop(routed("coarse", [mirror(10)]));
    refuses(&spec, &format!("{steps}.setMirrorRoute"), "can mirror");
    let spec = shop(routed("unheard-of", [mirror(10)]));
    let path = format!("{CANARY}.trafficRouting.unheard-of");
    refuses(&spec, &path, "no such router");
    let unsplit = registry().with_router("mesh", |_, _| {
        Ok(Capabilities {
            parts: BTreeSet::from([Part::Headers]),
            ..Capabilities::default()
        })
    });
    let mut unbound = routed("mesh", []);
    (unbound.stable_service, unbound.canary_service) = (None, None);
    let found = compile(&shop(unbound), &[], &unsplit).unwrap_err();
    assert_eq!(found.0.len(), 2, "{found}");
    assert!(found.to_string().contains("split traffic"), "{found}");
    assert!(
        found.to_string().contains("which pods are stable"),
        "{found}"
    );
}

#[test]
fn what_needs_a_router() {
    let spec = |step| shop(CanarySpec::new([step]));
    let steps = format!("{CANARY}.steps[0]");
    let scale = StepSpec::set_canary_scale(CanaryScale::Replicas(1));
    refuses(
        &spec(scale),
        &format!("{steps}.setCanaryScale"),
        "needs a trafficRouting",
    );
    refuses(
        &spec(mirror(10)),
        &format!("{steps}.setMirrorRoute"),
        "need a trafficRouting",
    );
    let mut dynamic = CanarySpec::new([]);
    dynamic.dynamic_stable_scale = true;
    refuses(
        &shop(dynamic),
        &format!("{CANARY}.dynamicStableScale"),
        "needs a trafficRouting",
    );
}

#[test]
fn a_canarys_own_fields() {
    let mut canary = routed("mesh", []);
    canary.canary_service = canary.stable_service.clone();
    refuses(
        &shop(canary),
        &format!("{CANARY}.canaryService"),
        "same service",
    );
    let mut canary = routed("mesh", []);
    canary.dynamic_stable_scale = true;
    canary.scale_down_delay_seconds = Some(5);
    refuses(
        &shop(canary),
        &format!("{CANARY}.scaleDownDelaySeconds"),
        "dynamicStableScale",
    );
    let mut canary = routed("mesh", []);
    canary.scale_down_delay_revision_limit = Some(11);
    let path = format!("{CANARY}.scaleDownDelayRevisionLimit");
    refuses(&shop(canary), &path, "revisionHistoryLimit");
    let mut canary = CanarySpec::new([]);
    canary.replica_progress_threshold = Some(Threshold::Percent(101));
    let path = format!("{CANARY}.replicaProgressThreshold.value");
    refuses(&shop(canary), &path, "0 to 100");
    let canary = CanarySpec::new([]).with_surge(Amount::Pods(1), Amount::Percent(101));
    refuses(
        &shop(canary),
        &format!("{CANARY}.maxUnavailable"),
        "at most all pods",
    );
    let mut canary = CanarySpec::new([]);
    canary.ping_pong = Some(PingPong {
        ping_service: "one".to_owned(),
        pong_service: "one".to_owned(),
    });
    refuses(
        &shop(canary),
        &format!("{CANARY}.pingPong.pongService"),
        "same service",
    );
}

#[test]
fn the_traffic_routings_own_fields() {
    let path = format!("{CANARY}.trafficRouting");
    let with = |routing| {
        shop(
            CanarySpec::new([])
                .with_services("s", "c")
                .with_traffic_routing(routing),
        )
    };
    refuses(
        &with(TrafficRouting::default()),
        &path,
        "no router is named",
    );
    let mesh = TrafficRouting::new("mesh", json!({}));
    let zero = mesh.clone().with_max_traffic_weight(0);
    refuses(
        &with(zero),
        &format!("{path}.maxTrafficWeight"),
        "at least 1",
    );
    let twice = mesh.with_managed_route("a").with_managed_route("a");
    refuses(
        &with(twice),
        &format!("{path}.managedRoutes[1].name"),
        "has this name",
    );
}

#[test]
fn a_backends_own_part_is_refused_below_its_place() {
    let error = PartError::new("routes[0].name", "no such route").with_value("x");
    let registry = registry().with_router("mesh", move |_, _| Err(vec![error.clone()]));
    let exact = StringMatch::Regex("1".to_owned());
    let found = compile(
        &shop(routed("mesh", [header("trial", exact)])),
        &[],
        &registry,
    );
    let found = found.unwrap_err();
    let path = format!("{CANARY}.trafficRouting.mesh.routes[0].name: no such route");
    assert_eq!(
        lines(&found),
        [path],
        "what a broken router lacks is not known"
    );
    assert_eq!(found.0[0].value.as_deref(), Some("x"));
}

#[test]
fn a_blue_greens_own_fields() {
    let path = "spec.strategy.blueGreen";
    let same = BlueGreenSpec::new("live").with_preview_service("live");
    refuses(
        &shop(same),
        &format!("{path}.previewService"),
        "same service",
    );
    refuses(
        &shop(BlueGreenSpec::new("")),
        &format!("{path}.activeService"),
        "needs the service",
    );
    let found = compile(&shop(BlueGreenSpec::new("live")), &[], &Registry::new()).unwrap_err();
    assert_eq!(found.0.len(), 1);
    assert_eq!(found.0[0].path.to_string(), format!("{path}.activeService"));
}

#[test]
fn every_error_is_found_at_once() {
    let steps = [
        StepSpec::set_weight(110),
        StepSpec::default(),
        StepSpec::analysis(RolloutAnalysis::new(["missing"])),
    ];
    let spec = shop(routed("mesh", steps)).with_progress_deadline(0, false);
    let errors = errors(&spec, &[]);
    let paths: Vec<_> = errors
        .iter()
        .filter_map(|line| line.split(": ").next())
        .collect();
    let wanted = [
        "spec.progressDeadlineSeconds",
        "spec.strategy.canary.steps[0].setWeight",
        "spec.strategy.canary.steps[1]",
        "spec.strategy.canary.steps[2].analysis.templates[0].templateName",
    ];
    assert_eq!(paths, wanted);
}

#[test]
fn an_error_says_what_would_be_right() {
    let found = compile(
        &shop(routed("coarse", [StepSpec::set_weight(9)])),
        &[],
        &registry(),
    );
    let found = found.unwrap_err();
    assert_eq!(found.0[0].value.as_deref(), Some("9"));
    assert_eq!(found.0[0].help.as_deref(), Some("at least 10"));
}

#[test]
fn clients_are_kept_by_every_router_that_splits_or_not_at_all() {
    let at = |canary: CanarySpec, affinity: SessionAffinity| {
        let mut spec = shop(canary);
        spec.session_affinity = Some(affinity);
        errors(&spec, &[])
    };
    let trial = || SessionAffinity::new("trial");
    let steps = || [StepSpec::set_weight(10)];
    assert_eq!(at(routed("mesh", steps()), trial()), [""; 0]);
    let mut both = routed("mesh", steps());
    let routing = both.traffic_routing.take().unwrap();
    let mut routing = routing;
    routing.routers.insert("coarse".to_owned(), json!({}));
    let both = both.with_traffic_routing(routing);
    for canary in [routed("coarse", steps()), both] {
        let wanted =
            "spec.sessionAffinity: this router keeps no client with the version that it saw";
        assert_eq!(at(canary, trial()), [wanted]);
    }
    let wanted =
        "spec.sessionAffinity: without a trafficRouting nothing keeps a client with a version";
    assert_eq!(at(CanarySpec::new(steps()), trial()), [wanted]);
    for name in ["", "a b", "a;b", "ä"] {
        let wanted = "spec.sessionAffinity.cookieName: no name of a cookie";
        let affinity = SessionAffinity::new(name);
        assert_eq!(at(routed("mesh", steps()), affinity), [wanted], "{name:?}");
    }
    let short = trial().with_max_age(Duration::from_millis(1));
    let wanted = "spec.sessionAffinity.maxAge: a mark holds one second at least";
    assert_eq!(at(routed("mesh", steps()), short), [wanted]);
}

#[test]
fn a_router_is_told_how_clients_are_kept_and_a_switch_needs_no_such_thing() {
    let mut spec = shop(routed("mesh", []));
    spec.session_affinity = Some(SessionAffinity::new("trial"));
    assert_eq!(
        compiled(&spec, &[]).frame.session_affinity,
        spec.session_affinity
    );
    spec.strategy = BlueGreenSpec::new("active").into();
    let warnings = warnings(&spec, &[]);
    assert!(
        warnings[0].contains("sessionAffinity: has no effect here"),
        "{warnings:?}"
    );
}
