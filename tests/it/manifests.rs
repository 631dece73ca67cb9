//! Manifests as people write them: our own examples, and a table of those that are met elsewhere.

pub(crate) mod examples;
mod trials;
mod wild;

use std::path::{Path, PathBuf};

use gradatim_core::compile;
use gradatim_core::plan::{Compiled, Plan, Step, StepKind};
use gradatim_core::registry::Registry;
use gradatim_core::yaml::{Reading, read};

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Everything that one set of files says, which must be without an error.
fn reading(files: &[(String, String)]) -> Reading {
    let reading = read(files);
    assert!(reading.errors.is_empty(), "{:#?}", reading.errors);
    reading
}

/// Every rollout of a reading, compiled without any backend.
fn compiled(reading: &Reading) -> Vec<Compiled> {
    let manifests = &reading.manifests;
    let one = |spec| compile(spec, &manifests.templates, &Registry::lenient());
    let all = manifests.rollouts.iter().map(one);
    all.map(|compiled| compiled.unwrap_or_else(|errors| panic!("{errors}")))
        .collect()
}

/// The steps in a word each: weights as `10%`, pauses as `300s` or `∞`, analyses by template.
fn steps(plan: &Plan) -> String {
    let words: Vec<_> = plan.steps.iter().map(word).collect();
    words.join(" ")
}

fn word(step: &Step) -> String {
    match &step.kind {
        StepKind::SetWeight(weight) => format!("{weight}%"),
        StepKind::Pause(None) => "∞".to_owned(),
        StepKind::Pause(Some(time)) => format!("{}s", time.as_secs()),
        StepKind::SetCanaryScale(scale) => format!("{scale:?}"),
        StepKind::Analysis(run) => run.templates.join("+"),
        StepKind::SetHeaderRoute(route) => format!("header:{}", route.name),
        StepKind::SetMirrorRoute(route) => format!("mirror:{}", route.name),
        StepKind::Preview(pods) => format!(
            "preview:{}",
            pods.map_or("all".to_owned(), |n| n.to_string())
        ),
        StepKind::Switch => "switch".to_owned(),
        StepKind::Pace { .. } => "pace".to_owned(),
    }
}
