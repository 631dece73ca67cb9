use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::analysis::NoVerdict;
use crate::capability::Capabilities;
use crate::compile;
use crate::plan::{Amount, CanaryScale};
use crate::registry::ProviderTraits;
use crate::route::{HeaderMatch, HeaderRoute, MirrorMatch, MirrorRoute, StringMatch};
use crate::spec::{
    ArgSpec, ArgValue, BlueGreenSpec, CanarySpec, HashOf, MetricSpec, Provider, RolloutAnalysis,
    StepSpec, TrafficRouting,
};

/// A rollout and the templates that it may use.
type Case = (RolloutSpec, Vec<AnalysisTemplate>);

const CANARY_RATE: &str = "sum(rate(http_requests_total{service=\"web-canary\",code!~\"5..\"}[1m])) \
                           / sum(rate(http_requests_total{service=\"web-canary\"}[1m]))";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn advice((spec, templates): &Case) -> Vec<Advice> {
    let all = |_: &Value, _: &crate::registry::RouterFrame| {
        Ok(Capabilities {
            settle: secs(10),
            confidence: crate::route::Confidence::Config,
            ..Capabilities::all()
        })
    };
    let registry = Registry::new()
        .with_router("mesh", all)
        .with_router("services", all)
        .with_provider("prometheus", |_| Ok(ProviderTraits::default()))
        .with_provider("job", |_| Ok(ProviderTraits::default()));
    match compile(spec, templates, &registry) {
        Ok(compiled) => lint(spec, templates, &compiled.plan),
        Err(errors) => panic!("{errors}"),
    }
}

fn rules(case: &Case) -> BTreeSet<Rule> {
    advice(case).into_iter().map(|advice| advice.rule).collect()
}

/// A metric of which nothing is odd.
fn metric() -> MetricSpec {
    let part = json!({ "query": CANARY_RATE });
    let mut metric = MetricSpec::new("success-rate", Provider::new("prometheus", part))
        .with_success("result[0] >= 0.95")
        .with_interval("1m")
        .with_count(5)
        .with_failure_limit(1);
    (metric.on_no_data, metric.on_nan) = (NoVerdict::Inconclusive, NoVerdict::Inconclusive);
    metric
}

fn asking(query: &str) -> MetricSpec {
    let mut metric = metric();
    metric.provider.part = json!({ "query": query });
    metric
}

fn template(metric: MetricSpec) -> Vec<AnalysisTemplate> {
    vec![AnalysisTemplate::new("rate", [metric])]
}

fn rate() -> StepSpec {
    StepSpec::analysis(RolloutAnalysis::new(["rate"]))
}

fn weight(weight: u32) -> StepSpec {
    StepSpec::set_weight(weight)
}

fn pause(seconds: u64) -> StepSpec {
    StepSpec::pause_for(secs(seconds))
}

fn canary(steps: impl IntoIterator<Item = StepSpec>) -> CanarySpec {
    let routing = TrafficRouting::new("mesh", json!({})).with_managed_route("trial");
    CanarySpec::new(steps)
        .with_services("web", "web-canary")
        .with_traffic_routing(routing)
}

fn shop(strategy: impl Into<crate::spec::Strategy>) -> RolloutSpec {
    RolloutSpec::new("shop", strategy).with_replicas(10)
}

/// A canary of which nothing is odd, with other steps.
fn steps(steps: impl IntoIterator<Item = StepSpec>) -> Case {
    (shop(canary(steps)), template(metric()))
}

/// A canary of which nothing is odd.
fn good() -> Case {
    steps([weight(10), pause(60), rate(), weight(60), pause(300)])
}

/// The same with another metric in its step.
fn judged(metric: MetricSpec) -> Case {
    let (spec, _) = good();
    (spec, template(metric))
}

