use serde_json::json;

use super::*;
use crate::capability::Capabilities;
use crate::compile;
use crate::measurement::GatePoint;
use crate::plan::CanaryScale;
use crate::registry::{ProviderTraits, Registry};
use crate::spec::{
    AnalysisTemplate, BlueGreenSpec, CanarySpec, GateSpec, MetricSpec, Provider, RolloutAnalysis,
    StepSpec, Strategy, TrafficRouting,
};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A router that says what its configuration says, which counts after 10 s.
fn registry() -> Registry {
    let bind = Capabilities {
        settle: secs(5),
        ..Capabilities::default()
    };
    Registry::new()
        .with_router("proxy", |_, _| Ok(Capabilities::default()))
        .with_router("services", move |_, _| Ok(bind.clone()))
        .with_provider("prometheus", |_| Ok(ProviderTraits::default()))
        .with_provider("job", |_| Ok(ProviderTraits::default()))
}

fn routed(steps: impl IntoIterator<Item = StepSpec>) -> CanarySpec {
    CanarySpec::new(steps).with_traffic_routing(TrafficRouting::new("proxy", json!({})))
}

fn metric(name: &str) -> MetricSpec {
    MetricSpec::new(
        name,
        Provider::new("prometheus", json!({ "query": "errors" })),
    )
    .with_success("result[0] >= 0.95")
}

/// Five measurements, 30 s apart, of which two may fail.
fn rate() -> AnalysisTemplate {
    let metric = metric("rate")
        .with_interval("30s")
        .with_count(5)
        .with_failure_limit(2);
    AnalysisTemplate::new("rate", [metric])
}

fn analysis(template: &str) -> StepSpec {
    StepSpec::analysis(RolloutAnalysis::new([template]))
}

fn plan(strategy: impl Into<Strategy>, templates: &[AnalysisTemplate]) -> Plan {
    let spec = RolloutSpec::new("shop", strategy).with_replicas(10);
    compile(&spec, templates, &registry()).unwrap().plan
}

fn assumed(replicas: u32, pod_start: u64) -> Assumed {
    Assumed {
        replicas,
        pod_start: secs(pod_start),
        data_lag: secs(15),
    }
}

fn seen(strategy: impl Into<Strategy>, templates: &[AnalysisTemplate]) -> Forecast {
    forecast(&plan(strategy, templates), &assumed(10, 0))
}

/// Earliest and latest begin of each step in seconds, and of what comes after the last.
fn begins(forecast: &Forecast) -> Vec<(u64, u64)> {
    let span = |span: Span| (span.earliest.as_secs(), span.latest.as_secs());
    let steps = forecast.steps.iter().map(|row| span(row.from));
    steps.chain([span(forecast.promoted)]).collect()
}

/// The seconds of a moment before any pause without end.
fn at(moment: Moment) -> Duration {
    assert_eq!(moment.pauses, 0);
    moment.at
}

fn found(forecast: &Forecast) -> Option<u64> {
    let found = forecast.failing.found.as_ref();
    found.map(|found| at(found.at).as_secs())
}

#[test]
fn steps_follow_one_another_in_the_earliest_and_the_latest_world() {
    let steps = [
        StepSpec::set_weight(10),
        StepSpec::pause_for(secs(120)),
        analysis("rate"),
        StepSpec::set_weight(50),
        StepSpec::pause_for(secs(300)),
        StepSpec::set_weight(100),
    ];
    let forecast = seen(routed(steps), &[rate()]);
    // Bound and split, 10 s each; then the pause; then 4 × 30 s; every wait at most 10 min.
    let wanted = [
        (0, 0),
        (20, 600),
        (140, 720),
        (260, 1440),
        (270, 2040),
        (570, 2340),
        (580, 2940),
        (580, 2940),
    ];
    assert_eq!(begins(&forecast), wanted);
    let pods: Vec<_> = forecast
        .steps
        .iter()
        .map(|row| (row.canary_pods, row.stable_pods))
        .collect();
    assert_eq!(
        pods,
        [
            (1, 10),
            (1, 10),
            (1, 10),
            (5, 10),
            (5, 10),
            (10, 10),
            (10, 0)
        ]
    );
}

#[test]
fn the_third_failure_of_two_allowed_takes_the_traffic_back() {
    let steps = [
        StepSpec::set_weight(10),
        StepSpec::pause_for(secs(120)),
        analysis("rate"),
    ];
    let failing = seen(routed(steps), &[rate()]).failing;
    assert_eq!(
        failing.first_request.map(at),
        Some(secs(10)),
        "once its service is bound to it"
    );
    let found = failing.found.clone().unwrap();
    assert_eq!(
        (at(found.at), found.by),
        (secs(140 + 2 * 30), Judge::Step(2))
    );
    assert_eq!(failing.back.map(at), Some(secs(210)));
    assert_eq!(failing.takes(), Some(secs(200)));
    assert_eq!(failing.exposed, Some(secs(20)), "a tenth of 200 s");
    assert_eq!(failing.largest_share, 0.1);
}

