//! From what the user wrote to what it means: every error is found here, and all of them at once.

mod analysis;
mod args;
mod blue_green;
mod canary;
mod findings;
mod gates;
mod judge;
mod metric;
mod pace;
mod rollout;
mod routes;
mod steps;
mod templates;
#[cfg(test)]
mod tests;
mod trial;

use self::analysis::Place;
use self::findings::{Findings, Site};
use super::{CompileErrors, Compiled, Warning};
use crate::analysis::RunPlan;
use crate::registry::Registry;
use crate::spec::{AnalysisTemplate, RolloutAnalysis, RolloutSpec, Strategy};

/// What a compilation reads.
#[derive(Clone, Copy)]
struct Input<'a> {
    spec: &'a RolloutSpec,
    templates: &'a [AnalysisTemplate],
    registry: &'a Registry,
}

/// Turns a spec into a plan.
///
/// `templates` are those that the rollout's analyses may name, with more besides. Backends that
/// the registry does not know, and templates that are not there, are errors; with
/// [`Registry::lenient`] they are warnings.
///
/// The plan does not depend on `replicas`, `paused` and `restartAt`: these are observed.
///
/// # Errors
/// With everything that is wrong, each with its object, path, value and what would be right.
pub fn compile(
    spec: &RolloutSpec,
    templates: &[AnalysisTemplate],
    registry: &Registry,
) -> Result<Compiled, CompileErrors> {
    let input = Input {
        spec,
        templates,
        registry,
    };
    let site = Site::spec(spec.object());
    let mut found = Findings::default();
    let mut plan = rollout::plan(spec, &site, &mut found);
    let frame = match &spec.strategy {
        Strategy::Canary(canary) => {
            let site = site.key("strategy").key("canary");
            canary::lower(input, canary, &site, &mut plan, &mut found)
        }
        Strategy::BlueGreen(blue_green) => {
            let site = site.key("strategy").key("blueGreen");
            blue_green::lower(input, blue_green, &site, &mut plan, &mut found)
        }
        Strategy::RollingUpdate => routes::frame(spec),
    };
    routes::check_affinity(spec, &plan.routers, &site, &mut found);
    plan.gates = gates::gates(input, &site.key("gates"), &mut found);
    let warnings = found.finish()?;
    Ok(Compiled {
        plan: plan.sealed(),
        frame,
        warnings,
    })
}

/// Turns an analysis by itself into what it measures: for a gate in a pipeline, or a trial on
/// recorded data. Every metric must come to an end.
///
/// Arguments that only a rollout knows stand in [`RunPlan::late_args`].
///
/// # Errors
/// With everything that is wrong, each with its object, path, value and what would be right.
pub fn compile_analysis(
    analysis: &RolloutAnalysis,
    templates: &[AnalysisTemplate],
    registry: &Registry,
) -> Result<(RunPlan, Vec<Warning>), CompileErrors> {
    let spec = RolloutSpec::new("analysis", Strategy::RollingUpdate);
    let input = Input {
        spec: &spec,
        templates,
        registry,
    };
    let mut found = Findings::default();
    let site = Site::spec(spec.object());
    let mut run = analysis::run(input, analysis, Place::Inline, &site, &mut found);
    judge::plan_scrapes_of(&mut run);
    Ok((run, found.finish()?))
}

/// The templates that an analysis is made of, in the order of its run.
pub(super) fn templates_of<'a>(
    spec: &'a RolloutSpec,
    templates: &'a [AnalysisTemplate],
    registry: &'a Registry,
    analysis: &RolloutAnalysis,
) -> Vec<&'a AnalysisTemplate> {
    let input = Input {
        spec,
        templates,
        registry,
    };
    let site = Site::spec(spec.object());
    let (used, _) = templates::used(input, analysis, &site, &mut Findings::default());
    used.into_iter().map(|used| used.template).collect()
}
