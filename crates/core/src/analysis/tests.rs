//! Sequences of measurements in, the end of the run out.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::condition::Condition;
use crate::fault::{Fault, FaultKind};
use crate::id::RevisionId;
use crate::measurement::{Ask, Measurement, MeasurementId, Outcome, Reading, RunKey, Series};
use crate::time::Timestamp;

fn metric() -> MetricPlan {
    let mut metric = MetricPlan::new("m", "test", serde_json::Value::Null);
    metric.interval = Some(Duration::from_secs(30));
    metric.count = None;
    metric.failure_limit = None;
    metric.success = Some(Condition::parse("result >= 0.95").unwrap());
    metric
}

/// What a provider answers: `S`uccess, `F`ailure, `E`rror, `N`aN, `0` no data, `.` nothing yet.
fn outcome(letter: char) -> Option<Outcome> {
    match letter {
        'S' => Some(Outcome::number(1.0)),
        'F' => Some(Outcome::number(0.5)),
        'N' => Some(Outcome::number(f64::NAN)),
        '0' => Some(Outcome::done(Reading::Series(Vec::new()))),
        'E' => Some(Outcome::Failed(Fault::new(FaultKind::Timeout, "no answer"))),
        _ => None,
    }
}

struct Play {
    state: RunState,
    asked: Vec<(u64, Ask)>,
}

/// Plays one answer for each measurement that is asked for, second by second.
fn play(plan: MetricPlan, answers: &str, seconds: u64) -> Play {
    let plan = RunPlan {
        metrics: vec![plan.sealed()],
        ..RunPlan::default()
    };
    let (revision, args) = (RevisionId::new("v2"), BTreeMap::new());
    let frame = Frame::new(1, &revision, 1, &args);
    let mut state = start(&plan, RunKey::Background, Timestamp::ZERO);
    let (mut asked, mut answers): (Vec<(u64, Ask)>, _) = (Vec::new(), answers.chars());
    for second in 0..seconds {
        let now = Timestamp::from_secs(i64::try_from(second).unwrap());
        let turned = turn(&plan, &state, &[], &frame, now);
        for ask in turned.wanted {
            if asked.last().is_some_and(|(_, last)| last.id == ask.id) {
                continue;
            }
            asked.push((second, ask.clone()));
            let Some(outcome) = answers.next().and_then(outcome) else {
                continue;
            };
            let measurement = Measurement {
                id: ask.id,
                outcome,
                at: now,
            };
            state = turn(
                &plan,
                &state,
                std::slice::from_ref(&measurement),
                &frame,
                now,
            )
            .state;
            let again = turn(&plan, &state, &[measurement], &frame, now).state;
            assert_eq!(again, state, "a measurement counts once");
        }
    }
    Play { state, asked }
}

fn phase(plan: MetricPlan, answers: &str) -> AnalysisPhase {
    play(plan, answers, 600).state.phase
}

#[test]
fn limits_are_strict() {
    let with = |limit, count| MetricPlan {
        failure_limit: Some(limit),
        count: Some(count),
        ..metric()
    };
    assert_eq!(phase(with(2, 3), "FFS"), AnalysisPhase::Successful);
    assert_eq!(phase(with(1, 3), "FFS"), AnalysisPhase::Failed);
    assert_eq!(phase(with(0, 1), "F"), AnalysisPhase::Failed);
    assert_eq!(phase(with(2, 4), "FSF"), AnalysisPhase::Running);
}

#[test]
fn errors_in_a_row_end_it_and_do_not_add_to_the_count() {
    let plan = |limit| MetricPlan {
        consecutive_error_limit: Some(limit),
        count: Some(2),
        ..metric()
    };
    assert_eq!(phase(plan(1), "EE"), AnalysisPhase::Error);
    assert_eq!(phase(plan(1), "ESES"), AnalysisPhase::Successful);
    let ended = play(plan(1), "EE", 60).state;
    assert_eq!(
        ended.message,
        "Metric \"m\" assessed Error due to consecutiveErrors (2) > consecutiveErrorLimit (1): \"Error Message: no answer\""
    );
}

