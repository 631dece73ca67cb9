use super::*;
use crate::analysis::MetricPlan;
use crate::analysis::judge::{JudgePlan, Undecided, WarmUp};
use crate::number::Number;
use crate::spec::{IntOrText, JudgeSpec, WarmUpSpec};

fn spec() -> JudgeSpec {
    JudgeSpec::new(toy("counters"))
}

/// A ramp of two steps and the judge beside it.
fn beside() -> CanarySpec {
    let pause = || StepSpec::pause_for(Duration::from_secs(300));
    let steps = [
        StepSpec::set_weight(10),
        pause(),
        StepSpec::set_weight(50),
        pause(),
    ];
    routed("mesh", steps).with_analysis(RolloutAnalysis::new(["judge"]))
}

fn template(spec: JudgeSpec) -> [AnalysisTemplate; 1] {
    [AnalysisTemplate::new("judge", []).with_judge(spec)]
}

#[track_caller]
fn judged(spec: JudgeSpec) -> MetricPlan {
    let plan = compiled(&shop(beside()), &template(spec)).plan;
    let mut metrics = plan.background.unwrap().run.metrics;
    assert_eq!(metrics.len(), 1);
    metrics.remove(0)
}

/// Exactly one error, at this path, that says this.
#[track_caller]
fn refuses(canary: impl Into<Strategy>, spec: JudgeSpec, path: &str, says: &str) {
    let found = compile(&shop(canary), &template(spec), &registry()).unwrap_err();
    let [error] = found.0.as_slice() else {
        panic!("not one error: {found}")
    };
    assert_eq!(error.path.to_string(), path, "{error}");
    assert!(error.message.contains(says), "{error}");
}

#[test]
fn a_judge_has_its_defaults_and_as_many_scrapes_as_the_steps_have_time_for() {
    let metric = judged(spec());
    let judge = metric.judge.as_deref().unwrap();
    assert_eq!(
        *judge,
        JudgePlan {
            scrapes: 40,
            ..JudgePlan::default()
        }
    );
    assert_eq!(metric.name.as_str(), "judge");
    assert_eq!(metric.interval, Some(Duration::from_secs(15)));
    assert_eq!((metric.count, metric.consecutive_error_limit), (None, None));
    assert_eq!(metric.window, JudgePlan::HISTORY);
    assert_eq!(metric.clone().sealed(), metric);
}

#[test]
fn every_word_of_a_judge_is_read() {
    let mut spec = spec()
        .with_interval("5s")
        .with_max_false_rollback("0.5%")
        .with_not_enough_data("extend 30m, then roll back")
        .with_warm_up(WarmUpSpec::Fixed {
            lasts: "90s".to_owned(),
            tolerate: "4x".to_owned(),
        });
    spec.stop_errors = Some("1.5x".to_owned());
    spec.stop_slow = Some("2".to_owned());
    spec.not_worse_than = Some("3×".to_owned());
    spec.sure = Some("99 %".to_owned());
    spec.or_below = Some("0.2%".to_owned());
    spec.missing_metrics = Some("hold after 5m".to_owned());
    spec.failure_budget = Some(IntOrText::Int(50));
    let judge = *judged(spec).judge.unwrap();
    assert_eq!(
        judge,
        JudgePlan {
            max_false_rollback: Number::new(0.005),
            stop_errors: Number::new(1.5),
            stop_slow: Number::new(2.0),
            not_worse_than: Number::new(3.0),
            sure: Number::new(0.99),
            or_below: Number::new(0.002),
            warm_up: WarmUp::Fixed {
                lasts: Duration::from_secs(90),
                ratio: Number::new(4.0),
            },
            extend: Duration::from_secs(1800),
            undecided: Undecided::RollBack,
            missing_after: Duration::from_secs(300),
            failure_budget: Some(50),
            scrapes: (600 + 1800) / 5,
        }
    );
}

#[test]
fn too_little_data_holds_or_goes_on_or_back_at_once_or_later() {
    for (text, extend, undecided) in [
        ("hold", 0, Undecided::Hold),
        ("proceed", 0, Undecided::Proceed),
        ("roll back", 0, Undecided::RollBack),
        ("extend 10m", 600, Undecided::Hold),
        ("extend 1h, then proceed", 3600, Undecided::Proceed),
    ] {
        let judge = judged(spec().with_not_enough_data(text)).judge.unwrap();
        let found = (judge.extend, judge.undecided);
        assert_eq!(found, (Duration::from_secs(extend), undecided), "{text}");
    }
}

#[test]
fn what_cannot_be_understood_is_refused_at_its_field() {
    type Edit = fn(&mut JudgeSpec, String);
    let cases: [(&str, &str, Edit, &str); 9] = [
        (
            "maxFalseRollback",
            "1",
            |it, text| it.max_false_rollback = Some(text),
            "a share above",
        ),
        (
            "maxFalseRollback",
            "0%",
            |it, text| it.max_false_rollback = Some(text),
            "a share above",
        ),
        (
            "stopIf.errors",
            "1x",
            |it, text| it.stop_errors = Some(text),
            "above 1",
        ),
        (
            "stopIf.slow",
            "much",
            |it, text| it.stop_slow = Some(text),
            "above 1",
        ),
        (
            "promoteIf.sure",
            "100%",
            |it, text| it.sure = Some(text),
            "below 100%",
        ),
        (
            "notEnoughData",
            "give up",
            |it, text| it.not_enough_data = Some(text),
            "hold, proceed",
        ),
        (
            "notEnoughData",
            "extend soon",
            |it, text| it.not_enough_data = Some(text),
            "duration",
        ),
        (
            "missingMetrics",
            "abort",
            |it, text| it.missing_metrics = Some(text),
            "hold the release",
        ),
        (
            "failureBudget",
            "0",
            |it, text| it.failure_budget = Some(text.as_str().into()),
            "1 or more",
        ),
    ];
    for (field, text, edit, says) in cases {
        let mut wrong = spec();
        edit(&mut wrong, text.to_owned());
        refuses(beside(), wrong, &format!("spec.judge.{field}"), says);
    }
    let none = JudgeSpec::new(Provider::new("toy", json!({})));
    refuses(
        beside(),
        none,
        "spec.judge.provider.toy.query",
        "a query is needed",
    );
}

