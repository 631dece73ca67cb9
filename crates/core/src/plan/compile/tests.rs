use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::compile;
use crate::analysis::{LateArg, RunPlan};
use crate::capability::{Capabilities, HeaderMatchKind, Part};
use crate::plan::{Amount, CompileErrors, Compiled, Plan, Step, StepKind};
use crate::registry::{PartError, ProviderTraits, Registry};
use crate::route::{HeaderMatch, HeaderRoute, MirrorMatch, MirrorRoute, StringMatch};
use crate::spec::{
    AnalysisTemplate, BlueGreenSpec, CanarySpec, MetricSpec, Provider, RolloutAnalysis,
    RolloutSpec, StepSpec, Strategy, TrafficRouting,
};

mod analysis;
mod bounds;
mod judge;
mod refused;
mod strategies;
mod warned;

/// A router that does everything but regular expressions, one that only splits tenths, the
/// Services router, and a provider that wants a query.
fn registry() -> Registry {
    let all = Capabilities {
        header_matches: BTreeSet::from([HeaderMatchKind::Exact, HeaderMatchKind::Prefix]),
        ..Capabilities::all()
    };
    let coarse = Capabilities {
        grain: 10,
        ..Capabilities::default()
    };
    let services = Capabilities {
        parts: BTreeSet::from([Part::Bind]),
        ..Capabilities::default()
    };
    Registry::new()
        .with_router("mesh", move |_, _| Ok(all.clone()))
        .with_router("coarse", move |_, _| Ok(coarse.clone()))
        .with_router("services", move |_, _| Ok(services.clone()))
        .with_provider("toy", query)
}

fn query(part: &Value) -> Result<ProviderTraits, Vec<PartError>> {
    match part.get("query") {
        Some(_) => Ok(ProviderTraits::default()),
        None => Err(vec![
            PartError::new("query", "a query is needed").with_help("query: up"),
        ]),
    }
}

fn toy(query: &str) -> Provider {
    Provider::new("toy", json!({ "query": query }))
}

fn metric(name: &str) -> MetricSpec {
    MetricSpec::new(name, toy("up")).with_success("result > 0")
}

fn template(name: &str) -> AnalysisTemplate {
    AnalysisTemplate::new(name, [metric(name)])
}

fn routed(router: &str, steps: impl IntoIterator<Item = StepSpec>) -> CanarySpec {
    let routing = TrafficRouting::new(router, json!({})).with_managed_route("trial");
    CanarySpec::new(steps)
        .with_services("stable", "canary")
        .with_traffic_routing(routing)
}

fn shop(strategy: impl Into<Strategy>) -> RolloutSpec {
    RolloutSpec::new("shop", strategy)
}

fn compiled(spec: &RolloutSpec, templates: &[AnalysisTemplate]) -> Compiled {
    match compile(spec, templates, &registry()) {
        Ok(compiled) => compiled,
        Err(errors) => panic!("{errors}"),
    }
}

fn plan(strategy: impl Into<Strategy>) -> Plan {
    compiled(&shop(strategy), &[]).plan
}

/// What is wrong, as `path: message`.
fn errors(spec: &RolloutSpec, templates: &[AnalysisTemplate]) -> Vec<String> {
    let errors = compile(spec, templates, &registry()).err();
    lines(&errors.unwrap_or(CompileErrors(Vec::new())))
}

fn lines(errors: &CompileErrors) -> Vec<String> {
    let line = |error: &crate::plan::CompileError| format!("{}: {}", error.path, error.message);
    errors.iter().map(line).collect()
}

fn warnings(spec: &RolloutSpec, templates: &[AnalysisTemplate]) -> Vec<String> {
    let warnings = compiled(spec, templates).warnings;
    let line = |warning: &crate::plan::Warning| format!("{}: {}", warning.path, warning.message);
    warnings.iter().map(line).collect()
}

fn header(name: &str, value: StringMatch) -> StepSpec {
    StepSpec::set_header_route(HeaderRoute {
        name: name.to_owned(),
        matches: vec![HeaderMatch {
            header_name: "x-trial".to_owned(),
            header_value: value,
        }],
    })
}

fn mirror(percentage: u32) -> StepSpec {
    StepSpec::set_mirror_route(MirrorRoute {
        name: "trial".to_owned(),
        matches: vec![MirrorMatch::default()],
        percentage,
    })
}

/// The steps without what they measure.
fn shape(steps: &[Step]) -> Vec<(u32, String)> {
    let name = |kind: &StepKind| match kind {
        StepKind::SetWeight(weight) => format!("weight {weight}"),
        StepKind::Pause(None) => "pause".to_owned(),
        StepKind::Pause(Some(time)) => format!("pause {}", time.as_secs()),
        StepKind::SetCanaryScale(scale) => format!("{scale:?}"),
        StepKind::Analysis(run) => format!("analysis {}", run.templates.join("+")),
        StepKind::SetHeaderRoute(route) => format!("header {}", route.name),
        StepKind::SetMirrorRoute(route) => format!("mirror {}", route.name),
        StepKind::Preview(pods) => format!("preview {pods:?}"),
        StepKind::Switch => "switch".to_owned(),
        StepKind::Pace { .. } => "pace".to_owned(),
    };
    let line = |step: &Step| (step.index, name(&step.kind));
    steps.iter().map(line).collect()
}
