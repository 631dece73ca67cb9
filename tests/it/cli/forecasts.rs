//! What a forecast says of a plan, against what the simulation's users meet.

use std::time::Duration;

use gradatim::compile;
use gradatim::plan::Plan;
use gradatim::plan::forecast::{Assumed, Forecast, What, forecast};
use gradatim::sim::{Measure, Report, Simulation, Traffic, Version, registry};
use gradatim::spec::{
    AnalysisTemplate, CanarySpec, MetricSpec, Provider, RolloutAnalysis, RolloutSpec, StepSpec,
    TrafficRouting,
};
use proptest::prelude::*;
use serde_json::json;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn metric() -> MetricSpec {
    let part = json!({ "query": "success of the canary" });
    let metric = MetricSpec::new("success-rate", Provider::new("prometheus", part));
    metric
        .with_success("result[0] >= 0.95")
        .with_interval("30s")
        .with_failure_limit(2)
}

fn rate() -> StepSpec {
    StepSpec::analysis(RolloutAnalysis::new(["rate"]))
}

fn routed(steps: impl IntoIterator<Item = StepSpec>) -> CanarySpec {
    CanarySpec::new(steps).with_traffic_routing(TrafficRouting::new("proxy", json!({})))
}

fn ramp() -> [StepSpec; 5] {
    let [one, other] = [60, 300].map(|seconds| StepSpec::pause_for(secs(seconds)));
    [
        StepSpec::set_weight(10),
        one,
        rate(),
        StepSpec::set_weight(50),
        other,
    ]
}

#[derive(Debug)]
struct Case {
    name: &'static str,
    spec: RolloutSpec,
    metric: MetricSpec,
}

fn cases() -> Vec<Case> {
    let endless = || {
        let mut metric = metric();
        metric.count = None;
        metric
    };
    let beside = |start| {
        let steps = [
            StepSpec::set_weight(10),
            StepSpec::pause_for(secs(400)),
            StepSpec::set_weight(60),
        ];
        routed(steps).with_analysis(RolloutAnalysis::new(["rate"]).starting_at(start))
    };
    let shop = |canary| RolloutSpec::new("shop", canary).with_replicas(10);
    let mut dynamic = routed(ramp());
    dynamic.dynamic_stable_scale = true;
    vec![
        Case {
            name: "in a step",
            spec: shop(routed(ramp())),
            metric: metric().with_count(5),
        },
        Case {
            name: "at once",
            spec: shop(routed([StepSpec::set_weight(20), rate()])),
            metric: metric().with_count(5),
        },
        Case {
            name: "in a row",
            spec: shop(routed(ramp())),
            metric: metric()
                .with_count(9)
                .with_failure_limit(-1)
                .with_consecutive_failure_limit(2),
        },
        Case {
            name: "for a time",
            spec: shop(routed(ramp())),
            metric: metric()
                .with_count(9)
                .with_failure_limit(-1)
                .with_failure_for("100s"),
        },
        Case {
            name: "beside",
            spec: shop(beside(1)),
            metric: endless(),
        },
        Case {
            name: "beside from the start",
            spec: shop(beside(0)),
            metric: endless(),
        },
        Case {
            name: "dynamic",
            spec: shop(dynamic),
            metric: metric().with_count(5),
        },
        Case {
            name: "by pods",
            spec: shop(CanarySpec::new(ramp())),
            metric: metric().with_count(5),
        },
    ]
}

impl Case {
    fn plan(&self) -> Plan {
        let template = AnalysisTemplate::new("rate", [self.metric.clone()]);
        compile(&self.spec, &[template], &registry()).unwrap().plan
    }

    /// Pods that come at once, and measurements of what has just happened.
    fn forecast(&self) -> Forecast {
        let assumed = Assumed {
            pod_start: secs(0),
            data_lag: secs(1),
            ..Assumed::of(&self.spec)
        };
        forecast(&self.plan(), &assumed)
    }

    fn simulated(&self, version: Version) -> Report {
        let measure = Measure::success_rate().over(secs(60));
        Simulation::new(self.plan())
            .like(&self.spec)
            .traffic(Traffic::per_second(100.0))
            .metric("success-rate", measure)
            .version("v1", Version::healthy().starting_in(secs(0)))
            .version("v2", version.starting_in(secs(0)))
            .wants("v2")
            .run()
    }
}

/// How far apart the two worlds may be: pods and routes are looked at in rounds.
const APART: Duration = Duration::from_secs(3);