/// The same with an analysis beside its steps.
fn beside(metric: MetricSpec, start: u32) -> Case {
    let analysis = RolloutAnalysis::new(["rate"]).starting_at(start);
    let canary = canary([weight(10), pause(180), weight(60), pause(300)]).with_analysis(analysis);
    (shop(canary), template(metric))
}

fn endless() -> MetricSpec {
    let mut metric = metric();
    metric.count = None;
    metric
}

fn with(change: impl FnOnce(&mut MetricSpec)) -> MetricSpec {
    let mut metric = metric();
    change(&mut metric);
    metric
}

/// Without a policy for empty answers and NaN.
fn careless(query: &str) -> MetricSpec {
    let mut metric = asking(query);
    (metric.on_no_data, metric.on_nan) = (NoVerdict::Default, NoVerdict::Default);
    metric
}

fn pods((spec, templates): Case, replicas: u32) -> Case {
    (spec.with_replicas(replicas), templates)
}

fn unrouted(replicas: u32) -> Case {
    let canary = CanarySpec::new([weight(10), pause(60), rate(), weight(60), pause(300)]);
    let canary = canary.with_surge(Amount::Pods(1), Amount::Pods(0));
    (shop(canary).with_replicas(replicas), template(metric()))
}

fn header(name: &str, value: &str) -> StepSpec {
    StepSpec::set_header_route(HeaderRoute {
        name: "trial".to_owned(),
        matches: vec![HeaderMatch {
            header_name: name.to_owned(),
            header_value: StringMatch::Exact(value.to_owned()),
        }],
    })
}

fn mirror(method: Option<&str>) -> StepSpec {
    StepSpec::set_mirror_route(MirrorRoute {
        name: "trial".to_owned(),
        matches: vec![MirrorMatch {
            method: method.map(|method| StringMatch::Exact(method.to_owned())),
            ..MirrorMatch::default()
        }],
        percentage: 50,
    })
}

fn one_pod() -> StepSpec {
    StepSpec::set_canary_scale(CanaryScale::Replicas(1))
}

fn like_the_weight() -> StepSpec {
    StepSpec::set_canary_scale(CanaryScale::MatchTrafficWeight)
}

/// Steps, and then those of the good canary.
fn first(before: impl IntoIterator<Item = StepSpec>) -> Case {
    let rest = [weight(10), pause(60), rate(), weight(60), pause(300)];
    steps(before.into_iter().chain(rest))
}

fn blue_green(query: &str) -> Case {
    let blue_green = BlueGreenSpec::new("web")
        .with_preview_service("web-preview")
        .with_pre_promotion_analysis(RolloutAnalysis::new(["rate"]));
    (shop(blue_green), template(asking(query)))
}

