//! A judge beside the steps that compares both sides.

use super::*;
use crate::analysis::judge::{JudgePlan, Undecided, WarmUp};
use crate::analysis::{MetricPlan, RunPlan};
use crate::event::EventKind;
use crate::measurement::{Counter, CounterKind, Reading, Sample, Side};
use crate::number::Number;
use crate::plan::Background;
use crate::reason::Reason;
use crate::state::State;

/// What both sides have counted: one pod each, sampled each 5 seconds.
struct Service {
    /// Requests a second, and the share that fails on each side.
    rate: f64,
    failing: [f64; 2],
    /// How much of its weight the canary really gets, 0–1.
    arrives: f64,
    counted: [f64; 2],
    failed: [f64; 2],
    samples: Vec<(Timestamp, [f64; 2], [f64; 2])>,
}

impl Service {
    fn new(rate: f64, failing: [f64; 2]) -> Self {
        let mut service = Self {
            rate,
            failing,
            arrives: 1.0,
            counted: [0.0; 2],
            failed: [0.0; 2],
            samples: Vec::new(),
        };
        // A world has run for a minute before its release begins.
        for second in -540..60 {
            service.pass(Timestamp::from_secs(second), 0.0);
        }
        service
    }

    fn pass(&mut self, at: Timestamp, weight: f64) {
        let share = weight * self.arrives;
        for (side, share) in [1.0 - share, share].into_iter().enumerate() {
            self.counted[side] += self.rate * share;
            self.failed[side] += self.rate * share * self.failing[side];
        }
        if at.as_millis() % 5000 == 0 {
            self.samples.push((at, self.counted, self.failed));
        }
    }

    fn counters(&self) -> Outcome {
        let sides = [Side::Stable, Side::Canary].into_iter().enumerate();
        let counters = sides.flat_map(|(place, side)| {
            [CounterKind::Requests, CounterKind::Errors].map(|kind| {
                // A side is scraped since its first request.
                let begun = self
                    .samples
                    .iter()
                    .filter(|(_, counted, _)| counted[place] > 0.0);
                let samples = begun.map(|(at, counted, failed)| {
                    let value = match kind {
                        CounterKind::Errors => failed[place],
                        _ => counted[place],
                    };
                    let value = Number::new(value.floor());
                    Sample { at: *at, value }
                });
                Counter {
                    side,
                    pod: "pod".to_owned(),
                    samples: samples.collect(),
                    kind,
                }
            })
        });
        Outcome::done(Reading::Counters(counters.collect()))
    }
}

/// A release of two weights, five minutes each, with a judge beside them.
struct Release {
    world: World,
    service: Service,
    blind: bool,
}

fn judge() -> JudgePlan {
    JudgePlan {
        warm_up: WarmUp::None,
        ..JudgePlan::default()
    }
}

impl Release {
    fn new(judge: JudgePlan, service: Service) -> Self {
        let pause = || StepKind::Pause(Some(Duration::from_secs(300)));
        let steps = vec![
            StepKind::SetWeight(10),
            pause(),
            StepKind::SetWeight(50),
            pause(),
        ];
        Self::of(canary(steps), 15, judge, service)
    }

    /// A ramp up to a half that the evidence paces, five minutes at least.
    fn paced(service: Service) -> Self {
        let bake = Duration::from_secs(300);
        let mut plan = canary(vec![StepKind::Pace { most: 5_000, bake }]);
        plan.total = 10_000;
        plan.routers[0].capabilities.grain = 10_000;
        let mut judge = judge();
        judge.failure_budget = Some(50);
        Self::of(plan, 5, judge, service)
    }

    fn of(mut plan: Plan, seconds: u64, judge: JudgePlan, service: Service) -> Self {
        let every = Duration::from_secs(seconds);
        let metric = MetricPlan::judged("judge", "test", serde_json::Value::Null, every, judge);
        plan.background = Some(Background {
            run: RunPlan {
                metrics: vec![metric],
                ..RunPlan::default()
            },
            starting_step: 0,
        });
        Self {
            world: World::new(plan.sealed(), 10),
            service,
            blind: false,
        }
    }

    fn run(&mut self, seconds: u64) -> Decision {
        let mut last = None;
        for _ in 0..seconds {
            let weight = f64::from(self.world.share("v2")) / f64::from(self.world.plan.total);
            self.service.pass(self.world.now, weight);
            self.world.outcomes.clear();
            if !self.blind {
                let counters = self.service.counters();
                self.world.outcomes.insert("judge".to_owned(), counters);
            }
            last = Some(self.world.run(1));
        }
        last.unwrap()
    }

    /// Runs until something is so.
    #[track_caller]
    fn until(&mut self, most: u64, is: impl Fn(&Self, &Decision) -> bool) -> Decision {
        for _ in 0..most {
            let decision = self.run(1);
            if is(self, &decision) {
                return decision;
            }
        }
        panic!("never: {:#?}", self.world.log)
    }

    fn state(&self) -> &State {
        match &self.world.saved {
            Saved::State(state) => state,
            other => panic!("{other:?}"),
        }
    }

