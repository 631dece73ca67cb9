use super::super::cursor::{Cursor, Fields};
use super::set;
use super::{blue_green, canary, extension};
use crate::spec::{AnalysisHistory, RolloutSpec, ScaleDown, Strategy, WorkloadRef};
use crate::time::Timestamp;

/// A rollout's `spec`.
pub(in super::super) fn rollout(
    name: &str,
    namespace: Option<String>,
    spec: &Cursor<'_>,
) -> Option<RolloutSpec> {
    let fields = spec.fields()?;
    let mut rollout = RolloutSpec::new(name, Strategy::RollingUpdate);
    rollout.namespace = namespace;
    progress(&mut rollout, &fields);
    rollout.restart_at = fields.get("restartAt").and_then(|at| instant(&at));
    set(
        &mut rollout.analysis_history,
        fields.get("analysis").and_then(|field| history(&field)),
    );
    set(
        &mut rollout.strategy,
        fields.get("strategy").and_then(|field| strategy(&field)),
    );
    pods(&mut rollout, &fields);
    rollout.abort_on = fields
        .get("abortOn")
        .map(|f| extension::troubles(&f))
        .unwrap_or_default();
    rollout.gates = fields
        .get("gates")
        .map(|field| extension::gates(&field))
        .unwrap_or_default();
    rollout.session_affinity = fields
        .get("sessionAffinity")
        .and_then(|f| extension::affinity(&f));
    fields.close();
    Some(rollout)
}

fn progress(rollout: &mut RolloutSpec, fields: &Fields<'_>) {
    let count = |name| fields.get(name).and_then(|field: Cursor<'_>| field.count());
    let flag = |name| {
        fields
            .get(name)
            .and_then(|field: Cursor<'_>| field.boolean())
    };
    set(&mut rollout.replicas, count("replicas"));
    set(&mut rollout.paused, flag("paused"));
    set(&mut rollout.min_ready_seconds, count("minReadySeconds"));
    set(
        &mut rollout.revision_history_limit,
        count("revisionHistoryLimit"),
    );
    set(
        &mut rollout.progress_deadline_seconds,
        count("progressDeadlineSeconds"),
    );
    set(
        &mut rollout.progress_deadline_abort,
        flag("progressDeadlineAbort"),
    );
    rollout.rollback_window = fields.get("rollbackWindow").and_then(|window| {
        let fields = window.fields()?;
        let revisions = fields
            .require("revisions")
            .and_then(|revisions| revisions.count());
        fields.close();
        revisions
    });
}

fn pods(rollout: &mut RolloutSpec, fields: &Fields<'_>) {
    rollout.selector = fields.get("selector").map(|selector| selector.json());
    rollout.template = fields.get("template").map(|template| template.json());
    let Some(reference) = fields.get("workloadRef") else {
        return;
    };
    if rollout.template.is_some() {
        reference.refuse("template and workloadRef: a rollout has one of them");
    }
    rollout.workload_ref = workload_ref(&reference);
}

fn workload_ref(field: &Cursor<'_>) -> Option<WorkloadRef> {
    let fields = field.fields()?;
    let text = |name| {
        fields
            .require(name)
            .and_then(|field: Cursor<'_>| field.word())
    };
    let (api_version, kind, name) = (text("apiVersion"), text("kind"), text("name"));
    let scale_down = fields.get("scaleDown").and_then(|field| scale_down(&field));
    fields.close();
    Some(WorkloadRef {
        api_version: api_version?,
        kind: kind?,
        name: name?,
        scale_down: scale_down.unwrap_or_default(),
    })
}

fn scale_down(field: &Cursor<'_>) -> Option<ScaleDown> {
    match field.text()?.as_str() {
        "never" => Some(ScaleDown::Never),
        "onsuccess" => Some(ScaleDown::OnSuccess),
        "progressively" => Some(ScaleDown::Progressively),
        _ => {
            field.refuse("scaleDown is never, onsuccess or progressively");
            None
        }
    }
}

fn instant(field: &Cursor<'_>) -> Option<String> {
    let text = field.text()?;
    if text.parse::<Timestamp>().is_err() {
        field.refuse_with(
            "restartAt is no instant",
            "write it as 2026-01-31T12:00:00Z",
        );
        return None;
    }
    Some(text)
}

fn history(field: &Cursor<'_>) -> Option<AnalysisHistory> {
    let fields = field.fields()?;
    let mut history = AnalysisHistory::default();
    let count = |name| fields.get(name).and_then(|field: Cursor<'_>| field.count());
    set(&mut history.successful, count("successfulRunHistoryLimit"));
    set(
        &mut history.unsuccessful,
        count("unsuccessfulRunHistoryLimit"),
    );
    fields.close();
    Some(history)
}

fn strategy(field: &Cursor<'_>) -> Option<Strategy> {
    let fields = field.fields()?.called("strategy");
    let (canary, blue_green) = (fields.get("canary"), fields.get("blueGreen"));
    let strategy = match (&canary, &blue_green) {
        (Some(canary), None) => canary::canary(canary).map(Strategy::Canary),
        (None, Some(blue_green)) => blue_green::blue_green(blue_green).map(Strategy::BlueGreen),
        (None, None) => None,
        (Some(one), Some(other)) => {
            other.refuse("more than one strategy: a rollout has canary or blueGreen");
            let _ = (canary::canary(one), blue_green::blue_green(other));
            None
        }
    };
    fields.close();
    strategy
}
