//! Each invariant catches a policy, a router or a world that breaks it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gradatim_core::action::Action;
use gradatim_core::capability::{Capabilities, Part};
use gradatim_core::decision::{Decision, Phase, Saved};
use gradatim_core::fault::FaultKind;
use gradatim_core::measurement::{Outcome as Answer, Reading, Sample, Series};
use gradatim_core::observation::{Observation, Read};
use gradatim_core::order::OrderKind;
use gradatim_core::plan::{CanaryScale, StepKind};
use gradatim_core::policy::{Policy, Standard};
use gradatim_core::port::{PortError, TrafficRouter};
use gradatim_core::route::{BoundSlot, Confidence, Route, RouteSeen, Seen, Slot, Split};
use gradatim_core::time::Timestamp;

use super::*;
use crate::{Fault, Happening, Invariant, Measure, Mishap, Simulation, Target, Version};

/// What the library decides, spoilt.
struct Spoilt<F>(F);

impl<F> Policy for Spoilt<F>
where
    F: Fn(&Observation, Decision) -> Decision + Send + Sync,
{
    fn decide(&self, plan: &Plan, saved: &Saved, seen: &Observation, now: Timestamp) -> Decision {
        (self.0)(seen, Standard.decide(plan, saved, seen, now))
    }
}

fn spoilt(
    spoil: impl Fn(&Observation, Decision) -> Decision + Send + Sync + 'static,
) -> Arc<dyn Policy> {
    Arc::new(Spoilt(spoil))
}

/// What the library decides of another world than the one that is there.
struct Deluded<F>(F);

impl<F> Policy for Deluded<F>
where
    F: Fn(&mut Plan, &mut Observation) + Send + Sync,
{
    fn decide(&self, plan: &Plan, saved: &Saved, seen: &Observation, now: Timestamp) -> Decision {
        let (mut plan, mut seen) = (plan.clone(), seen.clone());
        (self.0)(&mut plan, &mut seen);
        Standard.decide(&plan, saved, &seen, now)
    }
}

fn deluded(
    delude: impl Fn(&mut Plan, &mut Observation) + Send + Sync + 'static,
) -> Arc<dyn Policy> {
    Arc::new(Deluded(delude))
}

/// Every measurement says that all is well.
fn all_good(seen: &mut Observation) {
    for measurement in &mut seen.measurements {
        let (at, value) = (measurement.at, 1.0.into());
        measurement.outcome = Answer::done(Reading::Series(vec![Series {
            labels: Default::default(),
            samples: vec![Sample { at, value }],
        }]));
    }
}

fn release() -> Simulation {
    Simulation::new(plan(steps())).wants("v2").until(secs(1800))
}

fn bad_release() -> Simulation {
    release().version("v2", Version::failing(0.2))
}

#[track_caller]
fn caught(invariant: Invariant, simulation: Simulation) {
    let report = simulation.run();
    let found = report
        .violations
        .iter()
        .any(|violation| violation.invariant == invariant);
    assert!(
        found,
        "{invariant} is not among {:#?}\n{}",
        report.violations,
        story(&report)
    );
}

fn set_weights(decision: &mut Decision, weight: impl Fn(u32) -> u32) {
    for action in &mut decision.actions {
        if let Action::Route { route, .. } = action {
            let part = route.split.value.part(Slot::Canary);
            route.split.value = Split::canary(weight(part), route.split.value.total());
        }
    }
}

#[test]
fn s1_a_canary_that_gets_more_than_its_pods_carry() {
    let policy = spoilt(|_, mut decision| {
        set_weights(&mut decision, |part| if part == 10 { 50 } else { part });
        decision
    });
    caught(Invariant::S1, release().policy(policy));
}

#[test]
fn s1_a_loss_of_pods_that_nobody_answers() {
    let policy = deluded(|_, seen| {
        if let Read::Seen(workload) = &mut seen.workload {
            for revision in workload.revisions.iter_mut().filter(|one| one.pods > 0) {
                revision.available = revision.available.max(1);
            }
        }
    });
    let release = release().version("v2", Version::healthy().crashing_after(secs(60)));
    caught(Invariant::S1, release.policy(policy));
}

