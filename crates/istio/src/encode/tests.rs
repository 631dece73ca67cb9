use gradatim_core::id::RevisionId;
use gradatim_core::route::{HeaderMatch, HeaderRoute, MirrorMatch, MirrorRoute, StringMatch};
use gradatim_kubernetes::objects::merged;

use super::*;
use crate::config::tests::{hosts, subsets};

fn plain() -> IstioConfig {
    hosts(json!({"virtualService": {"name": "shop"}}))
}

/// As users have them: fields that nobody here knows, and other routes.
fn object() -> Value {
    let to = |host: &str, weight: u32| {
        let port = json!({"number": 8080});
        json!({"destination": {"host": host, "port": port}, "weight": weight})
    };
    json!({
        "kind": "VirtualService",
        "metadata": {"name": "shop", "annotations": {"kept": "x"}},
        "spec": {
            "hosts": ["shop.example"], "gateways": ["public"],
            "http": [{
                "name": "main", "timeout": "3s", "retries": {"attempts": 2},
                "corsPolicy": {"maxAge": "1h"},
                "route": [to("shop", 100), to("shop-canary", 0)],
            }],
        },
    })
}

fn wanted(sequence: u64, canary: u32) -> Route {
    let stamp = format!("1.{sequence}.0.0").parse().unwrap();
    Route {
        bind: Stamped::new(Bindings::new(), stamp),
        split: Stamped::new(Split::canary(canary, 100), stamp),
        headers: Stamped::new(Vec::new(), stamp),
        mirrors: Stamped::new(Vec::new(), stamp),
    }
}

fn with_trials(mut route: Route) -> Route {
    let header = |name: &str, value| HeaderMatch {
        header_name: name.to_owned(),
        header_value: value,
    };
    route.headers.value = vec![HeaderRoute {
        name: "second".to_owned(),
        matches: vec![
            header("x-b", StringMatch::Prefix("2".to_owned())),
            header("x-a", StringMatch::Exact("1".to_owned())),
        ],
    }];
    let one = MirrorMatch {
        method: Some(StringMatch::Regex("GET|HEAD".to_owned())),
        path: Some(StringMatch::Prefix("/api".to_owned())),
        headers: [("x-c".to_owned(), StringMatch::Exact("3".to_owned()))].into(),
    };
    route.mirrors.value = vec![MirrorRoute {
        name: "first".to_owned(),
        matches: vec![one, MirrorMatch::default()],
        percentage: 35,
    }];
    route
}

fn after(config: &IstioConfig, object: &Value, route: &Route) -> (Value, Option<bool>) {
    let change = shifted(config, &config.virtual_services[0], object, route).unwrap();
    let raises = change.as_ref().map(|change| change.raises);
    (
        change.map_or_else(|| object.clone(), |change| merged(object, &change.patch)),
        raises,
    )
}

#[test]
fn a_shift_changes_two_weights_and_our_annotations() {
    let (shifted, raises) = after(&plain(), &object(), &wanted(1, 20));
    let mut expected = object();
    expected["spec"]["http"][0]["route"][0]["weight"] = 80.into();
    expected["spec"]["http"][0]["route"][1]["weight"] = 20.into();
    for key in [SPLIT_STAMP, HEADERS_STAMP, MIRRORS_STAMP] {
        expected["metadata"]["annotations"][key] = "1.1.0.0".into();
    }
    assert_eq!((shifted.clone(), raises), (expected, Some(true)));
    assert_eq!(after(&plain(), &shifted, &wanted(1, 20)).1, None);
    assert_eq!(after(&plain(), &shifted, &wanted(2, 10)).1, Some(false));
}

#[test]
fn managed_routes_stand_first_in_their_order_and_go_without_a_trace() {
    let route = with_trials(wanted(1, 20));
    let (on, raises) = after(&plain(), &object(), &route);
    assert_eq!(raises, Some(true));
    let names: Vec<_> = on["spec"]["http"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["first", "second", "main"]);
    let canary = json!({"host": "shop-canary", "port": {"number": 8080}});
    let mirror = &on["spec"]["http"][0];
    assert_eq!(
        (&mirror["mirror"], &mirror["mirrorPercentage"]),
        (&canary, &json!({"value": 35}))
    );
    assert_eq!(mirror["route"], on["spec"]["http"][2]["route"]);
    let header = &on["spec"]["http"][1];
    assert_eq!(
        header["route"],
        json!([{"destination": canary, "weight": 100}])
    );
    let either = json!([
        {"headers": {"x-b": {"prefix": "2"}}},
        {"headers": {"x-a": {"exact": "1"}}},
    ]);
    assert_eq!(header["match"], either);
    assert_eq!(headers(&plain(), &on), route.headers.value);
    assert_eq!(mirrors(&plain(), &on), route.mirrors.value);
    assert_eq!(after(&plain(), &on, &route).1, None);
    let (off, raises) = after(&plain(), &on, &wanted(2, 0));
    assert_eq!((&off["spec"], raises), (&object()["spec"], Some(false)));
}

