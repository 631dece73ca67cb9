use gradatim_core::route::{HeaderMatch, Stamped};
use gradatim_kubernetes::objects::merged;
use serde_json::json;

use super::super::config::tests::frame;
use super::*;

fn config(part: Value) -> IngressConfig {
    IngressConfig::parse(&part, &frame()).unwrap()
}

fn plain() -> IngressConfig {
    config(json!({"stableIngress": "web"}))
}

fn owner() -> Owner {
    let metadata = json!({"name": "shop", "uid": "1"});
    let rollout =
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": metadata});
    Owner::of(&rollout).unwrap()
}

fn path(service: &str) -> Value {
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    json!({"path": "/", "pathType": "Prefix", "backend": backend})
}

/// As users have them: other hosts, a rule without paths, a backend that is no Service.
fn stable() -> Value {
    let resource = json!({"resource": {"kind": "Bucket", "name": "images"}});
    json!({
        "kind": "Ingress",
        "metadata": {
            "name": "web",
            "labels": {"team": "shop"},
            "annotations": {"kubernetes.io/ingress.class": "nginx", "other": "x"},
        },
        "spec": {
            "ingressClassName": "nginx",
            "defaultBackend": resource,
            "tls": [{"hosts": ["shop.example"], "secretName": "tls"}],
            "rules": [
                {"host": "shop.example", "http": {"paths": [
                    path("shop"), path("api"), {"path": "/i", "backend": resource},
                ]}},
                {"host": "other.example", "http": {"paths": [path("other")]}},
                {"host": "empty.example"},
            ],
        },
    })
}

fn route(sequence: u64, canary: u32, headers: Vec<HeaderRoute>) -> Route {
    let stamp = format!("1.{sequence}.0.0").parse().unwrap();
    Route {
        bind: Stamped::new(Default::default(), stamp),
        split: Stamped::new(Split::canary(canary, 100), stamp),
        headers: Stamped::new(headers, stamp),
        mirrors: Stamped::new(Vec::new(), stamp),
    }
}

fn trial(value: StringMatch) -> Vec<HeaderRoute> {
    let header_name = "X-Canary".to_owned();
    vec![HeaderRoute {
        name: "trial".to_owned(),
        matches: vec![HeaderMatch {
            header_name,
            header_value: value,
        }],
    }]
}

/// The canary Ingress once a route has been written, and whether that raised.
fn after(config: &IngressConfig, canary: Option<&Value>, route: &Route) -> (Value, Option<bool>) {
    let wanted = Wanted::of(config, route).unwrap();
    let plan = wanted.plan(Ok(&stable()), Ok(&owner()), canary).unwrap();
    let raises = plan.as_ref().map(|change| change.raises);
    let written = match (canary, plan) {
        (None, plan) => plan.unwrap().value,
        (Some(canary), Some(change)) => merged(canary, &change.value),
        (Some(canary), None) => canary.clone(),
    };
    (written, raises)
}

#[test]
fn the_canary_is_made_as_argo_makes_it() {
    let (made, raises) = after(&plain(), None, &route(1, 20, Vec::new()));
    assert_eq!(raises, Some(true));
    assert_eq!(made["metadata"]["name"], "shop-web-canary");
    assert_eq!(made["metadata"].get("labels"), None);
    assert_eq!(
        made["metadata"]["annotations"],
        json!({
            "kubernetes.io/ingress.class": "nginx",
            "nginx.ingress.kubernetes.io/canary": "true",
            "nginx.ingress.kubernetes.io/canary-weight": "20",
            SPLIT_STAMP: "1.1.0.0",
            HEADERS_STAMP: "1.1.0.0",
        }),
    );
    let mut rule = stable()["spec"]["rules"][0].clone();
    rule["http"]["paths"][0] = path("shop-canary");
    let tls = &stable()["spec"]["tls"];
    assert_eq!(
        made["spec"],
        json!({"rules": [rule], "tls": tls, "ingressClassName": "nginx"})
    );
    assert!(owner().controls(&made));
}