#[test]
fn s2_pods_that_go_before_their_traffic() {
    let policy = spoilt(|_, mut decision| {
        let weight = decision.summary.weight_seen;
        let stamp = decision
            .state
            .as_ref()
            .and_then(|state| Some(state.route.as_ref()?.newest()));
        if let (Some(10), Some(stamp)) = (weight, stamp) {
            decision.actions.push(Action::Scale {
                revision: "v1".into(),
                replicas: 2,
                stamp,
            });
        }
        decision
    });
    caught(Invariant::S2, release().policy(policy));
}

#[test]
fn s3_a_share_that_the_router_cannot_express() {
    let mut plan = plan(steps());
    plan.routers[0].capabilities.grain = 10;
    let policy = spoilt(|_, mut decision| {
        set_weights(&mut decision, |part| if part == 10 { 5 } else { part });
        decision
    });
    caught(
        Invariant::S3,
        Simulation::new(plan.sealed())
            .wants("v2")
            .until(secs(600))
            .policy(policy),
    );
}

#[test]
fn s4_a_raise_before_the_pause_is_over() {
    let mut steps = steps();
    steps.insert(0, StepSpec::set_canary_scale(CanaryScale::Replicas(10)));
    let policy = spoilt(|_, mut decision| {
        set_weights(&mut decision, |part| if part == 10 { 50 } else { part });
        decision
    });
    let release = Simulation::new(plan(steps)).wants("v2").until(secs(600));
    caught(Invariant::S4, release.policy(policy));
}

#[test]
fn s4_a_raise_without_a_measurement_after_an_outage() {
    // Whatever was measured was measured just now.
    struct Hasty;
    impl Policy for Hasty {
        fn decide(
            &self,
            plan: &Plan,
            saved: &Saved,
            seen: &Observation,
            now: Timestamp,
        ) -> Decision {
            let mut saved = saved.clone();
            if let Saved::State(state) = &mut saved {
                let metrics = state.runs.iter_mut().flat_map(|run| &mut run.metrics);
                metrics.for_each(|metric| metric.measured_at = metric.measured_at.map(|_| now));
            }
            Standard.decide(plan, &saved, seen, now)
        }
    }
    let mut steps = steps();
    steps.insert(0, StepSpec::set_canary_scale(CanaryScale::Replicas(10)));
    let release = Simulation::new(plan(steps)).wants("v2").until(secs(600));
    let away = release.at(secs(100), Happening::Freeze(secs(200)));
    caught(Invariant::S4, away.policy(Arc::new(Hasty)));
}

#[test]
fn s5_an_aborted_version_that_rises_again() {
    let policy = spoilt(|_, mut decision| {
        if decision.phase == Phase::Degraded {
            set_weights(&mut decision, |_| 20);
        }
        decision
    });
    caught(Invariant::S5, bad_release().policy(policy));
}

#[test]
fn s6_an_analysis_that_passes_without_data() {
    let mut inline = success();
    inline.name = "inline".to_owned();
    for metric in &mut inline.metrics {
        metric.count = Some(IntOrText::Int(2));
        metric.success_condition = Some("result[0] >= 0.95".to_owned());
    }
    let routing = TrafficRouting::new("toy", serde_json::json!({}));
    let analysis = StepSpec::analysis(RolloutAnalysis::new(["inline"]));
    let steps = [
        StepSpec::set_weight(10),
        analysis,
        StepSpec::pause_for(secs(60)),
    ];
    let canary = CanarySpec::new(steps).with_traffic_routing(routing);
    let plan = compiled(&RolloutSpec::new("shop", canary), &[inline]);
    let policy = deluded(|_, seen| all_good(seen));
    let release = Simulation::new(plan)
        .wants("v2")
        .metric("success-rate", Measure::no_data());
    caught(Invariant::S6, release.until(secs(600)).policy(policy));
}

#[test]
fn s7_a_raise_that_was_never_saved() {
    let policy = spoilt(|_, mut decision| {
        for action in &mut decision.actions {
            if let Action::Route { lowers, .. } = action {
                *lowers = true;
            }
        }
        decision
    });
    let mut steps = steps();
    steps.insert(0, StepSpec::set_canary_scale(CanaryScale::Replicas(10)));
    let unsaved = Fault::new(Target::Store, Mishap::Error(FaultKind::Unreachable)).writes();
    let release = Simulation::new(plan(steps)).wants("v2").until(secs(600));
    caught(
        Invariant::S7,
        release.fault(unsaved.since(secs(125))).policy(policy),
    );
}

