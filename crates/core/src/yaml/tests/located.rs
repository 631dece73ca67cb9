use super::*;

fn place(text: &str, object: &ObjectRef, path: &str) -> Option<(u32, u32, String)> {
    let reading = read(&[
        (
            "other.yaml",
            template("  - {name: a, provider: {web: {}}}").as_str(),
        ),
        ("a.yaml", text),
    ]);
    assert_eq!(reading.errors, []);
    let at = reading.sources.locate(object, &FieldPath::from(path))?;
    Some((at.line, at.column, at.text.trim().to_owned()))
}

#[test]
fn a_field_of_an_object_is_found_by_its_path() {
    let shop = ObjectRef::new(ObjectKind::Rollout, "shop");
    let text = canary(
        "      - setWeight: 20\n      - analysis:\n          templates:\n          - templateName: rate\n      trafficRouting:\n        nginx:\n          stableIngress: shop\n        plugins:\n          x/y: {a: 1}",
    );
    for (path, wanted) in [
        (
            "spec.strategy.canary.steps[0].setWeight",
            (9, 20, "- setWeight: 20"),
        ),
        (
            "spec.strategy.canary.steps[1].analysis",
            (10, 9, "- analysis:"),
        ),
        (
            "spec.strategy.canary.steps[1].analysis.templates[0].templateName",
            (12, 27, "- templateName: rate"),
        ),
        (
            "spec.strategy.canary.trafficRouting.nginx.stableIngress",
            (15, 26, "stableIngress: shop"),
        ),
        (
            "spec.strategy.canary.trafficRouting[\"x/y\"].a",
            (17, 20, "x/y: {a: 1}"),
        ),
        (
            "spec.strategy.canary.trafficRouting.plugins[\"x/y\"].a",
            (17, 20, "x/y: {a: 1}"),
        ),
    ] {
        let (line, column, shown) = place(&text, &shop, path).unwrap();
        assert_eq!((line, column, shown.as_str()), wanted, "{path}");
    }
}

#[test]
fn what_was_not_written_is_found_at_what_stands_around_it() {
    let shop = ObjectRef::new(ObjectKind::Rollout, "shop");
    let text = canary("      - setWeight: 20");
    let at = |path| place(&text, &shop, path).map(|(line, column, _)| (line, column));
    assert_eq!(at("spec.replicas"), Some((5, 1)));
    assert_eq!(at("spec.strategy.canary.steps[7].pause"), Some((8, 7)));
    assert_eq!(at("nonsense"), Some((1, 1)));
    let other = ObjectRef::new(ObjectKind::Rollout, "unknown");
    assert_eq!(place(&text, &other, "spec"), None);
}

#[test]
fn an_alias_and_a_merge_lead_to_what_they_stand_for() {
    let shop = ObjectRef::new(ObjectKind::Rollout, "shop");
    let text = canary("      - &w {setWeight: 20}\n      - *w\n      - <<: *w\n        pause: {}");
    for step in 0..3 {
        let path = format!("spec.strategy.canary.steps[{step}].setWeight");
        assert_eq!(place(&text, &shop, &path).map(|at| at.0), Some(9), "{path}");
    }
}

#[test]
fn what_an_annotation_adds_is_found_in_the_annotation() {
    let text = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  name: shop\n  annotations:\n    {EXTENSIONS}: |\n      # why\n      abortOn: [crashLoop]\nspec: {{}}\n"
    );
    let shop = ObjectRef::new(ObjectKind::Rollout, "shop");
    assert_eq!(
        place(&text, &shop, "spec.abortOn[0]").map(|at| (at.0, at.1)),
        Some((8, 17))
    );
}

#[test]
fn a_later_error_gets_its_place_and_lines_stay_at_hand() {
    let reading = read(&[("a.yaml", canary("      - setWeight: 20"))]);
    let path = FieldPath::from("spec.strategy.canary.steps[0].setWeight");
    let field = path.of(ObjectRef::new(ObjectKind::Rollout, "shop"));
    let error = reading
        .sources
        .diagnose(&field, "too much")
        .with_help("less");
    assert_eq!(
        error.position.map(|at| (at.line, at.column, at.length)),
        Some((9, 20, 2))
    );
    assert_eq!(reading.sources.line("a.yaml", 2), Some("kind: Rollout"));
    assert_eq!(reading.sources.line("a.yaml", 0), None);
    assert_eq!(reading.sources.line("a.yaml", 99), None);
}
