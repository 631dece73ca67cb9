use std::time::Duration;

use super::findings::{Findings, Site};
use crate::plan::Plan;
use crate::spec::{AnalysisHistory, RolloutSpec, ScaleDown};
use crate::time::Timestamp;

/// The plan of everything that does not depend on the strategy: a rolling update.
pub(super) fn plan(spec: &RolloutSpec, site: &Site, found: &mut Findings) -> Plan {
    check(spec, site, found);
    warn(spec, site, found);
    Plan {
        progress_deadline: Duration::from_secs(spec.progress_deadline_seconds.into()),
        deadline_aborts: spec.progress_deadline_abort,
        abort_on: spec.abort_on.clone(),
        rollback_window: spec.rollback_window,
        // Without a router the pods are the traffic: what has left is not kept.
        scale_down_delay: Duration::ZERO,
        abort_scale_down_delay: Some(Duration::ZERO),
        ..Plan::rolling_update(id(spec))
    }
}

fn id(spec: &RolloutSpec) -> String {
    match &spec.namespace {
        Some(namespace) => format!("{namespace}/{}", spec.name),
        None => spec.name.clone(),
    }
}

fn check(spec: &RolloutSpec, site: &Site, found: &mut Findings) {
    let deadline = spec.progress_deadline_seconds;
    if deadline <= spec.min_ready_seconds {
        let message = "progressDeadlineSeconds is greater than minReadySeconds";
        let help = format!("more than {}", spec.min_ready_seconds);
        let finding = site.key("progressDeadlineSeconds").says(message);
        found.error(finding.value(deadline).help(help));
    }
    if let Some(instant) = &spec.restart_at
        && let Err(error) = instant.parse::<Timestamp>()
    {
        let finding = site.key("restartAt").says(error.to_string());
        found.error(finding.value(instant));
    }
    if spec.template.is_some() && spec.workload_ref.is_some() {
        let message = "a rollout has a template or a workloadRef, not both";
        found.error(site.key("workloadRef").says(message));
    }
    if let Some(workload) = &spec.workload_ref
        && !["Deployment", "ReplicaSet", "PodTemplate"].contains(&workload.kind.as_str())
    {
        let finding = site.key("workloadRef").key("kind");
        let finding = finding.says("a workload of this kind has no pod template to use");
        found.error(
            finding
                .value(&workload.kind)
                .help("Deployment, ReplicaSet or PodTemplate"),
        );
    }
}

fn warn(spec: &RolloutSpec, site: &Site, found: &mut Findings) {
    if let Some(workload) = &spec.workload_ref
        && workload.scale_down != ScaleDown::Never
    {
        let finding = site.key("workloadRef").key("scaleDown");
        let finding = finding.says("not honoured yet: the workload it names keeps its pods");
        found.warn(finding.help("scale it down yourself once the rollout is healthy"));
    }
    if spec.analysis_history != AnalysisHistory::default() {
        let message = "not honoured yet: analysis runs are kept in the state and the events only";
        found.warn(site.key("analysis").says(message));
    }
}