#[test]
fn a_measurement_before_there_is_data_does_not_count() {
    // The analysis begins at 20 s; what happened since 10 s is seen from 25 s on.
    let steps = || [StepSpec::set_weight(10), analysis("rate")];
    assert_eq!(
        found(&seen(routed(steps()), &[rate()])),
        Some(20 + 30 + 2 * 30)
    );
    let three = metric("rate")
        .with_interval("30s")
        .with_count(3)
        .with_failure_limit(2);
    let three = AnalysisTemplate::new("rate", [three]);
    let forecast = seen(routed(steps()), &[three]);
    assert_eq!(found(&forecast), None, "two failures of three are allowed");
    assert_eq!(forecast.failing.missed, Some("rate".into()));
}

#[test]
fn a_background_analysis_meets_the_first_request_at_any_time_of_its_interval() {
    let endless = AnalysisTemplate::new("rate", [metric("rate").with_interval("1m")]);
    let steps = || [StepSpec::set_weight(10), StepSpec::pause_for(secs(600))];
    let beside = |start| {
        let analysis = RolloutAnalysis::new(["rate"]).starting_at(start);
        seen(
            routed(steps()).with_analysis(analysis),
            std::slice::from_ref(&endless),
        )
    };
    assert_eq!(
        found(&beside(0)),
        Some(25 + 60),
        "seen from 25 s on, up to an interval later"
    );
    assert_eq!(
        found(&beside(1)),
        Some(20 + 60),
        "a grid from 20 s on: that at 20 s sees nothing"
    );
    let late = beside(2);
    assert_eq!(
        found(&late),
        Some(620),
        "one measurement while it waits for its promotion"
    );
    assert_eq!(late.background.unwrap().from.earliest, secs(620));
}

#[test]
fn each_limit_has_its_own_time() {
    let steps = || {
        [
            StepSpec::set_weight(10),
            StepSpec::pause_for(secs(60)),
            analysis("rate"),
        ]
    };
    let time = |metric: MetricSpec| {
        let metric = metric.with_interval("30s").with_count(20);
        found(&seen(
            routed(steps()),
            &[AnalysisTemplate::new("rate", [metric])],
        ))
    };
    assert_eq!(time(metric("m")), Some(80));
    assert_eq!(time(metric("m").with_failure_limit(19)), Some(80 + 19 * 30));
    assert_eq!(
        time(metric("m").with_failure_limit(20)),
        None,
        "more than there are"
    );
    assert_eq!(
        time(
            metric("m")
                .with_failure_limit(-1)
                .with_consecutive_failure_limit(2)
        ),
        Some(110)
    );
    assert_eq!(
        time(metric("m").with_failure_limit(-1).with_failure_for("2m")),
        Some(200)
    );
    assert_eq!(
        time(metric("m").with_failure_limit(-1).with_failure_for("1s")),
        Some(110)
    );
    assert_eq!(
        time(metric("m").with_failure_limit(-1).with_failure_for("1h")),
        None
    );
    let mut nothing = metric("m");
    nothing.success_condition = None;
    assert_eq!(time(nothing), None);
}

#[test]
fn a_pause_without_end_starts_the_clock_anew() {
    let steps = [
        StepSpec::set_weight(20),
        StepSpec::pause(),
        analysis("rate"),
    ];
    let forecast = seen(routed(steps), &[rate()]);
    assert_eq!(begins(&forecast)[..3], [(0, 0), (20, 600), (0, 0)]);
    assert_eq!(
        (forecast.promoted.pauses, forecast.promoted.earliest),
        (1, secs(130))
    );
    let failing = forecast.failing;
    let third = Moment {
        pauses: 1,
        at: secs(60),
    };
    assert_eq!(failing.found.as_ref().map(|found| found.at), Some(third));
    assert_eq!(
        (failing.stops_at, failing.exposed, failing.takes()),
        (Some(1), None, None)
    );
    assert_eq!(failing.largest_share, 0.2, "that of the pause");
}