/// For each rule something that it finds odd, and the nearest thing that it does not.
fn cases() -> Vec<(Rule, Case, Case)> {
    let no_condition = with(|it| it.success_condition = None);
    let job = MetricSpec::new("smoke", Provider::new("job", json!({})));
    let every_interval = |limit| {
        with(|it| {
            it.interval = Some("2m".to_owned());
            it.consecutive_error_limit = Some(limit);
        })
    };
    let watched = |names: Vec<&str>| {
        let mut case = judged(metric());
        for template in &mut case.1 {
            template.dry_run = names.iter().map(|name| (*name).to_owned()).collect();
            template
                .metrics
                .push(with(|it| it.name = "other".to_owned()).with_success("result[0] > 0.5"));
        }
        case
    };
    let twice = |condition: &str| {
        let other = with(|it| it.name = "again".to_owned()).with_success(condition);
        let (spec, _) = good();
        (spec, vec![AnalysisTemplate::new("rate", [metric(), other])])
    };
    let both = |failure: &str| judged(metric().with_failure(failure));
    let hashed = |hash| {
        let arg = ArgSpec::new("hash", ArgValue::PodTemplateHash(hash));
        let metric = asking("errors{hash=\"{{args.hash}}\"}").with_success("result[0] < 5");
        let template = AnalysisTemplate::new("rate", [metric]).with_arg(ArgSpec::required("hash"));
        let analysis = StepSpec::analysis(RolloutAnalysis::new(["rate"]).with_arg(arg));
        (
            steps([weight(10), pause(60), analysis, weight(60), pause(300)]).0,
            vec![template],
        )
    };
    let cpu = |query: &str| {
        judged(with(|it| {
            it.name = "saturation".to_owned();
            it.provider.part = json!({ "query": query });
        }))
    };
    let delays = |down, abort| {
        let mut canary = canary([weight(10), pause(60), rate(), weight(60), pause(300)]);
        (
            canary.scale_down_delay_seconds,
            canary.abort_scale_down_delay_seconds,
        ) = (down, abort);
        (shop(canary), template(metric()))
    };
    let deadline = |seconds| {
        let (spec, templates) = good();
        (spec.with_progress_deadline(seconds, true), templates)
    };
    let limited = |limit: i64| judged(metric().with_failure_limit(limit));
    let within = |query: &str, delay: Option<&str>| {
        let mut metric = careless(query);
        metric.initial_delay = delay.map(str::to_owned);
        (
            steps([weight(10), rate(), weight(60), pause(300)]).0,
            template(metric),
        )
    };
    let looking_back = |window: &str| {
        let query = CANARY_RATE.replace("[1m]", window);
        let steps = steps([weight(10), pause(60), weight(60), pause(60), rate()]).0;
        (
            steps,
            template(asking(&query).with_interval("1m").with_count(3)),
        )
    };
    let every = |interval: &str| {
        judged(asking(&CANARY_RATE.replace("[1m]", "[5m]")).with_interval(interval))
    };
    let guarded = |condition: &str| judged(careless(CANARY_RATE).with_success(condition));
    vec![
        (Rule::NoCondition, judged(no_condition), judged(job)),
        (
            Rule::ConstantCondition,
            judged(metric().with_success("1 > 0")),
            good(),
        ),
        (Rule::NeverFails, limited(5), limited(4)),
        (
            Rule::NeverFails,
            limited(-1),
            judged(
                metric()
                    .with_failure_limit(-1)
                    .with_consecutive_failure_limit(2),
            ),
        ),
        (Rule::AllMustFail, limited(4), limited(3)),
        (
            Rule::ErrorsInTries,
            judged(every_interval(4.into())),
            judged(every_interval(12.into())),
        ),
        (
            Rule::OnlyWatched,
            watched(vec![".*"]),
            watched(vec!["other"]),
        ),
        (
            Rule::SameTwice,
            twice("result[0] >= 0.95"),
            twice("result[0] >= 0.5"),
        ),
        (
            Rule::VectorAsNumber,
            guarded("result >= 0.95"),
            guarded("result[0] >= 0.95"),
        ),
        (
            Rule::VectorAsNumber,
            guarded("result >= 0.95"),
            judged(asking("scalar(errors_total)").with_success("result < 5")),
        ),
        (
            Rule::SameOverSame,
            judged(asking("sum(errors_total) /  sum(errors_total)")),
            good(),
        ),
        (
            Rule::UnguardedEmpty,
            guarded("result[0] >= 0.95"),
            guarded("len(result) == 0 || result[0] >= 0.95"),
        ),
        (
            Rule::UnguardedEmpty,
            guarded("all(result, # > 0.95)"),
            judged(careless("up or vector(0)")),
        ),
        (
            Rule::UnguardedNan,
            guarded("result[0] >= 0.95"),
            guarded("isNaN(result[0]) || result[0] >= 0.95"),
        ),
        (
            Rule::UnguardedNan,
            guarded("result[0] >= 0.95"),
            judged(careless("errors_total{service=\"web-canary\"}")),
        ),
        (
            Rule::ConditionsOverlap,
            both("result[0] < 0.97"),
            both("result[0] < 0.95"),
        ),
        (
            Rule::ConditionsGap,
            both("result[0] < 0.9"),
            both("result[0] < 0.95"),
        ),
        (
            Rule::SameQuery,
            judged(asking("errors_total{app=\"web\"}")),
            judged(asking("errors_total{app=\"web\",version=\"2\"}")),
        ),
        (
            Rule::SameQuery,
            judged(asking("errors_total")),
            hashed(HashOf::Latest),
        ),
        (
            Rule::SameQuery,
            blue_green("errors_total"),
            blue_green("errors_total{service=\"web-preview\"}"),
        ),
        (
            Rule::OldVersionOnly,
            judged(asking("errors_total{service=\"web\"}")),
            good(),
        ),
        (
            Rule::OldVersionOnly,
            hashed(HashOf::Stable),
            hashed(HashOf::Latest),
        ),
        (
            Rule::OldVersionOnly,
            blue_green("errors_total{service=\"web\"}"),
            blue_green("errors_total{service=\"web-preview\"}"),
        ),
        (
            Rule::WeightsGoDown,
            steps([weight(20), rate(), weight(10), pause(60)]),
            good(),
        ),
        (
            Rule::WeightUnchanged,
            steps([weight(20), rate(), weight(20), pause(60)]),
            good(),
        ),
        (
            Rule::LargeFirstStep,
            steps([weight(26), pause(60), rate(), weight(60), pause(9)]),
            steps([weight(25), pause(60), rate(), weight(60), pause(9)]),
        ),
        (
            Rule::LongJump,
            steps([weight(10), pause(60), rate(), weight(50), pause(60)]),
            good(),
        ),
        (
            Rule::NoHold,
            steps([weight(10), weight(60), pause(60), rate()]),
            good(),
        ),
        (Rule::CoarseShare, unrouted(1), unrouted(10)),
        (
            Rule::NothingJudges,
            steps([weight(10), pause(60)]),
            steps([weight(10), StepSpec::pause()]),
        ),
        (
            Rule::NothingJudges,
            (shop(BlueGreenSpec::new("web")), vec![]),
            (
                shop(BlueGreenSpec::new("web").with_manual_promotion()),
                vec![],
            ),
        ),
        (
            Rule::NoErrorMetric,
            cpu("cpu{service=\"web-canary\"}"),
            cpu("errors{service=\"web-canary\"}"),
        ),
        (
            Rule::CanaryTooSmall,
            steps([
                one_pod(),
                weight(10),
                pause(60),
                rate(),
                weight(60),
                pause(60),
            ]),
            steps([
                one_pod(),
                weight(10),
                pause(60),
                rate(),
                like_the_weight(),
                weight(60),
                pause(60),
            ]),
        ),
        (
            Rule::AbortKeepsPods,
            delays(None, Some(0)),
            delays(None, Some(60)),
        ),
        (
            Rule::ScaleDownEarly,
            delays(Some(5), None),
            delays(Some(60), None),
        ),
        (Rule::DeadlineTooShort, deadline(15), deadline(60)),
        (
            Rule::IntervalExceedsPause,
            beside(endless().with_interval("5m"), 1),
            beside(endless(), 1),
        ),
        (
            Rule::LateBackground,
            beside(endless(), 2),
            beside(endless(), 1),
        ),
        (
            Rule::MeasuresTooEarly,
            within(CANARY_RATE, None),
            within(CANARY_RATE, Some("1m")),
        ),
        (
            Rule::MeasuresTooEarly,
            (beside(endless(), 0).0, template(careless(CANARY_RATE))),
            beside(endless(), 0),
        ),
        (
            Rule::WindowBeforeStep,
            looking_back("[10m]"),
            looking_back("[3m]"),
        ),
        (Rule::OverlappingWindows, every("1m"), every("5m")),
        (
            Rule::UnwatchedPause,
            steps([weight(10), StepSpec::pause(), rate()]),
            {
                let (mut spec, templates) = beside(endless(), 1);
                if let crate::spec::Strategy::Canary(canary) = &mut spec.strategy {
                    canary.steps.insert(1, StepSpec::pause());
                }
                (spec, templates)
            },
        ),
        (
            Rule::MeasuresNoTraffic,
            first([one_pod(), rate()]),
            first([one_pod(), header("x-trial", "1"), rate()]),
        ),
        (
            Rule::ImpossibleHeader,
            first([one_pod(), header("x trial", "1")]),
            first([one_pod(), header("x-trial", "1")]),
        ),
        (
            Rule::ImpossibleHeader,
            first([one_pod(), header("x-trial", "")]),
            first([one_pod(), header("x-trial", "1")]),
        ),
        (
            Rule::MirrorRepeatsWrites,
            first([one_pod(), mirror(None)]),
            first([one_pod(), mirror(Some("GET"))]),
        ),
        (
            Rule::TrialWithoutPods,
            first([header("x-trial", "1")]),
            first([one_pod(), header("x-trial", "1")]),
        ),
    ]
}