#[test]
fn a_header_route_that_was_edited_is_not_taken_for_the_one_that_was_written() {
    let route = with_trials(wanted(1, 20));
    let (on, _) = after(&plain(), &object(), &route);
    let edits = [
        ("/match/0/headers/x-c", json!({"exact": "3"})),
        ("/match/0/uri", json!({"prefix": "/"})),
        ("/match/1", json!({"sourceLabels": {"app": "basket"}})),
        ("/match/2", json!({"headers": {"x-c": {"exact": "3"}}})),
        ("/route/0/destination/host", json!("shop")),
        (
            "/route/1",
            json!({"destination": {"host": "shop"}, "weight": 50}),
        ),
    ];
    for (at, value) in edits {
        let (parent, last) = at.rsplit_once('/').unwrap();
        let mut edited = on.clone();
        match edited["spec"]["http"][1].pointer_mut(parent).unwrap() {
            Value::Array(all) if last.parse() == Ok(all.len()) => all.push(value),
            parent => match last.parse::<usize>() {
                Ok(index) => parent[index] = value,
                Err(_) => parent[last] = value,
            },
        }
        assert_ne!(headers(&plain(), &edited), route.headers.value, "{at}");
        let (repaired, raises) = after(&plain(), &edited, &route);
        assert_eq!((repaired, raises), (on.clone(), Some(true)), "{at}");
    }
}

#[test]
fn a_mirror_is_split_as_the_route_beside_it() {
    let (on, _) = after(&plain(), &object(), &with_trials(wanted(1, 20)));
    let (more, raises) = after(&plain(), &on, &with_trials(wanted(2, 40)));
    assert_eq!(raises, Some(true));
    assert_eq!(more["spec"]["http"][0]["route"][1]["weight"], 40);
}

#[test]
fn a_mirror_that_is_split_otherwise_is_seen_and_put_right() {
    let route = with_trials(wanted(1, 20));
    let (on, _) = after(&plain(), &object(), &route);
    let mut edited = on.clone();
    edited["spec"]["http"][0]["route"][0]["weight"] = 0.into();
    edited["spec"]["http"][0]["route"][1]["weight"] = 100.into();
    let seen = splits(&plain(), &plain().virtual_services[0], &edited).unwrap();
    assert_eq!(seen, [Split::canary(20, 100), Split::canary(100, 100)]);
    assert_eq!(after(&plain(), &edited, &route), (on, Some(false)));
}

#[test]
fn routes_of_all_sections_are_split_alike() {
    let http = object()["spec"]["http"].clone();
    let mut route = http[0].clone();
    route["name"].take();
    let mut object = object();
    for (section, matched) in [
        ("tls", json!([{"port": 443, "sniHosts": ["shop.example"]}])),
        ("tcp", json!([{"port": 5432}])),
    ] {
        let mut route = json!({"route": route["route"]});
        route["match"] = matched;
        object["spec"][section] = json!([route]);
    }
    let (on, raises) = after(&plain(), &object, &wanted(1, 30));
    assert_eq!(raises, Some(true));
    let mut expected = object["spec"].clone();
    for section in ["http", "tls", "tcp"] {
        expected[section][0]["route"][0]["weight"] = 70.into();
        expected[section][0]["route"][1]["weight"] = 30.into();
    }
    assert_eq!(on["spec"], expected);
    let seen = splits(&plain(), &plain().virtual_services[0], &on).unwrap();
    assert_eq!(seen, vec![Split::canary(30, 100); 3]);
}

#[test]
fn what_is_not_managed_or_cannot_be_expressed_is_refused() {
    let refused = |route: &Route, object: &Value| {
        shifted(&plain(), &plain().virtual_services[0], object, route)
            .unwrap_err()
            .kind
    };
    let mut stranger = with_trials(wanted(1, 0));
    stranger.headers.value[0].name = "other".to_owned();
    assert_eq!(refused(&stranger, &object()), FaultKind::Invalid);
    let mut half = wanted(1, 0);
    half.split.value = Split::canary(1, 200);
    assert_eq!(refused(&half, &object()), FaultKind::Invalid);
    let mut theirs = object();
    theirs["metadata"]["annotations"][MANAGED_BY] = "basket".into();
    assert_eq!(refused(&wanted(1, 0), &theirs), FaultKind::Forbidden);
    let (newer, _) = after(&plain(), &object(), &wanted(5, 20));
    assert_eq!(refused(&wanted(4, 0), &newer), FaultKind::Fenced);
}

