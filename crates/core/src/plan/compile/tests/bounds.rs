use super::*;
use crate::spec::ArgSpec;

/// The one error that says so.
#[track_caller]
fn too_much(spec: &RolloutSpec, templates: &[AnalysisTemplate]) {
    let found = errors(spec, templates);
    let wanted = "too much: the analyses up to here ask for more than is read";
    assert!(
        found.iter().any(|error| error.ends_with(wanted)),
        "{:?}",
        found.first()
    );
    assert!(found.len() <= 1_000, "{}", found.len());
}

fn analysed(steps: usize, templates: &[&str]) -> RolloutSpec {
    let step = StepSpec::analysis(RolloutAnalysis::new(templates.iter().copied()));
    shop(routed("mesh", vec![step; steps]))
}

#[test]
fn many_steps_of_many_metrics_are_refused_before_they_fill_the_memory() {
    let many = (0..5_000).map(|n| metric(&format!("m{n}")));
    let wide = AnalysisTemplate::new("wide", many);
    too_much(&analysed(1_000, &["wide"]), &[wide]);
}

#[test]
fn an_argument_that_is_put_in_again_and_again_is_refused() {
    let mut one = metric("one");
    one.provider = toy(&"{{args.long}}".repeat(1_000));
    let template =
        AnalysisTemplate::new("t", [one]).with_arg(ArgSpec::text("long", "x".repeat(1_000_000)));
    too_much(&analysed(1, &["t"]), &[template]);
}

#[test]
fn templates_that_all_name_each_other_end() {
    let names: Vec<_> = (0..1_000).map(|n| format!("t{n}")).collect();
    let reference = |name: &String| crate::spec::TemplateRef::new(name);
    let all: Vec<_> = names
        .iter()
        .map(|name| {
            let mut template = template(name);
            template.metrics = vec![metric(name)];
            template.templates = names.iter().map(reference).collect();
            template
        })
        .collect();
    too_much(&analysed(1, &["t0"]), &all);
}

#[test]
fn as_many_errors_as_steps_are_told_once_each_and_no_more_than_a_thousand() {
    let found = errors(&analysed(1_000, &["nowhere"]), &[]);
    assert_eq!(found.len(), 1_000);
    let found = errors(&analysed(20_000, &["nowhere"]), &[]);
    assert!(
        found[0].ends_with("canary.steps: more than 1000 steps"),
        "{}",
        found[0]
    );
    assert_eq!(found.len(), 1_000);
    let templates: Vec<_> = (0..5_000).map(|n| template(&format!("t{n}"))).collect();
    let spec = analysed(1_000, &["nowhere"]);
    let found = compile(&spec, &templates, &registry()).unwrap_err();
    let help = found.0[0].help.as_deref().unwrap();
    assert!(help.ends_with("t8, t9 and 4990 more"), "{help}");
}

#[test]
fn patterns_are_few_and_small() {
    let analysis = |patterns: Vec<String>| {
        let mut analysis = RolloutAnalysis::new(["t"]);
        analysis.dry_run = patterns;
        shop(routed("mesh", [StepSpec::analysis(analysis)]))
    };
    let found = errors(&analysis(vec!["one".to_owned(); 200]), &[template("t")]);
    assert!(
        found[0].ends_with("more than 100 patterns in one analysis"),
        "{found:?}"
    );
    let huge = "(?:(?:a{100}){100}){100}".to_owned();
    let found = errors(&analysis(vec![huge]), &[template("t")]);
    assert!(found[0].ends_with("not a regular expression"), "{found:?}");
}