#[test]
fn nothing_is_odd_about_a_good_canary() {
    assert_eq!(advice(&good()), []);
    assert_eq!(advice(&beside(endless(), 1)), []);
}

#[test]
fn each_rule_finds_what_is_odd_and_leaves_the_rest() {
    for (at, (rule, bad, good)) in cases().into_iter().enumerate() {
        assert!(
            rules(&bad).contains(&rule),
            "case {at}: {rule} is silent: {:#?}",
            advice(&bad)
        );
        assert!(
            !rules(&good).contains(&rule),
            "case {at}: {rule} speaks: {:#?}",
            advice(&good)
        );
    }
}

#[test]
fn every_rule_has_a_case_and_a_name_of_its_own() {
    let shown: BTreeSet<_> = cases().into_iter().map(|(rule, _, _)| rule).collect();
    assert_eq!(shown, Rule::ALL.into_iter().collect());
    let names: BTreeSet<_> = Rule::ALL.into_iter().map(Rule::id).collect();
    assert_eq!(names.len(), Rule::ALL.len());
    assert!(
        names
            .iter()
            .all(|id| id.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
    );
}

#[test]
fn advice_speaks_of_a_field_of_its_object() {
    for (rule, bad, _) in cases() {
        let found = advice(&bad)
            .into_iter()
            .find(|advice| advice.rule == rule)
            .unwrap();
        assert!(
            found.path.to_string().starts_with("spec."),
            "{rule}: {}",
            found.path
        );
        assert!(
            !found.message.ends_with('.') && !found.message.is_empty(),
            "{rule}: {}",
            found.message
        );
        let known =
            found.object == bad.0.object() || bad.1.iter().any(|it| it.object() == found.object);
        assert!(known, "{rule}: {}", found.object);
    }
}

#[test]
fn a_template_that_many_steps_use_is_odd_once() {
    let steps = steps([weight(10), pause(60), rate(), weight(60), pause(60), rate()]).0;
    let case = (steps, template(metric().with_failure_limit(4)));
    let found = advice(&case);
    assert_eq!(found.len(), 1, "{found:#?}");
    let advice = &found[0];
    assert_eq!(advice.path.to_string(), "spec.metrics[0].failureLimit");
    assert_eq!(advice.metric, Some("success-rate".into()));
    assert_eq!(
        advice.message,
        "failureLimit 4 of 5: all 5 measurements must fail before success-rate does"
    );
}

#[test]
fn absurd_plans_are_looked_at_too() {
    let longest = StepSpec::pause_for(Duration::MAX);
    let case = steps([longest.clone(), weight(1), longest, weight(100), weight(0)]);
    for replicas in [0, 1, u32::MAX] {
        let _ = advice(&pods(case.clone(), replicas));
        let _ = advice(&unrouted(replicas));
    }
}