#[test]
fn an_ingress_that_argo_made_is_taken_over_by_annotations_of_ours_alone() {
    let (mut argos, _) = after(&plain(), None, &route(1, 20, Vec::new()));
    let annotations = argos["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.retain(|key, _| !key.starts_with("gradatim.dev/"));
    annotations.insert("kept".to_owned(), "by somebody".into());
    let route = route(1, 20, Vec::new());
    let config = plain();
    let wanted = Wanted::of(&config, &route).unwrap();
    let patch = wanted
        .patch(&argos, Some(rules(&plain(), &stable()).unwrap()))
        .unwrap();
    let only =
        json!({"metadata": {"annotations": {SPLIT_STAMP: "1.1.0.0", HEADERS_STAMP: "1.1.0.0"}}});
    assert_eq!(patch, only);
    assert!(!wanted.raises(Some(&argos)));
}

#[test]
fn the_same_route_again_writes_nothing() {
    let route = route(3, 40, trial(StringMatch::Regex("^v2".to_owned())));
    let (made, _) = after(&plain(), None, &route);
    assert_eq!(after(&plain(), Some(&made), &route), (made, None));
}

#[test]
fn a_header_comes_and_goes_without_a_trace() {
    let (before, _) = after(&plain(), None, &route(1, 0, Vec::new()));
    let value = StringMatch::Exact("yes".to_owned());
    let (on, raises) = after(&plain(), Some(&before), &route(2, 0, trial(value.clone())));
    assert_eq!(raises, Some(true));
    assert_eq!(decode::headers(&plain(), Some(&on)), trial(value));
    let (off, raises) = after(&plain(), Some(&on), &route(3, 0, Vec::new()));
    assert_eq!(raises, Some(false));
    let keys = |ingress: &Value| {
        let annotations = ingress["metadata"]["annotations"].as_object().unwrap();
        annotations.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(&off), keys(&before));
}

#[test]
fn what_lowers_needs_neither_the_stable_ingress_nor_the_owner() {
    let gone = || PortError::new(FaultKind::NotFound, "gone");
    let (made, _) = after(&plain(), None, &route(1, 40, Vec::new()));
    let plan = |canary, sequence| {
        let route = route(sequence, canary, Vec::new());
        let config = plain();
        let wanted = Wanted::of(&config, &route).unwrap();
        wanted
            .plan(Err(gone()), Err(gone()), Some(&made))
            .map(|change| change.unwrap().raises)
    };
    assert!(!plan(0, 2).unwrap());
    assert_eq!(plan(60, 2).unwrap_err().kind, FaultKind::NotFound);
    assert_eq!(plan(0, 0).unwrap_err().kind, FaultKind::Fenced);
}

#[test]
fn an_ingress_that_is_not_ours_is_refused() {
    let (mut made, _) = after(&plain(), None, &route(1, 40, Vec::new()));
    for owners in [
        json!([]),
        json!([{"kind": "Rollout", "name": "x", "uid": "2", "controller": true}]),
    ] {
        made["metadata"]["ownerReferences"] = owners;
        let (config, route) = (plain(), route(2, 0, Vec::new()));
        let wanted = Wanted::of(&config, &route).unwrap();
        let refused = wanted
            .plan(Ok(&stable()), Ok(&owner()), Some(&made))
            .unwrap_err();
        assert_eq!(refused.kind, FaultKind::Forbidden, "{refused}");
    }
}

#[test]
fn rules_without_paths_to_the_stable_service_are_an_error_and_no_panic() {
    let (config, route) = (plain(), route(1, 20, Vec::new()));
    let wanted = Wanted::of(&config, &route).unwrap();
    let backend = json!({"paths": [{"backend": {"resource": {"kind": "Bucket"}}}]});
    for spec in [
        json!({}),
        json!({"rules": null}),
        json!({"rules": [{"host": "a"}, {"http": null}, {"http": {"paths": null}}]}),
        json!({"rules": [{"http": backend}]}),
    ] {
        let stable = json!({"metadata": {"name": "web"}, "spec": spec});
        let refused = wanted.plan(Ok(&stable), Ok(&owner()), None).unwrap_err();
        let text = "Ingress web has no rule with a path to the Service shop";
        assert_eq!(
            (refused.kind, refused.to_string().as_str()),
            (FaultKind::Invalid, text)
        );
    }
}

#[test]
fn a_total_is_written_where_it_counts_and_taken_away_where_it_does_not() {
    let mut finer = plain();
    finer.total = 1000;
    let (made, _) = after(&finer, None, &route(1, 20, Vec::new()));
    let said = |ingress: &Value, name| {
        ingress["metadata"]["annotations"]
            .get(plain().key(name))
            .cloned()
    };
    assert_eq!(said(&made, "canary-weight"), Some(json!("200")));
    assert_eq!(said(&made, "canary-weight-total"), Some(json!("1000")));
    let (coarse, _) = after(&plain(), Some(&made), &route(2, 20, Vec::new()));
    assert_eq!(said(&coarse, "canary-weight-total"), None);
    assert_eq!(
        decode::split(&plain(), Some(&coarse)),
        Split::canary(20, 100)
    );
}

#[test]
fn what_the_controller_cannot_express_is_refused() {
    let half = Split::canary(1, 200);
    let preview = Split::all(Slot::Preview, 100);
    for split in [half, preview] {
        assert_eq!(
            weight(&plain(), &split).unwrap_err().kind,
            FaultKind::Invalid,
            "{split}"
        );
    }
    let mut two = trial(StringMatch::Exact("a".to_owned()));
    two.extend(two.clone());
    let mut both = trial(StringMatch::Exact("a".to_owned()));
    let second = both[0].matches[0].clone();
    both[0].matches.push(second);
    for routes in [two, both, trial(StringMatch::Prefix("a".to_owned()))] {
        let refused = Trials::of(&plain(), &routes).unwrap_err();
        assert_eq!(refused.kind, FaultKind::Invalid);
    }
}

#[test]
fn a_long_name_is_cut_before_its_end() {
    assert_eq!(canary_name("shop", "web"), "shop-web-canary");
    let long = canary_name(&"r".repeat(200), &"i".repeat(200));
    assert_eq!(long.len(), 253);
    assert!(long.ends_with("i-canary"));
}

fn beta(value: &str) -> HeaderRoute {
    HeaderRoute {
        name: "beta".to_owned(),
        matches: vec![HeaderMatch {
            header_name: "Cookie".to_owned(),
            header_value: StringMatch::Exact(value.to_owned()),
        }],
    }
}

fn changed(canary: Option<&Value>, route: &Route) -> Option<Change> {
    let wanted = Wanted::of(&CONFIG, route).unwrap();
    wanted.plan(Ok(&stable()), Ok(&owner()), canary).unwrap()
}

static CONFIG: std::sync::LazyLock<IngressConfig> = std::sync::LazyLock::new(plain);

#[test]
fn a_cookie_and_a_header_stand_side_by_side_in_either_order() {
    let header = trial(StringMatch::Exact("yes".to_owned())).remove(0);
    let cookie = "nginx.ingress.kubernetes.io/canary-by-cookie";
    let mut canary = changed(None, &route(1, 0, Vec::new())).unwrap().value;
    let all = [
        vec![beta("beta=always"), header.clone()],
        vec![header.clone(), beta("beta=always")],
        vec![beta("beta=always")],
        vec![header],
        vec![],
    ];
    for (sequence, routes) in (2..).zip(all) {
        let wanted = route(sequence, 0, routes);
        let change = changed(Some(&canary), &wanted).unwrap();
        canary = merged(&canary, &change.value);
        let has_cookie = wanted.headers.value.contains(&beta("beta=always"));
        let said = &canary["metadata"]["annotations"][cookie];
        assert_eq!(*said, json!(has_cookie.then_some("beta")));
        assert_eq!(
            decode::headers(&plain(), Some(&canary)),
            wanted.headers.value
        );
        assert_eq!(changed(Some(&canary), &wanted), None);
    }
}

#[test]
fn a_cookie_of_the_user_stays_and_a_second_one_is_refused() {
    let cookie = "nginx.ingress.kubernetes.io/canary-by-cookie";
    let mut canary = changed(None, &route(1, 0, Vec::new())).unwrap().value;
    canary["metadata"]["annotations"][cookie] = "theirs".into();
    let change = changed(Some(&canary), &route(2, 10, Vec::new())).unwrap();
    let after = merged(&canary, &change.value);
    assert_eq!(after["metadata"]["annotations"][cookie], "theirs");
    assert_eq!(decode::headers(&plain(), Some(&after)), []);
    let part = json!({
        "stableIngress": "web", "canaryIngressAnnotations": {cookie: "mine"},
    });
    for (config, routes) in [
        (config(part), vec![beta("beta=always")]),
        (plain(), vec![beta("a=always"), beta("b=always")]),
    ] {
        let refused = Trials::of(&config, &routes).unwrap_err();
        assert_eq!(refused.kind, FaultKind::Invalid);
    }
    // What is no such cookie is a header as any other.
    for value in ["beta=yes", "=always", "a b=always", "always"] {
        let routes = [beta(value)];
        let trials = Trials::of(&CONFIG, &routes).unwrap();
        assert!(
            trials.cookie.is_none() && trials.header.is_some(),
            "{value}"
        );
    }
}

fn keeping() -> IngressConfig {
    let mut frame = frame();
    let affinity = gradatim_core::spec::SessionAffinity::new("trial");
    frame.session_affinity = Some(affinity.with_max_age(std::time::Duration::from_secs(60)));
    IngressConfig::parse(&json!({"stableIngress": "web"}), &frame).unwrap()
}

fn of(mut route: Route, revision: &str) -> Route {
    route.bind.value = [(Slot::Canary, revision.into())].into();
    route
}

#[test]
fn who_saw_the_canary_is_kept_while_it_has_a_share_and_for_that_version_alone() {
    const NAMES: [&str; 4] = [
        "affinity",
        "affinity-canary-behavior",
        "session-cookie-name",
        "session-cookie-max-age",
    ];
    let config = keeping();
    let said = |canary: &Value| {
        NAMES.map(|name| canary["metadata"]["annotations"][config.key(name)].clone())
    };
    let (on, _) = after(&config, None, &of(route(1, 20, Vec::new()), "7f:3a"));
    assert_eq!(said(&on), ["cookie", "legacy", "trial-7f_3a", "60"]);
    let (on, _) = after(&config, Some(&on), &of(route(2, 50, Vec::new()), "7f:3a"));
    assert_eq!(said(&on)[2], "trial-7f_3a");
    let (same, raises) = after(&config, Some(&on), &of(route(2, 50, Vec::new()), "7f:3a"));
    assert_eq!((same, raises), (on.clone(), None));
    let (off, raises) = after(&config, Some(&on), &of(route(3, 0, Vec::new()), "7f:3a"));
    assert_eq!(raises, Some(false));
    assert_eq!(
        said(&off),
        [(); 4].map(|()| Value::Null),
        "the mark would win over the weight"
    );
    let (next, _) = after(&config, Some(&off), &of(route(4, 5, Vec::new()), "91bc"));
    assert_eq!(said(&next)[2], "trial-91bc");
    // Whoever takes the field out of the manifest takes the annotations away.
    let (gone, _) = after(&plain(), Some(&on), &of(route(5, 60, Vec::new()), "7f:3a"));
    assert_eq!(said(&gone), [(); 4].map(|()| Value::Null));
}

#[test]
fn affinity_of_the_users_own_stays_and_is_not_said_twice() {
    let own =
        json!({"stableIngress": "web", "additionalIngressAnnotations": {"affinity": "cookie"}});
    let (made, _) = after(
        &config(own.clone()),
        None,
        &of(route(1, 20, Vec::new()), "v2"),
    );
    let key = "nginx.ingress.kubernetes.io/affinity";
    assert_eq!(made["metadata"]["annotations"][key], "cookie");
    let mut frame = frame();
    frame.session_affinity = Some(gradatim_core::spec::SessionAffinity::new("trial"));
    let errors = IngressConfig::parse(&own, &frame).unwrap_err();
    assert!(errors[0].message.contains("sessionAffinity"), "{errors:?}");
}