#[test]
fn a_pause_without_end_is_watched_from_beside() {
    let endless = AnalysisTemplate::new("rate", [metric("rate").with_interval("1m")]);
    let canary = routed([StepSpec::set_weight(20), StepSpec::pause()]);
    let forecast = seen(
        canary.with_analysis(RolloutAnalysis::new(["rate"])),
        std::slice::from_ref(&endless),
    );
    assert_eq!(
        (found(&forecast), forecast.failing.stops_at),
        (Some(25 + 60), None)
    );
    assert_eq!(forecast.failing.exposed, Some(secs(17)), "a fifth of 85 s");

    // A pause before the first weight: the run is as old as that lasts.
    let canary = routed([
        StepSpec::pause(),
        StepSpec::set_weight(20),
        StepSpec::pause_for(secs(600)),
    ]);
    let forecast = seen(
        canary.with_analysis(RolloutAnalysis::new(["rate"])),
        &[endless],
    );
    let at = Moment {
        pauses: 1,
        at: secs(25 + 60),
    };
    assert_eq!(
        forecast.failing.found.as_ref().map(|found| found.at),
        Some(at)
    );
    assert_eq!(
        (forecast.failing.takes(), forecast.failing.stops_at),
        (Some(secs(85)), None)
    );
}

#[test]
fn without_a_router_pods_are_the_share() {
    let steps = [
        StepSpec::set_weight(10),
        StepSpec::pause_for(secs(60)),
        analysis("rate"),
    ];
    let plan = plan(CanarySpec::new(steps), &[rate()]);
    let forecast = forecast(&plan, &assumed(1, 20));
    let first = &forecast.steps[0];
    assert_eq!((first.canary_pods, first.stable_pods), (1, 1));
    assert_eq!(forecast.failing.first_request.map(at), Some(secs(20)));
    assert_eq!(forecast.failing.largest_share, 0.5);
    // Found at 20 + 60 + 60; the old pod is there still, but pods must come and go.
    assert_eq!(forecast.failing.back.map(at), Some(secs(160)));
    assert!(forecast.failing.back_waits_for_pods);
}

#[test]
fn a_rolling_update_is_one_row_in_batches() {
    let plan = plan(Strategy::RollingUpdate, &[]);
    let forecast = forecast(&plan, &assumed(10, 20));
    // Ten pods, at most 3 more and 2 fewer: two batches.
    assert_eq!(begins(&forecast), [(0, 0), (40, 600)]);
    assert_eq!(forecast.steps[0].what, What::Promotion);
    assert_eq!(forecast.failing.found, None);
}

#[test]
fn blue_green_reaches_users_at_its_switch() {
    let after = || {
        BlueGreenSpec::new("active")
            .with_preview_service("preview")
            .with_post_promotion_analysis(RolloutAnalysis::new(["rate"]))
    };
    let forecast = forecast(&plan(after(), &[rate()]), &assumed(10, 20));
    let what: Vec<_> = forecast.steps.iter().map(|row| row.what).collect();
    assert_eq!(
        what,
        [What::Preview, What::Switch, What::Analysis, What::Promotion]
    );
    // Pods in 20 s, bound to the preview in 5, to the active service in 5 more.
    assert_eq!(forecast.failing.first_request.map(at), Some(secs(25)));
    assert_eq!(
        found(&forecast),
        Some(30 + 30 + 60),
        "seen from 40 s on, so from the second"
    );
    assert_eq!(forecast.failing.back.map(at), Some(secs(125)));
    assert_eq!(forecast.failing.exposed, Some(secs(100)));
}

#[test]
fn a_test_job_finds_it_before_any_user_does() {
    let job = MetricSpec::new("smoke", Provider::new("job", json!({})));
    let smoke = AnalysisTemplate::new("smoke", [job]);
    let steps = [
        StepSpec::set_canary_scale(CanaryScale::Replicas(1)),
        analysis("smoke"),
        StepSpec::set_weight(10),
    ];
    let failing = seen(routed(steps), &[smoke]).failing;
    assert_eq!(
        (failing.first_request, failing.back),
        (None, Some(Moment::default()))
    );
    assert_eq!(
        (failing.exposed, failing.largest_share),
        (Some(Duration::ZERO), 0.0)
    );

    let steps = [
        StepSpec::set_canary_scale(CanaryScale::Replicas(1)),
        analysis("rate"),
        StepSpec::set_weight(10),
    ];
    assert_eq!(
        found(&seen(routed(steps), &[rate()])),
        None,
        "no request, nothing to measure"
    );
}

#[test]
fn a_metric_that_may_not_see_it_is_named_apart() {
    let cpu = MetricSpec::new(
        "cpu",
        Provider::new("prometheus", json!({ "query": "cpu" })),
    );
    let cpu = AnalysisTemplate::new("cpu", [cpu.with_success("result[0] < 1")]);
    let steps = [
        StepSpec::set_weight(10),
        StepSpec::pause_for(secs(60)),
        analysis("cpu"),
        analysis("rate"),
    ];
    let failing = seen(routed(steps), &[cpu.clone(), rate()]).failing;
    assert_eq!(failing.found.unwrap().metric, "rate".into());
    assert_eq!(at(failing.doubtful.unwrap().at), secs(80));

    let steps = [
        StepSpec::set_weight(10),
        StepSpec::pause_for(secs(60)),
        analysis("cpu"),
    ];
    let failing = seen(routed(steps), &[cpu]).failing;
    assert_eq!((failing.found, failing.exposed), (None, None));
    assert!(failing.doubtful.is_some());
}

