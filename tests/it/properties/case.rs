//! A plan, a world and what happens in it, as values that proptest makes and makes smaller.

use std::fmt;
use std::time::Duration;

use gradatim_core::compile;
use gradatim_core::fault::FaultKind;
use gradatim_core::order::OrderKind;
use gradatim_core::plan::Plan;
use gradatim_core::route::Split;
use gradatim_core::spec::{
    AnalysisTemplate, BlueGreenSpec, CanarySpec, JudgeSpec, MetricSpec, PaceSpec, Provider,
    RolloutAnalysis, RolloutSpec, StepSpec, TrafficRouting,
};
use gradatim_sim::{Fault, Happening, Measure, Mishap, Simulation, Target, Traffic, Version};
use proptest::prelude::*;
use serde_json::json;

/// One step of a canary.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Weight(u32),
    Pause(u64),
    PauseForEver,
    Analysis,
    /// An analysis that compares both sides.
    Judge,
    /// A weight that follows the evidence.
    Pace,
}

/// What is measured beside the steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Beside {
    Nothing,
    Metric,
    Judge,
}

/// How the new version gets its traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    Router,
    /// With stable scaled down as the canary grows.
    DynamicStable,
    Ratio,
    BlueGreen,
}

/// A plan, a world and what happens in it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) way: Way,
    pub(super) steps: Vec<Step>,
    pub(super) background: Beside,
    pub(super) replicas: u32,
    /// Seconds until a pod is available.
    pub(super) pods: u64,
    /// Seconds until a router shows what was written.
    pub(super) lag: u64,
    /// The share of the new version's requests that fails.
    pub(super) errors: f64,
    pub(super) deadline_aborts: bool,
    pub(super) happenings: Vec<(u64, Happening)>,
    pub(super) faults: Vec<Fault>,
}

/// How often a metric is measured, in seconds, and how often in a step.
pub(super) const INTERVAL: u64 = 10;
pub(super) const COUNT: u64 = 3;
/// How long a judge waits for more data, in seconds.
pub(super) const EXTEND: u64 = 60;

impl Case {
    pub(super) fn plan(&self) -> Plan {
        let metric = MetricSpec::new("success-rate", Provider::new("prometheus", json!({})))
            .with_success("len(result) == 0 || isNaN(result[0]) || result[0] >= 0.95")
            .with_failure_limit(1)
            .with_interval(format!("{INTERVAL}s"));
        let counted = AnalysisTemplate::new("counted", [metric.clone().with_count(COUNT as i64)]);
        let endless = AnalysisTemplate::new("endless", [metric]);
        let judge = JudgeSpec::new(Provider::new("prometheus", json!({})))
            .with_interval(format!("{INTERVAL}s"))
            .with_not_enough_data(format!("extend {EXTEND}s, then proceed"));
        let judge = AnalysisTemplate::new("judge", []).with_judge(judge);
        let mut spec = match self.way {
            Way::BlueGreen => RolloutSpec::new("shop", BlueGreenSpec::new("shop")),
            _ => RolloutSpec::new("shop", self.canary()),
        };
        spec = spec.with_replicas(self.replicas);
        spec.progress_deadline_abort = self.deadline_aborts;
        let registry = gradatim_sim::registry();
        let compiled = compile(&spec, &[counted, endless, judge], &registry);
        compiled
            .unwrap_or_else(|errors| panic!("{errors}\n{self}"))
            .plan
    }

    /// Whether both sides have traffic after so many steps.
    pub(super) fn is_parted(&self, steps: usize) -> bool {
        let so_far = self.steps.iter().take(steps).rev();
        let mut weights = so_far.filter_map(|step| match step {
            Step::Weight(weight) => Some((1..100).contains(weight)),
            Step::Pace if self.is_paced() => Some(true),
            _ => None,
        });
        weights.next().unwrap_or(false)
    }

    /// Whether a judge stands beside the steps.
    pub(super) fn is_judged(&self) -> bool {
        let parted = |steps| self.is_parted(steps);
        self.background == Beside::Judge
            && self.way != Way::BlueGreen
            && (1..=self.steps.len()).any(parted)
    }

    fn is_paced(&self) -> bool {
        self.background == Beside::Judge && matches!(self.way, Way::Router | Way::DynamicStable)
    }