#[test]
fn successes_in_a_row_pass_it() {
    let plan = MetricPlan {
        consecutive_success_limit: Some(3),
        ..metric()
    };
    assert_eq!(phase(plan.clone(), "FSFSSS"), AnalysisPhase::Successful);
    let bounded = MetricPlan {
        count: Some(4),
        ..plan.clone()
    };
    assert_eq!(phase(bounded.clone(), "SFSF"), AnalysisPhase::Failed);
    assert_eq!(
        phase(
            MetricPlan {
                failure_limit: Some(9),
                ..bounded
            },
            "SFSF"
        ),
        AnalysisPhase::Inconclusive
    );
}

#[test]
fn failures_in_a_row_are_a_limit_of_their_own() {
    let plan = MetricPlan {
        consecutive_failure_limit: Some(2),
        ..metric()
    };
    assert_eq!(phase(plan.clone(), "FSFSF"), AnalysisPhase::Running);
    assert_eq!(phase(plan.clone(), "FSFF"), AnalysisPhase::Failed);
    assert_eq!(
        phase(plan, "FEF"),
        AnalysisPhase::Failed,
        "an error is a gap: it does not reset"
    );
}

#[test]
fn failing_for_a_time_fails_and_a_gap_neither_counts_nor_resets() {
    let plan = MetricPlan {
        failure_for: Some(Duration::from_secs(60)),
        on_no_data: NoVerdict::Ignore,
        ..metric()
    };
    assert_eq!(phase(plan.clone(), "FFSFF"), AnalysisPhase::Running);
    assert_eq!(phase(plan.clone(), "FFF"), AnalysisPhase::Failed);
    assert_eq!(phase(plan.clone(), "F0F"), AnalysisPhase::Failed);
    assert_eq!(phase(plan, "F00"), AnalysisPhase::Running);
}

#[test]
fn no_data_and_nan_are_never_a_success_by_default() {
    let failure_only = MetricPlan {
        success: None,
        failure: Some(Condition::parse("result < 0.95").unwrap()),
        count: Some(1),
        ..metric()
    };
    assert_eq!(phase(failure_only.clone(), "S"), AnalysisPhase::Successful);
    assert_eq!(phase(failure_only, "N"), AnalysisPhase::Inconclusive);
    assert_eq!(
        phase(
            MetricPlan {
                count: Some(1),
                failure_limit: Some(0),
                ..metric()
            },
            "N"
        ),
        AnalysisPhase::Failed
    );
    let bare = MetricPlan {
        success: None,
        count: Some(1),
        ..metric()
    };
    assert_eq!(phase(bare.clone(), "0"), AnalysisPhase::Inconclusive);
    assert_eq!(
        phase(
            MetricPlan {
                on_no_data: NoVerdict::Failed,
                failure_limit: Some(0),
                ..bare
            },
            "0"
        ),
        AnalysisPhase::Failed
    );
    let guarded = MetricPlan {
        success: Some(Condition::parse("len(result) == 0 || result[0] < 5").unwrap()),
        count: Some(1),
        ..metric()
    };
    assert_eq!(phase(guarded, "0"), AnalysisPhase::Successful);
}

#[test]
fn a_condition_that_cannot_be_evaluated_is_an_error_and_not_a_pass() {
    let plan = MetricPlan {
        success: Some(Condition::parse("result[0] != 10").unwrap()),
        consecutive_error_limit: Some(0),
        ..metric()
    };
    assert_eq!(phase(plan, "0"), AnalysisPhase::Error);
}

#[test]
fn the_grid_is_fixed_and_an_error_does_not_move_it() {
    let plan = MetricPlan {
        initial_delay: Duration::from_secs(5),
        ..metric()
    };
    let asked: Vec<(u64, u32, u32)> = play(plan, "SESS", 100)
        .asked
        .iter()
        .map(|(at, ask)| (*at, ask.id.tick, ask.id.retry))
        .collect();
    assert_eq!(
        asked,
        [(5, 0, 0), (35, 1, 0), (45, 1, 1), (65, 2, 0), (95, 3, 0)]
    );
}