#[test]
fn arguments_are_put_in_and_those_of_the_revisions_are_left() {
    let provider = Provider::new(
        "toy",
        json!({"query": "x", "canary": "{{args.canary-hash}}"}),
    );
    let spec = JudgeSpec::new(provider).with_interval("{{args.every}}");
    let hash = crate::spec::ArgValue::PodTemplateHash(crate::spec::HashOf::Latest);
    let template = AnalysisTemplate::new("judge", [])
        .with_judge(spec)
        .with_arg(crate::spec::ArgSpec::text("every", "30s"))
        .with_arg(crate::spec::ArgSpec::new("canary-hash", hash));
    let run = compiled(&shop(beside()), &[template])
        .plan
        .background
        .unwrap()
        .run;
    assert_eq!(run.metrics[0].interval, Some(Duration::from_secs(30)));
    assert_eq!(run.metrics[0].query["canary"], "{{args.canary-hash}}");
    assert_eq!(run.late_args["canary-hash"], LateArg::LatestHash);
}

#[test]
fn where_one_side_has_no_traffic_there_is_nothing_to_compare() {
    let canary = "spec.strategy.canary";
    let analysis = || StepSpec::analysis(RolloutAnalysis::new(["judge"]));
    for (steps, place, says) in [
        (
            vec![analysis(), StepSpec::set_weight(10)],
            "steps[0].analysis",
            "the new version has no traffic",
        ),
        (
            vec![StepSpec::set_weight(100), analysis()],
            "steps[1].analysis",
            "the old version has no traffic",
        ),
    ] {
        let path = format!("{canary}.{place}");
        refuses(routed("mesh", steps), spec(), &path, says);
    }
    let plain = routed("mesh", []).with_analysis(RolloutAnalysis::new(["judge"]));
    refuses(
        plain,
        spec(),
        &format!("{canary}.analysis"),
        "no step gives",
    );
    let fine = [StepSpec::set_weight(10), analysis()];
    compiled(&shop(routed("mesh", fine)), &template(spec()));
}

#[test]
fn blue_green_has_no_moment_at_which_both_have_users() {
    for (field, says) in [
        ("prePromotionAnalysis", "no users before the switch"),
        ("postPromotionAnalysis", "nobody is held back"),
    ] {
        let mut strategy = BlueGreenSpec::new("shop");
        let analysis = Some(RolloutAnalysis::new(["judge"]));
        match field {
            "prePromotionAnalysis" => strategy.pre_promotion_analysis = analysis,
            _ => strategy.post_promotion_analysis = analysis,
        }
        let path = format!("spec.strategy.blueGreen.{field}");
        refuses(strategy, spec(), &path, says);
    }
}

#[test]
fn a_paced_step_makes_weights_finer_and_gives_its_judge_a_budget() {
    let pace = StepSpec::pace(crate::spec::PaceSpec::default());
    let canary = routed("mesh", [StepSpec::set_weight(1), pace.clone()]);
    let canary = canary.with_analysis(RolloutAnalysis::new(["judge"]));
    let plan = compiled(&shop(canary), &template(spec())).plan;
    assert_eq!(plan.total, 10_000);
    let kinds: Vec<_> = plan.steps.iter().map(|step| step.kind.clone()).collect();
    let bake = Duration::from_secs(300);
    assert_eq!(
        kinds,
        [
            StepKind::SetWeight(100),
            StepKind::Pace { most: 5_000, bake },
        ]
    );
    let judge = plan
        .background
        .unwrap()
        .run
        .metrics
        .remove(0)
        .judge
        .unwrap();
    assert_eq!(judge.failure_budget, Some(50));

    let mut coarse = routed("coarse", [pace]).with_analysis(RolloutAnalysis::new(["judge"]));
    let routing = coarse.traffic_routing.take().unwrap();
    coarse.traffic_routing = Some(routing.with_max_traffic_weight(100));
    let plan = compiled(&shop(coarse), &template(spec())).plan;
    let most = StepKind::Pace { most: 50, bake };
    assert_eq!((plan.total, &plan.steps[0].kind), (100, &most));
}

#[test]
fn a_paced_step_wants_a_judge_beside_it_and_a_router() {
    let pace = || StepSpec::pace(crate::spec::PaceSpec::default());
    let path = "spec.strategy.canary.steps[0].pace";
    refuses(routed("mesh", [pace()]), spec(), path, "there is none");
    let late = RolloutAnalysis::new(["judge"]).starting_at(1);
    let late = routed("mesh", [pace()]).with_analysis(late);
    refuses(late, spec(), path, "begins only after it");
    let unrouted = CanarySpec::new([pace()]).with_analysis(RolloutAnalysis::new(["judge"]));
    refuses(unrouted, spec(), path, "needs a trafficRouting");
    let mut wrong = pace();
    wrong.pace.as_mut().unwrap().max_weight = Some(100);
    let wrong = routed("mesh", [wrong]).with_analysis(RolloutAnalysis::new(["judge"]));
    refuses(wrong, spec(), &format!("{path}.maxWeight"), "1 to 99");
}