#[test]
fn s7_a_crash_that_changes_the_routes() {
    let writes = |simulation: Simulation| {
        let mut running = simulation.start();
        running.run_until(secs(1000));
        running.world().writes().to_vec()
    };
    let calm = writes(release());
    assert_eq!(crate::check::same_routes(&calm, &calm), Ok(()));
    let other = writes(bad_release());
    assert!(crate::check::same_routes(&calm, &other).is_err());
}

#[test]
fn s8_a_version_that_is_called_stable_too_early() {
    let policy = deluded(|plan, _| {
        plan.steps
            .retain(|step| !matches!(step.kind, StepKind::Pause(_)));
    });
    caught(Invariant::S8, release().policy(policy));
}

#[test]
fn s8_a_slot_that_is_let_go() {
    let policy = spoilt(|_, mut decision| {
        for action in &mut decision.actions {
            if let Action::Route { route, .. } = action {
                route.bind.value.remove(&Slot::Stable);
            }
        }
        decision
    });
    caught(Invariant::S8, release().policy(policy));
}

/// A router that says that it refuses older stamps, and takes them.
#[derive(Default)]
struct Careless(Mutex<Option<Route>>);

#[async_trait]
impl TrafficRouter for Careless {
    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    async fn apply(&self, route: &Route) -> Result<(), PortError> {
        *self.0.lock().unwrap() = Some(route.clone());
        Ok(())
    }

    async fn observe(&self) -> Result<RouteSeen, PortError> {
        let held = self.0.lock().unwrap();
        let Some(route) = held.as_ref() else {
            return Ok(RouteSeen::default());
        };
        let since = Timestamp::ZERO;
        let bound = route.bind.value.iter().map(|(slot, id)| {
            let revision = Some(id.clone());
            let ready_endpoints = None;
            (
                *slot,
                BoundSlot {
                    revision,
                    ready_endpoints,
                },
            )
        });
        let (bind, stamp) = (bound.collect(), Some(route.bind.stamp));
        let (split, split_stamp) = (route.split.value.clone(), Some(route.split.stamp));
        Ok(RouteSeen {
            bind: Some(Seen::agreed(bind, stamp, Confidence::Proxy, since)),
            split: Some(Seen::agreed(split, split_stamp, Confidence::Proxy, since)),
            headers: Some(Seen::agreed(
                Vec::new(),
                Some(route.headers.stamp),
                Confidence::Proxy,
                since,
            )),
            mirrors: Some(Seen::agreed(
                Vec::new(),
                Some(route.mirrors.stamp),
                Confidence::Proxy,
                since,
            )),
        })
    }
}

fn taken_over() -> Simulation {
    // Stopped between save and write at the first raise, replaced, and woken again.
    let frozen = Fault::new(Target::Routers, Mishap::Freeze(secs(60)))
        .writes()
        .times(1)
        .after(1);
    release()
        .fault(frozen)
        .at(secs(20), Happening::SecondDriver { force: true })
}

#[test]
fn s9_a_driver_that_was_replaced_and_still_writes() {
    caught(
        Invariant::S9,
        taken_over().router(Arc::new(Careless::default())),
    );
}

#[test]
fn a_driver_that_was_replaced_is_refused_by_a_router_with_a_fence() {
    let report = taken_over().run();
    assert_eq!(report.faults.get("freeze"), Some(&1));
    assert!(report.outcome.is_promoted(), "{}", story(&report));
    assert!(
        report.holds(),
        "{:#?}\n{}",
        report.violations,
        story(&report)
    );
}

#[test]
fn s10_an_order_that_takes_effect_more_than_once() {
    let policy = spoilt(|_, mut decision| {
        let late = decision.summary.weight_seen == Some(50);
        let more = if late { 3 } else { 0 };
        decision.summary.attempt += more;
        decision
    });
    caught(
        Invariant::S10,
        release().at(secs(60), OrderKind::Promote).policy(policy),
    );
}