    fn told(&self, kind: EventKind) -> Vec<&str> {
        let events = self.state().events.iter().filter(|it| it.kind == kind);
        events.map(|event| event.text.as_str()).collect()
    }
}

fn waits_for_data(decision: &Decision) -> bool {
    matches!(decision.waiting.reason, Reason::NotEnoughData { .. })
}

#[test]
fn a_worse_version_is_taken_back_with_an_explanation() {
    let mut release = Release::new(judge(), Service::new(100.0, [0.003, 0.03]));
    let back = release.until(300, |_, decision| decision.phase == Phase::Degraded);
    assert_eq!(release.world.share("v2"), 0);
    let said = [
        "Rolled back at 10 %: errors are ",
        "in the same seconds",
        "(your limit: 1 in 100)",
        "Cost: ",
    ];
    for said in said {
        assert!(back.message.contains(said), "{}", back.message);
        let told = release.told(EventKind::RolloutAborted);
        assert!(told[0].contains(said), "{told:?}");
    }
    assert!(release.state().runs.is_empty());
}

#[test]
fn a_version_that_is_as_good_is_promoted_with_its_proof() {
    let mut release = Release::new(judge(), Service::new(500.0, [0.003, 0.003]));
    release.until(700, |it, _| it.world.share("v2") == 100);
    release.run(5);
    let told = release.told(EventKind::AnalysisRunSuccessful);
    assert!(
        told[0].contains("Promoted: proved less than 2× worse"),
        "{told:?}"
    );
    assert_eq!(release.state().stable, Some(RevisionId::new("v2")));
}

#[test]
fn without_enough_data_nobody_is_left_without_a_version_to_compare_with() {
    let mut release = Release::new(judge(), Service::new(1.0, [0.003, 0.003]));
    let held = release.until(700, |_, decision| waits_for_data(decision));
    assert_eq!(release.world.share("v2"), 50);
    let reason = held.waiting.reason.to_string();
    assert!(reason.starts_with("Not enough data: "), "{reason}");
    let later = release.run(1200);
    assert_eq!(release.world.share("v2"), 50);
    assert!(waits_for_data(&later));
    assert_eq!(later.phase, Phase::Degraded, "a wait has a deadline");
    release.world.order(OrderKind::Promote);
    release.run(5);
    assert_eq!(release.state().stable, Some(RevisionId::new("v2")));
}

#[test]
fn an_extension_ends_as_the_plan_says() {
    let mut ends = Vec::new();
    for undecided in [Undecided::Proceed, Undecided::RollBack, Undecided::Hold] {
        let plan = JudgePlan {
            extend: Duration::from_secs(600),
            undecided,
            ..judge()
        };
        let mut release = Release::new(plan, Service::new(1.0, [0.003, 0.003]));
        let held = release.until(700, |_, decision| waits_for_data(decision));
        let since = release.world.now - Duration::from_secs(1);
        if undecided != Undecided::Hold {
            assert_eq!(held.waiting.until, Some(since + Duration::from_secs(600)));
        }
        release.run(590);
        assert_eq!(release.world.share("v2"), 50, "{undecided:?}");
        release.run(30);
        ends.push(release.world.share("v2"));
    }
    assert_eq!(ends, [100, 0, 50]);
}

#[test]
fn missing_metrics_hold_what_would_go_on_and_take_nothing_back() {
    let mut release = Release::new(judge(), Service::new(500.0, [0.003, 0.003]));
    release.run(60);
    release.blind = true;
    let held = release.run(600);
    let reason = &held.waiting.reason;
    assert!(matches!(reason, Reason::StaleAnalysis { .. }), "{reason}");
    assert_eq!(release.world.share("v2"), 10);
    release.blind = false;
    release.until(60, |it, _| it.world.share("v2") == 50);
}

#[test]
fn a_judge_that_never_saw_anything_holds_however_long_and_whatever_it_may_proceed_to() {
    let plan = JudgePlan {
        extend: Duration::from_secs(60),
        undecided: Undecided::Proceed,
        ..judge()
    };
    let mut release = Release::new(plan, Service::new(500.0, [0.003, 0.003]));
    release.blind = true;
    let held = release.run(3600);
    let reason = &held.waiting.reason;
    assert!(matches!(reason, Reason::StaleAnalysis { .. }), "{reason}");
    assert_eq!(release.world.share("v2"), 10);
    assert_eq!(held.phase, Phase::Degraded);
}

#[test]
fn a_canary_that_is_hardly_asked_waits_until_it_is() {
    let mut service = Service::new(100.0, [0.003, 0.003]);
    service.arrives = 0.2;
    let mut release = Release::new(judge(), service);
    let held = release.run(400);
    let reason = &held.waiting.reason;
    assert!(matches!(reason, Reason::ShortOfTraffic { .. }), "{reason}");
    assert_eq!(release.world.share("v2"), 10);
    release.service.arrives = 1.0;
    release.until(60, |it, _| it.world.share("v2") == 50);
}

