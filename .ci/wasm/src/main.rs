//! One decision from a manifest, on a machine that has nothing: no clock, no files, no network.

use gradatim_core::decision::{Phase, Saved};
use gradatim_core::observation::Observation;
use gradatim_core::registry::Registry;
use gradatim_core::time::Timestamp;
use gradatim_core::workload::{RevisionSeen, WorkloadSeen};
use gradatim_core::{compile, decide, yaml};

const MANIFEST: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  replicas: 10
  strategy:
    canary:
      steps:
      - setWeight: 10
      - analysis: {templates: [{templateName: errors}]}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: errors}
spec:
  metrics:
  - name: errors
    failureCondition: len(result) > 0 && result[0] matches '^[0-9]+$'
    provider: {anything: {}}
";

fn main() {
    let manifests = yaml::read(&[("shop.yaml", MANIFEST)]).into_result();
    let manifests = manifests.expect("the manifest is right");
    let compiled = compile(
        &manifests.rollouts[0],
        &manifests.templates,
        &Registry::lenient(),
    );
    let plan = compiled.expect("so is the rollout").plan;

    let stable = RevisionSeen::new("v1", 1, Timestamp::ZERO).serving(10);
    let workload = WorkloadSeen::new("v1", 10, vec![stable]);
    let observation = Observation::new(1, workload, Vec::new());
    let decision = decide(
        &plan,
        &Saved::Nothing { incarnation: 1 },
        &observation,
        Timestamp::from_secs(1_800_000_000),
    );
    println!(
        "{}",
        serde_json::to_string_pretty(&decision).expect("plain data")
    );
    assert_eq!(decision.phase, Phase::Healthy);
}
