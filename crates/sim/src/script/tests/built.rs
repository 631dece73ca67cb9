//! What a scenario builds: worlds that behave as it says.

use std::time::Duration;

use gradatim_core::plan::Plan;
use gradatim_core::spec::{
    AnalysisTemplate, CanarySpec, MetricSpec, Provider, RolloutAnalysis, RolloutSpec, StepSpec,
    TrafficRouting,
};
use serde_json::json;

use crate::script::{Scenario, Transcript};
use crate::{Report, What, registry};

/// Four pods, 25 % for a minute, `success` measured in the background every ten seconds.
pub(super) fn rollout() -> (RolloutSpec, Plan) {
    let mut success = MetricSpec::new("success", Provider::new("prometheus", json!({})));
    success.interval = Some("10s".to_owned());
    success.success_condition = Some("len(result) == 0 || result[0] >= 0.95".to_owned());
    let pause = StepSpec::pause_for(Duration::from_secs(60));
    let canary = CanarySpec::new([StepSpec::set_weight(25), pause])
        .with_traffic_routing(TrafficRouting::new("nginx", json!({})))
        .with_analysis(RolloutAnalysis::new(["health"]));
    let spec = RolloutSpec::new("shop", canary).with_replicas(4);
    let templates = [AnalysisTemplate::new("health", [success])];
    let compiled = gradatim_core::compile(&spec, &templates, &registry());
    let plan = compiled.unwrap_or_else(|errors| panic!("{errors}")).plan;
    (spec, plan)
}

pub(super) fn play(text: &str) -> (Scenario, Report, Transcript) {
    let (spec, plan) = rollout();
    let scenario = Scenario::parse(text).unwrap_or_else(|errors| panic!("{errors}"));
    let simulation = scenario.simulation(&spec, &plan);
    let report = simulation.unwrap_or_else(|errors| panic!("{errors}")).run();
    let transcript = Transcript::of(&scenario, &plan, &report);
    (scenario, report, transcript)
}

fn errors(text: &str) -> Vec<String> {
    let (spec, plan) = rollout();
    let errors = Scenario::parse(text).unwrap().simulation(&spec, &plan);
    let errors = errors.err().map(|errors| errors.errors).unwrap_or_default();
    let told = errors.iter();
    told.map(|error| {
        format!(
            "{}:{} {} ({})",
            error.line, error.column, error.message, error.help
        )
    })
    .collect()
}

#[test]
fn a_name_that_the_rollout_does_not_have_is_told_at_its_place() {
    let text = "metric sucess: values 1\n\ngate confirm: opens at 3:00\nrouter istio fails\n\
                provider prometeus hangs\nmetric success: values 1\nprovider prometheus hangs";
    assert_eq!(
        errors(text),
        [
            "1:8 the rollout has no metric \"sucess\"; did you mean \"success\"? (it has \"success\")",
            "3:6 the rollout has no gate \"confirm\" (it has no gate at all)",
            "4:8 the rollout has no router \"istio\" (it has \"nginx\")",
            "5:10 the rollout has no provider \"prometeus\" (it has \"prometheus\")",
        ]
    );
}

#[test]
fn a_name_that_another_rollout_has_is_meant_for_that_one() {
    let (spec, plan) = rollout();
    let other = Plan::rolling_update("other");
    let scenario = Scenario::parse("metric success: values 1\nrouter nginx fails").unwrap();
    let all = [plan.clone(), other.clone()];
    assert!(
        scenario
            .meant_for(&plan, &all)
            .simulation(&spec, &plan)
            .is_ok()
    );
    assert!(
        scenario
            .meant_for(&other, &all)
            .simulation(&spec, &other)
            .is_ok()
    );
    assert!(scenario.simulation(&spec, &other).is_err());
}

fn readings(report: &Report) -> Vec<(u64, String)> {
    let facts = report.facts.iter();
    let measured = facts.filter_map(|fact| match &fact.what {
        What::Measured { reading, .. } => Some((fact.at.as_secs(), format!("{reading:?}"))),
        _ => None,
    });
    measured.collect()
}

#[test]
fn values_come_one_for_each_measurement_and_windows_turn_them() {
    let text = "pods ready after 10s\nmetric success: values 0.99, 0.98\n\
                metric success: no data from 0:45 to 0:55\nend 1:08";
    let (_, report, _) = play(text);
    let readings = readings(&report);
    let at = |secs: u64| {
        let found = readings.iter().find(|(at, _)| *at == secs);
        found.map_or("none", |(_, reading)| reading.as_str())
    };
    assert!(at(0).contains("0.99"), "{readings:?}");
    assert!(
        at(10).contains("0.98") && at(40).contains("0.98"),
        "{readings:?}"
    );
    assert!(at(50).contains("Series([])"), "{readings:?}");
}

#[test]
fn a_version_is_what_the_last_statement_says_of_its_time() {
    let text =
        "v2 fails 50 % from 0:20 to 0:30\nv2 answers in 2s\nmetric success: values 1\nend 0:40";
    let (_, report, _) = play(text);
    let failed = report.version("v2").unwrap().tally.failed;
    assert!(
        (failed - 125.0).abs() < 1.0,
        "a quarter of 100/s, half of it, for 10 s: {failed}"
    );
}

#[test]
fn pods_are_refused_above_a_quota_and_come_when_it_grows() {
    let (_, report, transcript) = play("quota 4 pods to 1:00\nquota 9 pods from 1:00");
    assert!(report.outcome.is_promoted(), "{transcript}");
    let refused = transcript
        .lines
        .iter()
        .find(|line| line.text.contains("exceeded quota"));
    assert_eq!(refused.unwrap().at, Duration::ZERO, "{transcript}");
    let first = transcript
        .lines
        .iter()
        .find(|line| line.word == "weight")
        .unwrap();
    assert_eq!(first.at, Duration::from_secs(70), "{transcript}");
}

#[test]
fn an_expectation_is_held_against_outcome_time_and_cost() {
    let text = "metric success: values 1, 1, 0.1\nv2 fails 10 %\nexpect rolled back by 0:30\n\
                expect rolled back by 0:10\nexpect promoted\nexpect degraded\nexpect paused\n\
                expect at most 25 failed requests\nexpect at most 24 failed requests";
    let (scenario, report, transcript) = play(text);
    let unmet = scenario.unmet(&report);
    let lines: Vec<usize> = unmet.iter().map(|unmet| unmet.place.line).collect();
    assert_eq!(lines, [4, 5, 7, 9], "{unmet:?}\n{transcript}");
    let text = &unmet[0].message;
    assert!(
        text.starts_with("expected rolled back by 0:10, but it is rolled back at 0:20"),
        "{text}"
    );
    assert_eq!(
        unmet[3].message,
        "expected at most 24 failed requests, 25 failed"
    );
}
