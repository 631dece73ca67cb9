//! What keeps the weight down, or takes it back: gates, analyses, outages, troubles of pods.

use super::*;
use crate::analysis::{MetricPlan, RunPlan};
use crate::condition::Condition;
use crate::fault::{Fault, FaultKind};
use crate::measurement::{GatePoint, GateState, Reading};
use crate::plan::{Background, Gate};
use crate::reason::Reason;
use crate::workload::{Trouble, TroubleKind};

fn pause(seconds: u64) -> StepKind {
    StepKind::Pause(Some(Duration::from_secs(seconds)))
}

fn success_rate() -> MetricPlan {
    let mut metric = MetricPlan::new("success-rate", "test", serde_json::Value::Null);
    metric.interval = Some(Duration::from_secs(5));
    metric.count = None;
    metric.success = Some(Condition::parse("result >= 0.95").unwrap());
    metric
}

fn run_of(metric: MetricPlan) -> RunPlan {
    RunPlan {
        metrics: vec![metric.sealed()],
        ..RunPlan::default()
    }
}

fn beside(mut plan: Plan, metric: MetricPlan, starting_step: u32) -> Plan {
    let run = run_of(metric);
    plan.background = Some(Background { run, starting_step });
    plan.sealed()
}

/// A plan that goes to half, with a gate at a point of it.
fn gated(point: GatePoint) -> Plan {
    let mut plan = canary(vec![StepKind::SetWeight(50)]);
    let mut metric = MetricPlan::new("gate", "test", serde_json::Value::Null);
    metric.count = None;
    let metric = metric.sealed();
    plan.gates = vec![Gate::new(point, metric)];
    plan.sealed()
}

fn says(state: GateState) -> Outcome {
    Outcome::done(Reading::Gate(state))
}

fn fault() -> Outcome {
    Outcome::Failed(Fault::new(FaultKind::Timeout, "no answer"))
}

#[test]
fn nothing_but_an_open_gate_lets_the_weight_rise() {
    let answers = [
        says(GateState::Closed),
        says(GateState::Unknown),
        Outcome::number(1.0),
        fault(),
    ];
    for answer in answers {
        let mut world = World::new(gated(GatePoint::BeforeRaise), 4);
        world.outcomes.insert("gate".into(), answer.clone());
        let held = world.run(60);
        assert_eq!(world.share("v2"), 0, "{answer:?}");
        assert!(
            matches!(held.waiting.reason, Reason::Gate { .. }),
            "{answer:?}: {:?}",
            held.waiting
        );
        world.outcomes.insert("gate".into(), says(GateState::Open));
        let end = world.run(120);
        assert_eq!(end.phase, Phase::Healthy, "{answer:?}: {:?}", end.waiting);
    }
}

#[test]
fn a_closed_gate_holds_what_stands_behind_it() {
    // Where it stands, what v2 has meanwhile, and whether it is called stable.
    let cases = [
        (GatePoint::BeforeStart, (0, 0), "v1"),
        (GatePoint::BeforeRaise, (2, 0), "v1"),
        (GatePoint::BeforePromotion, (4, 100), "v1"),
        (GatePoint::AfterPromotion, (4, 100), "v2"),
    ];
    for (point, held, stable) in cases {
        let mut world = World::new(gated(point), 4);
        world
            .outcomes
            .insert("gate".into(), says(GateState::Closed));
        let waits = world.run(90);
        assert_ne!(waits.phase, Phase::Healthy, "{point:?}");
        assert_eq!((world.desired("v2"), world.share("v2")), held, "{point:?}");
        assert_eq!(waits.summary.stable, Some(RevisionId::new(stable)));
        world.outcomes.insert("gate".into(), says(GateState::Open));
        let end = world.run(120);
        assert_eq!(end.phase, Phase::Healthy, "{point:?}: {:?}", end.waiting);
    }
}

#[test]
fn a_gate_may_stay_closed_for_as_long_as_it_says_itself() {
    let phase_after = |own: Option<u64>, seconds: u64| {
        let mut plan = gated(GatePoint::BeforeRaise);
        plan.progress_deadline = Duration::from_secs(60);
        // The step's deadline is for what the step waits for by itself.
        plan.steps[0].progress_deadline = Some(Duration::from_secs(10));
        plan.gates[0].progress_deadline = own.map(Duration::from_secs);
        let mut world = World::new(plan.sealed(), 4);
        let closed = says(GateState::Closed);
        world.outcomes.insert("gate".into(), closed);
        world.run(seconds).phase
    };
    assert_eq!(phase_after(None, 45), Phase::Progressing);
    assert_eq!(phase_after(None, 90), Phase::Degraded);
    assert_eq!(phase_after(Some(300), 200), Phase::Progressing);
    assert_eq!(phase_after(Some(30), 45), Phase::Degraded);
}

#[test]
fn each_raise_asks_its_gate_anew() {
    let mut plan = gated(GatePoint::BeforeRaise);
    plan.steps = steps(vec![
        StepKind::SetWeight(20),
        pause(10),
        StepKind::SetWeight(60),
        StepKind::Pause(None),
    ]);
    let mut world = World::new(plan.sealed(), 5);
    world.outcomes.insert("gate".into(), says(GateState::Open));
    world.until_share("v2", 20);
    world
        .outcomes
        .insert("gate".into(), says(GateState::Closed));
    world.run(60);
    assert_eq!(world.share("v2"), 20, "{:#?}", world.log);
}

