use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::{EXTENSIONS, MAX_ERRORS, MAX_FILE_BYTES, Reading, read};
use crate::analysis::NoVerdict;
use crate::measurement::GatePoint;
use crate::plan::{Amount, CanaryScale, Threshold};
use crate::route::{HeaderMatch, HeaderRoute, MirrorMatch, MirrorRoute, StringMatch};
use crate::spec::{
    AntiAffinity, ArgSpec, ArgValue, BlueGreenSpec, CanarySpec, FieldPath, HashOf, IntOrText,
    Manifests, ObjectKind, ObjectRef, PauseSpec, RolloutSpec, ScaleDown, StepSpec, Strategy,
};
use crate::workload::TroubleKind;

/// A rollout whose `spec` is this text, which begins on line 6.
fn rollout(spec: &str) -> String {
    let head = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  name: shop\nspec:\n";
    format!("{head}{spec}\n")
}

/// A canary of these steps, which begin on line 9.
fn canary(steps: &str) -> String {
    rollout(&format!("  strategy:\n    canary:\n      steps:\n{steps}"))
}

/// A template of this metric, which begins on line 7.
fn template(metric: &str) -> String {
    let head =
        "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata:\n  name: rate\n";
    format!("{head}spec:\n  metrics:\n{metric}\n")
}

fn manifests(text: &str) -> Manifests {
    let reading = read(&[("a.yaml", text)]);
    assert_eq!(reading.errors, [], "{text}");
    reading.manifests
}

fn only_rollout(text: &str) -> RolloutSpec {
    let [rollout] = <[_; 1]>::try_from(manifests(text).rollouts).unwrap();
    rollout
}

fn only_canary(text: &str) -> CanarySpec {
    match only_rollout(text).strategy {
        Strategy::Canary(canary) => canary,
        other => panic!("{other:?}"),
    }
}

/// Every error as `line:column path: message`.
fn errors_of(reading: &Reading) -> Vec<String> {
    let show = |error: &super::Diagnostic| {
        let at = error
            .position
            .as_ref()
            .map_or((0, 0), |at| (at.line, at.column));
        format!("{}:{} {}: {}", at.0, at.1, error.path, error.message)
    };
    reading.errors.iter().map(show).collect()
}

fn errors(text: &str) -> Vec<String> {
    errors_of(&read(&[("a.yaml", text)]))
}

mod accepted;
mod bounds;
mod extended;
mod located;
mod refused;
mod strangers;
