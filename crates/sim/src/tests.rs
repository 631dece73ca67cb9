//! Whole simulations: a file for each subject.

mod conformance;
mod delivery;
mod faults;
mod planted;
mod worlds;

use std::time::Duration;

use gradatim_core::compile;
use gradatim_core::plan::Plan;
use gradatim_core::spec::{
    AnalysisTemplate, CanarySpec, IntOrText, MetricSpec, Provider, RolloutAnalysis, RolloutSpec,
    StepSpec, TrafficRouting,
};

use crate::{Report, registry};

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A canary behind a router of this name, with a success rate in the background.
pub(super) fn plan(steps: impl IntoIterator<Item = StepSpec>) -> Plan {
    let routing = TrafficRouting::new("toy", serde_json::json!({}));
    let canary = CanarySpec::new(steps)
        .with_traffic_routing(routing)
        .with_analysis(RolloutAnalysis::new(["success"]));
    let spec = RolloutSpec::new("shop", canary);
    compiled(&spec, &[success()])
}

pub(super) fn compiled(spec: &RolloutSpec, templates: &[AnalysisTemplate]) -> Plan {
    match compile(spec, templates, &registry()) {
        Ok(compiled) => compiled.plan,
        Err(errors) => panic!("{errors}"),
    }
}

/// At least 95 % good every half minute; the third failure is one too many.
pub(super) fn success() -> AnalysisTemplate {
    let mut metric = MetricSpec::new(
        "success-rate",
        Provider::new("prometheus", serde_json::json!({})),
    );
    metric.interval = Some("30s".to_owned());
    metric.failure_limit = Some(IntOrText::Int(2));
    metric.success_condition =
        Some("len(result) == 0 || isNaN(result[0]) || result[0] >= 0.95".to_owned());
    AnalysisTemplate::new("success", [metric])
}

pub(super) fn steps() -> Vec<StepSpec> {
    let pause = || StepSpec::pause_for(secs(120));
    vec![
        StepSpec::set_weight(10),
        pause(),
        StepSpec::set_weight(50),
        pause(),
    ]
}

pub(super) fn story(report: &Report) -> String {
    let lines = report
        .facts
        .iter()
        .map(|fact| format!("{:>6}s {:?}", fact.at.as_secs_f64(), fact.what));
    lines.collect::<Vec<_>>().join("\n")
}