#[test]
fn subsets_are_bound_by_their_hash_and_everything_else_is_kept() {
    let rule = json!({
        "kind": "DestinationRule", "metadata": {"name": "shop"},
        "spec": {"host": "shop", "trafficPolicy": {"tls": {"mode": "DISABLE"}}, "subsets": [
            {"name": "old", "labels": {"v": "0"}},
            {"name": "canary", "labels": {"app": "shop"}, "trafficPolicy": {"x": 1}},
            {"name": "stable"},
        ]},
    });
    let bind = Bindings::from([
        (Slot::Stable, RevisionId::new("v1")),
        (Slot::Canary, RevisionId::new("v2")),
        (Slot::Preview, RevisionId::new("v3")),
    ]);
    let at = |stamp: &str| Stamped::new(bind.clone(), stamp.parse().unwrap());
    let patch = bound(&subsets(), &rule, &at("1.1.0.0")).unwrap().unwrap();
    let now = merged(&rule, &patch);
    let mut spec = rule["spec"].clone();
    spec["subsets"][1]["labels"][POD_TEMPLATE_HASH] = "v2".into();
    spec["subsets"][2]["labels"] = json!({POD_TEMPLATE_HASH: "v1"});
    assert_eq!(now["spec"], spec);
    assert_eq!(bound(&subsets(), &now, &at("1.1.0.0")).unwrap(), None);
    assert_eq!(
        bound(&subsets(), &now, &at("1.0.0.0")).unwrap_err().kind,
        FaultKind::Fenced
    );
    let empty = json!({"kind": "DestinationRule", "metadata": {"name": "shop"}, "spec": {}});
    let told = bound(&subsets(), &empty, &at("1.1.0.0"))
        .unwrap_err()
        .to_string();
    assert_eq!(told, "DestinationRule shop has no subset stable");
}

fn keeping() -> IstioConfig {
    hosts(json!({
        "virtualService": {"name": "shop", "routes": ["main"]},
        "sessionAffinity": {"cookieName": "trial", "maxAgeSeconds": 60},
    }))
}

fn of(mut route: Route, revision: &str) -> Route {
    route.bind.value = [(Slot::Canary, RevisionId::new(revision))].into();
    route
}

#[test]
fn who_saw_the_canary_is_followed_to_it_until_it_gets_nothing() {
    let mut object = object();
    let http = object["spec"]["http"].as_array_mut().unwrap();
    http[0]["match"] = json!([{"uri": {"prefix": "/a"}}, {"headers": {"x-b": {"exact": "1"}}}]);
    http.push(json!({"route": [{"destination": {"host": "old"}}]}));
    let route = of(wanted(1, 20), "v2");
    let (on, raises) = after(&keeping(), &object, &route);
    assert_eq!(raises, Some(true));
    let http = on["spec"]["http"].as_array().unwrap();
    let names: Vec<_> = http.iter().map(|route| &route["name"]).collect();
    assert_eq!(
        json!(names),
        json!(["main.gradatim-affinity", "main", null])
    );
    let pattern = json!({"regex": "(.*;\\s*)?trial=v2(\\s*;.*)?"});
    let wanted_matches = json!([
        {"uri": {"prefix": "/a"}, "headers": {"cookie": pattern}},
        {"headers": {"x-b": {"exact": "1"}, "cookie": pattern}},
    ]);
    assert_eq!(http[0]["match"], wanted_matches);
    assert_eq!(http[0]["timeout"], "3s", "as the route that it stands for");
    assert_eq!(http[0]["route"].as_array().unwrap().len(), 1);
    assert_eq!(http[0]["route"][0]["destination"]["host"], "shop-canary");
    let cookie = &http[1]["route"][1]["headers"]["response"]["add"]["set-cookie"];
    assert_eq!(
        *cookie,
        "trial=v2; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
    );
    assert!(
        http[1]["route"][0]["headers"].is_null(),
        "stable marks nobody"
    );
    assert_eq!(after(&keeping(), &on, &route).1, None, "said once");
    let (off, raises) = after(&keeping(), &on, &of(wanted(2, 0), "v2"));
    assert_eq!((&off["spec"], raises), (&object["spec"], Some(false)));
}

#[test]
fn who_is_followed_though_the_weight_is_0_is_seen_and_let_go() {
    let (on, _) = after(&keeping(), &object(), &of(wanted(1, 20), "v2"));
    let mut edited = on;
    edited["spec"]["http"][1]["route"][0]["weight"] = 100.into();
    edited["spec"]["http"][1]["route"][1]["weight"] = 0.into();
    let seen = splits(&keeping(), &keeping().virtual_services[0], &edited).unwrap();
    assert_eq!(seen, [Split::canary(0, 100), Split::canary(100, 100)]);
    let (off, _) = after(&keeping(), &edited, &of(wanted(2, 0), "v2"));
    assert_eq!(off["spec"], object()["spec"]);
}

#[test]
fn a_mirror_of_kept_clients_is_said_once_and_headers_of_the_user_stay() {
    let mut object = object();
    let response = json!({"response": {"add": {"x-a": "1"}, "remove": ["server"]}});
    object["spec"]["http"][0]["route"][1]["headers"] = response;
    let route = of(with_trials(wanted(1, 20)), "v2");
    let (on, _) = after(&keeping(), &object, &route);
    assert_eq!(after(&keeping(), &on, &route), (on.clone(), None));
    let (off, _) = after(&keeping(), &on, &of(wanted(2, 0), "v2"));
    assert_eq!(off["spec"], object["spec"]);
    // A cookie of the user's and ours cannot both be matched.
    object["spec"]["http"][0]["match"] = json!([{"headers": {"cookie": {"exact": "a=b"}}}]);
    let service = &keeping().virtual_services[0];
    let refused = shifted(&keeping(), service, &object, &route).unwrap_err();
    assert_eq!(refused.kind, FaultKind::Invalid, "{refused}");
}