#[test]
fn an_open_rollback_gate_takes_the_traffic_back() {
    let mut plan = gated(GatePoint::Rollback);
    plan.steps = steps(vec![StepKind::SetWeight(50), StepKind::Pause(None)]);
    let mut world = World::new(plan.sealed(), 4);
    world
        .outcomes
        .insert("gate".into(), says(GateState::Unknown));
    assert_eq!(world.run(60).phase, Phase::Paused);
    assert_eq!(world.share("v2"), 50);
    world.outcomes.insert("gate".into(), says(GateState::Open));
    let end = world.run(30);
    assert_eq!((end.phase, world.share("v2")), (Phase::Degraded, 0));
}

#[test]
fn an_analysis_that_cannot_be_measured_takes_the_traffic_back() {
    for beside_all in [false, true] {
        let metric = MetricPlan {
            consecutive_error_limit: Some(1),
            ..success_rate()
        };
        let plan = if beside_all {
            let plan = canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]);
            beside(plan, metric, 0)
        } else {
            let analysis = StepKind::Analysis(run_of(metric));
            canary(vec![StepKind::SetWeight(50), analysis])
        };
        let mut world = World::new(plan, 4);
        world.outcomes.insert("success-rate".into(), fault());
        let end = world.run(90);
        assert_eq!((end.phase, world.share("v2")), (Phase::Degraded, 0));
        assert!(end.message.contains("Error"), "{}", end.message);
    }
}

#[test]
fn an_undecided_analysis_holds_until_an_operator_decides() {
    let metric = MetricPlan {
        failure: Some(Condition::parse("result < 0.5").unwrap()),
        ..success_rate()
    };
    let kinds = vec![
        StepKind::SetWeight(20),
        pause(20),
        StepKind::SetWeight(60),
        StepKind::Pause(None),
    ];
    let mut world = World::new(beside(canary(kinds), metric, 0), 5);
    world.answers.insert("success-rate".into(), 0.7);
    let held = world.run(120);
    assert!(
        matches!(held.waiting.reason, Reason::Inconclusive { .. }),
        "{:?}",
        held.waiting
    );
    assert!(world.share("v2") <= 20, "{:#?}", world.log);
    world.order(OrderKind::Promote);
    world.run(60);
    assert_eq!(world.share("v2"), 60, "{:#?}", world.log);
}

#[test]
fn a_background_analysis_asks_nothing_before_its_step() {
    let kinds = vec![
        StepKind::SetWeight(20),
        StepKind::Pause(None),
        StepKind::SetWeight(60),
        StepKind::Pause(None),
    ];
    let mut world = World::new(beside(canary(kinds), success_rate(), 2), 5);
    world.answers.insert("success-rate".into(), 0.0);
    let early = world.run(60);
    assert_eq!((early.wanted.len(), early.phase), (0, Phase::Paused));
    world.order(OrderKind::Promote);
    let end = world.run(60);
    assert_eq!((end.phase, world.share("v2")), (Phase::Degraded, 0));
}

#[test]
fn after_an_outage_nothing_is_raised_before_a_fresh_measurement() {
    let kinds = vec![
        StepKind::SetWeight(20),
        pause(60),
        StepKind::SetWeight(60),
        StepKind::Pause(None),
    ];
    let mut world = World::new(beside(canary(kinds), success_rate(), 0), 5);
    world.answers.insert("success-rate".into(), 1.0);
    world.run(30);
    assert_eq!(world.share("v2"), 20, "{:#?}", world.log);
    world.answers.clear();
    world.now = world.now + Duration::from_secs(300);
    let held = world.run(20);
    assert_eq!(world.share("v2"), 20, "{:#?}", world.log);
    assert!(
        matches!(held.waiting.reason, Reason::StaleAnalysis { .. }),
        "{:?}",
        held.waiting
    );
    world.answers.insert("success-rate".into(), 1.0);
    world.run(10);
    assert_eq!(world.share("v2"), 60, "{:#?}", world.log);
}

#[test]
fn without_a_router_no_pod_follows_after_an_outage_before_a_fresh_measurement() {
    let mut plan = canary(vec![StepKind::SetWeight(80), StepKind::Pause(None)]);
    plan.routers.clear();
    let mut world = World::new(beside(plan, success_rate(), 0), 10);
    world.answers.insert("success-rate".into(), 1.0);
    world.slow_pods = 20;
    world.run(15);
    let pods = |world: &World| (world.desired("v1"), world.desired("v2"));
    let before = pods(&world);
    assert!(before.1 > 0 && before.1 < 8, "{:#?}", world.log);
    world.answers.clear();
    world.now = world.now + Duration::from_secs(300);
    let held = world.run(20);
    assert_eq!(pods(&world), before, "{:#?}\n{:?}", world.log, held.waiting);
    world.answers.insert("success-rate".into(), 1.0);
    world.run(120);
    assert_eq!(pods(&world), (2, 8), "{:#?}", world.log);
}

#[test]
fn a_trouble_of_pods_aborts_where_the_plan_says_so_and_nowhere_else() {
    for aborts in [false, true] {
        let mut plan = canary(vec![StepKind::SetWeight(50), StepKind::Pause(None)]);
        plan.abort_on
            .extend(aborts.then_some(TroubleKind::CrashLoop));
        let mut world = World::new(plan.sealed(), 4);
        world.run(20);
        let v2 = RevisionId::new("v2");
        let mut revisions = world.workload.revisions.iter_mut();
        let seen = revisions.find(|seen| seen.id == v2).unwrap();
        seen.trouble = [TroubleKind::ImagePull, TroubleKind::CrashLoop]
            .map(|kind| Trouble {
                kind,
                pods: 1,
                text: "exit code 1".into(),
                since: Timestamp::ZERO,
            })
            .into();
        let end = world.run(2);
        let share = if aborts { 0 } else { 50 };
        assert_eq!(world.share("v2"), share, "{}", end.message);
    }
}