#[test]
fn after_a_gap_only_the_newest_instant_is_asked_for() {
    let plan = RunPlan {
        metrics: vec![metric().sealed()],
        ..RunPlan::default()
    };
    let (revision, args) = (RevisionId::new("v2"), BTreeMap::new());
    let frame = Frame::new(1, &revision, 1, &args);
    let state = start(&plan, RunKey::Background, Timestamp::ZERO);
    let turned = turn(&plan, &state, &[], &frame, Timestamp::from_secs(605));
    assert_eq!(turned.wanted.len(), 1);
    assert_eq!(
        (turned.wanted[0].id.tick, turned.wanted[0].at),
        (20, Timestamp::from_secs(600))
    );
}

#[test]
fn a_dry_run_is_watched_but_changes_nothing() {
    let dry = MetricPlan {
        dry_run: true,
        count: Some(1),
        failure_limit: Some(0),
        ..metric()
    };
    assert_eq!(phase(dry, "F"), AnalysisPhase::Successful);
}

#[test]
fn the_worst_metric_names_the_run() {
    let bad = MetricPlan {
        count: Some(1),
        failure_limit: Some(0),
        ..metric()
    }
    .sealed();
    let mut endless = metric();
    endless.name = "endless".into();
    let plan = RunPlan {
        metrics: vec![endless.sealed(), bad],
        ..RunPlan::default()
    };
    let (revision, args) = (RevisionId::new("v2"), BTreeMap::new());
    let frame = Frame::new(1, &revision, 1, &args);
    let state = start(&plan, RunKey::Step(0), Timestamp::ZERO);
    let wanted = turn(&plan, &state, &[], &frame, Timestamp::ZERO).wanted;
    let failing = Measurement {
        id: wanted[1].id.clone(),
        outcome: Outcome::number(0.1),
        at: Timestamp::ZERO,
    };
    let ended = turn(&plan, &state, &[failing], &frame, Timestamp::ZERO);
    assert_eq!(ended.state.phase, AnalysisPhase::Failed);
    assert_eq!(
        ended.state.message,
        "Metric \"m\" assessed Failed due to failed (1) > failureLimit (0)"
    );
    assert!(ended.wanted.is_empty(), "nothing is measured any more");
}

#[test]
fn series_are_judged_by_their_last_values() {
    let series = Series {
        labels: BTreeMap::new(),
        samples: vec![],
    };
    assert_eq!(
        judge(&metric(), &Reading::Series(vec![series])).phase,
        AnalysisPhase::Error
    );
}

#[test]
fn what_was_measured_for_another_life_revision_or_attempt_does_not_count() {
    let plan = RunPlan {
        metrics: vec![metric().sealed()],
        ..RunPlan::default()
    };
    let (revision, args) = (RevisionId::new("v2"), BTreeMap::new());
    let frame = Frame::new(1, &revision, 2, &args);
    let now = Timestamp::ZERO;
    let state = start(&plan, RunKey::Background, now);
    let asked = turn(&plan, &state, &[], &frame, now).wanted.remove(0).id;
    let count = |id: &MeasurementId| {
        let measurement = Measurement {
            id: id.clone(),
            outcome: Outcome::number(1.0),
            at: now,
        };
        let turned = turn(&plan, &state, &[measurement], &frame, now);
        turned.state.metrics[0].count
    };
    assert_eq!(count(&asked), 1);
    let changes: [fn(&mut MeasurementId); 5] = [
        |id| id.attempt = 1,
        |id| id.incarnation = 2,
        |id| id.revision = RevisionId::new("v1"),
        |id| id.run = RunKey::Step(0),
        |id| id.retry = 1,
    ];
    for change in changes {
        let mut other = asked.clone();
        change(&mut other);
        assert_eq!(count(&other), 0, "{other:?}");
    }
}