    fn canary(&self) -> CanarySpec {
        let steps = self.steps.iter().enumerate();
        let steps = steps.map(|(index, step)| match step {
            Step::Weight(weight) => StepSpec::set_weight(*weight),
            Step::Pause(seconds) => StepSpec::pause_for(Duration::from_secs(*seconds)),
            Step::PauseForEver => StepSpec::pause(),
            Step::Judge if self.is_parted(index) => {
                StepSpec::analysis(RolloutAnalysis::new(["judge"]))
            }
            Step::Pace if self.is_paced() => StepSpec::pace(pace()),
            Step::Analysis | Step::Judge | Step::Pace => {
                StepSpec::analysis(RolloutAnalysis::new(["counted"]))
            }
        });
        let mut canary = CanarySpec::new(steps);
        if matches!(self.way, Way::Router | Way::DynamicStable) {
            canary = canary.with_traffic_routing(TrafficRouting::new("nginx", json!({})));
            canary.dynamic_stable_scale = self.way == Way::DynamicStable;
        }
        match self.background {
            Beside::Judge if self.is_judged() => {
                canary.with_analysis(RolloutAnalysis::new(["judge"]))
            }
            Beside::Metric => canary.with_analysis(RolloutAnalysis::new(["endless"])),
            Beside::Nothing | Beside::Judge => canary,
        }
    }

    pub(super) fn simulation(&self) -> Simulation {
        let version = Version::failing(self.errors).starting_in(Duration::from_secs(self.pods));
        let stable = Version::healthy().starting_in(Duration::from_secs(self.pods));
        let window = Duration::from_secs(30);
        let mut simulation = Simulation::new(self.plan())
            .replicas(self.replicas)
            .traffic(Traffic::per_second(50.0))
            .metric(
                "success-rate",
                Measure::success_rate().over(window).as_vector(true),
            )
            .metric("judge", Measure::counters())
            .router_lag(Duration::from_secs(self.lag))
            .version("v1", stable)
            .version("v2", version)
            .wants("v2")
            .until(Duration::from_secs(3 * 3600));
        for (at, happening) in &self.happenings {
            simulation = simulation.at(Duration::from_secs(*at), happening.clone());
        }
        for fault in &self.faults {
            simulation = simulation.fault(fault.clone());
        }
        simulation
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            way,
            steps,
            replicas,
            pods,
            lag,
            errors,
            background,
            ..
        } = self;
        writeln!(
            f,
            "{way:?} {steps:?}, beside {background:?}, {replicas} replicas, pods after {pods} s"
        )?;
        writeln!(
            f,
            "lag {lag} s, {errors} fail, deadline aborts {}",
            self.deadline_aborts
        )?;
        for (at, happening) in &self.happenings {
            writeln!(f, "  {at} s: {happening}")?;
        }
        for fault in &self.faults {
            writeln!(f, "  {fault}")?;
        }
        Ok(())
    }
}

fn pace() -> PaceSpec {
    PaceSpec {
        bake: Some(Duration::from_secs(EXTEND)),
        ..PaceSpec::default()
    }
}

fn beside() -> impl Strategy<Value = Beside> {
    prop_oneof![
        1 => Just(Beside::Nothing),
        2 => Just(Beside::Metric),
        2 => Just(Beside::Judge),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u32..=100).prop_map(Step::Weight),
        2 => (1_u64..=120).prop_map(Step::Pause),
        1 => Just(Step::Analysis),
        1 => Just(Step::Judge),
    ]
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        4 => Just(Way::Router),
        2 => Just(Way::DynamicStable),
        2 => Just(Way::Ratio),
        1 => Just(Way::BlueGreen),
    ]
}

/// A version without a fault in a world without one.
pub(super) fn calm() -> impl Strategy<Value = Case> {
    let steps = proptest::collection::vec(step(), 0..6);
    (way(), steps, beside(), 1_u32..=12, 1_u64..=30, 0_u64..=5).prop_map(
        |(way, steps, background, replicas, pods, lag)| Case {
            way,
            steps,
            background,
            replicas,
            pods,
            lag,
            errors: 0.0,
            deadline_aborts: false,
            happenings: Vec::new(),
            faults: Vec::new(),
        },
    )
}