#[test]
fn a_state_with_a_judge_is_small_and_goes_on_after_a_restart_bit_for_bit() {
    let plan = JudgePlan {
        warm_up: WarmUp::Learned,
        ..JudgePlan::default()
    };
    let mut release = Release::new(plan, Service::new(500.0, [0.003, 0.003]));
    release.run(200);
    let text = release.state().to_json();
    assert!(text.len() < 8192, "{} bytes", text.len());
    assert_eq!(Saved::from_json(&text), release.world.saved);
    release.world.saved = Saved::from_json(&text);
    release.until(700, |it, _| it.world.share("v2") == 100);
}

#[test]
fn a_round_with_a_judge_settles() {
    let mut release = Release::new(judge(), Service::new(100.0, [0.003, 0.003]));
    release.run(100);
    let world = &mut release.world;
    let (plan, now) = (&world.plan, world.now);
    let mut seen = world.observe();
    let first = decide(plan, &world.saved, &seen, now);
    seen.measurements = first
        .wanted
        .iter()
        .map(|ask| Measurement {
            id: ask.id.clone(),
            outcome: release.service.counters(),
            at: now,
        })
        .collect();
    let once = decide(plan, &world.saved, &seen, now);
    let saved = once.state.map_or(world.saved.clone(), Saved::State);
    let again = decide(plan, &saved, &seen, now);
    assert_eq!((again.state, again.actions), (None, Vec::new()));
}

#[test]
fn what_a_promoted_release_taught_is_kept_and_an_aborted_one_teaches_nothing() {
    let plan = JudgePlan {
        warm_up: WarmUp::Learned,
        ..JudgePlan::default()
    };
    let mut release = Release::new(plan, Service::new(500.0, [0.003, 0.003]));
    release.until(700, |it, _| it.world.share("v2") == 100);
    release.run(120);
    let learned = release.state().learned.clone();
    assert_eq!(learned.keys().collect::<Vec<_>>(), ["errors"]);
    release.service.failing = [0.003, 0.5];
    release.world.deploy("v3", 3);
    release.until(300, |_, decision| decision.phase == Phase::Degraded);
    assert_eq!(release.state().learned, learned);
}

#[test]
fn evidence_paces_a_good_version_up_to_its_cap_and_then_everyone() {
    let mut release = Release::paced(Service::new(100.0, [0.003, 0.003]));
    let first = release.until(30, |it, _| it.world.share("v2") > 0);
    assert!(matches!(
        first.waiting.reason,
        Reason::Pace { budget: 50, .. }
    ));
    assert_eq!(
        release.world.share("v2"),
        500,
        "budget 50 of 1,000 requests in 10 s"
    );
    let (mut before, mut since) = (500, release.world.now);
    while before < 5_000 {
        release.run(1);
        let share = release.world.share("v2");
        let lasted = release.world.now.since(since);
        assert!(
            share <= 3 * before || lasted.as_secs() >= 30,
            "{before} to {share}"
        );
        if lasted.as_secs() >= 30 {
            (before, since) = (share, release.world.now);
        }
    }
    release.run(60);
    assert_eq!(release.world.share("v2"), 5_000);
    release.until(600, |it, _| it.world.share("v2") == 10_000);
    assert!(release.world.now >= Timestamp::from_secs(360));
}

#[test]
fn of_a_version_that_fails_altogether_no_more_than_the_budget_is_lost() {
    for rate in [10.0, 100.0, 1000.0, 10_000.0] {
        let mut release = Release::paced(Service::new(rate, [0.003, 1.0]));
        release.until(300, |_, decision| decision.phase == Phase::Degraded);
        let lost = release.service.failed[1];
        assert!(
            lost <= 75.0,
            "{lost} of {rate} a second: {:#?}",
            release.world.log
        );
    }
}

#[test]
fn a_paced_ramp_without_metrics_stays_where_it_is() {
    let mut release = Release::paced(Service::new(100.0, [0.003, 0.003]));
    release.until(60, |it, _| it.world.share("v2") >= 1_000);
    release.blind = true;
    let share = release.world.share("v2");
    release.run(900);
    assert_eq!(release.world.share("v2"), share);
    release.blind = false;
    release.until(900, |it, _| it.world.share("v2") == 10_000);
}

#[test]
fn a_paced_ramp_writes_no_more_than_it_moves() {
    let mut release = Release::paced(Service::new(100.0, [0.003, 0.003]));
    release.until(900, |it, _| it.world.share("v2") == 10_000);
    let routes = release
        .world
        .log
        .iter()
        .filter(|line| line.contains("route"));
    let count = routes.count();
    assert!(count <= 16, "{count}: {:#?}", release.world.log);
}

#[test]
fn an_operator_ends_a_paced_ramp() {
    let mut release = Release::paced(Service::new(1.0, [0.003, 0.003]));
    release.until(60, |it, _| it.world.share("v2") > 0);
    release.world.order(OrderKind::Promote);
    let held = release.run(30);
    assert!(waits_for_data(&held), "{:?}", held.waiting);
    release.world.order(OrderKind::Promote);
    release.run(30);
    assert_eq!(release.state().stable, Some(RevisionId::new("v2")));
}