#[test]
fn a_broken_version_is_back_at_zero_when_the_forecast_says_so_at_the_latest() {
    for case in cases() {
        let failing = case.forecast().failing;
        let takes = failing
            .takes()
            .unwrap_or_else(|| panic!("{}: {failing:?}", case.name));
        let report = case.simulated(Version::broken());
        assert!(
            report.outcome.is_rolled_back(),
            "{}: {}",
            case.name,
            report.outcome
        );
        let version = report.version("v2").unwrap();
        let harm = version.last_request.unwrap() - version.first_failure.unwrap();
        assert!(
            harm <= takes + APART,
            "{}: {harm:?}, {takes:?} were forecast",
            case.name
        );
        // A background analysis may find it up to an interval earlier.
        let early = secs(30) + APART;
        assert!(
            harm + early >= takes,
            "{}: {harm:?}, {takes:?} were forecast",
            case.name
        );
    }
}

#[test]
fn a_good_version_climbs_when_the_forecast_says_so_at_the_earliest() {
    for case in cases() {
        let forecast = case.forecast();
        let report = case.simulated(Version::healthy());
        assert!(
            report.outcome.is_promoted(),
            "{}: {}",
            case.name,
            report.outcome
        );
        let steps = forecast.steps.iter().filter(|row| row.what == What::Weight);
        for row in steps {
            let mut facts = report.facts.iter();
            let raised = facts.find_map(|fact| match &fact.what {
                gradatim::sim::What::Weight { weight, .. } if *weight == row.weight => {
                    Some(fact.at)
                }
                _ => None,
            });
            let raised =
                raised.unwrap_or_else(|| panic!("{}: {} never came", case.name, row.weight));
            let (earliest, latest) = (row.from.earliest, row.until.latest);
            assert!(
                raised >= earliest,
                "{}: {} at {raised:?}, not before {earliest:?}",
                case.name,
                row.weight
            );
            assert!(
                raised <= earliest + APART,
                "{}: {} at {raised:?}, {earliest:?}",
                case.name,
                row.weight
            );
            assert!(
                raised <= latest,
                "{}: {} at {raised:?}, {latest:?}",
                case.name,
                row.weight
            );
        }
        let promoted = forecast.promoted.earliest;
        assert!(
            report.took >= promoted,
            "{}: {:?}, {promoted:?}",
            case.name,
            report.took
        );
    }
}

/// Plans of one analysis, which begins once there is something to measure.
fn any_case() -> impl Strategy<Value = Case> {
    let numbers = (
        5_u64..60,
        20_u64..60,
        1_i64..6,
        0_i64..6,
        proptest::option::of(1_i64..4),
    );
    let metrics = numbers.prop_map(|(interval, delay, count, limit, row)| {
        let mut metric = metric().with_interval(format!("{interval}s"));
        metric.initial_delay = Some(format!("{delay}s"));
        metric = metric
            .with_count(count.max(limit))
            .with_failure_limit(limit);
        match row {
            Some(row) => metric.with_consecutive_failure_limit(row),
            None => metric,
        }
    });
    let steps = (1_u32..60, 0_u64..90, 60_u32..100, 0_u64..600);
    let world = (1_u32..30, any::<bool>(), any::<bool>());
    (metrics, steps, world).prop_map(|(mut metric, (weight, pause, other, last), world)| {
        let (replicas, routed_by, beside) = world;
        let pause = StepSpec::pause_for(secs(pause));
        let tail = [StepSpec::set_weight(other), StepSpec::pause_for(secs(last))];
        let mut steps = vec![StepSpec::set_weight(weight), pause];
        if !beside {
            steps.push(rate());
        }
        let mut canary = match routed_by {
            true => routed(steps.into_iter().chain(tail)),
            false => CanarySpec::new(steps.into_iter().chain(tail)),
        };
        if beside {
            metric.count = None;
            canary = canary.with_analysis(RolloutAnalysis::new(["rate"]).starting_at(1));
        }
        let spec = RolloutSpec::new("shop", canary).with_replicas(replicas);
        Case {
            name: "any",
            spec,
            metric,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_broken_version_does_what_the_forecast_says(case in any_case()) {
        let failing = case.forecast().failing;
        let report = case.simulated(Version::broken());
        let Some(takes) = failing.takes() else {
            prop_assert!(report.outcome.is_promoted(), "{failing:?}: {}", report.outcome);
            return Ok(());
        };
        prop_assert!(report.outcome.is_rolled_back(), "{failing:?}: {}", report.outcome);
        let version = report.version("v2").unwrap();
        let met = version.last_request.unwrap() - version.first_failure.unwrap();
        prop_assert!(met <= takes + APART, "{met:?}, {takes:?} were forecast");
        prop_assert!(met + APART >= takes, "{met:?}, {takes:?} were forecast");
    }
}