fn order() -> impl Strategy<Value = OrderKind> {
    prop_oneof![
        3 => Just(OrderKind::Promote),
        1 => Just(OrderKind::PromoteFull),
        2 => Just(OrderKind::Abort),
        2 => Just(OrderKind::Retry),
        1 => Just(OrderKind::Pause),
        2 => Just(OrderKind::Resume),
        1 => Just(OrderKind::SkipStep),
        1 => Just(OrderKind::Restart),
        1 => proptest::option::of(Just("v1".into())).prop_map(OrderKind::Undo),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let span = || (1_u64..=60).prop_map(Duration::from_secs);
    prop_oneof![
        8 => order().prop_map(Happening::Order),
        2 => (1_u32..=12).prop_map(Happening::Scale),
        2 => (1_u32..=3).prop_map(|pods| Happening::LosePods("v2".to_owned(), pods)),
        1 => (1_u32..=3).prop_map(|pods| Happening::LosePods("v1".to_owned(), pods)),
        1 => Just(Happening::Deploy("v3".to_owned(), Version::healthy())),
        1 => Just(Happening::Deploy("v1".to_owned(), Version::healthy())),
        1 => (0_u32..=100).prop_map(|weight| Happening::Split {
            router: 0,
            split: Split::canary(weight, 100),
        }),
        2 => span().prop_map(Happening::Crash),
        1 => span().prop_map(Happening::Freeze),
        1 => any::<bool>().prop_map(|force| Happening::SecondDriver { force }),
        1 => any::<bool>().prop_map(Happening::Pause),
        1 => span().prop_map(Happening::ClockJumps),
    ]
}

fn mishap() -> impl Strategy<Value = (Target, Mishap)> {
    let kind = || {
        prop_oneof![
            Just(FaultKind::Unreachable),
            Just(FaultKind::Timeout),
            Just(FaultKind::Conflict),
            Just(FaultKind::Overloaded),
        ]
    };
    let target = prop_oneof![
        Just(Target::Workload),
        Just(Target::Routers),
        Just(Target::Provider),
        Just(Target::Store),
        Just(Target::Everything),
    ];
    let span = || (0_u64..=40).prop_map(Duration::from_secs);
    let mishap = prop_oneof![
        4 => kind().prop_map(Mishap::Error),
        2 => kind().prop_map(Mishap::LateError),
        1 => Just(Mishap::Hang),
        1 => Just(Mishap::LateHang),
        1 => Just(Mishap::LostWrite),
        1 => span().prop_map(Mishap::DoubledWrite),
        1 => span().prop_map(Mishap::StaleRead),
        2 => Just(Mishap::NoData),
        1 => Just(Mishap::Nan),
        2 => span().prop_map(Mishap::Crash),
        2 => span().prop_map(Mishap::LateCrash),
        1 => span().prop_map(Mishap::Freeze),
    ];
    // Only a metric can have no data.
    (target, mishap).prop_map(|(target, mishap)| match mishap {
        Mishap::NoData | Mishap::Nan => (Target::Provider, mishap),
        Mishap::LostWrite | Mishap::DoubledWrite(_) if target != Target::Workload => {
            (Target::Routers, mishap)
        }
        mishap => (target, mishap),
    })
}

fn fault() -> impl Strategy<Value = Fault> {
    (mishap(), 0_u64..=600, 1_u64..=120, 1_u32..=4).prop_map(
        |((target, mishap), at, span, times)| {
            Fault::new(target, mishap)
                .since(Duration::from_secs(at))
                .until(Duration::from_secs(at + span))
                .times(times)
        },
    )
}

/// Anything at all.
pub(super) fn troubled() -> impl Strategy<Value = Case> {
    let step = prop_oneof![
        6 => step(),
        1 => Just(Step::PauseForEver),
        1 => Just(Step::Pace),
    ];
    let steps = proptest::collection::vec(step, 1..6);
    let errors = prop_oneof![2 => Just(0.0), 1 => 0.0..1.0_f64];
    let happenings = proptest::collection::vec((0_u64..=900, happening()), 0..4);
    let faults = proptest::collection::vec(fault(), 0..4);
    let world = (1_u32..=12, 1_u64..=30, 0_u64..=5, errors, any::<bool>());
    (way(), steps, beside(), world, happenings, faults).prop_map(
        |(
            way,
            steps,
            background,
            (replicas, pods, lag, errors, deadline_aborts),
            mut happenings,
            faults,
        )| {
            happenings.sort_by_key(|(at, _)| *at);
            Case {
                way,
                steps,
                background,
                replicas,
                pods,
                lag,
                errors,
                deadline_aborts,
                happenings,
                faults,
            }
        },
    )
}