#[test]
fn s11_a_rollout_that_is_healthy_before_its_time() {
    let policy = spoilt(|_, mut decision| {
        decision.phase = Phase::Healthy;
        decision
    });
    caught(Invariant::S11, release().policy(policy));
}

#[test]
fn s11_a_step_that_is_passed_unseen() {
    // What was wanted counts as seen.
    struct Hopeful;
    impl Policy for Hopeful {
        fn decide(
            &self,
            plan: &Plan,
            saved: &Saved,
            seen: &Observation,
            now: Timestamp,
        ) -> Decision {
            let mut seen = seen.clone();
            if let (Saved::State(state), Some(Read::Seen(route))) = (saved, seen.routes.first_mut())
                && let (Some(wanted), Some(split)) = (&state.route, &mut route.split)
            {
                split.values = vec![wanted.split.value.clone()];
                split.stamp = Some(wanted.split.stamp);
            }
            Standard.decide(plan, saved, &seen, now)
        }
    }
    caught(
        Invariant::S11,
        release().router_lag(secs(30)).policy(Arc::new(Hopeful)),
    );
}

#[test]
fn l1_a_rollout_that_takes_too_long() {
    let steps = [StepSpec::set_weight(10), StepSpec::pause()];
    let release = Simulation::new(plan(steps)).wants("v2").until(secs(900));
    caught(Invariant::L1, release.bound(secs(300)));
    let healthy = self::release().bound(secs(300)).run();
    assert!(healthy.holds(), "{:?}", healthy.violations);
}

#[test]
fn l2_a_verdict_that_nobody_acts_on() {
    let policy = deluded(|_, seen| all_good(seen));
    caught(Invariant::L2, bad_release().policy(policy));
}

#[test]
fn l2_an_abort_that_leaves_users_with_the_canary() {
    let policy = spoilt(|_, mut decision| {
        if decision.phase == Phase::Degraded {
            set_weights(&mut decision, |_| 5);
        }
        decision
    });
    caught(Invariant::L2, bad_release().policy(policy));
}

#[test]
fn l3_a_wait_without_an_end() {
    let policy = spoilt(|_, mut decision| {
        decision.waiting.until = None;
        decision
    });
    caught(Invariant::L3, release().policy(policy));
}

#[test]
fn l3_a_wait_that_nobody_wakes_for() {
    let policy = spoilt(|_, mut decision| {
        decision.wake = None;
        decision
    });
    let steps = [StepSpec::set_weight(10), StepSpec::pause_for(secs(60))];
    caught(
        Invariant::L3,
        Simulation::new(plan(steps))
            .wants("v2")
            .until(secs(900))
            .policy(policy),
    );
}

#[test]
fn l4_a_paused_rollout_that_does_not_scale() {
    let policy = spoilt(|_, mut decision| {
        let stable = |action: &Action| matches!(action, Action::Scale { revision, .. } if revision.as_str() == "v1");
        decision.actions.retain(|action| !stable(action));
        decision
    });
    caught(
        Invariant::L4,
        release().at(secs(60), Happening::Scale(14)).policy(policy),
    );
}

#[test]
fn l5_a_route_that_is_written_again_and_says_the_same() {
    let policy = spoilt(|_, mut decision| {
        let route = decision
            .state
            .as_ref()
            .and_then(|state| state.route.clone());
        if let (Some(mut route), true) = (route, decision.actions.is_empty()) {
            route.split.stamp.sequence += 1;
            decision.actions.push(Action::Route {
                route,
                lowers: false,
            });
        }
        decision
    });
    caught(Invariant::L5, release().policy(policy));
}

#[test]
fn a_router_carries_what_the_plan_says_and_nothing_else() {
    let mut plan = plan(steps());
    let capabilities = &mut plan.routers[0].capabilities;
    capabilities.parts.remove(&Part::Headers);
    let mut running = Simulation::new(plan.sealed()).wants("v2").start();
    running.run_until(secs(30));
    let turn = running.last().unwrap();
    let seen = turn.observation.routes[0].seen().unwrap();
    assert!(seen.headers.is_none() && seen.split.is_some());
}
