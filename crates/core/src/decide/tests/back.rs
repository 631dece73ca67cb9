use super::*;
use crate::analysis::{MetricPlan, RunPlan};
use crate::condition::Condition;
use crate::plan::Background;

fn success_rate() -> RunPlan {
    let mut metric = MetricPlan::new("success-rate", "test", serde_json::json!({}));
    metric.interval = Some(Duration::from_secs(5));
    metric.count = Some(3);
    metric.failure_limit = Some(1);
    metric.success = Some(Condition::parse("result >= 0.95").unwrap());
    RunPlan {
        metrics: vec![metric.sealed()],
        ..RunPlan::default()
    }
}

#[test]
fn an_abort_lowers_the_canary_with_the_next_write_and_scales_it_down_after_its_delay() {
    let mut world = World::new(
        canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]),
        4,
    );
    world.run(20);
    world.order(OrderKind::Abort);
    let aborted = world.round();
    assert_eq!(world.share("v2"), 0);
    assert_eq!(
        aborted.message,
        "RolloutAborted: Rollout aborted update to revision 2"
    );
    world.run(29);
    assert_eq!(world.desired("v2"), 2, "{:#?}", world.log);
    let end = world.run(10);
    assert_eq!(
        (world.desired("v2"), end.phase),
        (0, Phase::Degraded),
        "{:#?}",
        world.log
    );
    let writes = world.log.len();
    world.run(100);
    assert_eq!(world.log.len(), writes, "an aborted rollout is quiet");
}

#[test]
fn an_abort_delay_of_zero_keeps_the_pods() {
    let mut plan = canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]);
    plan.abort_scale_down_delay = None;
    let mut world = World::new(plan.sealed(), 4);
    world.run(20);
    world.order(OrderKind::Abort);
    world.run(300);
    assert_eq!((world.desired("v2"), world.share("v2")), (2, 0));
}

#[test]
fn a_retry_climbs_again_with_fresh_analyses() {
    let mut world = World::new(
        canary(vec![
            StepKind::SetWeight(50),
            StepKind::Analysis(success_rate()),
        ]),
        4,
    );
    world.answers.insert("success-rate".into(), 0.5);
    let failed = world.run(60);
    assert!(
        failed.message.ends_with(
            "Step-based analysis phase error/failed: Metric \"success-rate\" assessed Failed due to failed (2) > failureLimit (1)"
        ),
        "{}",
        failed.message
    );
    world.answers.insert("success-rate".into(), 1.0);
    world.order(OrderKind::Retry);
    let end = world.run(150);
    assert_eq!(
        (end.phase, world.share("v2")),
        (Phase::Healthy, 100),
        "{:#?}",
        world.log
    );
}

#[test]
fn a_failing_background_analysis_takes_the_traffic_back_out_of_a_pause() {
    let mut plan = canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]);
    let mut run = success_rate();
    run.metrics[0].count = None;
    run.metrics[0] = run.metrics[0].clone().sealed();
    plan.background = Some(Background {
        run,
        starting_step: 0,
    });
    let mut world = World::new(plan.sealed(), 4);
    world.answers.insert("success-rate".into(), 1.0);
    world.run(60);
    assert_eq!(world.share("v2"), 50, "{:#?}", world.log);
    world.answers.insert("success-rate".into(), 0.1);
    let end = world.run(20);
    assert_eq!((world.share("v2"), end.phase), (0, Phase::Degraded));
}

#[test]
fn a_deadline_degrades_and_aborts_only_where_the_plan_says_so() {
    for aborts in [false, true] {
        let mut plan = canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]);
        (plan.progress_deadline, plan.deadline_aborts) = (Duration::from_secs(30), aborts);
        let mut world = World::new(plan.sealed(), 4);
        world.limits.insert("v2".into(), 1);
        let late = world.run(60);
        assert_eq!(late.phase, Phase::Degraded);
        assert_eq!(
            late.message.starts_with("RolloutAborted"),
            aborts,
            "{}",
            late.message
        );
        world.limits.clear();
        let after = world.run(10);
        assert_eq!(after.phase == Phase::Paused, !aborts, "{}", after.message);
    }
}

#[test]
fn a_step_may_be_longer_or_shorter_in_waiting_than_the_rollout() {
    let overdue_after = |own: Option<u64>| {
        let mut plan = canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]);
        plan.progress_deadline = Duration::from_secs(60);
        plan.steps[0].progress_deadline = own.map(Duration::from_secs);
        let mut world = World::new(plan.sealed(), 4);
        world.limits.insert("v2".into(), 1);
        let seconds = (0..200).step_by(10);
        seconds
            .filter(|_| world.run(10).phase != Phase::Degraded)
            .count()
            * 10
    };
    let whole = overdue_after(None);
    assert_eq!(overdue_after(Some(30)) + 30, whole);
    assert_eq!(overdue_after(Some(120)), whole + 60);
}

#[test]
fn a_router_that_errors_keeps_neither_abort_nor_deadline_from_acting() {
    let mut world = World::new(
        canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]),
        4,
    );
    world.run(20);
    world.router_down = true;
    world.order(OrderKind::Abort);
    let aborted = world.round();
    assert_eq!(aborted.phase, Phase::Degraded);
    assert!(
        matches!(&aborted.actions[..], [Action::Route { lowers: true, .. }]),
        "{:?}",
        aborted.actions
    );
    world.router_down = false;
    world.run(2);
    assert_eq!(world.share("v2"), 0);
}

#[test]
fn an_order_meant_for_another_revision_is_refused_and_taken_once() {
    let mut world = World::new(
        canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]),
        4,
    );
    world.run(20);
    world.order(OrderKind::Abort);
    world.orders[0].expects.revision = Some(RevisionId::new("v1"));
    let decision = world.round();
    assert!(decision.acknowledged[0].refused.is_some());
    assert_eq!(world.run(5).phase, Phase::Paused);
}

#[test]
fn no_data_is_never_a_success() {
    let mut world = World::new(
        canary(vec![
            StepKind::SetWeight(50),
            StepKind::Analysis(success_rate()),
        ]),
        4,
    );
    world.answers.insert("success-rate".into(), f64::NAN);
    let end = world.run(60);
    assert_ne!(world.share("v2"), 100, "{end:?}");
}