#[test]
fn gates_are_named_where_they_stand() {
    let gate = |name: &str| GateSpec::new(name, Provider::new("job", json!({})));
    let steps = [
        StepSpec::set_weight(10),
        StepSpec::gate(gate("own")),
        StepSpec::set_weight(50),
    ];
    let spec = RolloutSpec::new("shop", routed(steps))
        .with_gate(GatePoint::BeforeStart, gate("start"))
        .with_gate(GatePoint::BeforeRaise, gate("raise"))
        .with_gate(GatePoint::BeforePromotion, gate("end"));
    let plan = compile(&spec, &[], &registry()).unwrap().plan;
    let forecast = forecast(&plan, &assumed(10, 0));
    let names: Vec<Vec<&str>> = forecast
        .steps
        .iter()
        .map(|row| {
            let gates = row.held_by.iter().filter_map(|hold| match hold {
                Hold::Gate { name, .. } => Some(name.as_str()),
                _ => None,
            });
            gates.collect()
        })
        .collect();
    assert_eq!(
        names,
        [
            vec!["start", "raise"],
            vec!["own"],
            vec!["raise"],
            vec!["raise", "end"]
        ]
    );
}

#[test]
fn a_wished_time_is_met_by_the_fewest_changes() {
    let steps = || {
        [
            StepSpec::set_weight(10),
            StepSpec::pause_for(secs(120)),
            analysis("rate"),
        ]
    };
    let plan = plan(routed(steps()), &[rate()]);
    let assumed = assumed(10, 0);
    // 200 s as it is: from the first request 130 s until it is measured, two intervals, settle.
    let within = |seconds| suggest(&plan, &assumed, secs(seconds));
    assert_eq!(within(200), []);
    let interval = |to| Change::Interval {
        metric: "rate".into(),
        from: Some(secs(30)),
        to: secs(to),
    };
    let first = within(180).remove(0);
    assert_eq!(
        (first.changes, first.takes),
        (vec![interval(20)], secs(180))
    );

    let first = within(60).remove(0);
    let wanted = vec![Change::AnalyseBeforePauses { step: 2 }, interval(10)];
    // Begins 10 s after the first request; the three from 15 s on see it: at 20, 30 and 40.
    assert_eq!((first.changes, first.takes), (wanted, secs(50)));
    assert_eq!(within(1), [], "the settle time alone is longer");
}

#[test]
fn an_analysis_beside_the_steps_may_start_earlier() {
    let endless = AnalysisTemplate::new("rate", [metric("rate").with_interval("1m")]);
    let pauses = [
        StepSpec::pause_for(secs(600)),
        StepSpec::pause_for(secs(600)),
    ];
    let [one, other] = pauses;
    let canary = routed([
        StepSpec::set_weight(10),
        one,
        StepSpec::set_weight(50),
        other,
    ]);
    let canary = canary.with_analysis(RolloutAnalysis::new(["rate"]).starting_at(2));
    let plan = plan(canary, &[endless]);
    // From 20 s on, 10 s after the first request; that of 20 s sees nothing yet, that of 80 s does.
    let first = suggest(&plan, &assumed(10, 0), secs(100)).remove(0);
    assert_eq!(first.changes, [Change::StartingStep { from: 2, to: 1 }]);
    assert_eq!(first.takes, secs(80 + 10 - 10));
}

#[test]
fn absurd_plans_have_a_forecast() {
    let longest = Duration::MAX;
    let steps = vec![
        StepSpec::pause_for(longest),
        StepSpec::pause_for(longest),
        StepSpec::set_weight(1),
    ];
    let plan = plan(routed(steps), &[]);
    for replicas in [0, 1, u32::MAX] {
        let assumed = Assumed {
            replicas,
            pod_start: longest,
            data_lag: longest,
        };
        let _ = forecast(&plan, &assumed);
        let _ = suggest(&plan, &assumed, longest);
    }
    let ratio = plan_without_router();
    for replicas in [0, 1, u32::MAX] {
        let assumed = Assumed {
            replicas,
            pod_start: longest,
            data_lag: longest,
        };
        let _ = forecast(&ratio, &assumed);
    }
}

fn plan_without_router() -> Plan {
    plan(CanarySpec::new([StepSpec::set_weight(1)]), &[])
}
